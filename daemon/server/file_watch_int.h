// SPDX-License-Identifier: Apache-2.0
/*
 * Notices that files were replaced or written (inotify(7)). Folders are watched, since a file that
 * is renamed over another is a new file; what counts is what stat(2) says of the names. A change is
 * told once two looks, SETTLE_MS apart, saw the same, so that a certificate and its key that are
 * copied one after the other are one change.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

#include <event2/event.h>
#include <stddef.h>
#include <stdint.h>

struct file_watch;

/*
 * paths are copied; of a symbolic link its target's folder is watched too. What changed at or
 * after read_at_us (wall clock), when the caller began to read them, is told as well. on_change may
 * free the watch. NULL on a fault.
 */
MUST_CHECK struct file_watch *file_watch_new(struct event_base *base, const char *const *paths,
	size_t count, int64_t read_at_us, void (*on_change)(void *ctx), void *ctx, struct err *err);
void file_watch_free(struct file_watch **watch);
