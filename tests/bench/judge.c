// SPDX-License-Identifier: Apache-2.0
/*
 * Judges and packs reports like those of bench_load, without a network or a database, so that
 * instructions can be counted: bench_judge TAXONOMY REPORTS [TEMPLATE]. See
 * tests/bench/instructions.
 */
#include "load_body.h"
#include "load_options.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "report/report_check.h"
#include "report/taxonomy.h"
#include "row_int.h"

#include <stdio.h>
#include <stdlib.h>

#define MEMORY_MAX ((size_t)64 << 20)

/* One call a report, never put in place: they are what is counted. */
__attribute__((noinline)) static void judge_check(struct arena *arena,
	const struct report_rules *rules, struct str payload, struct report_result *result)
{
	report_check(arena, rules, payload, result);
}

__attribute__((noinline)) static void judge_pack(
	struct buf *reports, struct buf *indicators, const struct submission *submission)
{
	const struct report *report = submission->report;
	ENSURE(row_append_report(reports, submission));
	for (size_t i = 0; i < report->indicator_count; i++) {
		ENSURE(row_append_indicator(indicators, &submission->id, &report->indicators[i]));
	}
}

struct rows {
	struct buf reports;
	struct buf indicators;
};

static void judge(struct arena *arena, const struct report_rules *rules, struct str payload,
	struct rows *rows)
{
	static const uint8_t sha256[32];
	struct report_result result;
	judge_check(arena, rules, payload, &result);
	if (result.verdict != REPORT_VALID) {
		load_fail("the report is refused: %s", result.detail);
	}
	struct submission submission = {.report = &result.report,
		.partner_id = 1,
		.received_at_us = rules->now_us,
		.sha256 = sha256,
		.taxonomy = STR("digital-solidarity-2024/1.0.0"),
		.payload = payload};
	buf_clear(&rows->reports);
	buf_clear(&rows->indicators);
	ENSURE(row_array_begin(&rows->reports) && row_array_begin(&rows->indicators));
	judge_pack(&rows->reports, &rows->indicators, &submission);
	arena_reset(arena);
}

int main(int argc, char **argv)
{
	struct err err;
	struct buf template;
	struct body body;
	struct arena arena;
	struct rows rows;
	struct load_options options = {.template_file = argc > 3 ? argv[3] : NULL};
	struct taxonomy *taxonomy = NULL;
	if (argc < 3 || (taxonomy = taxonomy_load(argv[1], &err)) == NULL) {
		load_fail("usage: bench_judge TAXONOMY REPORTS [TEMPLATE]");
	}
	report_check_init();
	buf_init(&template, MEMORY_MAX);
	buf_init(&rows.reports, MEMORY_MAX);
	buf_init(&rows.indicators, MEMORY_MAX);
	arena_init(&arena, MEMORY_MAX);
	load_options_template(&options, &template);
	if (!body_init(&body, buf_str(&template), 1, &err)) {
		load_fail("%s", err.text);
	}
	struct report_rules rules = {.taxonomy = taxonomy,
		.now_us = clock_wall_us(),
		.may_relay = true,
		.max_depth = 16,
		.max_values = 32768};
	for (long left = strtol(argv[2], NULL, 10); left > 0; left--) {
		judge(&arena, &rules, body_next(&body), &rows);
	}
	arena_fini(&arena);
	buf_fini(&rows.indicators);
	buf_fini(&rows.reports);
	body_fini(&body);
	buf_fini(&template);
	taxonomy_free(&taxonomy);
	return 0;
}
