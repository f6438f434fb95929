// SPDX-License-Identifier: Apache-2.0
/*
 * Accepting connections. Main opens the listening socket once; each worker polls that one
 * descriptor with a listener of its own and takes at most one connection a loop turn, so that
 * workers share connections by how busy they are. A worker that is full pauses its own listener.
 *
 * When accepting fails (no descriptors or no memory left) a listener rests for 100 ms and tries
 * again; the change of state is logged, the failures are counted.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct event_base;
struct listener;

struct listener_socket {
	int fd; /* -1: closed */
	struct sockaddr_storage address;
	bool is_passed; /* by another process, whose its file is */
};

/* The callee owns fd, which does not block, is closed on exec and sends without delay. */
typedef void listener_accept_fn(void *ctx, int fd, const struct sockaddr_storage *peer);

/*
 * Binds and listens. A port of 0 is chosen by the kernel and found in the address. The socket file
 * of a unix address gets unix_mode; one that a dead process left behind is replaced.
 */
MUST_CHECK bool listener_socket_open(struct listener_socket *listening, const char *address,
	int backlog, mode_t unix_mode, struct err *err);
/* Takes a socket that another process opened. On a fault fd stays the caller's. */
MUST_CHECK bool listener_socket_adopt(struct listener_socket *listening, int fd, struct err *err);
/* Removes the socket file of a unix address too, unless it was passed. Harmless when closed. */
void listener_socket_close(struct listener_socket *listening);

/* Accepts from fd, which stays the caller's, until paused. NULL when memory is short. */
MUST_CHECK struct listener *listener_new(
	struct event_base *base, int fd, listener_accept_fn *on_accept, void *ctx);
/* Not from within on_accept. */
void listener_free(struct listener **listener);
/* Lets others who poll the descriptor go first for so long. Allowed in on_accept. */
void listener_rest(struct listener *listener, int ms);
/* Idempotent, and allowed in on_accept. */
void listener_pause(struct listener *listener);
void listener_resume(struct listener *listener);
/* How often accepting failed. For the listener's own thread. */
uint64_t listener_failures(const struct listener *listener);
