// SPDX-License-Identifier: Apache-2.0
/*
 * Judging bodies in tests: the smallest valid report changed by a merge patch (RFC 7396), and the
 * findings as one line of text.
 */
#pragma once

#include "base/arena.h"
#include "report/report_check.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define JUDGED_NOW_US INT64_C(1795176000000000) /* 2026-11-20T12:00:00Z */
#define JUDGED_TAXONOMY SOURCE_DIR "/config/taxonomy.json"

#define JUDGED_SMALLEST                                                                      \
	"{\"schema\":\"intaked-report/1\",\"taxonomy\":{\"id\":\"digital-solidarity-2024\"," \
	"\"version\":\"1.0.0\"},\"report_id\":\"2026-000001\","                              \
	"\"reporter\":{\"org\":\"cert.example.org\"},\"tlp\":\"TLP:GREEN\","                 \
	"\"category\":\"business-email-compromise\",\"action_areas\":[\"AA4\"],"             \
	"\"title\":\"Supplier payment diverted\","                                           \
	"\"narrative\":\"An invoice was altered and paid to a false account.\","             \
	"\"times\":{\"detected\":\"2026-11-20T10:15:00Z\"},\"severity\":{\"level\":1}}"

struct judged {
	struct arena arena;
	struct taxonomy *taxonomy;
	struct report_rules rules;
	struct report_result result;
	char line[16384];
};

static inline int judged_setup(void **state)
{
	struct judged *judged = calloc(1, sizeof(*judged));
	struct err err;
	assert_non_null(judged);
	report_check_init();
	judged->taxonomy = taxonomy_load(JUDGED_TAXONOMY, &err);
	assert_non_null(judged->taxonomy);
	arena_init(&judged->arena, (size_t)128 * 1024 * 1024);
	judged->rules = (struct report_rules){
		.taxonomy = judged->taxonomy,
		.now_us = JUDGED_NOW_US,
		.may_relay = true,
		.max_depth = 16,
		.max_values = 32768,
	};
	*state = judged;
	return 0;
}

static inline int judged_teardown(void **state)
{
	struct judged *judged = *state;
	arena_fini(&judged->arena);
	taxonomy_free(&judged->taxonomy);
	free(judged);
	return 0;
}

static inline const struct report_result *judged_bytes(
	struct judged *judged, const char *data, size_t len)
{
	arena_reset(&judged->arena);
	/* A copy of exactly this size, so that a sanitizer sees a read past the end. */
	char *copy = malloc(len == 0 ? 1 : len);
	assert_non_null(copy);
	memcpy(copy, data, len);
	report_check(&judged->arena, &judged->rules, (struct str){copy, len}, &judged->result);
	free(copy);
	return &judged->result;
}

static inline const struct report_result *judged_text(struct judged *judged, const char *text)
{
	return judged_bytes(judged, text, strlen(text));
}

static inline void judged_patch(json_t *target, json_t *patch)
{
	const char *name;
	json_t *value;
	json_object_foreach(patch, name, value)
	{
		json_t *old = json_object_get(target, name);
		if (json_is_null(value)) {
			json_object_del(target, name);
		} else if (json_is_object(value) && json_is_object(old)) {
			judged_patch(old, value);
		} else {
			json_object_set(target, name, value);
		}
	}
}

static inline const struct report_result *judged_changed_from(
	struct judged *judged, json_t *base, const char *patch_text)
{
	json_t *patch = json_loads(patch_text, 0, NULL);
	assert_non_null(base);
	assert_non_null(patch);
	judged_patch(base, patch);
	char *text = json_dumps(base, JSON_COMPACT);
	judged_text(judged, text);
	free(text);
	json_decref(patch);
	json_decref(base);
	return &judged->result;
}

/* The smallest report with the patch applied. */
static inline const struct report_result *judged_changed(
	struct judged *judged, const char *patch_text)
{
	return judged_changed_from(judged, json_loads(JUDGED_SMALLEST, 0, NULL), patch_text);
}

static inline json_t *judged_example(const char *name)
{
	char path[512];
	snprintf(path, sizeof(path), SOURCE_DIR "/tests/data/examples/%s.json", name);
	return json_load_file(path, 0, NULL);
}

static inline const char *judged_line(
	struct judged *judged, const struct report_finding *findings, size_t count)
{
	size_t len = 0;
	judged->line[0] = '\0';
	for (size_t i = 0; i < count && len < sizeof(judged->line) - 256; i++) {
		len += (size_t)snprintf(judged->line + len, sizeof(judged->line) - len,
			"%s%.*s %s%s%.*s", i == 0 ? "" : ", ", STR_ARG(findings[i].pointer),
			report_code_text(findings[i].code),
			findings[i].member.data == NULL ? "" : " ", STR_ARG(findings[i].member));
	}
	return judged->line;
}

/* "POINTER CODE", then " MEMBER" where one is missing, joined by ", ". */
static inline const char *judged_errors(struct judged *judged)
{
	return judged_line(judged, judged->result.errors, judged->result.error_count);
}

static inline const char *judged_warnings(struct judged *judged)
{
	return judged_line(judged, judged->result.warnings, judged->result.warning_count);
}

static inline void judged_expect(const char *of, const char *found, const char *expected)
{
	if (strcmp(found, expected) != 0) {
		fail_msg("%s: found \"%s\", expected \"%s\"", of, found, expected);
	}
}
