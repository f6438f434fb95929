// SPDX-License-Identifier: Apache-2.0
/*
 * Streams are made with zlib's other half or by hand. Each is decoded whole and byte by byte, into
 * ample and into scant room; all must end alike.
 */
#include "http/http_gunzip.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

struct bytes {
	unsigned char *data;
	size_t len;
	size_t cap;
};

struct decoded {
	enum http_parse result;
	bool is_complete;
	const char *detail;
	struct bytes content;
};

static void bytes_append(struct bytes *b, const void *data, size_t len)
{
	if (b->cap <= b->len + len) {
		b->cap = (b->len + len + 1) * 2;
		b->data = realloc(b->data, b->cap);
		assert_non_null(b->data);
	}
	if (len > 0) {
		memcpy(b->data + b->len, data, len);
	}
	b->len += len;
}

static void bytes_free(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){0};
}

/* Appends text as one stream; window_bits as of deflateInit2, header may be NULL. */
static void deflate_text(
	struct bytes *b, const void *text, size_t len, int window_bits, gz_header *header)
{
	z_stream stream = {0};
	assert_int_equal(
		deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
	if (header != NULL) {
		assert_int_equal(deflateSetHeader(&stream, header), Z_OK);
	}
	size_t bound = deflateBound(&stream, len) + 1024;
	unsigned char *out = malloc(bound);
	assert_non_null(out);
	stream.next_in = (Bytef *)(uintptr_t)text;
	stream.avail_in = (unsigned)len;
	stream.next_out = out;
	stream.avail_out = (unsigned)bound;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	bytes_append(b, out, bound - stream.avail_out);
	deflateEnd(&stream);
	free(out);
}

static void append_member(struct bytes *b, const char *text)
{
	deflate_text(b, text, strlen(text), 16 + MAX_WBITS, NULL);
}

static void append_header(struct bytes *b)
{
	bytes_append(b, "\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
}

static void append_stored_block(struct bytes *b, const void *text, size_t len, bool is_last)
{
	unsigned char head[5] = {is_last, (unsigned char)len, (unsigned char)(len >> 8),
		(unsigned char)~len, (unsigned char)(~len >> 8)};
	bytes_append(b, head, sizeof(head));
	bytes_append(b, text, len);
}

/* One call with copies of exactly the sizes given, and what it must keep to. */
static size_t decode_part(struct http_gunzip *gunzip, struct decoded *d, const void *data,
	size_t len, size_t room, bool *is_full_out)
{
	char *copy = malloc(len + 1);
	char *out = malloc(room + 1);
	size_t used;
	size_t out_len;
	assert_non_null(copy);
	assert_non_null(out);
	memcpy(copy + 1, data, len);
	d->result = http_gunzip_decode(gunzip, copy + 1, len, &used, out + 1, room, &out_len);
	assert_true(used <= len);
	assert_true(out_len <= room);
	*is_full_out = out_len == room;
	if (d->result == HTTP_MORE && !*is_full_out) {
		assert_int_equal(used, len);
	}
	bytes_append(&d->content, out + 1, out_len);
	free(copy);
	free(out);
	return used;
}

static struct decoded decode_in_steps(const struct bytes *raw, size_t step, size_t room)
{
	struct http_gunzip *gunzip = http_gunzip_new();
	struct decoded d = {.result = HTTP_MORE};
	bool is_full = false;
	assert_non_null(gunzip);
	bytes_append(&d.content, "", 0);
	for (size_t at = 0; d.result == HTTP_MORE && (at < raw->len || is_full);) {
		size_t part = raw->len - at < step ? raw->len - at : step;
		at += decode_part(gunzip, &d, raw->data + at, part, room, &is_full);
	}
	d.is_complete = http_gunzip_is_complete(gunzip);
	d.detail = http_gunzip_detail(gunzip);
	http_gunzip_free(&gunzip);
	assert_null(gunzip);
	return d;
}

/* Content before a fault depends on the steps; the verdict does not. */
static void assert_decoded_equal(const struct decoded *a, const struct decoded *b)
{
	assert_int_equal(a->result, b->result);
	assert_int_equal(a->is_complete, b->is_complete);
	assert_ptr_equal(a->detail, b->detail);
	if (a->result == HTTP_MORE) {
		assert_int_equal(a->content.len, b->content.len);
		assert_memory_equal(a->content.data, b->content.data, a->content.len);
	}
}

static struct decoded decode_all_ways(const struct bytes *raw)
{
	static const size_t steps[][2] = {{1, 512}, {512, 1}, {1, 1}, {7, 5}, {3, 300}};
	struct decoded whole = decode_in_steps(raw, SIZE_MAX, 65536);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct decoded d = decode_in_steps(raw, steps[i][0], steps[i][1]);
		assert_decoded_equal(&d, &whole);
		bytes_free(&d.content);
	}
	if (whole.result == HTTP_BAD) {
		assert_non_null(whole.detail);
		assert_false(whole.is_complete);
	}
	return whole;
}

static void assert_content(const struct bytes *raw, const void *content, size_t len)
{
	struct decoded d = decode_all_ways(raw);
	assert_int_equal(d.result, HTTP_MORE);
	assert_true(d.is_complete);
	assert_int_equal(d.content.len, len);
	assert_memory_equal(d.content.data, content, len);
	bytes_free(&d.content);
}

static void assert_bad(const struct bytes *raw, const char *words)
{
	struct decoded d = decode_all_ways(raw);
	assert_int_equal(d.result, HTTP_BAD);
	assert_non_null(strstr(d.detail, words));
	bytes_free(&d.content);
}

static void assert_incomplete(const struct bytes *raw)
{
	struct decoded d = decode_all_ways(raw);
	assert_int_equal(d.result, HTTP_MORE);
	assert_false(d.is_complete);
	bytes_free(&d.content);
}

/* Text that a window helps with and that does not vanish. */
static struct bytes long_text(size_t len)
{
	struct bytes text = {0};
	char line[64];
	uint32_t seed = 1;
	while (text.len < len) {
		seed = seed * 1664525U + 1013904223U;
		int n = snprintf(
			line, sizeof(line), "{\"report_id\":\"NH-%u\"}\n", (unsigned)(seed >> 8));
		bytes_append(&text, line, (size_t)n);
	}
	return text;
}

static void test_a_member_is_unfolded(void **state)
{
	struct bytes text = long_text(40000);
	struct bytes raw = {0};
	(void)state;
	append_member(&raw, "hello");
	assert_content(&raw, "hello", 5);
	bytes_free(&raw);
	append_member(&raw, "");
	assert_content(&raw, "", 0);
	bytes_free(&raw);
	deflate_text(&raw, text.data, text.len, 16 + MAX_WBITS, NULL);
	assert_content(&raw, text.data, text.len);
	bytes_free(&raw);
	bytes_free(&text);
}

static void test_members_are_one_content(void **state)
{
	struct bytes text = long_text(40000);
	struct bytes raw = {0};
	struct bytes content = {0};
	(void)state;
	append_member(&raw, "one ");
	append_member(&raw, "");
	append_member(&raw, "two ");
	bytes_append(&content, "one two ", 8);
	assert_content(&raw, content.data, content.len);
	/* The window of the member before is not that of the next. */
	for (int i = 0; i < 2; i++) {
		deflate_text(&raw, text.data, text.len, 16 + MAX_WBITS, NULL);
		bytes_append(&content, text.data, text.len);
	}
	assert_content(&raw, content.data, content.len);
	bytes_free(&content);
	bytes_free(&raw);
	bytes_free(&text);
}

static void test_every_cut_is_incomplete(void **state)
{
	struct bytes raw = {0};
	(void)state;
	append_member(&raw, "some text, some text, some text");
	size_t first = raw.len;
	append_member(&raw, "and more");
	for (size_t cut = 0; cut < raw.len; cut++) {
		struct bytes part = {.data = raw.data, .len = cut};
		if (cut == first) {
			assert_content(&part, "some text, some text, some text", 31);
		} else {
			assert_incomplete(&part);
		}
	}
	bytes_free(&raw);
}

/* What a header may carry besides the minimum; 0: a flag alone. */
static struct bytes member_with_header(bool has_text, bool has_name, bool has_extra, bool has_crc)
{
	static unsigned char extra[300] = "AB\x02\0xy";
	static char name[] = "reports.ndjson";
	static char comment[] = "of Monday";
	struct bytes raw = {0};
	gz_header header = {.text = has_text,
		.time = 1700000000,
		.os = 3,
		.name = has_name ? (Bytef *)name : NULL,
		.comment = has_name ? (Bytef *)comment : NULL,
		.extra = has_extra ? extra : NULL,
		.extra_len = has_extra ? sizeof(extra) : 0,
		.hcrc = has_crc};
	deflate_text(&raw, "hello", 5, 16 + MAX_WBITS, &header);
	return raw;
}

static void test_every_part_of_a_header_is_taken(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 16; bits++) {
		struct bytes raw = member_with_header(bits & 1, bits & 2, bits & 4, bits & 8);
		assert_content(&raw, "hello", 5);
		bytes_free(&raw);
	}
}

