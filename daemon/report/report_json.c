// SPDX-License-Identifier: Apache-2.0
/*
 * One pass over the bytes counts nesting and values before jansson may build anything: a hostile
 * megabyte would otherwise cost 45 times its size.
 *
 * jansson's allocator is one for the whole process. It takes from the arena that the calling thread
 * has set for the length of one parse, and from malloc where none is set (the taxonomy). Nothing is
 * freed while an arena is set, and no tree made in an arena is ever released.
 *
 * jansson 2.14 reads past its buffer after an allocation has failed, so none ever fails: where the
 * arena is exhausted the allocator jumps out of the parse, which has nothing to clean up.
 */
#include "report_json_int.h"

#include "report_number_int.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

static _Thread_local struct arena *parse_arena;
static _Thread_local bool parse_is_out_of_memory;
static _Thread_local jmp_buf parse_exit;

static void *allocate(size_t size)
{
	if (parse_arena == NULL) {
		return malloc(size);
	}
	void *memory = arena_alloc(parse_arena, size);
	if (memory == NULL) {
		longjmp(parse_exit, 1);
	}
	return memory;
}

static void release(void *memory)
{
	if (parse_arena == NULL) {
		free(memory);
	}
}

void report_json_init(void)
{
	json_set_alloc_funcs(allocate, release);
	json_object_seed(0);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static size_t skip_space(struct str body, size_t at)
{
	while (at < body.len && is_space(body.data[at])) {
		at++;
	}
	return at;
}

/* How many bytes from the start are surely 0x20 to 0x7f but no quote and no backslash. */
static size_t plain_prefix(const char *data, size_t len)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	size_t at = 0;
	for (; len - at >= 8; at += 8) {
		uint64_t word;
		memcpy(&word, data + at, 8);
		uint64_t odd = word | (word - ones * 0x20) | ((word ^ (ones * '"')) - ones) |
			((word ^ (ones * '\\')) - ones);
		if ((odd & (ones * 0x80)) != 0) {
			break;
		}
	}
	return at;
}

/* From behind the opening quote to behind the closing one. */
static size_t skip_string(struct str body, size_t at)
{
	while (at < body.len) {
		at += plain_prefix(body.data + at, body.len - at);
		if (at >= body.len) {
			break;
		}
		if (body.data[at] == '"') {
			return at + 1;
		}
		at += body.data[at] == '\\' ? 2 : 1;
	}
	return body.len;
}

static bool is_number_char(char c)
{
	return (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E';
}

static struct str number_at(struct str body, size_t at)
{
	size_t end = at + 1;
	while (end < body.len && is_number_char(body.data[end])) {
		end++;
	}
	return (struct str){body.data + at, end - at};
}

static bool may_be_lost(struct str token)
{
	return token.len > REPORT_NUMBER_PLAIN_LEN || memchr(token.data, 'e', token.len) != NULL ||
		memchr(token.data, 'E', token.len) != NULL;
}

struct scan {
	int depth;
	int values;
	bool has_lost_number; /* one that the parser would not keep */
};

static size_t scan_number(struct str body, size_t at, struct scan *scan)
{
	struct str token = number_at(body, at);
	if (may_be_lost(token) && report_number_judge(token) != NUMBER_HELD) {
		scan->has_lost_number = true;
	}
	return at + token.len;
}

/* Leaves everything but the limits to the parser. NULL, or what is wrong. */
static const char *scan_body(
	struct str body, const struct report_json_limits *limits, struct scan *scan)
{
	int max_depth = limits->max_depth < REPORT_JSON_DEPTH_MAX ? limits->max_depth
								  : REPORT_JSON_DEPTH_MAX;
	size_t at = 0;
	while (at < body.len) {
		switch (body.data[at++]) {
		case '"':
			at = skip_string(body, at);
			break;
		case '{':
		case '[':
			if (++scan->depth > max_depth) {
				return "the nesting is too deep";
			}
			scan->values++;
			break;
		case '}':
		case ']':
			scan->depth--;
			break;
		case ',':
			scan->values++;
			break;
		case '-':
		case '0' ... '9':
			at = scan_number(body, at - 1, scan);
			break;
		default:
			break;
		}
	}
	return scan->values > limits->max_values ? "there are too many values" : NULL;
}

static void replace_numbers(char *data, size_t len)
{
	struct str body = {data, len};
	size_t at = 0;
	while (at < len) {
		char c = data[at];
		if (c == '"') {
			at = skip_string(body, at + 1);
		} else if (c == '-' || (c >= '0' && c <= '9')) {
			struct str token = number_at(body, at);
			report_number_replace(data + at, token.len, report_number_judge(token));
			at += token.len;
		} else {
			at++;
		}
	}
}

static const char *expected(const json_error_t *error)
{
	switch (json_error_code(error)) {
	case json_error_premature_end_of_input:
		return "the text ends too early";
	case json_error_end_of_input_expected:
		return "the end of the text is expected";
	case json_error_invalid_utf8:
		return "UTF-8 is expected";
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return "U+0000 is not accepted";
	case json_error_duplicate_key:
		return "each member may stand once in an object";
	case json_error_stack_overflow:
		return "the nesting is too deep";
	default:
		return "JSON is expected";
	}
}

static json_t *load(struct arena *arena, struct str text, json_error_t *error)
{
	if (setjmp(parse_exit) != 0) {
		parse_arena = NULL;
		parse_is_out_of_memory = true;
		return NULL;
	}
	parse_arena = arena;
	json_t *tree = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, error);
	parse_arena = NULL;
	return tree;
}

