// SPDX-License-Identifier: Apache-2.0
/*
 * A worker as its parts share it: worker.c is the thread, its loop and its life, worker_mail.c what
 * it is told by the main thread, worker_sweep.c what it does about time.
 */
#pragma once

#include "worker_int.h"

/* worker.c */
/* Takes connections while it may have more. */
void worker_poll_or_pause(struct worker *worker);
/* Calls each for every connection in a state; each may close or move it. */
void worker_each_in(struct worker *worker, enum conn_state state, void (*each)(struct conn *conn));

/* worker_sweep.c */
void worker_on_sweep(evutil_socket_t fd, short what, void *ctx);
void worker_arm_sweep(struct worker *worker);
/* Leaves the loop when the last connection is gone, or the time for that. */
void worker_end_if_drained(struct worker *worker, int64_t now_ms);

/* worker_mail.c */
void worker_on_mail(evutil_socket_t fd, short what, void *ctx);
/* Frees what nobody will read, and closes the mailbox. */
void worker_drop_mail(struct worker *worker);
