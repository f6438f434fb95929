// SPDX-License-Identifier: Apache-2.0
#include "http/http_response.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SAFE "X-Content-Type-Options: nosniff\r\n\r\n"

static void test_responses_are_rendered_to_the_byte(void **state)
{
	static const struct {
		struct http_response response;
		const char *body;
		const char *expected;
	} cases[] = {
		{{.status = 200, .content_type = "application/json"}, "{}",
			"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
			"2\r\nCache-Control: no-store\r\n" SAFE "{}"},
		{{.status = 201, .content_type = "a/b", .location = {"/v1/reports/NH-1", 16}}, "x",
			"HTTP/1.1 201 Created\r\nContent-Type: a/b\r\nContent-Length: "
			"1\r\nLocation: /v1/reports/NH-1\r\nCache-Control: no-store\r\n" SAFE "x"},
		{{.status = 200, .content_type = "a/b", .etag = {"\"e\"", 3}}, "x",
			"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 1\r\nETag: "
			"\"e\"\r\nCache-Control: no-cache\r\n" SAFE "x"},
		{{.status = 200, .content_type = "a/b", .is_head_only = true}, "0123456789",
			"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: "
			"10\r\nCache-Control: no-store\r\n" SAFE},
		{{.status = 304, .content_type = "a/b", .etag = {"\"e\"", 3}}, "x",
			"HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\nCache-Control: "
			"no-cache\r\n" SAFE},
		{{.status = 204}, "",
			"HTTP/1.1 204 No Content\r\nCache-Control: no-store\r\n" SAFE},
		{{.status = 405, .allow = "GET, HEAD", .closes = true}, "not sent",
			"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nAllow: GET, "
			"HEAD\r\nCache-Control: no-store\r\nConnection: close\r\n" SAFE},
		{{.status = 503, .retry_after_s = 120, .says_keep_alive = true}, "",
			"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: "
			"120\r\nCache-Control: no-store\r\nConnection: keep-alive\r\n" SAFE},
		{{.status = 200, .closes = true, .says_keep_alive = true}, "",
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nCache-Control: "
			"no-store\r\nConnection: close\r\n" SAFE},
		{{.status = 421, .more = {"A: b\r\nC: d\r\n", 12}}, "",
			"HTTP/1.1 421 Misdirected Request\r\nContent-Length: "
			"0\r\nCache-Control: no-store\r\nA: b\r\nC: d\r\n" SAFE},
		{{.status = 299}, "",
			"HTTP/1.1 299 \r\nContent-Length: 0\r\nCache-Control: no-store\r\n" SAFE},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out;
		buf_init(&out, 4096);
		assert_true(buf_append_str(&out, STR("before")));
		assert_true(
			http_response_render(&out, &cases[i].response, str_from(cases[i].body)));
		assert_true(buf_append(&out, "", 1));
		assert_string_equal(out.data + 6, cases[i].expected);
		buf_fini(&out);
	}
}

static void assert_fits_whole_or_leaves_no_trace(const struct http_response *response)
{
	struct buf out;
	size_t whole = 0;
	buf_init(&out, 4096);
	assert_true(http_response_render(&out, response, STR("body")));
	whole = out.len;
	buf_fini(&out);
	for (size_t max = 0; max < whole; max++) {
		buf_init(&out, max + 3);
		assert_true(buf_append_str(&out, STR("abc")));
		assert_false(http_response_render(&out, response, STR("body")));
		assert_int_equal(out.len, 3);
		assert_memory_equal(out.data, "abc", 3);
		buf_fini(&out);
	}
	buf_init(&out, whole);
	assert_true(http_response_render(&out, response, STR("body")));
	buf_fini(&out);
}

static void test_a_rendered_response_is_made_to_close(void **state)
{
	static const struct {
		bool says_keep_alive;
		const char *expected;
	} cases[] = {
		{false,
			"HTTP/1.1 201 Created\r\nContent-Type: a/b\r\nContent-Length: "
			"26\r\nCache-Control: no-store\r\nX-Content-Type-Options: "
			"nosniff\r\nConnection: close\r\n\r\n"
			"Connection: keep-alive\r\n\r\n"},
		{true,
			"HTTP/1.1 201 Created\r\nContent-Type: a/b\r\nContent-Length: "
			"26\r\nCache-Control: no-store\r\nConnection: close\r\n" SAFE
			"Connection: keep-alive\r\n\r\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_response response = {.status = 201,
			.content_type = "a/b",
			.says_keep_alive = cases[i].says_keep_alive};
		struct buf out;
		buf_init(&out, 4096);
		assert_true(http_response_render(
			&out, &response, STR("Connection: keep-alive\r\n\r\n")));
		assert_true(http_response_close(&out));
		assert_int_equal(out.len, strlen(cases[i].expected));
		assert_memory_equal(out.data, cases[i].expected, out.len);
		buf_fini(&out);
	}
}

