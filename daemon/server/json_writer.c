// SPDX-License-Identifier: Apache-2.0
#include "json_writer_int.h"

#include "base/clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

const char *json_plain(char *out, size_t out_size, const char *text)
{
	size_t len = 0;
	for (; text[len] != '\0' && len + 1 < out_size; len++) {
		unsigned char c = (unsigned char)text[len];
		out[len] = text[len];
		if (c < 0x20 || c >= 0x7f) {
			out[len] = c == '\n' || c == '\t' ? ' ' : '?';
		}
	}
	out[len] = '\0';
	return out;
}

static void append(struct json_writer *json, struct str bytes)
{
	json->has_failed = json->has_failed || !buf_append_str(json->out, bytes);
}

/* What stands before a value. */
static void begin(struct json_writer *json, const char *name)
{
	if (json->wants_comma) {
		append(json, STR(","));
	}
	if (name != NULL) {
		append(json, STR("\""));
		append(json, str_from(name));
		append(json, STR("\":"));
	}
	json->wants_comma = true;
}

static void add_literal(struct json_writer *json, const char *name, const char *value)
{
	begin(json, name);
	append(json, str_from(value));
}

void json_open(struct json_writer *json, const char *name, char open)
{
	begin(json, name);
	append(json, (struct str){&open, 1});
	json->wants_comma = false;
}

void json_close(struct json_writer *json, char close)
{
	append(json, (struct str){&close, 1});
	json->wants_comma = true;
}

void json_elements(struct json_writer *json, struct str elements)
{
	append(json, elements);
	json->wants_comma = json->wants_comma || elements.len > 0;
}

void json_text(struct json_writer *json, const char *name, struct str text)
{
	if (text.data == NULL) {
		add_literal(json, name, "null");
		return;
	}
	begin(json, name);
	append(json, STR("\""));
	json->has_failed = json->has_failed || !buf_append_json_text(json->out, text);
	append(json, STR("\""));
}

void json_integer(struct json_writer *json, const char *name, int64_t number)
{
	char text[24];
	snprintf(text, sizeof(text), "%" PRId64, number);
	add_literal(json, name, text);
}

void json_boolean(struct json_writer *json, const char *name, bool is_true)
{
	add_literal(json, name, is_true ? "true" : "false");
}

void json_real(struct json_writer *json, const char *name, double number)
{
	char text[32];
	snprintf(text, sizeof(text), "%.3f", number);
	add_literal(json, name, isfinite(number) ? text : "null");
}

void json_time(struct json_writer *json, const char *name, int64_t wall_us)
{
	char text[CLOCK_RFC3339_SIZE];
	if (wall_us == 0) {
		add_literal(json, name, "null");
		return;
	}
	clock_format_rfc3339(wall_us, text);
	json_text(json, name, str_from(text));
}
