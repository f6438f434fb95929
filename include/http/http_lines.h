// SPDX-License-Identifier: Apache-2.0
/*
 * Lines out of a body that is still arriving (NDJSON): an LF ends a line, a CR before it belongs to
 * the ending, and the last line needs none. Pure, holds no bytes: the caller keeps what was not
 * used, and shows it again with more behind it.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_lines {
	size_t max_bytes; /* of a line, without its ending */
	uint64_t number;  /* of the line told last, from 1 */
	size_t scanned;   /* bytes of the unused ones that hold no LF */
	bool skips;       /* the rest of an over-long line is thrown away */
};

enum http_line {
	HTTP_LINE_MORE,    /* no line is whole yet */
	HTTP_LINE_TEXT,    /* line_out is one, without its ending */
	HTTP_LINE_TOO_LONG /* it is over max_bytes; told once, before it has ended */
};

void http_lines_init(struct http_lines *lines, size_t max_bytes);
/*
 * The next line that holds more than spaces and tabs; those that do not take a number and are
 * passed over. data: all that was not used yet. used_out: how much of it is not to be shown again;
 * a line_out stays where it is until the caller drops those bytes. is_end: nothing follows data.
 */
enum http_line http_lines_next(struct http_lines *lines, const char *data, size_t len, bool is_end,
	struct str *line_out, size_t *used_out);
