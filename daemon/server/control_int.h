// SPDX-License-Identifier: Apache-2.0
/*
 * The control socket: one line in, an answer out, closed. For intakectl; who may open the socket
 * (0660) may use it. Runs in the main thread.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"

#include <event2/event.h>
#include <stdbool.h>

struct control;

/* A command: appends its answer, which is one JSON object. False when memory is short. */
struct control_command {
	const char *name;
	bool (*run)(void *ctx, struct buf *out);
};

/* commands ends with a NULL name. The socket stays the caller's. */
MUST_CHECK struct control *control_new(struct event_base *base, int listening_fd,
	const struct control_command *commands, void *ctx);
void control_free(struct control **control);
