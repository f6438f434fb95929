// SPDX-License-Identifier: Apache-2.0
/*
 * Asks the running daemon how it is. The control socket takes one line and answers with one JSON
 * object, then closes. What the object holds is the daemon's business: it is shown as it comes.
 */
#include "intakectl_control_int.h"

#include <stdio.h>
#include <stdlib.h>

#define ANSWER_TIMEOUT_S 10
#define NAME_MAX_BYTES 256

typedef void line_fn(void *ctx, const char *name, const char *value);

static void each_value(const char *name, const json_t *value, line_fn *on_line, void *ctx);

static void each_member(const char *prefix, const json_t *value, line_fn *on_line, void *ctx)
{
	const char *key;
	json_t *member;
	char name[NAME_MAX_BYTES];
	json_object_foreach((json_t *)value, key, member)
	{
		snprintf(name, sizeof(name), "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".", key);
		each_value(name, member, on_line, ctx);
	}
}

/* Calls on_line for every value that holds no others, under the names that lead to it. */
static void each_value(const char *name, const json_t *value, line_fn *on_line, void *ctx)
{
	char inner[NAME_MAX_BYTES];
	if (json_is_object(value)) {
		each_member(name, value, on_line, ctx);
		return;
	}
	for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++) {
		snprintf(inner, sizeof(inner), "%s.%zu", name, i + 1);
		each_value(inner, json_array_get(value, i), on_line, ctx);
	}
	if (json_is_string(value)) {
		on_line(ctx, name, json_string_value(value));
	} else if (!json_is_array(value)) {
		char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
		on_line(ctx, name, text == NULL ? "?" : text);
		free(text);
	}
}

static void measure_line(void *ctx, const char *name, const char *value)
{
	int *width = ctx;
	int name_width = table_cell_width(name);
	(void)value;
	*width = name_width > *width ? name_width : *width;
}

static void print_line(void *ctx, const char *name, const char *value)
{
	const int *width = ctx;
	table_print_cell(stdout, name, *width + 2);
	table_print_cell(stdout, value, 0);
	putchar('\n');
}

static void print_status(const json_t *status, bool is_json)
{
	int width = 0;
	if (is_json) {
		json_dumpf(status, stdout, JSON_COMPACT);
		putchar('\n');
		return;
	}
	each_member("", status, measure_line, &width);
	each_member("", status, print_line, &width);
}

enum outcome status_command_show(const struct request *request)
{
	struct err err;
	json_t *status = control_ask(request, "status", ANSWER_TIMEOUT_S, &err);
	if (status == NULL || !control_is_answer(status, &err)) {
		json_decref(status);
		return outcome_failed("%s", err.text);
	}
	print_status(status, request->is_json);
	json_decref(status);
	return OUTCOME_DONE;
}
