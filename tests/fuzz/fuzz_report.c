// SPDX-License-Identifier: Apache-2.0
/*
 * A report's body and, by the way, that of a retraction: what was parsed is JSON to jansson too,
 * what was accepted can be stored, findings are told alike at once and later, and where memory is
 * short the verdict is that or the same.
 */
#include "fuzz.h"
#include "report/report_check.h"
#include "row_int.h"

#include <jansson.h>

#define MEMORY_MAX ((size_t)64 << 20)
#define NOW_US INT64_C(1795176000000000) /* 2026-11-20T12:00:00Z */

static struct report_rules rules = {
	.now_us = NOW_US, .may_relay = true, .max_depth = 16, .max_values = 32768};

static void set_up(void)
{
	struct err err = {{0}};
	if (rules.taxonomy == NULL) {
		report_check_init();
		rules.taxonomy = taxonomy_load(SOURCE_DIR "/config/taxonomy.json", &err);
		ENSURE(rules.taxonomy != NULL);
	}
}

static void ensure_told_alike(const struct report_finding *findings, size_t count)
{
	struct buf at_once;
	struct buf packed;
	struct buf later;
	buf_init(&at_once, MEMORY_MAX);
	buf_init(&packed, MEMORY_MAX);
	buf_init(&later, MEMORY_MAX);
	ENSURE(report_findings_render(&at_once, findings, count));
	ENSURE(report_findings_pack(&packed, findings, count));
	ENSURE(report_findings_render_packed(&later, buf_str(&packed), rules.taxonomy));
	ENSURE(str_equal(buf_str(&at_once), buf_str(&later)));
	json_error_t error;
	json_t *array = json_loadb(at_once.data, at_once.len, JSON_REJECT_DUPLICATES, &error);
	ENSURE(json_array_size(array) == count);
	json_decref(array);
	buf_fini(&at_once);
	buf_fini(&packed);
	buf_fini(&later);
}

static void ensure_storable(const struct report *report, struct str body)
{
	static const uint8_t sha256[32];
	const struct submission submission = {.report = report,
		.received_at_us = NOW_US,
		.sha256 = sha256,
		.taxonomy = STR("digital-solidarity-2024/1.0.0"),
		.payload = body};
	struct buf rows;
	ENSURE(report->report_id.len > 0 && report->revision > 0 && report->category != NULL);
	ENSURE(report->tlp_strictest >= report->tlp);
	buf_init(&rows, MEMORY_MAX);
	ENSURE(row_array_begin(&rows) && row_append_report(&rows, &submission));
	for (size_t i = 0; i < report->indicator_count; i++) {
		ENSURE(row_append_indicator(&rows, &submission.id, &report->indicators[i]));
	}
	buf_fini(&rows);
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* The limits are ours, and a number that jansson has no room for is a finding to us. */
static void ensure_parsed_alike(struct str body, const struct report_result *result)
{
	json_error_t error;
	json_t *tree = json_loadb(body.data, body.len, JSON_REJECT_DUPLICATES, &error);
	if (result->verdict == REPORT_NOT_JSON) {
		ENSURE(tree == NULL || starts_with(result->detail, "at most "));
	} else if (tree == NULL && body.len > 0 && (body.data[0] == '{' || body.data[0] == '[')) {
		ENSURE(json_error_code(&error) == json_error_numeric_overflow);
	}
	ENSURE(tree != NULL || result->verdict != REPORT_VALID);
	json_decref(tree);
}

/* An arena that ends somewhere, at another place for every size. */
static void judge_short_of_memory(struct str body, enum report_verdict verdict)
{
	struct arena arena;
	struct report_result result;
	struct report_retraction retraction;
	arena_init(&arena, body.len * 37 % 20011);
	report_check(&arena, &rules, body, &result);
	ENSURE(result.verdict == REPORT_OVERLOAD || result.verdict == verdict);
	arena_reset(&arena);
	report_check_retraction(&arena, &rules, body, &result, &retraction);
	arena_fini(&arena);
}

static enum report_verdict judge_report(struct arena *arena, struct str body)
{
	struct report_result result;
	report_check(arena, &rules, body, &result);
	ENSURE((result.error_count > 0) == (result.verdict == REPORT_INVALID));
	ENSURE(result.error_count <= REPORT_MAX_ERRORS);
	ensure_told_alike(result.errors, result.error_count);
	ensure_told_alike(result.warnings, result.warning_count);
	ensure_parsed_alike(body, &result);
	if (result.verdict == REPORT_VALID) {
		ensure_storable(&result.report, body);
	}
	if (result.verdict == REPORT_NOT_JSON) {
		fuzz_ensure_sentence(result.detail);
	}
	return result.verdict;
}

static void judge_retraction(struct arena *arena, struct str body)
{
	struct report_result result;
	struct report_retraction retraction = {0};
	report_check_retraction(arena, &rules, body, &result, &retraction);
	ensure_told_alike(result.errors, result.error_count);
	ensure_parsed_alike(body, &result);
	ENSURE(result.verdict != REPORT_VALID ||
		(retraction.revision > 0 && retraction.reason.len > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct str body = {(const char *)data, size};
	set_up();
	arena_init(&arena, MEMORY_MAX);
	enum report_verdict verdict = judge_report(&arena, body);
	arena_reset(&arena);
	judge_retraction(&arena, body);
	arena_fini(&arena);
	judge_short_of_memory(body, verdict);
	return 0;
}
