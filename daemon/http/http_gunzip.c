// SPDX-License-Identifier: Apache-2.0
/*
 * zlib does the decoding, out of memory that lies in the decoder itself. It is asked to stop at
 * each block: that is where blocks are counted, and it tells in which part of a member a fault is.
 */
#include "http/http_gunzip.h"

#include <limits.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>

/* zlib's state and its window of 32 KiB; a test fails when they do not fit. */
#define GUNZIP_MEMORY_BYTES (42 * 1024)
/* zlib's way of saying: gzip and nothing else, with the largest window. */
#define GUNZIP_GZIP_ONLY (16 + MAX_WBITS)
/* z_stream.data_type. */
#define GUNZIP_IS_LAST_BLOCK 64
#define GUNZIP_IS_BETWEEN_BLOCKS 128

enum gunzip_place { GUNZIP_HEADER, GUNZIP_BLOCKS, GUNZIP_TRAILER, GUNZIP_CLOSED, GUNZIP_BROKEN };

struct http_gunzip {
	z_stream stream;
	enum gunzip_place place;
	bool is_behind_member;
	uint64_t blocks; /* and member headers */
	uint64_t content;
	const char *detail;
	size_t memory_used;
	alignas(max_align_t) unsigned char memory[GUNZIP_MEMORY_BYTES];
};

static void *gunzip_alloc(void *ctx, unsigned count, unsigned size)
{
	struct http_gunzip *gunzip = ctx;
	size_t unit = alignof(max_align_t);
	size_t bytes = ((size_t)count * size + unit - 1) / unit * unit;

	if (bytes > sizeof(gunzip->memory) - gunzip->memory_used) {
		return NULL;
	}
	void *piece = gunzip->memory + gunzip->memory_used;
	gunzip->memory_used += bytes;
	return piece;
}

/* A piece goes with the whole. */
static void gunzip_free_nothing(void *ctx, void *piece)
{
	(void)ctx;
	(void)piece;
}

/*
 * zlib makes its window when content first comes. A dictionary makes it do so now: it is taken for
 * raw deflate only, so the format is set after it, and setting that forgets it.
 */
static bool gunzip_set_up_stream(struct http_gunzip *gunzip)
{
	z_stream *stream = &gunzip->stream;

	stream->zalloc = gunzip_alloc;
	stream->zfree = gunzip_free_nothing;
	stream->opaque = gunzip;
	return inflateInit2(stream, -MAX_WBITS) == Z_OK &&
		inflateSetDictionary(stream, (const Bytef *)"", 1) == Z_OK &&
		inflateReset2(stream, GUNZIP_GZIP_ONLY) == Z_OK;
}

struct http_gunzip *http_gunzip_new(void)
{
	struct http_gunzip *gunzip = calloc(1, sizeof(*gunzip));

	if (gunzip != NULL && !gunzip_set_up_stream(gunzip)) {
		http_gunzip_free(&gunzip);
	}
	return gunzip;
}

void http_gunzip_free(struct http_gunzip **gunzip)
{
	if (*gunzip != NULL) {
		explicit_bzero(*gunzip, sizeof(**gunzip));
		free(*gunzip);
		*gunzip = NULL;
	}
}

bool http_gunzip_is_complete(const struct http_gunzip *gunzip)
{
	return gunzip->place == GUNZIP_CLOSED;
}

const char *http_gunzip_detail(const struct http_gunzip *gunzip)
{
	return gunzip->detail;
}

static enum http_parse gunzip_refuse(struct http_gunzip *gunzip, const char *detail)
{
	gunzip->detail = detail;
	gunzip->place = GUNZIP_BROKEN;
	return HTTP_BAD;
}

static enum http_parse gunzip_refuse_data(struct http_gunzip *gunzip)
{
	switch (gunzip->place) {
	case GUNZIP_HEADER:
		return gunzip_refuse(gunzip,
			gunzip->is_behind_member
				? "behind a gzip member only another one is expected"
				: "a gzip member is expected, with a sound header");
	case GUNZIP_TRAILER:
		return gunzip_refuse(gunzip,
			"the content has not the checksum and length that its gzip member says");
	default:
		return gunzip_refuse(gunzip, "the compressed data is broken");
	}
}