static void test_a_header_that_is_not_sound_is_refused(void **state)
{
	static const char words[] = "a gzip member is expected";
	static const struct {
		size_t at;
		unsigned char flip;
	} cases[] = {
		{0, 0x01},  /* magic */
		{1, 0x80},  /* magic */
		{2, 0x01},  /* method */
		{3, 0x20},  /* a flag that means nothing */
		{4, 0x01},  /* time: the header's CRC tells */
		{12, 0x01}, /* name */
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes raw = member_with_header(false, true, false, true);
		raw.data[cases[i].at] ^= cases[i].flip;
		assert_bad(&raw, words);
		bytes_free(&raw);
	}
}

static void test_other_formats_are_refused(void **state)
{
	struct bytes raw = {0};
	(void)state;
	deflate_text(&raw, "hello", 5, MAX_WBITS, NULL);
	assert_bad(&raw, "a gzip member is expected");
	bytes_free(&raw);
	deflate_text(&raw, "hello", 5, -MAX_WBITS, NULL);
	assert_bad(&raw, "a gzip member is expected");
	bytes_free(&raw);
	bytes_append(&raw, "{\"report\":1}", 12);
	assert_bad(&raw, "a gzip member is expected");
	bytes_free(&raw);
}

static void test_a_wrong_checksum_or_length_is_refused(void **state)
{
	(void)state;
	for (size_t from_end = 1; from_end <= 8; from_end++) {
		struct bytes raw = {0};
		append_member(&raw, "hello");
		raw.data[raw.len - from_end] ^= 0x10;
		assert_bad(&raw, "checksum and length");
		bytes_free(&raw);
	}
}

