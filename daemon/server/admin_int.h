// SPDX-License-Identifier: Apache-2.0
/*
 * The admin listener: health and metrics over plain HTTP, for this machine only. It reads and
 * changes nothing. Runs in the main thread.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "net/listener.h"
#include "server/metrics.h"

#include <event2/event.h>
#include <stdbool.h>

struct admin;

/* What the pages show; called in the main thread. */
struct admin_hooks {
	/* False: 503, and why in the text. */
	bool (*is_ready)(void *ctx, struct buf *why);
	bool (*metrics)(void *ctx, enum metrics_format format, struct buf *out);
	bool (*status)(void *ctx, struct buf *out);
	bool (*history)(void *ctx, struct buf *out);
	void *ctx;
};

/* The socket stays the caller's. NULL when memory is short. */
MUST_CHECK struct admin *admin_new(
	struct event_base *base, int listening_fd, struct admin_hooks hooks);
void admin_free(struct admin **admin);
