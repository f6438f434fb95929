// SPDX-License-Identifier: Apache-2.0
/*
 * The last hour in steps of five seconds, and the rate of the last minute. The main thread takes a
 * sample of all counters by a timer; what happened in a step is the difference of two of them.
 * Latencies are estimates: a bucket of the histogram is as wide as its lower bound, and within one
 * they are taken to lie evenly.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "server/metrics.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_STEP_S 5
#define HISTORY_STEPS 720
#define HISTORY_WINDOW_S 60
#define HISTORY_WINDOW_SAMPLES (HISTORY_WINDOW_S / HISTORY_STEP_S + 1)

/* Sums over all workers since the start. */
struct history_sample {
	int64_t at_us; /* monotonic */
	uint64_t stored;
	uint64_t duplicates;
	uint64_t refused;
	uint64_t connections; /* gauge */
	uint64_t commits[METRIC_BUCKETS + 1];
};

struct history_step {
	uint64_t stored;
	uint64_t duplicates;
	uint64_t refused;
	uint64_t connections;
	double commit_p50_ms; /* NaN: no commit */
	double commit_p99_ms;
};

struct history {
	struct history_step steps[HISTORY_STEPS];             /* a ring */
	uint64_t step_count;                                  /* ever */
	struct history_sample window[HISTORY_WINDOW_SAMPLES]; /* a ring */
	uint64_t sample_count;                                /* ever */
	int64_t ended_at_us;                                  /* wall clock, of the last step */
};

struct history_rate {
	int64_t window_s;
	double reports_per_s; /* with a receipt: stored and repeated; NaN: too early to say */
	double refused_per_s;
	double commit_p50_ms; /* NaN: no commit */
	double commit_p99_ms;
};

struct history_sample history_sample_of(
	const struct metrics *const *workers, size_t worker_count, int64_t now_us);
/* Of differences between two samples; NaN where there is none. */
double history_commit_ms(const uint64_t commits[METRIC_BUCKETS + 1], double quantile);
/* The first one begins the history. Steps in which no sample was taken were empty. */
void history_add(struct history *history, const struct history_sample *sample, int64_t wall_us);
/* From the oldest sample of the window up to this one. */
struct history_rate history_rate_at(
	const struct history *history, const struct history_sample *sample);
/* Appends /history.json. */
MUST_CHECK bool history_render(const struct history *history, struct buf *out);
