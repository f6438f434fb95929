// SPDX-License-Identifier: Apache-2.0
/*
 * The taxonomy is checked completely before anyone sees it: every code well-formed and unique,
 * every reference to a code of the same file. Strings borrow from the JSON tree, which lives as
 * long as the taxonomy. Look-up is by an open-addressing table at most half full.
 */
#include "report/taxonomy.h"

#include "report_json_int.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAXONOMY_MAX_BYTES ((size_t)4 * 1024 * 1024)
/* Parsed it takes up to 45 times as much. */
#define TREE_MAX_BYTES (64 * TAXONOMY_MAX_BYTES)
#define TAXONOMY_MAX_AREAS 32
#define TAXONOMY_MAX_CODES 4096

/* Codes to positions; slots hold position + 1, 0 is empty. */
struct code_table {
	const struct str *codes;
	uint16_t *slots;
	size_t mask;
};

struct taxonomy {
	struct arena arena;
	json_t *tree; /* in the arena */
	char *document;
	size_t document_len;
	struct str id;
	struct str version;
	int major;
	struct taxonomy_area *areas;
	struct str *area_codes;
	size_t area_count;
	struct taxonomy_category *categories;
	struct str *category_codes;
	size_t category_count;
	struct str *rsit_codes;
	size_t rsit_count;
	struct code_table area_table;
	struct code_table category_table;
	struct code_table rsit_table;
};

static uint32_t code_hash(struct str code)
{
	uint32_t hash = 2166136261U;
	for (size_t i = 0; i < code.len; i++) {
		hash = (hash ^ (unsigned char)code.data[i]) * 16777619U;
	}
	return hash ^ (hash >> 15);
}

static int code_table_find(const struct code_table *table, struct str code)
{
	for (size_t slot = code_hash(code) & table->mask; table->slots[slot] != 0;
		slot = (slot + 1) & table->mask) {
		int position = table->slots[slot] - 1;
		if (str_equal(table->codes[position], code)) {
			return position;
		}
	}
	return -1;
}

static bool code_table_add(struct code_table *table, size_t position)
{
	if (code_table_find(table, table->codes[position]) >= 0) {
		return false;
	}
	size_t slot = code_hash(table->codes[position]) & table->mask;
	while (table->slots[slot] != 0) {
		slot = (slot + 1) & table->mask;
	}
	table->slots[slot] = (uint16_t)(position + 1);
	return true;
}

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count == 0 ? 1 : count, size);
	ENSURE(memory != NULL);
	return memory;
}

static void code_table_init(struct code_table *table, const struct str *codes, size_t count)
{
	size_t size = 8;
	while (size < 2 * count + 1) {
		size *= 2;
	}
	table->codes = codes;
	table->slots = allocate(size, sizeof(*table->slots));
	table->mask = size - 1;
}

/* The non-empty string member of an object. */
static bool read_text(
	json_t *object, const char *place, const char *name, struct str *text_out, struct err *err)
{
	const json_t *value = json_object_get(object, name);
	if (!json_is_string(value) || json_string_length(value) == 0) {
		return err_set(err, "%s/%s: a non-empty string is expected", place, name);
	}
	*text_out = (struct str){json_string_value(value), json_string_length(value)};
	return true;
}

static bool read_flag(
	json_t *object, const char *place, const char *name, bool *flag_out, struct err *err)
{
	const json_t *value = json_object_get(object, name);
	if (!json_is_boolean(value)) {
		return err_set(err, "%s/%s: true or false is expected", place, name);
	}
	*flag_out = json_is_true(value);
	return true;
}

static json_t *read_array(
	json_t *object, const char *place, const char *name, size_t max, struct err *err)
{
	json_t *value = json_object_get(object, name);
	if (!json_is_array(value) || json_array_size(value) == 0 || json_array_size(value) > max) {
		err_set(err, "%s/%s: an array of 1 to %zu elements is expected", place, name, max);
		return NULL;
	}
	return value;
}

static bool is_code(struct str code)
{
	if (code.len > 128) {
		return false;
	}
	for (size_t i = 0; i < code.len; i++) {
		char c = code.data[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    c == '-' || c == '/' || c == '.')) {
			return false;
		}
	}
	return true;
}

