// SPDX-License-Identifier: Apache-2.0
/*
 * Each case is decoded whole, byte by byte and cut in two at each place, in place and aside; all
 * must end alike.
 */
#include "http/http_chunked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct decoded {
	enum http_parse result;
	size_t used;
	char content[512];
	size_t content_len;
	const char *detail;
};

/* One call over a copy of exactly len bytes. */
static void decode_part(struct http_chunked *chunked, struct decoded *d, const char *data,
	size_t len, bool in_place)
{
	char *copy = malloc(len > 0 ? len : 1);
	char *aside = malloc(len > 0 ? len : 1);
	assert_non_null(copy);
	assert_non_null(aside);
	memcpy(copy, data, len);
	char *out = in_place ? copy : aside;
	size_t out_len;
	size_t used;
	d->result = http_chunked_decode(chunked, copy, len, out, &out_len, &used);
	assert_true(used <= len);
	assert_true(out_len <= used);
	assert_true(d->content_len + out_len <= sizeof(d->content));
	if (d->result == HTTP_MORE) {
		assert_int_equal(used, len);
	}
	memcpy(d->content + d->content_len, out, out_len);
	d->content_len += out_len;
	d->used += used;
	free(copy);
	free(aside);
}

static struct decoded decode_in_steps(
	const char *data, size_t len, size_t first, size_t step, bool in_place)
{
	struct http_chunked chunked;
	struct decoded d = {.result = HTTP_MORE};
	http_chunked_init(&chunked);
	decode_part(&chunked, &d, data, first, in_place);
	for (size_t at = first; at < len && d.result == HTTP_MORE;) {
		size_t part = len - at < step ? len - at : step;
		decode_part(&chunked, &d, data + at, part, in_place);
		at += part;
	}
	assert_true(chunked.content == d.content_len);
	d.detail = chunked.detail;
	return d;
}

static void assert_decoded_equal(const struct decoded *a, const struct decoded *b)
{
	assert_int_equal(a->result, b->result);
	assert_int_equal(a->used, b->used);
	assert_int_equal(a->content_len, b->content_len);
	assert_memory_equal(a->content, b->content, a->content_len);
	assert_ptr_equal(a->detail, b->detail);
}

static struct decoded decode_all_ways(const char *data, size_t len)
{
	struct decoded whole = decode_in_steps(data, len, len, len, false);
	for (int in_place = 0; in_place <= 1; in_place++) {
		struct decoded d = decode_in_steps(data, len, 0, 1, in_place);
		assert_decoded_equal(&d, &whole);
		for (size_t cut = 0; cut <= len; cut++) {
			d = decode_in_steps(data, len, cut, len, in_place);
			assert_decoded_equal(&d, &whole);
		}
	}
	return whole;
}

