// SPDX-License-Identifier: Apache-2.0
/*
 * Recursion is as deep as the parser lets a report nest.
 */
#include "report_walk_int.h"

#include "report/report_time.h"
#include "report_text_int.h"

#include <string.h>

#define INTEGER_EXACT_MAX ((INT64_C(1) << 53) - 1)
/* Shorter arrays are compared pair by pair. */
#define PAIRWISE_MAX 8

static const struct report_checked absent;

void *report_context_alloc(struct report_context *context, size_t count, size_t size)
{
	void *memory = arena_alloc(context->arena, count * size);
	if (memory == NULL) {
		context->is_out_of_memory = true;
		return NULL;
	}
	return memset(memory, 0, count * size);
}

const struct report_checked *report_checked_child(
	const struct report_checked *parent, size_t position)
{
	return position < parent->count ? &parent->items[position] : &absent;
}

static void push_key(struct report_path *path, const char *key, size_t len, uint32_t position)
{
	ENSURE(path->depth < REPORT_JSON_DEPTH_MAX);
	path->steps[path->depth++] = (struct report_step){key, (uint32_t)len, position};
}

static void push_index(struct report_path *path, size_t index)
{
	push_key(path, NULL, 0, (uint32_t)index);
}

static void pop(struct report_path *path)
{
	path->depth--;
}

static struct report_draft *add_error(
	struct report_context *context, enum report_code code, const struct report_field *field)
{
	struct report_draft *draft = report_findings_add(&context->errors, &context->path, code);
	draft->field = field;
	return draft;
}

static void add_type_error(
	struct report_context *context, const struct report_field *field, const char *expects)
{
	add_error(context, REPORT_CODE_TYPE, field)->detail = expects;
}

static struct str text_of(json_t *value)
{
	return (struct str){json_string_value(value), json_string_length(value)};
}

/* ---- Text. ---- */

/* What a text may not hold, wherever it stands; an override may be left to a later judge. */
static void check_kinds(
	struct report_context *context, unsigned kinds, bool is_multiline, bool takes_override)
{
	unsigned accepted = (is_multiline ? REPORT_TEXT_LINES : 0U) |
		(takes_override ? REPORT_TEXT_OVERRIDE : 0U);
	if ((kinds & ~accepted) != 0) {
		report_findings_add(&context->errors, &context->path, REPORT_CODE_TEXT_FORBIDDEN);
	}
}

/* Length and form; the kinds of character are handed on. */
static bool check_form(struct report_context *context, const struct report_field *field,
	struct str text, uint8_t *kinds_out)
{
	int64_t points = (int64_t)report_text_scan(text, kinds_out);
	if (field->min != FIELD_NO_LIMIT && points < field->min) {
		add_error(context, REPORT_CODE_TOO_SHORT, field);
		return false;
	}
	if (field->max != FIELD_NO_LIMIT && points > field->max) {
		add_error(context, REPORT_CODE_TOO_LONG, field);
		return false;
	}
	if (field->pattern != NULL && !field->pattern->matches(text)) {
		add_error(context, REPORT_CODE_FORMAT, field)->detail = field->pattern->expects;
		return false;
	}
	return true;
}

static void check_text(struct report_context *context, const struct report_field *field,
	struct report_checked *checked)
{
	if (!json_is_string(checked->value)) {
		add_type_error(context, field, "a string is expected");
		return;
	}
	checked->holds = check_form(context, field, text_of(checked->value), &checked->kinds);
	if (checked->holds && checked->kinds != 0) {
		check_kinds(context, checked->kinds, field->is_multiline, field->takes_override);
	}
}

