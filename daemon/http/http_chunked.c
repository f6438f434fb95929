// SPDX-License-Identifier: Apache-2.0
/*
 * A state a byte around the sizes, one memmove a run of content. The sum of the declared sizes is
 * known when a chunk begins, so a body cut into crumbs is refused before its content is read.
 */
#include "http/http_chunked.h"

#include "base/attr.h"

#include <stdbool.h>
#include <string.h>

#define CHUNK_DIGITS_MAX 8
#define CHUNKS_OF_ANY_SIZE 8192
#define CHUNK_MEAN_BYTES_MIN 256

enum chunk_state {
	CHUNK_SIZE,
	CHUNK_SIZE_LF,
	CHUNK_CONTENT,
	CHUNK_CONTENT_CR,
	CHUNK_CONTENT_LF,
	CHUNK_LAST_CR,
	CHUNK_LAST_LF,
	CHUNK_ENDED
};

void http_chunked_init(struct http_chunked *chunked)
{
	*chunked = (struct http_chunked){.state = CHUNK_SIZE};
}

static enum http_parse chunked_refuse(struct http_chunked *chunked, const char *detail)
{
	chunked->detail = detail;
	chunked->state = CHUNK_ENDED;
	return HTTP_BAD;
}

static enum http_parse chunked_expect(
	struct http_chunked *chunked, char byte, char expected, enum chunk_state next)
{
	if (byte != expected) {
		return chunked_refuse(chunked, "CR LF is expected around a chunk");
	}
	chunked->state = (int)next;
	return HTTP_MORE;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	char lower = (char)(c | 0x20);
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static enum http_parse chunked_step_size(struct http_chunked *chunked, char byte)
{
	int value = hex_value(byte);
	if (value >= 0 && chunked->digits < CHUNK_DIGITS_MAX) {
		chunked->digits++;
		chunked->chunk_left = chunked->chunk_left << 4 | (unsigned)value;
		return HTTP_MORE;
	}
	if (byte == '\r' && chunked->digits > 0) {
		chunked->state = CHUNK_SIZE_LF;
		return HTTP_MORE;
	}
	return chunked_refuse(chunked, "a chunk size is 1 to 8 hex digits, without an extension");
}

static enum http_parse chunked_begin_chunk(struct http_chunked *chunked, char byte)
{
	chunked->digits = 0;
	if (chunked->chunk_left == 0) {
		return chunked_expect(chunked, byte, '\n', CHUNK_LAST_CR);
	}
	chunked->chunks++;
	if (chunked->chunks > CHUNKS_OF_ANY_SIZE &&
		(chunked->content + chunked->chunk_left) / chunked->chunks < CHUNK_MEAN_BYTES_MIN) {
		return chunked_refuse(chunked, "too many small chunks");
	}
	return chunked_expect(chunked, byte, '\n', CHUNK_CONTENT);
}

/* Any byte outside content. */
static enum http_parse chunked_step(struct http_chunked *chunked, char byte)
{
	switch ((enum chunk_state)chunked->state) {
	case CHUNK_SIZE:
		return chunked_step_size(chunked, byte);
	case CHUNK_SIZE_LF:
		return chunked_begin_chunk(chunked, byte);
	case CHUNK_CONTENT_CR:
		return chunked_expect(chunked, byte, '\r', CHUNK_CONTENT_LF);
	case CHUNK_CONTENT_LF:
		return chunked_expect(chunked, byte, '\n', CHUNK_SIZE);
	case CHUNK_LAST_CR:
		if (byte != '\r') {
			return chunked_refuse(chunked, "trailers are not accepted");
		}
		chunked->state = CHUNK_LAST_LF;
		return HTTP_MORE;
	case CHUNK_LAST_LF:
		if (byte != '\n') {
			return chunked_refuse(chunked, "CR LF is expected around a chunk");
		}
		chunked->state = CHUNK_ENDED;
		return HTTP_DONE;
	case CHUNK_CONTENT:
	case CHUNK_ENDED:
		break;
	}
	ENSURE(!"a chunk state that takes single bytes");
	return HTTP_BAD;
}

static size_t chunked_copy_content(
	struct http_chunked *chunked, const char *data, size_t len, char *out)
{
	size_t run = len < chunked->chunk_left ? len : (size_t)chunked->chunk_left;
	if (out != data) {
		memmove(out, data, run);
	}
	chunked->chunk_left -= run;
	chunked->content += run;
	if (chunked->chunk_left == 0) {
		chunked->state = CHUNK_CONTENT_CR;
	}
	return run;
}

enum http_parse http_chunked_decode(struct http_chunked *chunked, const char *data, size_t len,
	char *out, size_t *out_len_out, size_t *used_out)
{
	enum http_parse result = HTTP_MORE;
	size_t used = 0;
	size_t out_len = 0;

	while (used < len && result == HTTP_MORE) {
		if (chunked->state == CHUNK_CONTENT) {
			size_t run = chunked_copy_content(
				chunked, data + used, len - used, out + out_len);
			used += run;
			out_len += run;
		} else {
			result = chunked_step(chunked, data[used++]);
		}
	}
	*out_len_out = out_len;
	*used_out = used;
	return result;
}