static void test_chunks_are_joined(void **state)
{
	static const struct {
		const char *body;
		const char *content;
	} cases[] = {
		{"0\r\n\r\n", ""},
		{"5\r\nhello\r\n0\r\n\r\n", "hello"},
		{"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "hello"},
		{"00000005\r\nhello\r\n00000000\r\n\r\n", "hello"},
		{"a\r\n0123456789\r\n0\r\n\r\n", "0123456789"},
		{"A\r\n0123456789\r\n0\r\n\r\n", "0123456789"},
		{"1a\r\nabcdefghijklmnopqrstuvwxyz\r\n1\r\n!\r\n0\r\n\r\n",
			"abcdefghijklmnopqrstuvwxyz!"},
		{"4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n"},
		{"5\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[128];
		snprintf(text, sizeof(text), "%sGET /", cases[i].body);
		struct decoded d = decode_all_ways(text, strlen(text));
		assert_int_equal(d.result, HTTP_DONE);
		assert_int_equal(d.used, strlen(cases[i].body));
		assert_int_equal(d.content_len, strlen(cases[i].content));
		assert_memory_equal(d.content, cases[i].content, d.content_len);
	}
}

struct bytes_case {
	const char *data;
	size_t len;
};

#define BYTES(literal)                         \
	{                                      \
		(literal), sizeof(literal) - 1 \
	}

static void test_doubtful_chunks_are_refused(void **state)
{
	static const struct bytes_case cases[] = {
		BYTES("+5\r\n"),
		BYTES("-0\r\n"),
		BYTES("-5\r\n"),
		BYTES("0x5\r\n"),
		BYTES(" 5\r\n"),
		BYTES("5 \r\n"),
		BYTES("5\t\r\n"),
		BYTES("5 junk\r\n"),
		BYTES("5;a=b\r\n"),
		BYTES("5;\r\n"),
		BYTES("0;a\r\n"),
		BYTES("5\0zz\r\n"),
		BYTES("\0"),
		BYTES("5\n"),
		BYTES("5\r5"),
		BYTES("5\r\r\n"),
		BYTES("5\v\r\n"),
		BYTES("g\r\n"),
		BYTES("G\r\n"),
		BYTES("`\r\n"),
		BYTES("@\r\n"),
		BYTES("\x10\r\n"),
		BYTES("\xb5\r\n"),
		BYTES("\r\n"),
		BYTES("\n"),
		BYTES("000000005\r\n"),
		BYTES("fffffffff\r\n"),
		BYTES("5\r\nhello5\r\n"),
		BYTES("5\r\nhello\n"),
		BYTES("5\r\nhello\r5"),
		BYTES("5\r\nhello!\r\n"),
		BYTES("5\r\nhello\r\n\r\n"),
		BYTES("5\r\nhello\r\n\n"),
		BYTES("5\r\nhello\r\n 0\r\n"),
		BYTES("0\n"),
		BYTES("0\r\n\n"),
		BYTES("0\r\n\r\r"),
		BYTES("0\r\nX: y\r\n\r\n"),
		BYTES("0\r\n0\r\n"),
		BYTES("0\r\n "),
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct decoded d = decode_all_ways(cases[i].data, cases[i].len);
		if (d.result != HTTP_BAD) {
			fail_msg("taken: %s", cases[i].data);
		}
		assert_non_null(d.detail);
	}
}

static void test_an_unfinished_body_waits(void **state)
{
	static const char body[] = "5\r\nhello\r\n0\r\n\r\n";
	(void)state;
	for (size_t len = 0; len < sizeof(body) - 1; len++) {
		assert_int_equal(decode_all_ways(body, len).result, HTTP_MORE);
	}
}

static void test_the_size_of_a_chunk_is_known_before_its_content(void **state)
{
	struct http_chunked chunked;
	size_t out_len;
	size_t used;
	char out[16];
	(void)state;
	http_chunked_init(&chunked);
	assert_int_equal(http_chunked_decode(&chunked, "ffffffff\r\nab", 12, out, &out_len, &used),
		HTTP_MORE);
	assert_int_equal(used, 12);
	assert_int_equal(out_len, 2);
	assert_true(chunked.content + chunked.chunk_left == 0xffffffffU);
}

/* The result of count chunks of size bytes and one more of last bytes. */
static enum http_parse decode_many(int count, size_t size, size_t last)
{
	struct http_chunked chunked;
	enum http_parse result = HTTP_MORE;
	char chunk[512];
	http_chunked_init(&chunked);
	for (int i = 0; i <= count && result == HTTP_MORE; i++) {
		size_t content = i < count ? size : last;
		size_t head = (size_t)snprintf(chunk, sizeof(chunk), "%zx\r\n", content);
		memset(chunk + head, 'x', content);
		chunk[head + content] = '\r';
		chunk[head + content + 1] = '\n';
		size_t out_len;
		size_t used;
		result = http_chunked_decode(
			&chunked, chunk, head + content + 2, chunk, &out_len, &used);
	}
	return result;
}

static void test_many_chunks_must_be_large(void **state)
{
	(void)state;
	assert_int_equal(decode_many(8191, 1, 1), HTTP_MORE);
	assert_int_equal(decode_many(8192, 1, 1), HTTP_BAD);
	assert_int_equal(decode_many(8192, 256, 256), HTTP_MORE);
	assert_int_equal(decode_many(8192, 256, 255), HTTP_BAD);
	assert_int_equal(decode_many(20000, 256, 256), HTTP_MORE);
	assert_int_equal(decode_many(20000, 255, 255), HTTP_BAD);
	assert_int_equal(decode_many(8192, 1, 0), HTTP_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chunks_are_joined),
		cmocka_unit_test(test_doubtful_chunks_are_refused),
		cmocka_unit_test(test_an_unfinished_body_waits),
		cmocka_unit_test(test_the_size_of_a_chunk_is_known_before_its_content),
		cmocka_unit_test(test_many_chunks_must_be_large),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
