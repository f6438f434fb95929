// SPDX-License-Identifier: Apache-2.0
/*
 * A server takes numbers that jansson cannot hold and for which it refuses the whole text. No
 * number that matters here is among them, so a 0 stands for each that might be one.
 */
#include "intake_send_identity_int.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* A shorter one without fraction and exponent is always held. */
#define INTEGER_HELD_LEN 18

static bool is_number_char(char c)
{
	return (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E';
}

static bool may_be_lost(const char *token, size_t len)
{
	return len > INTEGER_HELD_LEN || memchr(token, '.', len) != NULL ||
		memchr(token, 'e', len) != NULL || memchr(token, 'E', len) != NULL;
}

/* From a number's first byte to behind its last. */
static size_t tame_number(char *data, size_t len, size_t at)
{
	size_t end = at + 1;
	while (end < len && is_number_char(data[end])) {
		end++;
	}
	if (may_be_lost(data + at, end - at)) {
		memset(data + at, ' ', end - at);
		data[at] = '0';
	}
	return end;
}

/* From behind an opening quote to behind the closing one. */
static size_t skip_string(const char *data, size_t len, size_t at)
{
	while (at < len && data[at] != '"') {
		at += data[at] == '\\' ? 2 : 1;
	}
	return at + 1;
}

static void tame_numbers(char *data, size_t len)
{
	size_t at = 0;
	while (at < len) {
		char c = data[at];
		if (c == '"') {
			at = skip_string(data, len, at + 1);
		} else if (c == '-' || (c >= '0' && c <= '9')) {
			at = tame_number(data, len, at);
		} else {
			at++;
		}
	}
}

/* For json_decref(); NULL: it is no JSON. */
static json_t *read_report(struct str bytes)
{
	char *copy = malloc(bytes.len + 1);
	ENSURE(copy != NULL);
	memcpy(copy, bytes.data, bytes.len);
	tame_numbers(copy, bytes.len);
	json_t *report = json_loadb(copy, bytes.len, 0, NULL);
	free(copy);
	return report;
}

char *identity_report_id(struct str bytes)
{
	json_t *report = read_report(bytes);
	const char *id = json_string_value(json_object_get(report, "report_id"));
	char *copy = id != NULL ? strdup(id) : NULL;
	json_decref(report);
	return copy;
}

int64_t identity_revision(struct str bytes)
{
	json_t *report = read_report(bytes);
	json_int_t revision = json_integer_value(json_object_get(report, "revision"));
	json_decref(report);
	return revision > 1 ? revision : 1;
}
