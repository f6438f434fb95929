// SPDX-License-Identifier: Apache-2.0
#include "metrics_text_int.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define BOUND_SIZE 32

static const char *suffix_of(enum metric_type type)
{
	switch (type) {
	case METRIC_COUNTER:
		return "_total";
	case METRIC_INFO:
		return "_info";
	default:
		return "";
	}
}

static const char *type_name(const struct metrics_text *text)
{
	static const char *const names[] = {[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_INFO] = "info",
		[METRIC_HISTOGRAM] = "histogram"};
	bool is_unknown = text->format == METRICS_PROMETHEUS && text->type == METRIC_INFO;
	return names[is_unknown ? METRIC_GAUGE : text->type];
}

void metrics_text_family(
	struct metrics_text *text, const char *name, enum metric_type type, const char *help)
{
	text->name = name;
	text->type = type;
	const char *suffix = text->format == METRICS_PROMETHEUS ? suffix_of(type) : "";
	text->has_failed = text->has_failed ||
		!buf_printf(text->out, "# TYPE %s%s %s\n# HELP %s%s %s\n", name, suffix,
			type_name(text), name, suffix, help);
}

void metrics_text_sample(struct metrics_text *text, const char *labels, int64_t value)
{
	const char *open = labels[0] != '\0' ? "{" : "";
	const char *close = labels[0] != '\0' ? "}" : "";
	text->has_failed = text->has_failed ||
		!buf_printf(text->out, "%s%s%s%s%s %" PRId64 "\n", text->name,
			suffix_of(text->type), open, labels, close, value);
}

/* OpenMetrics spells a whole number as a bucket's bound with its fraction: 1.0. */
static void format_bound(char out[BOUND_SIZE], double bound)
{
	if (isinf(bound)) {
		snprintf(out, BOUND_SIZE, "+Inf");
		return;
	}
	int len = snprintf(out, BOUND_SIZE, "%.9g", bound);
	if (strpbrk(out, ".e") == NULL) {
		snprintf(out + len, (size_t)(BOUND_SIZE - len), ".0");
	}
}

void metrics_text_bucket(struct metrics_text *text, double bound, uint64_t count)
{
	char label[BOUND_SIZE];
	format_bound(label, bound);
	text->has_failed = text->has_failed ||
		!buf_printf(
			text->out, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", text->name, label, count);
}

void metrics_text_total(struct metrics_text *text, double sum, uint64_t count)
{
	text->has_failed = text->has_failed ||
		!buf_printf(text->out, "%s_sum %.6f\n%s_count %" PRIu64 "\n", text->name, sum,
			text->name, count);
}

void metrics_text_end(struct metrics_text *text)
{
	if (text->format == METRICS_OPENMETRICS) {
		text->has_failed = text->has_failed || !buf_append_str(text->out, STR("# EOF\n"));
	}
}
