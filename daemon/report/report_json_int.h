// SPDX-License-Identifier: Apache-2.0
/*
 * JSON text to a tree of jansson, strict I-JSON, no policy. The tree lives in the arena and is
 * never released piece by piece.
 *
 * jansson keeps no number as it was sent and refuses those it cannot hold, while the partner
 * interface judges the text of a number and calls none of them malformed. Tokens that would be
 * lost are replaced before parsing by others that every later check judges the same way: a big
 * integer by one near the end of int64, an unacceptable real by REPORT_JSON_BAD_REAL.
 */
#pragma once

#include "base/arena.h"
#include "base/str.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define REPORT_JSON_DEPTH_MAX 64
/* No acceptable real of the report reads as this value. */
#define REPORT_JSON_BAD_REAL 1e41

enum report_json_verdict { REPORT_JSON_PARSED, REPORT_JSON_BROKEN, REPORT_JSON_NO_MEMORY };

struct report_json_limits {
	int max_depth;  /* at most REPORT_JSON_DEPTH_MAX */
	int max_values; /* counted as { [ and , outside strings */
};

/* Once before threads start. */
void report_json_init(void);
/* On REPORT_JSON_BROKEN detail_out says what was expected, never what was sent. */
enum report_json_verdict report_json_parse(struct arena *arena, struct str body,
	const struct report_json_limits *limits, json_t **tree_out, char *detail_out,
	size_t detail_size);
/* Any text of ours, read as it is. NULL: error says where and what, unless memory is short. */
json_t *report_json_load(
	struct arena *arena, struct str text, json_error_t *error, bool *is_out_of_memory_out);
/*
 * For a body that was parsed: the bytes that each member of the object takes as sent that is the
 * value of the root's member at the given position. sizes_out has room for count of them.
 */
void report_json_measure_members(
	struct str body, size_t root_position, uint32_t *sizes_out, size_t count);
