// SPDX-License-Identifier: Apache-2.0
/*
 * Findings while they are gathered. What is costly to say (pointer, allowed values, a suggestion)
 * is made only for those that are kept: the first REPORT_MAX_ERRORS in document order.
 */
#pragma once

#include "base/arena.h"
#include "report/report_check.h"
#include "report_fields_int.h"
#include "report_json_int.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One step down from an object (key set) or an array, with the position in document order. */
struct report_step {
	const char *key;
	uint32_t key_len;
	uint32_t position;
};

struct report_path {
	unsigned depth;
	struct report_step steps[REPORT_JSON_DEPTH_MAX];
};

struct report_draft {
	const struct report_step *steps;
	unsigned depth;
	uint32_t serial; /* order of being found */
	enum report_code code;
	bool is_missing;                    /* stands before other findings at its pointer */
	const struct report_field *field;   /* limits and allowed values */
	const struct report_object *object; /* members that a misspelt name may mean */
	const char *detail;                 /* NULL: the code's sentence */
	struct str member;
	struct str_list allowed;
	struct str misspelt; /* for the suggestion; never shown */
};

struct report_findings {
	struct arena *arena;
	struct report_draft *drafts;
	size_t count;
	size_t capacity;
	uint32_t serial;
	bool is_cut; /* drafts beyond the maximum were dropped */
	bool is_out_of_memory;
	struct report_draft spare; /* returned where a finding is dropped */
};

/* The new finding, to be completed by the caller; never NULL. */
struct report_draft *report_findings_add(
	struct report_findings *findings, const struct report_path *path, enum report_code code);
/* In document order, each pointer and code once. */
void report_findings_finish(struct report_findings *findings, const struct taxonomy *taxonomy,
	const struct report_finding **items_out, size_t *count_out);
/* One finding as a JSON object. */
MUST_CHECK bool report_finding_render(struct buf *out, const struct report_finding *finding);
