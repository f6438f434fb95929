// SPDX-License-Identifier: Apache-2.0
/*
 * One pass over the bytes counts nesting and values before jansson may build anything: a hostile
 * megabyte would otherwise cost 45 times its size.
 *
 * jansson reads byte by byte, about 80 instructions each, and looks every member up before it adds
 * it. So the same pass takes long values out of the text: a string of nothing but printable ASCII
 * is valid as it stands, and jansson gets a stand-in of five bytes for it, which is replaced in the
 * tree; of white space it gets one byte a run. And members are counted: a tree that holds fewer
 * than the text has one twice. Whatever is odd about a body is left to jansson's own reading of the
 * whole text, so that verdict and place are its.
 *
 * jansson's allocator is one for the whole process. It takes from the arena that the calling thread
 * has set for the length of one parse, and from malloc where none is set. Nothing is freed while an
 * arena is set, and no tree made in an arena is ever released.
 *
 * After an allocation has failed jansson 2.14 reads past its buffer, or goes on with a string that
 * lacks a byte and says nothing. So none ever fails where what is read matters: where the
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

static bool is_plain(const char *data, size_t len)
{
	for (size_t at = plain_prefix(data, len); at < len; at++) {
		unsigned char c = (unsigned char)data[at];
		if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') {
			return false;
		}
	}
	return true;
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

struct long_string {
	uint32_t start; /* offset in the body, behind the opening quote */
	uint32_t len;
};

struct scan {
	size_t at;
	int depth;
	int values;
	size_t members;
	bool has_lost_number; /* one that the parser would not keep */
	/* The text with stand-ins for long strings; text is NULL while there is none. */
	struct arena *arena; /* NULL: none are put in */
	char *text;
	size_t text_len;
	size_t copied; /* how much of the body the text has or stands for */
	struct long_string *strings;
	size_t string_count;
};

static size_t scan_number(struct str body, size_t at, struct scan *scan)
{
	struct str token = number_at(body, at);
	if (may_be_lost(token) && report_number_judge(token) != NUMBER_HELD) {
		scan->has_lost_number = true;
	}
	return at + token.len;
}

/* ---- Stand-ins for long strings: the mark, and the string's number in digits of five bits. ----
 */

#define STAND_IN_MARK '\x7f'
#define STAND_IN_DIGITS 4
#define STAND_INS_MAX ((size_t)1 << (5 * STAND_IN_DIGITS))
/* Of shorter strings too little would be saved. */
#define LONG_STRING_BYTES 12
#define SPACE_RUN_BYTES 4

/* True when a string of the body could begin with the mark, as sent or by escape. */
static bool has_mark(struct str body)
{
	static const char escape[] = "\\u007";
	return memchr(body.data, STAND_IN_MARK, body.len) != NULL ||
		(memchr(body.data, escape[0], body.len) != NULL &&
			memmem(body.data, body.len, escape, sizeof(escape) - 1) != NULL);
}

static void copy_up_to(struct str body, size_t end, struct scan *scan)
{
	memcpy(scan->text + scan->text_len, body.data + scan->copied, end - scan->copied);
	scan->text_len += end - scan->copied;
	scan->copied = end;
}

/* From now on nothing is taken out of the text where there is no room for it. */
static bool can_shorten(struct str body, struct scan *scan)
{
	if (scan->arena != NULL && scan->text == NULL) {
		size_t most = body.len / (LONG_STRING_BYTES + 2) + 1;
		scan->text = arena_alloc(scan->arena, body.len);
		scan->strings = arena_alloc(scan->arena, most * sizeof(*scan->strings));
		if (scan->text == NULL || scan->strings == NULL) {
			scan->text = NULL;
			scan->arena = NULL;
		}
	}
	return scan->arena != NULL;
}

static void put_stand_in(struct str body, size_t start, size_t end, struct scan *scan)
{
	if (scan->string_count == STAND_INS_MAX || !can_shorten(body, scan)) {
		return;
	}
	copy_up_to(body, start, scan);
	char *at = scan->text + scan->text_len;
	*at++ = STAND_IN_MARK;
	for (int digit = 0; digit < STAND_IN_DIGITS; digit++) {
		*at++ = (char)('0' + ((scan->string_count >> (5 * digit)) & 31));
	}
	scan->text_len += 1 + STAND_IN_DIGITS;
	scan->copied = end;
	scan->strings[scan->string_count++] =
		(struct long_string){(uint32_t)start, (uint32_t)(end - start)};
}