static bool read_code(json_t *object, const char *place, struct code_table *table,
	struct str *codes, size_t position, struct err *err)
{
	if (!read_text(object, place, "code", &codes[position], err)) {
		return false;
	}
	if (!is_code(codes[position])) {
		return err_set(err, "%s/code: at most 128 letters, digits, -, / and . are expected",
			place);
	}
	if (!code_table_add(table, position)) {
		return err_set(err, "%s/code: the code stands in the list already", place);
	}
	return true;
}

/* MAJOR.MINOR.PATCH without leading zeros, at most five digits each. */
static bool read_version(struct taxonomy *taxonomy, struct err *err)
{
	if (!read_text(taxonomy->tree, "", "version", &taxonomy->version, err)) {
		return false;
	}
	const char *at = taxonomy->version.data;
	int numbers[3] = {0};
	for (int i = 0; i < 3; i++) {
		int digits = 0;
		while (digits < 6 && at[digits] >= '0' && at[digits] <= '9') {
			numbers[i] = numbers[i] * 10 + (at[digits++] - '0');
		}
		if (digits == 0 || digits > 5 || (digits > 1 && *at == '0') ||
			at[digits] != (i < 2 ? '.' : '\0')) {
			return err_set(err, "/version: MAJOR.MINOR.PATCH is expected");
		}
		at += digits + 1;
	}
	taxonomy->major = numbers[0];
	return true;
}

static bool read_areas(struct taxonomy *taxonomy, struct err *err)
{
	json_t *areas = read_array(taxonomy->tree, "", "action_areas", TAXONOMY_MAX_AREAS, err);
	if (areas == NULL) {
		return false;
	}
	size_t count = json_array_size(areas);
	taxonomy->areas = allocate(count, sizeof(*taxonomy->areas));
	taxonomy->area_codes = allocate(count, sizeof(*taxonomy->area_codes));
	taxonomy->area_count = count;
	code_table_init(&taxonomy->area_table, taxonomy->area_codes, count);
	for (size_t i = 0; i < count; i++) {
		json_t *area = json_array_get(areas, i);
		char place[64];
		snprintf(place, sizeof(place), "/action_areas/%zu", i);
		if (!read_code(area, place, &taxonomy->area_table, taxonomy->area_codes, i, err) ||
			!read_text(area, place, "title", &taxonomy->areas[i].title, err)) {
			return false;
		}
		taxonomy->areas[i].code = taxonomy->area_codes[i];
	}
	return true;
}

static bool read_rsit(struct taxonomy *taxonomy, struct err *err)
{
	json_t *rsit = json_object_get(taxonomy->tree, "rsit");
	json_t *types = read_array(rsit, "/rsit", "types", TAXONOMY_MAX_CODES, err);
	if (types == NULL) {
		return false;
	}
	size_t count = json_array_size(types);
	taxonomy->rsit_codes = allocate(count, sizeof(*taxonomy->rsit_codes));
	taxonomy->rsit_count = count;
	code_table_init(&taxonomy->rsit_table, taxonomy->rsit_codes, count);
	for (size_t i = 0; i < count; i++) {
		char place[64];
		snprintf(place, sizeof(place), "/rsit/types/%zu", i);
		if (!read_code(json_array_get(types, i), place, &taxonomy->rsit_table,
			    taxonomy->rsit_codes, i, err)) {
			return false;
		}
	}
	return true;
}

/* The code at place/name/position, which has to be in the table. */
static int read_reference(const json_t *array, size_t position, const struct code_table *table,
	const char *place, const char *name, struct err *err)
{
	const json_t *value = json_array_get(array, position);
	int found = -1;
	if (json_is_string(value)) {
		found = code_table_find(
			table, (struct str){json_string_value(value), json_string_length(value)});
	}
	if (found < 0) {
		err_set(err, "%s/%s/%zu: a code of this file is expected", place, name, position);
	}
	return found;
}

static bool read_category_areas(const struct taxonomy *taxonomy, json_t *object, const char *place,
	struct taxonomy_category *category, struct err *err)
{
	json_t *areas = read_array(object, place, "action_areas", TAXONOMY_MAX_AREAS, err);
	for (size_t i = 0; i < json_array_size(areas); i++) {
		int area =
			read_reference(areas, i, &taxonomy->area_table, place, "action_areas", err);
		if (area < 0) {
			return false;
		}
		if ((category->areas & (UINT32_C(1) << area)) != 0) {
			return err_set(err, "%s/action_areas/%zu: the area is repeated", place, i);
		}
		category->areas |= UINT32_C(1) << area;
	}
	if (areas == NULL ||
		!read_text(object, place, "primary_area", &category->primary_area, err)) {
		return false;
	}
	int primary = code_table_find(&taxonomy->area_table, category->primary_area);
	if (primary < 0 || (category->areas & (UINT32_C(1) << primary)) == 0) {
		return err_set(err, "%s/primary_area: one of its action_areas is expected", place);
	}
	return true;
}

