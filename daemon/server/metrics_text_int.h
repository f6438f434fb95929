// SPDX-License-Identifier: Apache-2.0
/*
 * The two text formats of metrics, line by line: OpenMetrics 1.0, which Prometheus asks for, and
 * Prometheus' own 0.0.4, where a counter's family has its suffix and there is no type info.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "server/metrics.h"

#include <stdbool.h>
#include <stdint.h>

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_INFO, METRIC_HISTOGRAM };

struct metrics_text {
	struct buf *out;
	enum metrics_format format;
	bool has_failed; /* it does not fit */
	/* Of the family being written. */
	const char *name;
	enum metric_type type;
};

/* name: without the suffix that its type brings. */
void metrics_text_family(
	struct metrics_text *text, const char *name, enum metric_type type, const char *help);
/* labels: what stands between the braces; "" for none. */
void metrics_text_sample(struct metrics_text *text, const char *labels, int64_t value);
/* Of a histogram: how many were up to bound; HUGE_VAL for all. */
void metrics_text_bucket(struct metrics_text *text, double bound, uint64_t count);
void metrics_text_total(struct metrics_text *text, double sum, uint64_t count);
void metrics_text_end(struct metrics_text *text);
