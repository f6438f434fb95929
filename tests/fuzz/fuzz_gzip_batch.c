// SPDX-License-Identifier: Apache-2.0
/*
 * A batch with Content-Encoding: gzip, unfolded and cut into lines. The bytes are those of the body
 * where they begin as gzip does; anything else is a batch that is folded here first, a member for
 * each of its parts between bytes 0, and has to come back.
 */
#include "fuzz.h"
#include "http/http_gunzip.h"
#include "http/http_lines.h"

#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>

/* What is looked at of the content: a few bytes can hold a lot of it. */
#define CONTENT_MAX ((size_t)64 << 10)
#define LINE_MAX_BYTES 48

struct unfolded {
	enum http_parse result;
	const char *detail;
	bool is_complete;
	bool is_cut; /* at CONTENT_MAX */
	size_t len;
	char content[CONTENT_MAX];
};

/* Pieces of so many bytes, into room for so many. */
static void unfold(
	struct unfolded *unfolded, const char *data, size_t size, size_t piece, size_t room)
{
	struct http_gunzip *gunzip = http_gunzip_new();
	size_t at = 0;
	size_t len = 0;
	ENSURE(gunzip != NULL);
	unfolded->result = HTTP_MORE;
	unfolded->len = 0;
	do {
		size_t given = size - at < piece ? size - at : piece;
		size_t left = CONTENT_MAX - unfolded->len;
		size_t used = 0;
		unfolded->result = http_gunzip_decode(gunzip, data + at, given, &used,
			unfolded->content + unfolded->len, left < room ? left : room, &len);
		ENSURE(used <= given && len <= room);
		at += used;
		unfolded->len += len;
		ENSURE(unfolded->result == HTTP_BAD || used == given || len == room ||
			unfolded->len == CONTENT_MAX);
	} while (unfolded->result == HTTP_MORE && unfolded->len < CONTENT_MAX &&
		(at < size || len == room));
	unfolded->is_cut = unfolded->len == CONTENT_MAX;
	unfolded->is_complete = http_gunzip_is_complete(gunzip);
	unfolded->detail = http_gunzip_detail(gunzip);
	http_gunzip_free(&gunzip);
}

static void ensure_same_content(const struct unfolded *whole, const struct unfolded *crumbs)
{
	if (whole->result == HTTP_BAD) {
		/* Of what is bad the crumbs may have let some content out before. */
		ENSURE(crumbs->is_cut ||
			(crumbs->result == HTTP_BAD && crumbs->detail == whole->detail));
		fuzz_ensure_sentence(whole->detail);
		return;
	}
	if (!whole->is_cut) {
		ENSURE(crumbs->result == whole->result &&
			crumbs->is_complete == whole->is_complete);
	}
	ENSURE(str_equal((struct str){whole->content, whole->len},
		(struct str){crumbs->content, crumbs->len}));
}

/* The next line that is told; shown grows by one byte at a time where is_by_bytes. */
static enum http_line next_line(struct http_lines *lines, struct str *left, size_t *shown,
	bool is_by_bytes, struct str *line_out)
{
	enum http_line told = HTTP_LINE_MORE;
	do {
		size_t used = 0;
		bool is_end = *shown == left->len;
		told = http_lines_next(lines, left->data, *shown, is_end, line_out, &used);
		ENSURE(used <= *shown);
		*left = (struct str){left->data + used, left->len - used};
		*shown -= used;
		if (told == HTTP_LINE_MORE && is_end) {
			return told;
		}
		*shown += is_by_bytes && told == HTTP_LINE_MORE && *shown < left->len ? 1 : 0;
	} while (told == HTTP_LINE_MORE);
	return told;
}

/* Cut as they arrive, lines are those of the whole; over-long ones are told before they are there.
 */
static void cut_into_lines(struct str content)
{
	struct http_lines whole;
	struct http_lines by_bytes;
	struct str left[2] = {content, content};
	struct str line[2] = {{0}};
	size_t shown[2] = {content.len, 0};
	enum http_line told;
	http_lines_init(&whole, LINE_MAX_BYTES);
	http_lines_init(&by_bytes, LINE_MAX_BYTES);
	do {
		told = next_line(&whole, &left[0], &shown[0], false, &line[0]);
		ENSURE(next_line(&by_bytes, &left[1], &shown[1], true, &line[1]) == told);
		ENSURE(whole.number == by_bytes.number);
		if (told == HTTP_LINE_TEXT) {
			ENSURE(line[0].data == line[1].data && line[0].len == line[1].len);
			ENSURE(line[0].len <= LINE_MAX_BYTES);
			ENSURE(memchr(line[0].data, '\n', line[0].len) == NULL);
		}
	} while (told != HTTP_LINE_MORE);
	ENSURE(left[0].len == 0 && left[1].len == 0);
}

static void judge(struct unfolded *whole, const char *data, size_t size)
{
	static struct unfolded crumbs;
	unfold(whole, data, size, size > 0 ? size : 1, CONTENT_MAX);
	unfold(&crumbs, data, size, 1, 1);
	ensure_same_content(whole, &crumbs);
	unfold(&crumbs, data, size, 7, 300);
	ensure_same_content(whole, &crumbs);
	cut_into_lines((struct str){whole->content, whole->len});
}

/* Another level each time, so that stored, fixed and dynamic blocks are met. */
static size_t fold_member(char *out, size_t room, const uint8_t *data, size_t size, int level)
{
	z_stream stream = {.next_in = data,
		.avail_in = (uInt)size,
		.next_out = (Bytef *)out,
		.avail_out = (uInt)room};
	ENSURE(deflateInit2(&stream, level, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) ==
		Z_OK);
	ENSURE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
	ENSURE(deflateEnd(&stream) == Z_OK);
	return room - stream.avail_out;
}

static void judge_folded(struct unfolded *whole, const uint8_t *data, size_t size)
{
	size_t room = size * 32 + 64;
	size_t len = 0;
	size_t content_len = 0;
	int level = 0;
	char *folded = malloc(room);
	char *content = malloc(size > 0 ? size : 1);
	ENSURE(folded != NULL && content != NULL);
	for (size_t at = 0; at <= size; level++) {
		const uint8_t *zero = memchr(data + at, 0, size - at);
		size_t part = zero != NULL ? (size_t)(zero - data) - at : size - at;
		len += fold_member(folded + len, room - len, data + at, part, level % 10);
		memcpy(content + content_len, data + at, part);
		content_len += part;
		at += part + 1;
	}
	judge(whole, folded, len);
	if (!whole->is_cut && level <= HTTP_GUNZIP_BLOCKS_OF_ANY_SIZE / 4) {
		ENSURE(whole->result == HTTP_MORE && whole->is_complete);
		ENSURE(str_equal((struct str){whole->content, whole->len},
			(struct str){content, content_len}));
	}
	free(content);
	free(folded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct unfolded whole;
	if (size >= 2 && data[0] == 0x1f && data[1] == 0x8b) {
		judge(&whole, (const char *)data, size);
	} else {
		judge_folded(&whole, data, size);
	}
	return 0;
}