static void test_broken_data_is_refused(void **state)
{
	static const char *const blocks[] = {
		"\x07",             /* a block type that does not exist */
		"\x01\1\0\0\0",     /* a stored block whose lengths differ */
		"\x05\xff\xff\xff", /* tables of nonsense */
		"\x03\x02",         /* a distance to before the start */
	};
	(void)state;
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		struct bytes raw = {0};
		append_header(&raw);
		bytes_append(&raw, blocks[i], i == 1 ? 5 : strlen(blocks[i]));
		bytes_append(&raw, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
		assert_bad(&raw, "compressed data is broken");
		bytes_free(&raw);
	}
}

static void test_what_begins_no_member_is_refused_behind_one(void **state)
{
	static const char cases[][2] = {{0, 0}, {'\r', '\n'}, {0x1f, 0x0b}, {'{', '}'}};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes raw = {0};
		append_member(&raw, "hello");
		bytes_append(&raw, cases[i], sizeof(cases[i]));
		assert_bad(&raw, "behind a gzip member");
		raw.len--;
		assert_incomplete(&raw);
		bytes_free(&raw);
	}
}

static void test_a_refusal_stays(void **state)
{
	struct http_gunzip *gunzip = http_gunzip_new();
	struct bytes raw = {0};
	char out[16];
	size_t used;
	size_t out_len;
	(void)state;
	append_member(&raw, "hello");
	assert_int_equal(
		http_gunzip_decode(gunzip, "no", 2, &used, out, sizeof(out), &out_len), HTTP_BAD);
	const char *detail = http_gunzip_detail(gunzip);
	assert_int_equal(http_gunzip_decode(gunzip, (const char *)raw.data, raw.len, &used, out,
				 sizeof(out), &out_len),
		HTTP_BAD);
	assert_int_equal(used, 0);
	assert_int_equal(out_len, 0);
	assert_ptr_equal(http_gunzip_detail(gunzip), detail);
	http_gunzip_free(&gunzip);
	bytes_free(&raw);
}

