// SPDX-License-Identifier: Apache-2.0
#include "history_int.h"

#include "json_writer_int.h"

#include <math.h>

#define US_A_SECOND 1000000
#define STEP_US ((int64_t)HISTORY_STEP_S * US_A_SECOND)

struct history_sample history_sample_of(
	const struct metrics *const *workers, size_t worker_count, int64_t now_us)
{
	struct history_sample sample = {
		.at_us = now_us,
		.stored = metrics_sum(
			workers, worker_count, offsetof(struct metrics, store.reports_stored)),
		.duplicates =
			metrics_sum(workers, worker_count, offsetof(struct metrics, duplicates)),
		.connections = metrics_connections(workers, worker_count),
	};
	for (size_t i = 0; i < REJECT_COUNT; i++) {
		sample.refused += metrics_sum(workers, worker_count,
			offsetof(struct metrics, refused) + i * sizeof(metric_counter));
	}
	for (size_t i = 0; i <= METRIC_BUCKETS; i++) {
		sample.commits[i] = metrics_sum(workers, worker_count,
			offsetof(struct metrics, store.commit_microseconds) +
				i * sizeof(metric_counter));
	}
	return sample;
}

/* Of one bucket: values up to the power of two, above the one before. The last has no end. */
static double value_within(size_t bucket, double share)
{
	double upper = (double)((uint64_t)1 << bucket);
	double lower = bucket == 0 ? 0 : upper / 2;
	return bucket == METRIC_BUCKETS ? lower : lower + (upper - lower) * share;
}

double history_commit_ms(const uint64_t commits[METRIC_BUCKETS + 1], double quantile)
{
	uint64_t total = 0;
	uint64_t below = 0;
	for (size_t i = 0; i <= METRIC_BUCKETS; i++) {
		total += commits[i];
	}
	double rank = quantile * (double)total;
	for (size_t i = 0; i <= METRIC_BUCKETS; i++) {
		if (commits[i] > 0 && (double)(below + commits[i]) >= rank) {
			return value_within(i, (rank - (double)below) / (double)commits[i]) / 1000;
		}
		below += commits[i];
	}
	return NAN;
}

static void commits_between(const struct history_sample *from, const struct history_sample *to,
	uint64_t out[METRIC_BUCKETS + 1])
{
	for (size_t i = 0; i <= METRIC_BUCKETS; i++) {
		out[i] = to->commits[i] - from->commits[i];
	}
}

static void add_step(struct history *history, struct history_step step)
{
	history->steps[history->step_count++ % HISTORY_STEPS] = step;
}

static void add_difference(
	struct history *history, const struct history_sample *from, const struct history_sample *to)
{
	uint64_t commits[METRIC_BUCKETS + 1];
	commits_between(from, to, commits);
	add_step(history,
		(struct history_step){
			.stored = to->stored - from->stored,
			.duplicates = to->duplicates - from->duplicates,
			.refused = to->refused - from->refused,
			.connections = to->connections,
			.commit_p50_ms = history_commit_ms(commits, 0.5),
			.commit_p99_ms = history_commit_ms(commits, 0.99),
		});
}

/* A machine that slept has missed steps; more than the ring holds are not worth a loop. */
static int64_t steps_missed(int64_t elapsed_us)
{
	int64_t steps = (elapsed_us + STEP_US / 2) / STEP_US - 1;
	return steps < HISTORY_STEPS ? steps : HISTORY_STEPS;
}

void history_add(struct history *history, const struct history_sample *sample, int64_t wall_us)
{
	if (history->sample_count > 0) {
		const struct history_sample *before =
			&history->window[(history->sample_count - 1) % HISTORY_WINDOW_SAMPLES];
		for (int64_t i = steps_missed(sample->at_us - before->at_us); i > 0; i--) {
			add_step(history,
				(struct history_step){.commit_p50_ms = NAN, .commit_p99_ms = NAN});
		}
		add_difference(history, before, sample);
	}
	history->window[history->sample_count++ % HISTORY_WINDOW_SAMPLES] = *sample;
	history->ended_at_us = wall_us;
}

/* NULL where no sample lies within the window. */
static const struct history_sample *oldest_within(const struct history *history, int64_t now_us)
{
	uint64_t kept = history->sample_count < HISTORY_WINDOW_SAMPLES ? history->sample_count
								       : HISTORY_WINDOW_SAMPLES;
	for (uint64_t i = history->sample_count - kept; i < history->sample_count; i++) {
		const struct history_sample *one = &history->window[i % HISTORY_WINDOW_SAMPLES];
		/* The oldest may be a step older, as the timer is not exact. */
		if (now_us - one->at_us <= (HISTORY_WINDOW_S * (int64_t)US_A_SECOND) + STEP_US) {
			return one;
		}
	}
	return NULL;
}

struct history_rate history_rate_at(
	const struct history *history, const struct history_sample *sample)
{
	struct history_rate rate = {0, NAN, NAN, NAN, NAN};
	uint64_t commits[METRIC_BUCKETS + 1];
	const struct history_sample *from = oldest_within(history, sample->at_us);
	if (from == NULL || sample->at_us - from->at_us < US_A_SECOND) {
		return rate;
	}
	double seconds = (double)(sample->at_us - from->at_us) / US_A_SECOND;
	rate.window_s = llround(seconds);
	rate.reports_per_s =
		(double)(sample->stored - from->stored + sample->duplicates - from->duplicates) /
		seconds;
	rate.refused_per_s = (double)(sample->refused - from->refused) / seconds;
	commits_between(from, sample, commits);
	rate.commit_p50_ms = history_commit_ms(commits, 0.5);
	rate.commit_p99_ms = history_commit_ms(commits, 0.99);
	return rate;
}

/* --- /history.json --- */

static void add_counts(
	struct json_writer *json, const struct history *history, const char *name, size_t offset)
{
	uint64_t kept = history->step_count < HISTORY_STEPS ? history->step_count : HISTORY_STEPS;
	json_open(json, name, '[');
	for (uint64_t i = history->step_count - kept; i < history->step_count; i++) {
		const char *step = (const char *)&history->steps[i % HISTORY_STEPS];
		json_integer(
			json, NULL, (int64_t) * (const uint64_t *)(const void *)(step + offset));
	}
	json_close(json, ']');
}

static void add_latencies(
	struct json_writer *json, const struct history *history, const char *name, size_t offset)
{
	uint64_t kept = history->step_count < HISTORY_STEPS ? history->step_count : HISTORY_STEPS;
	json_open(json, name, '[');
	for (uint64_t i = history->step_count - kept; i < history->step_count; i++) {
		const char *step = (const char *)&history->steps[i % HISTORY_STEPS];
		json_real(json, NULL, *(const double *)(const void *)(step + offset));
	}
	json_close(json, ']');
}

#define AT(field) offsetof(struct history_step, field)

bool history_render(const struct history *history, struct buf *out)
{
	struct json_writer json = {.out = out};
	json_open(&json, NULL, '{');
	json_integer(&json, "step_s", HISTORY_STEP_S);
	json_time(&json, "end_at", history->ended_at_us);
	add_counts(&json, history, "stored", AT(stored));
	add_counts(&json, history, "duplicate", AT(duplicates));
	add_counts(&json, history, "refused", AT(refused));
	add_counts(&json, history, "connections", AT(connections));
	add_latencies(&json, history, "commit_p50_ms", AT(commit_p50_ms));
	add_latencies(&json, history, "commit_p99_ms", AT(commit_p99_ms));
	json_close(&json, '}');
	return !json.has_failed && buf_append_str(out, STR("\n"));
}