/* NULL where the string is none. */
static const struct long_string *stood_for(const struct scan *scan, const char *value)
{
	size_t number = 0;
	if (scan->string_count == 0 || value[0] != STAND_IN_MARK) {
		return NULL;
	}
	for (int digit = 0; digit < STAND_IN_DIGITS; digit++) {
		number |= (size_t)(value[1 + digit] - '0') << (5 * digit);
	}
	ENSURE(number < scan->string_count);
	return &scan->strings[number];
}

/* From behind the opening quote of a string to behind the closing one. */
static size_t scan_string(struct str body, size_t start, struct scan *scan)
{
	size_t after = skip_string(body, start);
	size_t len = after - start - 1;
	if (scan->arena == NULL || after == body.len || len < LONG_STRING_BYTES ||
		!is_plain(body.data + start, len)) {
		return after;
	}
	size_t next = skip_space(body, after);
	bool is_name = next < body.len && body.data[next] == ':';
	if (!is_name) {
		put_stand_in(body, start, after - 1, scan);
	}
	return after;
}

/* Of a run of white space the first one stays. */
static size_t scan_space(struct str body, size_t start, struct scan *scan)
{
	size_t after = skip_space(body, start);
	if (after - start >= SPACE_RUN_BYTES && can_shorten(body, scan)) {
		copy_up_to(body, start, scan);
		scan->copied = after;
	}
	return after;
}

/* Leaves everything but the limits to the parser. False: the last byte read went beyond one. */
static bool scan_body(struct str body, const struct report_json_limits *limits, struct scan *scan)
{
	while (scan->at < body.len) {
		size_t at = scan->at;
		switch (body.data[at++]) {
		case '"':
			at = scan_string(body, at, scan);
			break;
		case ':':
			scan->members++;
			break;
		case ' ':
		case '\n':
		case '\r':
		case '\t':
			at = scan_space(body, at, scan);
			break;
		case '{':
		case '[':
			scan->depth++;
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
		scan->at = at;
		if (scan->depth > limits->max_depth || scan->values > limits->max_values) {
			return false;
		}
	}
	return true;
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
	default:
		return "JSON is expected";
	}
}

/* Puts the strings back that were stood for; the sum of members in all objects. */
static size_t complete(json_t *value, struct str body, const struct scan *scan)
{
	size_t members = 0;
	const struct long_string *string;
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		members = json_object_size(value);
		for (void *at = json_object_iter(value); at != NULL;
			at = json_object_iter_next(value, at)) {
			members += complete(json_object_iter_value(at), body, scan);
		}
		return members;
	case JSON_ARRAY:
		for (size_t i = 0; i < json_array_size(value); i++) {
			members += complete(json_array_get(value, i), body, scan);
		}
		return members;
	case JSON_STRING:
		string = stood_for(scan, json_string_value(value));
		if (string != NULL) {
			json_string_setn_nocheck(value, body.data + string->start, string->len);
		}
		return 0;
	default:
		return 0;
	}
}

static json_t *load_whole(struct str text, json_error_t *error)
{
	return json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, error);
}

/* NULL for whatever is not as in an ordinary report: nothing is said of it. */
static json_t *load_short(struct str text, struct str body, const struct scan *scan)
{
	json_error_t error;
	json_t *tree = json_loadb(text.data, text.len, 0, &error);
	return tree != NULL && complete(tree, body, scan) == scan->members ? tree : NULL;
}

/* scan NULL: the text is read as it is. */
static json_t *load(struct arena *arena, struct str text, struct str body, const struct scan *scan,
	json_error_t *error)
{
	if (setjmp(parse_exit) != 0) {
		parse_arena = NULL;
		parse_is_out_of_memory = true;
		return NULL;
	}
	parse_arena = arena;
	json_t *tree = scan != NULL ? load_short(text, body, scan) : load_whole(text, error);
	parse_arena = NULL;
	return tree;
}

json_t *report_json_load(
	struct arena *arena, struct str text, json_error_t *error, bool *is_out_of_memory_out)
{
	parse_is_out_of_memory = false;
	json_t *tree = load(arena, text, text, NULL, error);
	*is_out_of_memory_out = parse_is_out_of_memory;
	return tree;
}

