// SPDX-License-Identifier: Apache-2.0
#include "http/http_lines.h"

#include <string.h>

void http_lines_init(struct http_lines *lines, size_t max_bytes)
{
	*lines = (struct http_lines){.max_bytes = max_bytes};
}

static bool is_blank(struct str line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (line.data[i] != ' ' && line.data[i] != '\t') {
			return false;
		}
	}
	return true;
}

/* Without its LF, where it has one, and a CR before that. */
static struct str without_ending(const char *data, size_t len, bool has_line_feed)
{
	if (has_line_feed) {
		len--;
		len -= len > 0 && data[len - 1] == '\r' ? 1 : 0;
	}
	return (struct str){data, len};
}

static enum http_line take_line(struct http_lines *lines, struct str line, struct str *line_out)
{
	bool was_skipping = lines->skips;
	lines->scanned = 0;
	lines->skips = false;
	if (was_skipping) {
		return HTTP_LINE_MORE;
	}
	lines->number++;
	*line_out = line;
	if (line.len > lines->max_bytes) {
		return HTTP_LINE_TOO_LONG;
	}
	return is_blank(line) ? HTTP_LINE_MORE : HTTP_LINE_TEXT;
}

/* No LF has come: what is there is either kept or, past the limit, thrown away. */
static enum http_line wait_for_more(struct http_lines *lines, size_t len, size_t *used_out)
{
	/* A CR at the end may belong to the ending. */
	bool is_too_long = !lines->skips && len > lines->max_bytes + 1;
	lines->scanned = len;
	if (is_too_long) {
		lines->number++;
		lines->skips = true;
	}
	if (lines->skips) {
		*used_out = len;
		lines->scanned = 0;
	}
	return is_too_long ? HTTP_LINE_TOO_LONG : HTTP_LINE_MORE;
}

enum http_line http_lines_next(struct http_lines *lines, const char *data, size_t len, bool is_end,
	struct str *line_out, size_t *used_out)
{
	enum http_line told = HTTP_LINE_MORE;
	*used_out = 0;
	while (told == HTTP_LINE_MORE && *used_out < len) {
		const char *rest = data + *used_out;
		size_t rest_len = len - *used_out;
		const char *line_feed =
			memchr(rest + lines->scanned, '\n', rest_len - lines->scanned);
		if (line_feed == NULL && !is_end) {
			size_t dropped = 0;
			told = wait_for_more(lines, rest_len, &dropped);
			*used_out += dropped;
			return told;
		}
		size_t line_len = line_feed != NULL ? (size_t)(line_feed - rest) + 1 : rest_len;
		struct str line = without_ending(rest, line_len, line_feed != NULL);
		told = take_line(lines, line, line_out);
		*used_out += line_len;
	}
	return told;
}
