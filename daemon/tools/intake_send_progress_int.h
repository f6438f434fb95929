// SPDX-License-Identifier: Apache-2.0
/*
 * How far a run is, on standard error: a bar that is drawn anew on a terminal, and now and then a
 * line where there is none.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What has come to its end so far, and of what. */
struct progress_count {
	uint64_t reports;
	uint64_t refused;
	uint64_t bytes;
	uint64_t total_bytes; /* 0: not known */
};

#define PROGRESS_SAMPLES 10

struct progress {
	bool is_silent;
	bool is_terminal;
	bool is_drawn; /* the bar stands on the present line */
	int64_t shown_at_ms;
	int64_t sampled_at_ms;
	size_t sample_count;
	struct progress_sample {
		int64_t at_ms;
		uint64_t reports;
		uint64_t bytes;
	} samples[PROGRESS_SAMPLES]; /* one a second, the oldest first */
};

void progress_init(struct progress *progress, bool is_silent, int64_t now_ms);
/* Often. trouble: why nothing goes on; "" when it does. */
void progress_tick(struct progress *progress, int64_t now_ms, const struct progress_count *count,
	const char *trouble);
/* A line of its own, at once. */
void progress_say(struct progress *progress, const char *sentence);
/* Takes the bar away, so that something else can be written. */
void progress_end(struct progress *progress);

/*
 * The text of a bar of up to width columns, or of a line (width 0). Rates are of a second. Pure.
 */
void progress_format(char *out, size_t size, int width, const struct progress_count *count,
	double reports_rate, double bytes_rate, const char *trouble);