static void check_time(struct report_context *context, const struct report_field *field,
	struct report_checked *checked)
{
	if (!json_is_string(checked->value)) {
		add_type_error(context, field, "a string is expected");
		return;
	}
	checked->holds = report_time_parse(text_of(checked->value), &checked->time_us);
	if (!checked->holds) {
		bool has_form = report_time_has_form(text_of(checked->value));
		add_error(context, REPORT_CODE_TIME_FORMAT, field)->detail = has_form
			? "a real date of the years 1970 to 2199 is expected"
			: field->pattern->expects;
	}
}

/* ---- Codes and constants. ---- */

static void check_code(struct report_context *context, const struct report_field *field,
	struct report_checked *checked)
{
	if (!json_is_string(checked->value)) {
		add_type_error(context, field, "a string is expected");
		return;
	}
	struct str code = text_of(checked->value);
	int position = report_vocabulary_find(field->vocabulary, context->rules->taxonomy, code);
	if (position < 0) {
		add_error(context, REPORT_CODE_VALUE_UNKNOWN, field)->misspelt = code;
		return;
	}
	checked->position = (int16_t)position;
	checked->holds = true;
}

static void check_constant(struct report_context *context, const struct report_field *field,
	struct report_checked *checked)
{
	bool is_id = field->type == FIELD_TAXONOMY_ID;
	struct str constant =
		is_id ? taxonomy_id(context->rules->taxonomy) : STR(REPORT_SCHEMA_NAME);
	if (!json_is_string(checked->value)) {
		add_type_error(context, field, "a string is expected");
		return;
	}
	checked->holds = str_equal(text_of(checked->value), constant);
	if (checked->holds) {
		return;
	}
	struct report_draft *draft = add_error(
		context, is_id ? REPORT_CODE_TAXONOMY_ID : REPORT_CODE_VALUE_UNKNOWN, field);
	struct str *allowed = report_context_alloc(context, 1, sizeof(*allowed));
	if (allowed != NULL) {
		*allowed = constant;
		draft->allowed = (struct str_list){allowed, 1};
	}
}

/* ---- Numbers. ---- */

static void check_integer(struct report_context *context, const struct report_field *field,
	struct report_checked *checked)
{
	if (json_is_real(checked->value)) {
		add_error(context, REPORT_CODE_NOT_INTEGER, field);
		return;
	}
	if (!json_is_integer(checked->value)) {
		add_type_error(context, field, "a whole number is expected");
		return;
	}
	checked->number = json_integer_value(checked->value);
	if (checked->number < field->min) {
		add_error(context, REPORT_CODE_TOO_SMALL, field);
	} else if (checked->number > field->max) {
		add_error(context, REPORT_CODE_TOO_LARGE, field);
	} else {
		checked->holds = true;
	}
}

/* ---- Objects and arrays. ---- */

static void check_value(struct report_context *context, const struct report_field *field,
	struct report_checked *checked);

/* Members mostly come in the order of the table: the search starts behind the last one found. */
static size_t find_field(const struct report_object *object, size_t start, struct str name)
{
	for (size_t i = 0; i < object->count; i++) {
		size_t at = start + i < object->count ? start + i : start + i - object->count;
		if (str_equal(object->fields[at].name, name)) {
			return at;
		}
	}
	return object->count;
}

static void check_missing(struct report_context *context, const struct report_object *object,
	const struct report_checked *checked)
{
	for (size_t i = 0; i < object->count; i++) {
		if (object->fields[i].is_required && checked->items[i].value == NULL) {
			struct report_draft *draft =
				add_error(context, REPORT_CODE_MEMBER_MISSING, NULL);
			draft->member = object->fields[i].name;
			draft->is_missing = true;
		}
	}
}

