// SPDX-License-Identifier: Apache-2.0
/*
 * A worker: one thread with its own event loop, connections and link to the database. It shares
 * with others only immutable snapshots and the atomics of struct shared. The main thread talks to
 * it by mail and reads its counters.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "server/generation.h"
#include "server/metrics.h"
#include "server/shared.h"
#include "store/registry.h"

#include <stdbool.h>

struct refusal_ring;
struct worker;

/*
 * The thread runs and accepts at once, so the partners come with it: registry is NULL only when
 * they were not read yet. NULL on a fault.
 */
MUST_CHECK struct worker *worker_start(int number, struct shared *shared,
	struct generation *generation, struct registry *registry, struct err *err);
/* Partners as they are now. */
void worker_send_registry(struct worker *worker, struct registry *registry);
/* Configuration, certificates and taxonomy as they are now. */
void worker_send_generation(struct worker *worker, struct generation *generation);
/* Stop accepting, finish what is in flight within drain_timeout, end. */
void worker_send_drain(struct worker *worker);
/* End at once. */
void worker_send_quit(struct worker *worker);
/* Has its loop note a number, to see that it turns: worker_beat is the one it noted last. */
void worker_send_ping(struct worker *worker, uint32_t number);
uint32_t worker_beat(const struct worker *worker);
/* True when the thread has ended its loop. */
bool worker_is_done(const struct worker *worker);
/* Joins the thread and frees everything. */
void worker_stop(struct worker **worker);
const struct metrics *worker_metrics(const struct worker *worker);
const struct refusal_ring *worker_refusals(const struct worker *worker);
