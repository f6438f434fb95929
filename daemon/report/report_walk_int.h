// SPDX-License-Identifier: Apache-2.0
/*
 * The walk over a parsed report along the table of fields: every schema error and every forbidden
 * text, and for each part whether its schema holds, so that the rules know what they may use.
 */
#pragma once

#include "report_fields_int.h"
#include "report_finding_int.h"
#include "report_json_int.h"

/* A part of the report. Zero where the report has none. */
struct report_checked {
	json_t *value;
	union {
		struct report_checked *items; /* members by position in the table, or elements */
		int64_t number;
		int64_t time_us;
	};
	uint32_t count;   /* of items */
	int16_t position; /* in its vocabulary */
	bool holds;       /* its own schema; that of what is in it is told there */
	bool is_repeated; /* an equal element stands before it */
	uint8_t kinds;    /* report_text_kind */
};

struct report_context {
	struct arena *arena;
	const struct report_rules *rules;
	struct str body;
	struct report_path path;
	struct report_findings errors;
	struct report_findings warnings;
	struct report_checked root;
	bool is_out_of_memory;
};

/* Fills context->root, which is judged as the given field. */
void report_walk(struct report_context *context, const struct report_field *root, json_t *tree);
/* Adds errors and warnings for what the walk found to hold. */
void report_rules_apply(struct report_context *context);
/* The report of a tree without errors. */
void report_fill(struct report_context *context, struct report *report_out);

/* A member or element; one that is absent is all zero. */
const struct report_checked *report_checked_child(
	const struct report_checked *parent, size_t position);

static inline bool report_checked_holds(const struct report_checked *checked)
{
	return checked->value != NULL && checked->holds;
}

/* data is NULL where there is no string. */
static inline struct str report_checked_text(const struct report_checked *checked)
{
	return (struct str){json_string_value(checked->value), json_string_length(checked->value)};
}

/* Zeroed memory of the arena, or NULL with is_out_of_memory set. */
void *report_context_alloc(struct report_context *context, size_t count, size_t size);
/* Equal as JSON values: 1 and 1.0 are, members may stand in any order. */
bool report_value_equal(json_t *a, json_t *b);
/* Equal values have equal hashes. */
uint32_t report_value_hash(json_t *value);
/*
 * For each of count values the position of the first one equal to it, its own where none stands
 * before; NULL when memory is short.
 */
const uint32_t *report_values_find_repeated(
	struct report_context *context, json_t *array, size_t count);