/* At the end of a member's header and of each block: all content before it is out. */
static enum http_parse gunzip_count_block(struct http_gunzip *gunzip)
{
	bool is_last = (gunzip->stream.data_type & GUNZIP_IS_LAST_BLOCK) != 0;

	gunzip->place = is_last ? GUNZIP_TRAILER : GUNZIP_BLOCKS;
	gunzip->blocks++;
	if (gunzip->blocks > HTTP_GUNZIP_BLOCKS_OF_ANY_SIZE &&
		gunzip->content / gunzip->blocks < HTTP_GUNZIP_BLOCK_MEAN_BYTES_MIN) {
		return gunzip_refuse(gunzip, "too many small members or blocks");
	}
	return HTTP_MORE;
}

static void gunzip_begin_next_member(struct http_gunzip *gunzip)
{
	ENSURE(inflateReset(&gunzip->stream) == Z_OK);
	gunzip->place = GUNZIP_HEADER;
	gunzip->is_behind_member = true;
}

/* One call of zlib, which stops at the end of a block; *is_stuck_out: nothing moved. */
static enum http_parse gunzip_step(struct http_gunzip *gunzip, bool *is_stuck_out)
{
	z_stream *stream = &gunzip->stream;
	unsigned len = stream->avail_in;
	unsigned room = stream->avail_out;
	int result = inflate(stream, Z_BLOCK);
	bool is_between = (stream->data_type & GUNZIP_IS_BETWEEN_BLOCKS) != 0;

	gunzip->content += room - stream->avail_out;
	/* Where it stopped for a block, it may have more to do. */
	*is_stuck_out = len == stream->avail_in && room == stream->avail_out && !is_between;
	switch (result) {
	case Z_STREAM_END:
		*is_stuck_out = false;
		gunzip->place = GUNZIP_CLOSED;
		return HTTP_MORE;
	case Z_OK:
	case Z_BUF_ERROR:
		return is_between ? gunzip_count_block(gunzip) : HTTP_MORE;
	case Z_DATA_ERROR:
		return gunzip_refuse_data(gunzip);
	default:
		ENSURE(!"zlib has its memory and what it needs");
		return HTTP_BAD;
	}
}

/* zlib takes no more at once than its own type holds. */
static unsigned gunzip_portion(size_t bytes)
{
	return bytes < UINT_MAX ? (unsigned)bytes : UINT_MAX;
}

enum http_parse http_gunzip_decode(struct http_gunzip *gunzip, const char *data, size_t len,
	size_t *used_out, char *out, size_t out_size, size_t *out_len_out)
{
	z_stream *stream = &gunzip->stream;
	enum http_parse result = gunzip->place == GUNZIP_BROKEN ? HTTP_BAD : HTTP_MORE;
	bool is_stuck = false;
	size_t used = 0;
	size_t out_len = 0;
	Bytef no_room = 0;

	while (result == HTTP_MORE && !is_stuck) {
		if (gunzip->place == GUNZIP_CLOSED && used == len) {
			break;
		}
		if (gunzip->place == GUNZIP_CLOSED) {
			gunzip_begin_next_member(gunzip);
		}
		unsigned portion = gunzip_portion(len - used);
		unsigned room = gunzip_portion(out_size - out_len);
		stream->next_in = (const Bytef *)data + used;
		stream->avail_in = portion;
		stream->next_out = room > 0 ? (Bytef *)out + out_len : &no_room;
		stream->avail_out = room;
		result = gunzip_step(gunzip, &is_stuck);
		used += portion - stream->avail_in;
		out_len += room - stream->avail_out;
	}
	*used_out = used;
	*out_len_out = result == HTTP_BAD ? 0 : out_len;
	return result;
}