static bool read_category_rsit(const struct taxonomy *taxonomy, json_t *object, const char *place,
	struct taxonomy_category *category, struct err *err)
{
	json_t *list = read_array(object, place, "rsit", TAXONOMY_MAX_CODES, err);
	if (list == NULL) {
		return false;
	}
	struct str *codes = allocate(json_array_size(list), sizeof(*codes));
	category->rsit = codes;
	category->rsit_count = json_array_size(list);
	for (size_t i = 0; i < category->rsit_count; i++) {
		int code = read_reference(list, i, &taxonomy->rsit_table, place, "rsit", err);
		if (code < 0) {
			return false;
		}
		codes[i] = taxonomy->rsit_codes[code];
	}
	return true;
}

static bool read_min_tlp(json_t *object, const char *place, enum tlp *tlp_out, struct err *err)
{
	static const char *const labels[] = {
		"TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"};
	struct str label;
	if (!read_text(object, place, "min_tlp", &label, err)) {
		return false;
	}
	for (int i = TLP_CLEAR; i <= TLP_RED; i++) {
		if (str_equal(label, str_from(labels[i]))) {
			*tlp_out = (enum tlp)i;
			return true;
		}
	}
	return err_set(err, "%s/min_tlp: a label of TLP 2.0 is expected", place);
}

static bool read_category(
	struct taxonomy *taxonomy, json_t *object, size_t position, struct err *err)
{
	struct taxonomy_category *category = &taxonomy->categories[position];
	char place[64];
	snprintf(place, sizeof(place), "/categories/%zu", position);
	if (!read_code(object, place, &taxonomy->category_table, taxonomy->category_codes, position,
		    err)) {
		return false;
	}
	category->code = taxonomy->category_codes[position];
	return read_text(object, place, "title", &category->title, err) &&
		read_text(object, place, "definition", &category->definition, err) &&
		read_category_areas(taxonomy, object, place, category, err) &&
		read_category_rsit(taxonomy, object, place, category, err) &&
		read_min_tlp(object, place, &category->min_tlp, err) &&
		read_flag(object, place, "critical", &category->is_critical, err) &&
		read_flag(object, place, "countable", &category->is_countable, err) &&
		read_flag(object, place, "protect_victim", &category->protects_victim, err) &&
		read_flag(object, place, "attachments_allowed", &category->allows_attachments, err);
}

static bool read_categories(struct taxonomy *taxonomy, struct err *err)
{
	json_t *categories = read_array(taxonomy->tree, "", "categories", TAXONOMY_MAX_CODES, err);
	if (categories == NULL) {
		return false;
	}
	size_t count = json_array_size(categories);
	taxonomy->categories = allocate(count, sizeof(*taxonomy->categories));
	taxonomy->category_codes = allocate(count, sizeof(*taxonomy->category_codes));
	taxonomy->category_count = count;
	code_table_init(&taxonomy->category_table, taxonomy->category_codes, count);
	for (size_t i = 0; i < count; i++) {
		if (!read_category(taxonomy, json_array_get(categories, i), i, err)) {
			return false;
		}
	}
	return true;
}

static bool read_document(struct taxonomy *taxonomy, const char *path, struct err *err)
{
	FILE *file = fopen(path, "rbe");
	if (file == NULL) {
		return err_set(err, "%s", strerror(errno));
	}
	taxonomy->document = allocate(TAXONOMY_MAX_BYTES + 1, 1);
	taxonomy->document_len = fread(taxonomy->document, 1, TAXONOMY_MAX_BYTES + 1, file);
	bool is_read = ferror(file) == 0;
	fclose(file);
	if (!is_read) {
		return err_set(err, "it cannot be read");
	}
	if (taxonomy->document_len > TAXONOMY_MAX_BYTES) {
		return err_set(err, "it has more than %zu bytes", TAXONOMY_MAX_BYTES);
	}
	char *fitted = realloc(taxonomy->document, taxonomy->document_len + 1);
	ENSURE(fitted != NULL);
	taxonomy->document = fitted;
	return true;
}