/* A content limit is exact: what fits exactly is complete without more room, one byte less is not.
 */
static void test_room_that_just_suffices_completes(void **state)
{
	struct bytes raw = {0};
	char out[5];
	(void)state;
	append_member(&raw, "hello");
	for (size_t room = 0; room <= sizeof(out); room++) {
		struct http_gunzip *gunzip = http_gunzip_new();
		size_t used;
		size_t out_len;
		assert_int_equal(http_gunzip_decode(gunzip, (const char *)raw.data, raw.len, &used,
					 room > 0 ? out : NULL, room, &out_len),
			HTTP_MORE);
		assert_int_equal(out_len, room);
		assert_int_equal(used == raw.len, room == sizeof(out));
		assert_int_equal(http_gunzip_is_complete(gunzip), room == sizeof(out));
		http_gunzip_free(&gunzip);
	}
	bytes_free(&raw);
}

/* Under a sanitizer the allocator counts nothing, and this compares zeros. */
static size_t allocated_bytes(void)
{
	return mallinfo2().uordblks;
}

static void test_a_bomb_takes_no_memory(void **state)
{
	static char out[65536];
	size_t content_len = 64 * 1024 * 1024;
	char *zeros = calloc(1, content_len);
	struct bytes raw = {0};
	(void)state;
	assert_non_null(zeros);
	deflate_text(&raw, zeros, content_len, 16 + MAX_WBITS, NULL);
	free(zeros);
	assert_in_range(raw.len, 1, 66 * 1024);

	size_t before = allocated_bytes();
	struct http_gunzip *gunzip = http_gunzip_new();
	size_t born = allocated_bytes();
	assert_in_range(born - before, 0, 45 * 1024);
	size_t total = 0;
	size_t out_len = sizeof(out);
	for (size_t at = 0; out_len == sizeof(out);) {
		size_t used;
		assert_int_equal(http_gunzip_decode(gunzip, (const char *)raw.data + at,
					 raw.len - at, &used, out, sizeof(out), &out_len),
			HTTP_MORE);
		at += used;
		total += out_len;
		assert_int_equal(allocated_bytes(), born);
	}
	assert_int_equal(total, content_len);
	assert_true(http_gunzip_is_complete(gunzip));
	http_gunzip_free(&gunzip);
	bytes_free(&raw);
}

static void assert_verdict(const struct bytes *raw, enum http_parse expected)
{
	struct decoded d = decode_all_ways(raw);
	assert_int_equal(d.result, expected);
	if (expected == HTTP_BAD) {
		assert_non_null(strstr(d.detail, "too many small"));
	}
	bytes_free(&d.content);
}

static void test_empty_members_are_counted(void **state)
{
	struct bytes raw = {0};
	(void)state;
	/* A header and a block each. */
	for (int i = 0; i < HTTP_GUNZIP_BLOCKS_OF_ANY_SIZE / 2; i++) {
		append_member(&raw, "");
	}
	assert_content(&raw, "", 0);
	append_member(&raw, "");
	assert_verdict(&raw, HTTP_BAD);
	bytes_free(&raw);
}

/* The verdict on a header, a block of first bytes and count more of size bytes each. */
static void assert_blocks(size_t first, int count, size_t size, enum http_parse expected)
{
	static const char text[512];
	struct bytes raw = {0};
	append_header(&raw);
	append_stored_block(&raw, text, first, false);
	for (int i = 0; i < count; i++) {
		append_stored_block(&raw, text, size, false);
	}
	assert_verdict(&raw, expected);
	bytes_free(&raw);
}