static void test_a_response_without_room_to_close_stays_as_it_was(void **state)
{
	struct http_response response = {.status = 204};
	struct buf out;
	(void)state;
	buf_init(&out, 100);
	assert_true(http_response_render(&out, &response, STR("")));
	size_t len = out.len;
	assert_true(len < 100 && len + 19 > 100);
	assert_false(http_response_close(&out));
	assert_int_equal(out.len, len);
	buf_fini(&out);
}

static void test_a_response_fits_whole_or_leaves_no_trace(void **state)
{
	static const struct http_response responses[] = {
		{.status = 200,
			.content_type = "a/b",
			.location = {"/l", 2},
			.etag = {"\"e\"", 3},
			.more = {"A: b\r\n", 6}},
		{.status = 503, .retry_after_s = 120, .allow = "GET", .says_keep_alive = true},
		{.status = 200, .content_type = "a/b", .is_chunked = true, .is_head_only = true},
		{.status = 200, .content_type = "a/b", .ends_with_close = true, .closes = true},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++) {
		assert_fits_whole_or_leaves_no_trace(&responses[i]);
	}
}

static void test_a_body_of_unknown_length_says_how_it_ends(void **state)
{
	static const struct {
		struct http_response response;
		const char *expected;
	} cases[] = {
		{{.status = 200, .content_type = "a/b", .is_chunked = true},
			"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: "
			"chunked\r\nCache-Control: no-store\r\n" SAFE},
		{{.status = 200, .content_type = "a/b", .ends_with_close = true, .closes = true},
			"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nCache-Control: "
			"no-store\r\nConnection: close\r\n" SAFE},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out;
		buf_init(&out, 4096);
		assert_true(http_response_render(&out, &cases[i].response, STR("")));
		assert_true(str_equal(buf_str(&out), str_from(cases[i].expected)));
		buf_fini(&out);
	}
}

static void test_a_chunk_fits_whole_or_leaves_no_trace(void **state)
{
	static const char whole[] = "10\r\n0123456789abcdef\r\n";
	struct buf out;
	(void)state;
	for (size_t max = 0; max < sizeof(whole) - 1; max++) {
		buf_init(&out, max);
		assert_false(http_response_chunk(&out, STR("0123456789abcdef")));
		assert_int_equal(out.len, 0);
		buf_fini(&out);
	}
	buf_init(&out, 64);
	assert_true(http_response_chunk(&out, STR("0123456789abcdef")));
	assert_true(str_equal(buf_str(&out), STR(whole)));
	buf_clear(&out);
	assert_true(http_response_chunk(&out, STR("")));
	assert_true(str_equal(buf_str(&out), STR("0\r\n\r\n")));
	buf_fini(&out);
}

static void test_continue_is_a_head_of_its_own(void **state)
{
	struct buf out;
	(void)state;
	buf_init(&out, 64);
	assert_true(http_response_continue(&out));
	assert_true(str_equal(buf_str(&out), STR("HTTP/1.1 100 Continue\r\n\r\n")));
	buf_fini(&out);
	buf_init(&out, 24);
	assert_false(http_response_continue(&out));
	assert_int_equal(out.len, 0);
	buf_fini(&out);
}

static void test_every_status_of_the_interface_has_a_reason(void **state)
{
	static const int statuses[] = {200, 201, 304, 400, 403, 404, 405, 408, 409, 411, 413, 414,
		415, 417, 422, 424, 429, 431, 500, 501, 503};
	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (http_reason(statuses[i])[0] == '\0') {
			fail_msg("%d", statuses[i]);
		}
	}
	assert_string_equal(http_reason(299), "");
	assert_string_equal(http_reason(0), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_responses_are_rendered_to_the_byte),
		cmocka_unit_test(test_a_rendered_response_is_made_to_close),
		cmocka_unit_test(test_a_response_without_room_to_close_stays_as_it_was),
		cmocka_unit_test(test_a_response_fits_whole_or_leaves_no_trace),
		cmocka_unit_test(test_a_body_of_unknown_length_says_how_it_ends),
		cmocka_unit_test(test_a_chunk_fits_whole_or_leaves_no_trace),
		cmocka_unit_test(test_continue_is_a_head_of_its_own),
		cmocka_unit_test(test_every_status_of_the_interface_has_a_reason),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
