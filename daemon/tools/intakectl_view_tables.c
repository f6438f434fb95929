// SPDX-License-Identifier: Apache-2.0
#include "intakectl_view_tables_int.h"

#include "base/attr.h"
#include "intakectl_grid_int.h"
#include "intakectl_instant_int.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

double view_rate(const json_t *object, const json_t *before, const char *counter, double elapsed_s)
{
	json_int_t now = json_integer_value(json_object_get(object, counter));
	json_int_t then = json_integer_value(json_object_get(before, counter));
	return elapsed_s > 0 && now >= then ? (double)(now - then) / elapsed_s : 0;
}

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));
	return text == NULL ? "-" : text;
}

static json_int_t number_of(const json_t *object, const char *member)
{
	return json_integer_value(json_object_get(object, member));
}

struct count {
	const char *name;
	json_int_t count;
};

static int compare_counts(const void *one, const void *other)
{
	const struct count *left = one;
	const struct count *right = other;
	if (left->count != right->count) {
		return left->count < right->count ? 1 : -1;
	}
	return strcmp(left->name, right->name);
}

/* An object of counters, the largest first. */
static void print_counts(
	const struct view *view, FILE *out, const char *member, const char *heading)
{
	struct grid grid;
	const json_t *counters = json_object_get(view->status, member);
	size_t count = json_object_size(counters);
	const char *name;
	json_t *value;
	size_t used = 0;
	if (count == 0) {
		return;
	}
	struct count *counts = calloc(count, sizeof(*counts));
	ENSURE(counts != NULL);
	json_object_foreach((json_t *)counters, name, value)
	{
		counts[used++] = (struct count){name, json_integer_value(value)};
	}
	qsort(counts, used, sizeof(*counts), compare_counts);
	grid_init(&grid, 2, 1U << 1);
	grid_add(&grid, "%s", heading);
	grid_add(&grid, "COUNT");
	for (size_t i = 0; i < used && i < view->list_max; i++) {
		grid_add(&grid, "%s", counts[i].name);
		grid_add(&grid, "%" JSON_INTEGER_FORMAT, counts[i].count);
	}
	free(counts);
	fputc('\n', out);
	grid_print(&grid, out);
}

static const json_t *find_partner(const json_t *partners, const char *name)
{
	for (size_t i = 0; i < json_array_size(partners); i++) {
		const json_t *partner = json_array_get(partners, i);
		if (strcmp(text_of(partner, "name"), name) == 0) {
			return partner;
		}
	}
	return NULL;
}

static void add_partner_headings(struct grid *grid, bool has_rate)
{
	static const char *const headings[] = {
		"PARTNER", "MODE", "STATE", "STORED", "DUPLICATE", "REFUSED", "STORED/S"};
	for (size_t i = 0; i < (has_rate ? 7U : 6U); i++) {
		grid_add(grid, "%s", headings[i]);
	}
}

static void add_partner(const struct view *view, struct grid *grid, const json_t *partner)
{
	const char *name = text_of(partner, "name");
	grid_add(grid, "%s", name);
	grid_add(grid, "%s", text_of(partner, "mode"));
	grid_add(grid, "%s",
		json_is_true(json_object_get(partner, "is_suspended")) ? "suspended" : "active");
	grid_add(grid, "%" JSON_INTEGER_FORMAT, number_of(partner, "stored"));
	grid_add(grid, "%" JSON_INTEGER_FORMAT, number_of(partner, "duplicate"));
	grid_add(grid, "%" JSON_INTEGER_FORMAT, number_of(partner, "refused"));
	if (view->before != NULL) {
		const json_t *before =
			find_partner(json_object_get(view->before, "partners"), name);
		grid_add(grid, "%.1f", view_rate(partner, before, "stored", view->elapsed_s));
	}
}

/* "and 3 more" of those that there are. */
static void print_rest(FILE *out, size_t shown, json_int_t count)
{
	if (count > (json_int_t)shown) {
		fprintf(out, "and %" JSON_INTEGER_FORMAT " more\n", count - (json_int_t)shown);
	}
}

static void print_partners(const struct view *view, FILE *out)
{
	struct grid grid;
	bool has_rate = view->before != NULL;
	const json_t *partners = json_object_get(view->status, "partners");
	const json_t *count = json_object_get(view->status, "partner_count");
	size_t shown = json_array_size(partners);
	shown = shown < view->list_max ? shown : view->list_max;
	if (shown == 0) {
		return;
	}
	fputc('\n', out);
	grid_init(&grid, has_rate ? 7 : 6, 1U << 3 | 1U << 4 | 1U << 5 | 1U << 6);
	add_partner_headings(&grid, has_rate);
	for (size_t i = 0; i < shown; i++) {
		add_partner(view, &grid, json_array_get(partners, i));
	}
	grid_print(&grid, out);
	print_rest(out, shown,
		json_is_integer(count) ? json_integer_value(count)
				       : (json_int_t)json_array_size(partners));
}

static void add_codes(struct grid *grid, const json_t *codes)
{
	char line[120] = "";
	size_t len = 0;
	for (size_t i = 0; i < json_array_size(codes) && len < sizeof(line); i++) {
		const char *code = json_string_value(json_array_get(codes, i));
		int added = snprintf(line + len, sizeof(line) - len, "%s%s", i == 0 ? "" : ", ",
			code == NULL ? "?" : code);
		len += added > 0 ? (size_t)added : 0;
	}
	grid_add(grid, "%s", line[0] == '\0' ? "-" : line);
}

static void print_latest_refusals(const struct view *view, FILE *out)
{
	static const char *const headings[] = {
		"REFUSED AT", "PARTNER", "STATUS", "PROBLEM", "PATH", "CODES"};
	struct grid grid;
	const json_t *refusals = json_object_get(view->status, "latest_refusals");
	size_t shown = json_array_size(refusals);
	shown = shown < view->list_max ? shown : view->list_max;
	if (shown == 0) {
		return;
	}
	fputc('\n', out);
	grid_init(&grid, sizeof(headings) / sizeof(headings[0]), 0);
	for (size_t i = 0; i < sizeof(headings) / sizeof(headings[0]); i++) {
		grid_add(&grid, "%s", headings[i]);
	}
	for (size_t i = 0; i < shown; i++) {
		const json_t *refusal = json_array_get(refusals, i);
		char at[INSTANT_TEXT_SIZE] = "-";
		int64_t at_s = 0;
		if (instant_parse(json_string_value(json_object_get(refusal, "at")), &at_s)) {
			instant_format(at_s, at);
		}
		grid_add(&grid, "%s", at);
		grid_add(&grid, "%s", text_of(refusal, "partner"));
		grid_add(&grid, "%" JSON_INTEGER_FORMAT, number_of(refusal, "status"));
		grid_add(&grid, "%s", text_of(refusal, "problem"));
		grid_add(&grid, "%s", text_of(refusal, "path"));
		add_codes(&grid, json_object_get(refusal, "codes"));
	}
	grid_print(&grid, out);
}

void view_print_tables(const struct view *view, FILE *out)
{
	print_counts(view, out, "refusals", "REFUSAL");
	print_counts(view, out, "handshake_failures", "HANDSHAKE FAILURE");
	print_partners(view, out);
	print_latest_refusals(view, out);
}