static void test_many_blocks_must_be_large(void **state)
{
	(void)state;
	int free_of_limit = HTTP_GUNZIP_BLOCKS_OF_ANY_SIZE - 2;
	size_t mean = HTTP_GUNZIP_BLOCK_MEAN_BYTES_MIN;
	assert_blocks(0, free_of_limit, 0, HTTP_MORE);
	assert_blocks(0, free_of_limit + 1, 0, HTTP_BAD);
	/* The header counts, so the first block is as large as two. */
	assert_blocks(2 * mean, free_of_limit + 100, mean, HTTP_MORE);
	assert_blocks(2 * mean - 1, free_of_limit, mean, HTTP_MORE);
	assert_blocks(2 * mean - 1, free_of_limit + 1, mean, HTTP_BAD);
}

/* Ten bits a block: several lie in bits that were read at once. */
static void test_blocks_shorter_than_two_bytes_are_all_seen(void **state)
{
	struct bytes raw = {0};
	(void)state;
	append_header(&raw);
	for (int i = 0; i < 255; i++) {
		/* Four empty blocks of fixed codes, none of them the last. */
		bytes_append(&raw, "\x02\x08\x20\x80\x00", 5);
	}
	bytes_append(&raw, "\x03\x00\0\0\0\0\0\0\0\0", 10);
	assert_content(&raw, "", 0);
	raw.len -= 10;
	bytes_append(&raw, "\x02\x08\x20\x80\x00", 5);
	assert_verdict(&raw, HTTP_BAD);
	bytes_free(&raw);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static void test_corruption_is_refused_or_harmless(void **state)
{
	struct bytes text = long_text(3000);
	struct bytes good = member_with_header(true, true, true, false);
	uint32_t seed = 2463534242U;
	int refused = 0;
	(void)state;
	deflate_text(&good, text.data, text.len, 16 + MAX_WBITS, NULL);
	struct decoded expected = decode_all_ways(&good);
	assert_int_equal(expected.content.len, 5 + text.len);
	for (int round = 0; round < 500; round++) {
		struct bytes raw = {0};
		bytes_append(&raw, good.data, good.len);
		for (uint32_t i = next_random(&seed) % 4 + 1; i > 0; i--) {
			raw.data[next_random(&seed) % raw.len] = (unsigned char)next_random(&seed);
		}
		raw.len -= next_random(&seed) % 4 == 0 ? next_random(&seed) % raw.len : 0;
		struct decoded d = decode_all_ways(&raw);
		refused += d.result == HTTP_BAD;
		if (d.is_complete) {
			assert_true(d.content.len <= expected.content.len);
			assert_memory_equal(d.content.data, expected.content.data, d.content.len);
		}
		bytes_free(&d.content);
		bytes_free(&raw);
	}
	assert_in_range(refused, 250, 500);
	bytes_free(&expected.content);
	bytes_free(&good);
	bytes_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_member_is_unfolded),
		cmocka_unit_test(test_members_are_one_content),
		cmocka_unit_test(test_every_cut_is_incomplete),
		cmocka_unit_test(test_every_part_of_a_header_is_taken),
		cmocka_unit_test(test_a_header_that_is_not_sound_is_refused),
		cmocka_unit_test(test_other_formats_are_refused),
		cmocka_unit_test(test_a_wrong_checksum_or_length_is_refused),
		cmocka_unit_test(test_broken_data_is_refused),
		cmocka_unit_test(test_what_begins_no_member_is_refused_behind_one),
		cmocka_unit_test(test_a_refusal_stays),
		cmocka_unit_test(test_room_that_just_suffices_completes),
		cmocka_unit_test(test_a_bomb_takes_no_memory),
		cmocka_unit_test(test_empty_members_are_counted),
		cmocka_unit_test(test_many_blocks_must_be_large),
		cmocka_unit_test(test_blocks_shorter_than_two_bytes_are_all_seen),
		cmocka_unit_test(test_corruption_is_refused_or_harmless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
