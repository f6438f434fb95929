// SPDX-License-Identifier: Apache-2.0
/*
 * JSON from first to last, with the commas put in. What fails is noted and told at the end, so that
 * a page reads as the list of its members. A name of NULL is an element of an array.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_writer {
	struct buf *out;
	bool wants_comma;
	bool has_failed; /* memory was short: what was written is no JSON */
};

/* What a text of any bytes says, cut to out: JSON holds UTF-8 only. Returns out. */
const char *json_plain(char *out, size_t out_size, const char *text);
/* open: '{' or '['. */
void json_open(struct json_writer *json, const char *name, char open);
void json_close(struct json_writer *json, char close);
/* UTF-8; data NULL is null. */
void json_text(struct json_writer *json, const char *name, struct str text);
void json_integer(struct json_writer *json, const char *name, int64_t number);
void json_boolean(struct json_writer *json, const char *name, bool is_true);
/* With three digits of fraction; NaN is null. */
void json_real(struct json_writer *json, const char *name, double number);
/* RFC 3339; 0 is null. */
void json_time(struct json_writer *json, const char *name, int64_t wall_us);
/* Of an array that is JSON already, without its brackets. */
void json_elements(struct json_writer *json, struct str elements);
