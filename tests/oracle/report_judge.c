// SPDX-License-Identifier: Apache-2.0
/*
 * The daemon's verdicts for the oracle to compare: report_judge TAXONOMY NOW_US [ORGANISATION...]
 * reads bodies on standard input, each behind a line with its length in bytes, and prints one line
 * of JSON a body. Without organisations the partner may relay.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "report/report_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MEMORY_MAX ((size_t)256 * 1024 * 1024)
#define ORGANISATIONS_MAX 16

static const char *const verdicts[] = {
	[REPORT_VALID] = "valid",
	[REPORT_INVALID] = "invalid",
	[REPORT_NOT_JSON] = "not-json",
	[REPORT_OVERLOAD] = "overload",
};

static bool print_result(struct buf *out, const struct report_result *result)
{
	buf_clear(out);
	return buf_printf(out, "{\"verdict\":\"%s\",\"key\":%s,\"detail\":\"",
		       verdicts[result->verdict],
		       result->key_report_id.data == NULL ? "false" : "true") &&
		buf_append_json_text(out, str_from(result->detail)) &&
		buf_append_str(out, STR("\",\"errors\":")) &&
		report_findings_render(out, result->errors, result->error_count) &&
		buf_append_str(out, STR(",\"warnings\":")) &&
		report_findings_render(out, result->warnings, result->warning_count) &&
		buf_printf(out, ",\"indicators\":%zu}\n",
			result->verdict == REPORT_VALID ? result->report.indicator_count : 0) &&
		fwrite(out->data, 1, out->len, stdout) == out->len;
}

/* Findings that were packed and rendered say what findings say that were rendered at once. */
static bool packs_alike(
	const struct report_finding *findings, size_t count, const struct taxonomy *taxonomy)
{
	struct buf packed;
	struct buf late;
	struct buf at_once;
	buf_init(&packed, MEMORY_MAX);
	buf_init(&late, MEMORY_MAX);
	buf_init(&at_once, MEMORY_MAX);
	bool is_alike = report_findings_pack(&packed, findings, count) &&
		report_findings_render_packed(&late, buf_str(&packed), taxonomy) &&
		report_findings_render(&at_once, findings, count) &&
		str_equal(buf_str(&late), buf_str(&at_once));
	buf_fini(&packed);
	buf_fini(&late);
	buf_fini(&at_once);
	return is_alike;
}

static bool judge_all(const struct report_rules *rules)
{
	struct arena arena;
	struct buf out;
	char line[32];
	bool is_good = true;
	arena_init(&arena, MEMORY_MAX);
	buf_init(&out, MEMORY_MAX);
	while (is_good && fgets(line, sizeof(line), stdin) != NULL) {
		size_t len = strtoul(line, NULL, 10);
		/* Of exactly this size, so that a sanitizer sees a read past the end. */
		char *body = malloc(len == 0 ? 1 : len);
		struct report_result result;
		is_good = body != NULL && fread(body, 1, len, stdin) == len;
		if (is_good) {
			report_check(&arena, rules, (struct str){body, len}, &result);
			is_good = print_result(&out, &result) &&
				packs_alike(result.errors, result.error_count, rules->taxonomy) &&
				packs_alike(result.warnings, result.warning_count, rules->taxonomy);
		}
		free(body);
		arena_reset(&arena);
	}
	buf_fini(&out);
	arena_fini(&arena);
	return is_good && fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
	struct str organisations[ORGANISATIONS_MAX];
	struct err err;
	if (argc < 3 || argc > 3 + ORGANISATIONS_MAX) {
		fputs("usage: report_judge TAXONOMY NOW_US [ORGANISATION...]\n", stderr);
		return 2;
	}
	report_check_init();
	struct taxonomy *taxonomy = taxonomy_load(argv[1], &err);
	if (taxonomy == NULL) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	struct report_rules rules = {
		.taxonomy = taxonomy,
		.now_us = strtoll(argv[2], NULL, 10),
		.organisations = organisations,
		.organisation_count = (size_t)(argc - 3),
		.may_relay = argc == 3,
		.max_depth = 16,
		.max_values = 32768,
	};
	for (int i = 3; i < argc; i++) {
		organisations[i - 3] = str_from(argv[i]);
	}
	bool is_good = judge_all(&rules);
	taxonomy_free(&taxonomy);
	return is_good ? 0 : 1;
}
