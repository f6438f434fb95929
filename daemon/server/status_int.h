// SPDX-License-Identifier: Apache-2.0
/*
 * /status.json, which is also the answer of the control command status: how the daemon is, for
 * people who look and for intakectl. Nothing of any report, no pointers into one.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "history_int.h"
#include "refusal_ring_int.h"
#include "server/metrics.h"
#include "server/shared.h"

struct status_database {
	enum link_state state;
	int64_t away_since_us; /* wall clock */
	struct str reason;     /* of the last failure */
	int64_t links;         /* wanted */
	int64_t links_away;    /* of these */
};

struct status_reload {
	uint64_t taken;
	uint64_t refused;
	int64_t last_at_us; /* 0: never */
	bool was_last_refused;
	struct str faults;        /* inside of a JSON array of sentences: why it was refused */
	struct str needs_restart; /* inside of one of the settings that wait for one */
};

/* Everything that is shown; times are wall clock, 0 for none. */
struct status_values {
	bool is_ready;
	struct str reason;
	int64_t started_at_us;
	int64_t now_us;
	const struct metrics *const *workers;
	const struct refusal_ring *const *refusals; /* a worker each, too */
	size_t worker_count;
	const struct metrics_process *process;
	struct history_rate rate;
	struct status_database database;
	struct status_reload reload;
};

MUST_CHECK bool status_render(struct buf *out, const struct status_values *values);
