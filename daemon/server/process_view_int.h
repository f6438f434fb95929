// SPDX-License-Identifier: Apache-2.0
/*
 * The process as it is shown: by the admin listener, and by the control command status. Runs in the
 * main thread and changes nothing but the history.
 */
#pragma once

#include "admin_int.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "process_int.h"

#include <stdbool.h>

struct admin_hooks process_view_hooks(struct process *process);
/* The control command: the same as /status.json. */
MUST_CHECK bool process_view_status(void *ctx, struct buf *out);

/* Samples are taken from now on. */
MUST_CHECK bool process_view_start(struct process *process, struct err *err);
void process_view_stop(struct process *process);