static void check_object(struct report_context *context, const struct report_field *field,
	struct report_checked *checked)
{
	const struct report_object *object = field->object;
	if (!json_is_object(checked->value)) {
		add_type_error(context, field, "an object is expected");
		return;
	}
	checked->items = report_context_alloc(context, object->count, sizeof(*checked->items));
	if (checked->items == NULL) {
		return;
	}
	checked->count = (uint32_t)object->count;
	checked->holds = true;
	size_t start = 0;
	uint32_t position = 0;
	for (void *at = json_object_iter(checked->value); at != NULL;
		at = json_object_iter_next(checked->value, at)) {
		struct str name = {json_object_iter_key(at), json_object_iter_key_len(at)};
		size_t found = find_field(object, start, name);
		push_key(&context->path, name.data, name.len, position++);
		if (found == object->count) {
			struct report_draft *draft =
				add_error(context, REPORT_CODE_MEMBER_UNKNOWN, NULL);
			draft->object = object;
			draft->misspelt = name;
		} else {
			checked->items[found].value = json_object_iter_value(at);
			check_value(context, &object->fields[found], &checked->items[found]);
			start = found + 1 < object->count ? found + 1 : 0;
		}
		pop(&context->path);
	}
	check_missing(context, object, checked);
}

static bool has_repeated(struct report_context *context, json_t *array, size_t count)
{
	if (count <= PAIRWISE_MAX) {
		for (size_t i = 1; i < count; i++) {
			for (size_t j = 0; j < i; j++) {
				if (report_value_equal(
					    json_array_get(array, i), json_array_get(array, j))) {
					return true;
				}
			}
		}
		return false;
	}
	const uint32_t *firsts = report_values_find_repeated(context, array, count);
	for (size_t i = 0; firsts != NULL && i < count; i++) {
		if (firsts[i] != i) {
			return true;
		}
	}
	return false;
}

static bool check_elements(
	struct report_context *context, const struct report_field *field, json_t *array)
{
	size_t count = json_array_size(array);
	if ((int64_t)count < field->min) {
		add_error(context, REPORT_CODE_TOO_FEW, field);
		return false;
	}
	if ((int64_t)count > field->max) {
		add_error(context, REPORT_CODE_TOO_MANY, field);
		return false;
	}
	if (field->is_unique && has_repeated(context, array, count)) {
		add_error(context, REPORT_CODE_NOT_UNIQUE, field);
		return false;
	}
	return true;
}

static void check_array(struct report_context *context, const struct report_field *field,
	struct report_checked *checked)
{
	if (!json_is_array(checked->value)) {
		add_type_error(context, field, "an array is expected");
		return;
	}
	size_t count = json_array_size(checked->value);
	checked->holds = check_elements(context, field, checked->value);
	checked->items = report_context_alloc(context, count, sizeof(*checked->items));
	if (checked->items == NULL) {
		return;
	}
	checked->count = (uint32_t)count;
	for (size_t i = 0; i < count; i++) {
		checked->items[i].value = json_array_get(checked->value, i);
		push_index(&context->path, i);
		check_value(context, field->element, &checked->items[i]);
		pop(&context->path);
	}
}

/* ---- Extensions: anything but forbidden text and numbers out of range. ---- */

/* Values under these names may have lines, in an extension as in the report's own fields. */
static bool is_multiline_name(struct str name)
{
	return str_equal(name, STR("narrative")) || str_equal(name, STR("rationale")) ||
		str_equal(name, STR("basis")) || str_equal(name, STR("note")) ||
		str_equal(name, STR("reason"));
}

static void check_any(struct report_context *context, json_t *value, bool is_multiline);

static void check_any_member(
	struct report_context *context, struct str name, json_t *value, uint32_t position)
{
	uint8_t kinds;
	push_key(&context->path, name.data, name.len, position);
	report_text_scan(name, &kinds);
	check_kinds(context, kinds, false, false);
	check_any(context, value, is_multiline_name(name));
	pop(&context->path);
}

