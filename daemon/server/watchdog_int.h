// SPDX-License-Identifier: Apache-2.0
/*
 * Sees whether the workers' loops still turn: each is sent a number and has to have noted it when
 * the next one is due. Only while all have is the service manager's watchdog (WatchdogSec) fed, so
 * it ends a process of which a worker, or the main thread itself, hangs.
 */
#pragma once

#include "base/attr.h"
#include "server/worker.h"

#include <event2/event.h>

struct watchdog;

/* workers: as many as worker_count says, at each look. NULL when memory is short. */
MUST_CHECK struct watchdog *watchdog_new(
	struct event_base *base, struct worker *const *workers, const int *worker_count);
void watchdog_free(struct watchdog **watchdog);
/* Workers that did not answer in time at the last look. */
int watchdog_silent_workers(const struct watchdog *watchdog);