/* A copy that the parser can keep every number of. */
static struct str copy_with_numbers_replaced(struct arena *arena, struct str body)
{
	char *copy = arena_alloc(arena, body.len);
	if (copy == NULL) {
		return (struct str){0};
	}
	memcpy(copy, body.data, body.len);
	replace_numbers(copy, body.len);
	return (struct str){copy, body.len};
}

/* The parser takes arrays and objects only: any other value is read as the one element of one. */
static json_t *load_scalar(struct arena *arena, struct str text, json_error_t *error)
{
	char *wrapped = arena_alloc(arena, text.len + 2);
	if (wrapped == NULL) {
		parse_is_out_of_memory = true;
		return NULL;
	}
	wrapped[0] = '[';
	memcpy(wrapped + 1, text.data, text.len);
	wrapped[text.len + 1] = ']';
	json_t *array = load(arena, (struct str){wrapped, text.len + 2}, error);
	if (array == NULL || json_array_size(array) != 1) {
		return NULL;
	}
	return json_array_get(array, 0);
}

enum report_json_verdict report_json_parse(struct arena *arena, struct str body,
	const struct report_json_limits *limits, json_t **tree_out, char *detail_out,
	size_t detail_size)
{
	struct scan scan = {0};
	json_error_t error = {.position = 0};
	parse_is_out_of_memory = false;
	const char *fault = scan_body(body, limits, &scan);
	if (fault != NULL) {
		snprintf(detail_out, detail_size, "%s", fault);
		return REPORT_JSON_BROKEN;
	}
	if (scan.has_lost_number) {
		body = copy_with_numbers_replaced(arena, body);
		if (body.data == NULL) {
			return REPORT_JSON_NO_MEMORY;
		}
	}
	size_t start = skip_space(body, 0);
	if (start == body.len) {
		snprintf(detail_out, detail_size, "the text is empty");
		return REPORT_JSON_BROKEN;
	}
	bool is_container = body.data[start] == '{' || body.data[start] == '[';
	*tree_out = is_container ? load(arena, body, &error) : load_scalar(arena, body, &error);
	if (*tree_out != NULL) {
		return REPORT_JSON_PARSED;
	}
	if (parse_is_out_of_memory) {
		return REPORT_JSON_NO_MEMORY;
	}
	if (is_container) {
		snprintf(detail_out, detail_size, "%s, near byte %d", expected(&error),
			error.position);
	} else {
		snprintf(detail_out, detail_size, "JSON is expected");
	}
	return REPORT_JSON_BROKEN;
}

/* From the first byte of a value to behind its last. */
static size_t skip_value(struct str body, size_t at)
{
	int depth = 0;
	do {
		char c = body.data[at];
		if (c == '"') {
			at = skip_string(body, at + 1);
			continue;
		}
		if (c == '{' || c == '[') {
			depth++;
		} else if (c == '}' || c == ']') {
			depth--;
		} else if (depth == 0) {
			while (at < body.len && !is_space(body.data[at]) && body.data[at] != ',' &&
				body.data[at] != ']' && body.data[at] != '}') {
				at++;
			}
			return at;
		}
		at++;
	} while (depth > 0 && at < body.len);
	return at;
}

/* From in front of a member's name to the first byte of its value. */
static size_t skip_name(struct str body, size_t at)
{
	at = skip_string(body, skip_space(body, at) + 1);
	return skip_space(body, skip_space(body, at) + 1);
}

void report_json_measure_members(
	struct str body, size_t root_position, uint32_t *sizes_out, size_t count)
{
	/* Each step goes over the brace or comma in front of a member. */
	size_t at = skip_name(body, skip_space(body, 0) + 1);
	for (size_t i = 0; i < root_position; i++) {
		at = skip_name(body, skip_space(body, skip_value(body, at)) + 1);
	}
	for (size_t i = 0; i < count; i++) {
		at = i == 0 ? skip_name(body, at + 1) : skip_name(body, skip_space(body, at) + 1);
		size_t end = skip_value(body, at);
		sizes_out[i] = (uint32_t)(end - at);
		at = end;
	}
}