static void check_any(struct report_context *context, json_t *value, bool is_multiline)
{
	uint8_t kinds;
	uint32_t position = 0;
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		for (void *at = json_object_iter(value); at != NULL;
			at = json_object_iter_next(value, at)) {
			check_any_member(context,
				(struct str){
					json_object_iter_key(at), json_object_iter_key_len(at)},
				json_object_iter_value(at), position++);
		}
		break;
	case JSON_ARRAY:
		for (size_t i = 0; i < json_array_size(value); i++) {
			push_index(&context->path, i);
			check_any(context, json_array_get(value, i), false);
			pop(&context->path);
		}
		break;
	case JSON_STRING:
		report_text_scan(text_of(value), &kinds);
		check_kinds(context, kinds, is_multiline, false);
		break;
	case JSON_INTEGER:
		if (json_integer_value(value) > INTEGER_EXACT_MAX ||
			json_integer_value(value) < -INTEGER_EXACT_MAX) {
			add_error(context, REPORT_CODE_NUMBER_RANGE, NULL);
		}
		break;
	case JSON_REAL:
		if (json_real_value(value) == REPORT_JSON_BAD_REAL) {
			add_error(context, REPORT_CODE_NUMBER_RANGE, NULL);
		}
		break;
	default:
		break;
	}
}

/* Sizes as sent, or NULL where none can be too large. */
static const uint32_t *measure_extensions(struct report_context *context, size_t count)
{
	if (context->body.len <= REPORT_MAX_EXTENSION_BYTES || count == 0) {
		return NULL;
	}
	uint32_t *sizes = report_context_alloc(context, count, sizeof(*sizes));
	if (sizes != NULL) {
		report_json_measure_members(
			context->body, context->path.steps[0].position, sizes, count);
	}
	return sizes;
}

static void check_extensions(struct report_context *context, const struct report_field *field,
	struct report_checked *checked)
{
	static const struct report_field whole = {.max = REPORT_MAX_EXTENSIONS};
	if (!json_is_object(checked->value)) {
		add_type_error(context, NULL, "an object is expected");
		return;
	}
	size_t count = json_object_size(checked->value);
	checked->holds = count <= REPORT_MAX_EXTENSIONS;
	if (!checked->holds) {
		add_error(context, REPORT_CODE_TOO_MANY, &whole);
	}
	const uint32_t *sizes = measure_extensions(context, count);
	uint32_t position = 0;
	for (void *at = json_object_iter(checked->value); at != NULL;
		at = json_object_iter_next(checked->value, at)) {
		struct str name = {json_object_iter_key(at), json_object_iter_key_len(at)};
		uint8_t kinds;
		push_key(&context->path, name.data, name.len, position);
		check_form(context, field, name, &kinds);
		if (sizes != NULL && sizes[position] > REPORT_MAX_EXTENSION_BYTES) {
			add_error(context, REPORT_CODE_EXTENSION_TOO_LARGE, NULL);
		}
		check_any(context, json_object_iter_value(at), is_multiline_name(name));
		pop(&context->path);
		position++;
	}
}

static void check_value(struct report_context *context, const struct report_field *field,
	struct report_checked *checked)
{
	switch (field->type) {
	case FIELD_SCHEMA:
	case FIELD_TAXONOMY_ID:
		check_constant(context, field, checked);
		break;
	case FIELD_CODE:
		check_code(context, field, checked);
		break;
	case FIELD_TEXT:
		check_text(context, field, checked);
		break;
	case FIELD_TIME:
		check_time(context, field, checked);
		break;
	case FIELD_INTEGER:
		check_integer(context, field, checked);
		break;
	case FIELD_BOOLEAN:
		checked->holds = json_is_boolean(checked->value);
		if (!checked->holds) {
			add_type_error(context, field, "true or false is expected");
		}
		break;
	case FIELD_OBJECT:
		check_object(context, field, checked);
		break;
	case FIELD_ARRAY:
		check_array(context, field, checked);
		break;
	case FIELD_EXTENSIONS:
		check_extensions(context, field, checked);
		break;
	}
}

void report_walk(struct report_context *context, const struct report_field *root, json_t *tree)
{
	context->root.value = tree;
	check_value(context, root, &context->root);
}