/* A copy that the parser can keep every number of. */
static struct str copy_with_numbers_replaced(struct arena *arena, struct str body)
{
	char *copy = arena_alloc(arena, body.len);
	if (copy == NULL) {
		parse_is_out_of_memory = true;
		return (struct str){0};
	}
	memcpy(copy, body.data, body.len);
	replace_numbers(copy, body.len);
	return (struct str){copy, body.len};
}

/* The parser takes arrays and objects only: any other value is read as the one element of one. */
static json_t *load_scalar(
	struct arena *arena, struct str text, bool has_lost_number, json_error_t *error)
{
	if (has_lost_number) {
		text = copy_with_numbers_replaced(arena, text);
		if (text.data == NULL) {
			return NULL;
		}
	}
	char *wrapped = arena_alloc(arena, text.len + 2);
	if (wrapped == NULL) {
		parse_is_out_of_memory = true;
		return NULL;
	}
	wrapped[0] = '[';
	memcpy(wrapped + 1, text.data, text.len);
	wrapped[text.len + 1] = ']';
	struct str whole = {wrapped, text.len + 2};
	json_t *array = load(arena, whole, whole, NULL, error);
	if (array == NULL || json_array_size(array) != 1) {
		return NULL;
	}
	return json_array_get(array, 0);
}

static json_t *load_container(
	struct arena *arena, struct str body, struct scan *scan, json_error_t *error)
{
	struct str text = body;
	if (scan->text != NULL) {
		copy_up_to(body, body.len, scan);
		text = (struct str){scan->text, scan->text_len};
		if (scan->has_lost_number) {
			replace_numbers(scan->text, scan->text_len);
		}
	} else if (scan->has_lost_number) {
		text = copy_with_numbers_replaced(arena, body);
	}
	json_t *tree = text.data != NULL ? load(arena, text, body, scan, error) : NULL;
	if (tree != NULL || parse_is_out_of_memory) {
		return tree;
	}
	if (scan->has_lost_number) {
		body = copy_with_numbers_replaced(arena, body);
	}
	return body.data != NULL ? load(arena, body, body, NULL, error) : NULL;
}

static enum report_json_verdict refuse(char *detail_out, size_t detail_size, const char *detail)
{
	snprintf(detail_out, detail_size, "%s", detail);
	return REPORT_JSON_BROKEN;
}

static enum report_json_verdict refuse_beyond_limit(char *detail_out, size_t detail_size,
	const struct report_json_limits *limits, const struct scan *scan)
{
	bool is_too_deep = scan->depth > limits->max_depth;
	snprintf(detail_out, detail_size, "at most %d %s are expected, near byte %zu",
		is_too_deep ? limits->max_depth : limits->max_values,
		is_too_deep ? "levels of nesting" : "values", scan->at);
	return REPORT_JSON_BROKEN;
}

enum report_json_verdict report_json_parse(struct arena *arena, struct str body,
	const struct report_json_limits *limits, json_t **tree_out, char *detail_out,
	size_t detail_size)
{
	size_t start = skip_space(body, 0);
	bool is_container =
		start < body.len && (body.data[start] == '{' || body.data[start] == '[');
	struct scan scan = {.arena = is_container && !has_mark(body) ? arena : NULL};
	json_error_t error = {.position = 0};
	parse_is_out_of_memory = false;
	ENSURE(limits->max_depth <= REPORT_JSON_DEPTH_MAX);
	if (!scan_body(body, limits, &scan)) {
		return refuse_beyond_limit(detail_out, detail_size, limits, &scan);
	}
	if (start == body.len) {
		return refuse(detail_out, detail_size, "the text is empty");
	}
	if (is_container) {
		*tree_out = load_container(arena, body, &scan, &error);
	} else {
		*tree_out = load_scalar(arena, body, scan.has_lost_number, &error);
	}
	if (*tree_out != NULL) {
		return REPORT_JSON_PARSED;
	}
	if (parse_is_out_of_memory) {
		return REPORT_JSON_NO_MEMORY;
	}
	if (!is_container) {
		return refuse(detail_out, detail_size, "JSON is expected");
	}
	snprintf(detail_out, detail_size, "%s, near byte %d", expected(&error), error.position);
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