/* jansson quotes the file, which may hold what a terminal would obey. */
static void blank_control_characters(char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f) {
			*text = '?';
		}
	}
}

static bool read_tree(struct taxonomy *taxonomy, struct err *err)
{
	json_error_t json_error;
	bool is_out_of_memory;
	struct str document = {taxonomy->document, taxonomy->document_len};
	arena_init(&taxonomy->arena, TREE_MAX_BYTES);
	taxonomy->tree =
		report_json_load(&taxonomy->arena, document, &json_error, &is_out_of_memory);
	if (is_out_of_memory) {
		return err_set(err, "memory is short");
	}
	if (taxonomy->tree == NULL) {
		blank_control_characters(json_error.text);
		return err_set(err, "line %d, column %d: %s", json_error.line, json_error.column,
			json_error.text);
	}
	if (!json_is_object(taxonomy->tree)) {
		return err_set(err, "an object is expected");
	}
	if (!read_text(taxonomy->tree, "", "id", &taxonomy->id, err)) {
		return false;
	}
	if (!is_code(taxonomy->id)) {
		return err_set(err, "/id: at most 128 letters, digits, -, / and . are expected");
	}
	return read_version(taxonomy, err) && read_areas(taxonomy, err) &&
		read_rsit(taxonomy, err) && read_categories(taxonomy, err);
}

struct taxonomy *taxonomy_load(const char *path, struct err *err)
{
	struct taxonomy *taxonomy = allocate(1, sizeof(*taxonomy));
	if (!read_document(taxonomy, path, err) || !read_tree(taxonomy, err)) {
		err_prefix(err, "%s", path);
		taxonomy_free(&taxonomy);
	}
	return taxonomy;
}

void taxonomy_free(struct taxonomy **taxonomy)
{
	struct taxonomy *gone = *taxonomy;
	*taxonomy = NULL;
	if (gone == NULL) {
		return;
	}
	for (size_t i = 0; i < gone->category_count; i++) {
		free((void *)gone->categories[i].rsit);
	}
	free(gone->categories);
	free(gone->category_codes);
	free(gone->areas);
	free(gone->area_codes);
	free(gone->rsit_codes);
	free(gone->area_table.slots);
	free(gone->category_table.slots);
	free(gone->rsit_table.slots);
	arena_fini(&gone->arena);
	free(gone->document);
	free(gone);
}

struct str taxonomy_id(const struct taxonomy *taxonomy)
{
	return taxonomy->id;
}

struct str taxonomy_version(const struct taxonomy *taxonomy)
{
	return taxonomy->version;
}

int taxonomy_major(const struct taxonomy *taxonomy)
{
	return taxonomy->major;
}

struct str taxonomy_document(const struct taxonomy *taxonomy)
{
	return (struct str){taxonomy->document, taxonomy->document_len};
}

size_t taxonomy_area_count(const struct taxonomy *taxonomy)
{
	return taxonomy->area_count;
}

const struct taxonomy_area *taxonomy_area(const struct taxonomy *taxonomy, size_t index)
{
	ENSURE(index < taxonomy->area_count);
	return &taxonomy->areas[index];
}

size_t taxonomy_category_count(const struct taxonomy *taxonomy)
{
	return taxonomy->category_count;
}

const struct taxonomy_category *taxonomy_category(const struct taxonomy *taxonomy, size_t index)
{
	ENSURE(index < taxonomy->category_count);
	return &taxonomy->categories[index];
}

const struct taxonomy_category *taxonomy_find_category(
	const struct taxonomy *taxonomy, struct str code)
{
	int position = code_table_find(&taxonomy->category_table, code);
	return position < 0 ? NULL : &taxonomy->categories[position];
}

int taxonomy_find_area(const struct taxonomy *taxonomy, struct str code)
{
	return code_table_find(&taxonomy->area_table, code);
}

size_t taxonomy_rsit_count(const struct taxonomy *taxonomy)
{
	return taxonomy->rsit_count;
}

struct str taxonomy_rsit(const struct taxonomy *taxonomy, size_t index)
{
	ENSURE(index < taxonomy->rsit_count);
	return taxonomy->rsit_codes[index];
}

bool taxonomy_has_rsit(const struct taxonomy *taxonomy, struct str code)
{
	return code_table_find(&taxonomy->rsit_table, code) >= 0;
}
