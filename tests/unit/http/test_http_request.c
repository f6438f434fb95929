// SPDX-License-Identifier: Apache-2.0
/*
 * Each case is parsed whole, byte by byte and cut in two at each place, from an allocation of the
 * exact size every time; all must end alike.
 */
#include "http/http_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct http_limits limits = {
	.target_bytes = 4096, .head_bytes = 8192, .head_count = 64};

#define FRAMING HTTP_FAULT_FRAMING
#define HOST "Host: h\r\n"

/* Parses the first len bytes from an allocation of just this size. */
static enum http_parse parse_copy(
	struct http_request *request, const struct http_limits *l, const char *data, size_t len)
{
	char *copy = malloc(len > 0 ? len : 1);
	assert_non_null(copy);
	memcpy(copy, data, len);
	enum http_parse result = http_request_parse(request, l, copy, len);
	free(copy);
	return result;
}

static void assert_span_equal(struct http_span a, struct http_span b)
{
	assert_int_equal(a.len, b.len);
	assert_int_equal(a.offset, b.offset);
}

static void assert_request_equal(const struct http_request *a, const struct http_request *b)
{
	assert_int_equal(a->fault, b->fault);
	assert_ptr_equal(a->detail, b->detail);
	assert_int_equal(a->head_len, b->head_len);
	assert_int_equal(a->header_count, b->header_count);
	assert_int_equal(a->method, b->method);
	assert_span_equal(a->method_name, b->method_name);
	assert_span_equal(a->path, b->path);
	assert_span_equal(a->query, b->query);
	assert_int_equal(a->is_http_1_0, b->is_http_1_0);
	assert_int_equal(a->keeps_alive, b->keeps_alive);
	assert_int_equal(a->is_chunked, b->is_chunked);
	assert_int_equal(a->has_content_length, b->has_content_length);
	assert_int_equal(a->expects_continue, b->expects_continue);
	assert_int_equal(a->has_host, b->has_host);
	assert_span_equal(a->host, b->host);
	assert_int_equal(a->has_accept, b->has_accept);
	assert_span_equal(a->accept, b->accept);
	assert_true(a->content_length == b->content_length);
	assert_int_equal(a->has_content_type, b->has_content_type);
	assert_span_equal(a->content_type, b->content_type);
	assert_int_equal(a->has_content_encoding, b->has_content_encoding);
	assert_span_equal(a->content_encoding, b->content_encoding);
	assert_int_equal(a->has_if_none_match, b->has_if_none_match);
	assert_span_equal(a->if_none_match, b->if_none_match);
}

/* Feeds steps of step bytes, the first one of first bytes. Stops at the verdict. */
static enum http_parse parse_in_steps(struct http_request *request, const struct http_limits *l,
	const char *data, size_t len, size_t first, size_t step)
{
	http_request_init(request);
	enum http_parse result = parse_copy(request, l, data, first);
	for (size_t at = first; at < len && result == HTTP_MORE;) {
		at = len - at < step ? len : at + step;
		result = parse_copy(request, l, data, at);
	}
	return result;
}

/* The verdict of data in every cut; request_out is the whole one. */
static enum http_parse parse_all_ways(
	struct http_request *request_out, const struct http_limits *l, const char *data, size_t len)
{
	struct http_request request;
	enum http_parse whole = parse_in_steps(request_out, l, data, len, len, len);

	assert_int_equal(parse_in_steps(&request, l, data, len, 0, 1), whole);
	assert_request_equal(&request, request_out);
	for (size_t cut = 0; cut <= len; cut++) {
		assert_int_equal(parse_in_steps(&request, l, data, len, cut, len), whole);
		assert_request_equal(&request, request_out);
	}
	return whole;
}

static void assert_bad(const char *data, size_t len, enum http_fault fault)
{
	struct http_request request;
	if (parse_all_ways(&request, &limits, data, len) != HTTP_BAD || request.fault != fault) {
		fail_msg("fault %d where %d was due: %.*s", (int)request.fault, (int)fault,
			(int)len, data);
	}
	assert_non_null(request.detail);
	assert_int_equal(request.head_len, 0);
}

static struct http_request assert_done(const char *data, size_t len)
{
	struct http_request request;
	if (parse_all_ways(&request, &limits, data, len) != HTTP_DONE) {
		fail_msg("refused (%s): %.*s", request.detail ? request.detail : "more", (int)len,
			data);
	}
	assert_null(request.detail);
	return request;
}

static struct http_request assert_done_text(const char *text)
{
	return assert_done(text, strlen(text));
}

static void assert_span_text(const char *data, struct http_span span, const char *expected)
{
	struct str text = http_span_str(data, span);
	assert_int_equal(text.len, strlen(expected));
	assert_memory_equal(text.data, expected, text.len);
}

static void test_a_whole_request_gives_all_its_fields(void **state)
{
	static const char text[] = "POST /v1/reports?atomic=true&a=b?c HTTP/1.1\r\n"
				   "hOST: intake.example:8443\r\n"
				   "Content-Type:application/json; charset=utf-8  \r\n"
				   "CONTENT-LENGTH:   1234567890 \r\n"
				   "Expect: 100-Continue\r\n"
				   "Content-Encoding: gzip\r\n"
				   "If-None-Match: \"a\", W/\"b\"\r\n"
				   "Accept: a/b;q=0.5, */*\r\n"
				   "X-Empty:\r\n"
				   "X-Latin: \xe9\r\n"
				   "\r\n"
				   "body";
	struct http_request request = assert_done_text(text);
	(void)state;

	assert_int_equal(request.head_len, sizeof(text) - 1 - 4);
	assert_int_equal(request.method, HTTP_POST);
	assert_span_text(text, request.method_name, "POST");
	assert_span_text(text, request.path, "/v1/reports");
	assert_span_text(text, request.query, "atomic=true&a=b?c");
	assert_false(request.is_http_1_0);
	assert_true(request.keeps_alive);
	assert_false(request.is_chunked);
	assert_true(request.has_content_length);
	assert_int_equal(request.content_length, 1234567890);
	assert_true(request.expects_continue);
	assert_true(request.has_content_type);
	assert_span_text(text, request.content_type, "application/json; charset=utf-8");
	assert_true(request.has_content_encoding);
	assert_span_text(text, request.content_encoding, "gzip");
	assert_true(request.has_if_none_match);
	assert_span_text(text, request.if_none_match, "\"a\", W/\"b\"");
	assert_span_text(text, request.host, "intake.example:8443");
	assert_true(request.has_accept);
	assert_span_text(text, request.accept, "a/b;q=0.5, */*");
	assert_int_equal(request.header_count, 9);
}

static void test_the_smallest_requests_are_taken(void **state)
{
	(void)state;
	struct http_request request = assert_done_text("GET / HTTP/1.1\r\nHost:\r\n\r\n");
	assert_true(request.has_host);
	assert_int_equal(request.query.len, 0);
	assert_false(request.has_content_type || request.has_content_length ||
		request.has_if_none_match || request.has_content_encoding);
	request = assert_done_text("GET / HTTP/1.0\r\n\r\n");
	assert_true(request.is_http_1_0);
	assert_false(request.has_host);
}

static void test_a_question_mark_without_a_query_is_an_empty_query(void **state)
{
	static const char text[] = "GET /a? HTTP/1.1\r\n" HOST "\r\n";
	struct http_request request = assert_done_text(text);
	(void)state;
	assert_span_text(text, request.path, "/a");
	assert_int_equal(request.query.len, 0);
}

static void test_methods_are_known_by_their_exact_name(void **state)
{
	static const struct {
		const char *name;
		enum http_method method;
	} cases[] = {
		{"GET", HTTP_GET},
		{"HEAD", HTTP_HEAD},
		{"POST", HTTP_POST},
		{"PUT", HTTP_PUT},
		{"DELETE", HTTP_DELETE},
		{"PATCH", HTTP_PATCH},
		{"OPTIONS", HTTP_OPTIONS},
		{"TRACE", HTTP_TRACE},
		{"CONNECT", HTTP_CONNECT},
		{"post", HTTP_METHOD_UNKNOWN},
		{"POSTS", HTTP_METHOD_UNKNOWN},
		{"POS", HTTP_METHOD_UNKNOWN},
		{"PROPFIND", HTTP_METHOD_UNKNOWN},
		{"!#$%&'*+-.^_`|~09azAZ", HTTP_METHOD_UNKNOWN},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[128];
		snprintf(text, sizeof(text), "%s /x HTTP/1.1\r\n" HOST "\r\n", cases[i].name);
		struct http_request request = assert_done_text(text);
		assert_int_equal(request.method, cases[i].method);
		assert_span_text(text, request.method_name, cases[i].name);
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

static void assert_all_bad(const struct bytes_case *cases, size_t count, enum http_fault fault)
{
	for (size_t i = 0; i < count; i++) {
		assert_bad(cases[i].data, cases[i].len, fault);
	}
}

#define ASSERT_ALL_BAD(cases, fault) \
	assert_all_bad(cases, sizeof(cases) / sizeof((cases)[0]), fault)

static void test_bad_request_lines_are_framing_errors(void **state)
{
	static const struct bytes_case cases[] = {
		BYTES("GET / HTTP/1.2\r\n"),
		BYTES("GET / HTTP/1.9\r\n"),
		BYTES("GET / HTTP/2.0\r\n"),
		BYTES("GET / HTTP/2\r\n"),
		BYTES("GET / HTTP/0.9\r\n"),
		BYTES("GET / HTTP/01.1\r\n"),
		BYTES("GET / HTTP/1.01\r\n"),
		BYTES("GET / HTTP/1.1 \r\n"),
		BYTES("GET / http/1.1\r\n"),
		BYTES("GET / HTTP/1,1\r\n"),
		BYTES("GET / HTTP/+1.1\r\n"),
		BYTES("GET / HTTP/1.\r\n"),
		BYTES("GET / \r\n"),
		BYTES("GET /\r\n"),
		BYTES("GET\r\n"),
		BYTES("GET \r\n"),
		BYTES(" / HTTP/1.1\r\n"),
		BYTES(" GET / HTTP/1.1\r\n"),
		BYTES("GET  / HTTP/1.1\r\n"),
		BYTES("GET /  HTTP/1.1\r\n"),
		BYTES("GET\t/ HTTP/1.1\r\n"),
		BYTES("GET /\tHTTP/1.1\r\n"),
		BYTES("GET /a b HTTP/1.1\r\n"),
		BYTES("GET /a\tb HTTP/1.1\r\n"),
		BYTES("GET /a\x0b HTTP/1.1\r\n"),
		BYTES("GET /\0 HTTP/1.1\r\n"),
		BYTES("GET /a\x7f HTTP/1.1\r\n"),
		BYTES("GET /\xc3\xa9 HTTP/1.1\r\n"),
		BYTES("GET /\xff HTTP/1.1\r\n"),
		BYTES("GET /a#b HTTP/1.1\r\n"),
		BYTES("GET /?a#b HTTP/1.1\r\n"),
		BYTES("GET /a\r HTTP/1.1\r\n"),
		BYTES("GET / HTTP/1.1\r\r\n"),
		BYTES("GET / HTTP/1.1\0\r\n"),
		BYTES("GET / HTTP/1.1\n"),
		BYTES("G\0T / HTTP/1.1\r\n"),
		BYTES("G(T / HTTP/1.1\r\n"),
		BYTES("G\xc9T / HTTP/1.1\r\n"),
		BYTES("GET:/ HTTP/1.1\r\n"),
		BYTES("PRI * HTTP/2.0\r\n"),
	};
	(void)state;
	ASSERT_ALL_BAD(cases, FRAMING);
}

static void test_targets_other_than_the_origin_form_are_framing_errors(void **state)
{
	static const struct bytes_case cases[] = {
		BYTES("GET http://h/v1 HTTP/1.1\r\n"),
		BYTES("GET https://h/v1 HTTP/1.1\r\n"),
		BYTES("OPTIONS * HTTP/1.1\r\n"),
		BYTES("CONNECT h:443 HTTP/1.1\r\n"),
		BYTES("GET v1 HTTP/1.1\r\n"),
		BYTES("GET ?a HTTP/1.1\r\n"),
	};
	(void)state;
	ASSERT_ALL_BAD(cases, FRAMING);
}

static void test_one_empty_line_before_the_request_line_is_skipped(void **state)
{
	static const char text[] = "\r\nGET /a?b HTTP/1.1\r\n" HOST "\r\n";
	static const struct bytes_case bad[] = {
		BYTES("\r\n\r\nGET / HTTP/1.1\r\n"),
		BYTES("\nGET / HTTP/1.1\r\n"),
		BYTES("\r\n\nGET / HTTP/1.1\r\n"),
		BYTES("\r\r\nGET / HTTP/1.1\r\n"),
		BYTES("\rGET / HTTP/1.1\r\n"),
		BYTES(" \r\nGET / HTTP/1.1\r\n"),
		BYTES("\0\r\nGET / HTTP/1.1\r\n"),
	};
	struct http_request request = assert_done_text(text);
	(void)state;
	assert_int_equal(request.head_len, sizeof(text) - 1);
	assert_span_text(text, request.path, "/a");
	ASSERT_ALL_BAD(bad, FRAMING);
}

#define LINE "POST / HTTP/1.1\r\n"

static void test_bad_header_lines_are_framing_errors(void **state)
{
	static const struct bytes_case cases[] = {
		BYTES(LINE "X: a\n"),
		BYTES(LINE HOST "\n"),
		BYTES(LINE "X: a\r\r\n"),
		BYTES(LINE "X: a\rb\r\n"),
		BYTES(LINE "X: a\r b\r\n"),
		BYTES(LINE HOST "\r\r\n"),
		BYTES(LINE "X: a\0b\r\n"),
		BYTES(LINE "X: a\x01\r\n"),
		BYTES(LINE "X: \x1f"
			   "a\r\n"),
		BYTES(LINE "X: \x0b"
			   "a\r\n"),
		BYTES(LINE "X: a\x0c\r\n"),
		BYTES(LINE "X: a\x7f\r\n"),
		BYTES(LINE "X: a\tb\r\n"),
		BYTES(LINE "X:\ta\r\n"),
		BYTES(LINE "X: a\t\r\n"),
		BYTES(LINE "X: a\r\n b\r\n"),
		BYTES(LINE "X: a\r\n\tb\r\n"),
		BYTES(LINE " X: a\r\n"),
		BYTES(LINE "X : a\r\n"),
		BYTES(LINE "X\t: a\r\n"),
		BYTES(LINE ": a\r\n"),
		BYTES(LINE ":\r\n"),
		BYTES(LINE "X\r\n"),
		BYTES(LINE "X a\r\n"),
		BYTES(LINE "X Y: a\r\n"),
		BYTES(LINE "X(Y): a\r\n"),
		BYTES(LINE "X@: a\r\n"),
		BYTES(LINE "X\0: a\r\n"),
		BYTES(LINE "\xc3\xa9: a\r\n"),
		BYTES(LINE "\"X\": a\r\n"),
		BYTES(LINE " \r\n"),
	};
	(void)state;
	ASSERT_ALL_BAD(cases, FRAMING);
}

static void test_host_is_one_and_a_host(void **state)
{
	static const struct bytes_case bad[] = {
		BYTES(LINE "\r\n"),
		BYTES(LINE "X: a\r\n\r\n"),
		BYTES(LINE "Hosts: h\r\n\r\n"),
		BYTES(LINE HOST HOST),
		BYTES(LINE HOST "hOsT: other\r\n"),
		BYTES(LINE "Host:\r\nHost: h\r\n"),
		BYTES("GET / HTTP/1.0\r\n" HOST HOST),
		BYTES(LINE "Host: a b\r\n"),
		BYTES(LINE "Host: a/b\r\n"),
		BYTES(LINE "Host: u@h\r\n"),
		BYTES(LINE "Host: h?q\r\n"),
		BYTES(LINE "Host: h#f\r\n"),
		BYTES(LINE "Host: \"h\"\r\n"),
		BYTES(LINE "Host: \xc3\xa9\r\n"),
		BYTES(LINE "Host: a\tb\r\n"),
		BYTES(LINE "Host : h\r\n"),
	};
	(void)state;
	ASSERT_ALL_BAD(bad, FRAMING);
	assert_done_text(LINE "Host: [2001:db8::1]:8443\r\n\r\n");
	assert_done_text(LINE "Host: xn--a-b_c.example.\r\n\r\n");
}

/* One a rule of what other parsers let through, each hiding where the body ends. */
static void test_doubtful_body_lengths_are_framing_errors(void **state)
{
	static const struct bytes_case cases[] = {
		BYTES(LINE HOST "Content-Length: 5\r\nContent-Length: 5\r\n"),
		BYTES(LINE HOST "Content-Length: 5\r\nContent-Length: 6\r\n"),
		BYTES(LINE HOST "Content-Length: 5, 5\r\n"),
		BYTES(LINE HOST "Content-Length: 5,6\r\n"),
		BYTES(LINE HOST "Content-Length: +5\r\n"),
		BYTES(LINE HOST "Content-Length: -0\r\n"),
		BYTES(LINE HOST "Content-Length: -5\r\n"),
		BYTES(LINE HOST "Content-Length: 0x5\r\n"),
		BYTES(LINE HOST "Content-Length: 5 5\r\n"),
		BYTES(LINE HOST "Content-Length: 5;\r\n"),
		BYTES(LINE HOST "Content-Length: 5.0\r\n"),
		BYTES(LINE HOST "Content-Length: \"5\"\r\n"),
		BYTES(LINE HOST "Content-Length: \xd9\xa5\r\n"),
		BYTES(LINE HOST "Content-Length: 12345678901\r\n"),
		BYTES(LINE HOST "Content-Length: 00000000005\r\n"),
		BYTES(LINE HOST "Content-Length: 18446744073709551621\r\n"),
		BYTES(LINE HOST "Content-Length:\r\n"),
		BYTES(LINE HOST "Content-Length:\t5\r\n"),
		BYTES(LINE HOST "Content-Length: \x0b"
				"5\r\n"),
		BYTES(LINE HOST "Content-Length: 5\0"
				"6\r\n"),
		BYTES(LINE HOST "Content-Length : 5\r\n"),
		BYTES(LINE HOST "Content-Length: 5\r\n 6\r\n"),
		BYTES(LINE HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
		BYTES(LINE HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
		BYTES(LINE HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
		BYTES(LINE HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
		BYTES(LINE HOST "Transfer-Encoding: xchunked\r\n"),
		BYTES(LINE HOST "Transfer-Encoding: chunkedx\r\n"),
		BYTES(LINE HOST "Transfer-Encoding: gzip\r\n"),
		BYTES(LINE HOST "Transfer-Encoding: identity\r\n"),
		BYTES(LINE HOST "Transfer-Encoding: gzip, chunked\r\n"),
		BYTES(LINE HOST "Transfer-Encoding: chunked, gzip\r\n"),
		BYTES(LINE HOST "Transfer-Encoding: chunked,\r\n"),
		BYTES(LINE HOST "Transfer-Encoding: ,chunked\r\n"),
		BYTES(LINE HOST "Transfer-Encoding: chunked;q=1\r\n"),
		BYTES(LINE HOST "Transfer-Encoding: \"chunked\"\r\n"),
		BYTES(LINE HOST "Transfer-Encoding: \x0b"
				"chunked\r\n"),
		BYTES(LINE HOST "Transfer-Encoding:\tchunked\r\n"),
		BYTES(LINE HOST "Transfer-Encoding: chunked\0\r\n"),
		BYTES(LINE HOST "Transfer-Encoding:\r\n"),
		BYTES(LINE HOST "Transfer-Encoding : chunked\r\n"),
		BYTES(LINE HOST "Transfer-Encoding:\r\n chunked\r\n"),
		BYTES("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n"),
	};
	(void)state;
	ASSERT_ALL_BAD(cases, FRAMING);
}

static void test_clear_body_lengths_are_taken(void **state)
{
	struct http_request request;
	(void)state;
	request = assert_done_text(LINE HOST "Content-Length: 0\r\n\r\n");
	assert_true(request.has_content_length);
	assert_int_equal(request.content_length, 0);
	request = assert_done_text(LINE HOST "content-length: 0000000005\r\n\r\n");
	assert_int_equal(request.content_length, 5);
	request = assert_done_text(LINE HOST "Content-Length: 9999999999\r\n\r\n");
	assert_true(request.content_length == 9999999999);
	request = assert_done_text("POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n");
	assert_int_equal(request.content_length, 5);
	request = assert_done_text(LINE HOST "transfer-encoding: ChunKed \r\n\r\n");
	assert_true(request.is_chunked);
	assert_false(request.has_content_length);
	/* A name that only looks like one is an ordinary header. */
	request = assert_done_text(LINE HOST "Content_Length: 5\r\n\r\n");
	assert_false(request.has_content_length);
}

static void test_a_value_that_decides_comes_once(void **state)
{
	static const struct bytes_case bad[] = {
		BYTES(LINE HOST "Content-Type: a/b\r\ncontent-type: a/b\r\n"),
		BYTES(LINE HOST "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n"),
	};
	static const char text[] = LINE HOST "If-None-Match: \"a\"\r\nIf-None-Match: *\r\n"
					     "Accept: a/b\r\nAccept: c/d\r\n\r\n";
	(void)state;
	ASSERT_ALL_BAD(bad, FRAMING);
	struct http_request request = assert_done_text(text);
	assert_span_text(text, request.if_none_match, "\"a\"");
	assert_span_text(text, request.accept, "a/b");
}

static void test_the_connection_stays_unless_said_otherwise(void **state)
{
	static const struct {
		const char *text;
		bool keeps_alive;
	} cases[] = {
		{"GET / HTTP/1.1\r\n" HOST "\r\n", true},
		{"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", false},
		{"GET / HTTP/1.1\r\n" HOST "Connection: CLOSE\r\n\r\n", false},
		{"GET / HTTP/1.1\r\n" HOST "Connection: keep-alive\r\n\r\n", true},
		{"GET / HTTP/1.1\r\n" HOST "Connection: te, close\r\n\r\n", false},
		{"GET / HTTP/1.1\r\n" HOST "Connection: close , te\r\n\r\n", false},
		{"GET / HTTP/1.1\r\n" HOST "Connection: ,,close,,\r\n\r\n", false},
		{"GET / HTTP/1.1\r\n" HOST "Connection: closed\r\n\r\n", true},
		{"GET / HTTP/1.1\r\n" HOST "Connection: not close\r\n\r\n", true},
		{"GET / HTTP/1.1\r\n" HOST "Connection:\r\n\r\n", true},
		{"GET / HTTP/1.1\r\n" HOST "Connection: close\r\nConnection: keep-alive\r\n\r\n",
			false},
		{"GET / HTTP/1.1\r\n" HOST "Connection: keep-alive\r\nConnection: close\r\n\r\n",
			false},
		{"GET / HTTP/1.0\r\n\r\n", false},
		{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
		{"GET / HTTP/1.0\r\nConnection: te,keep-alive\r\n\r\n", true},
		{"GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n", false},
		{"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (assert_done_text(cases[i].text).keeps_alive != cases[i].keeps_alive) {
			fail_msg("%s", cases[i].text);
		}
	}
}

static void test_the_only_expectation_is_100_continue(void **state)
{
	static const struct bytes_case bad[] = {
		BYTES(LINE HOST "Expect: 100-continu\r\n"),
		BYTES(LINE HOST "Expect: 100-continue, x\r\n"),
		BYTES(LINE HOST "Expect: 200-ok\r\n"),
		BYTES(LINE HOST "Expect:\r\n"),
		BYTES(LINE HOST "Expect: 100-continue\r\nExpect: x\r\n"),
	};
	(void)state;
	ASSERT_ALL_BAD(bad, HTTP_FAULT_EXPECTATION);
	assert_true(assert_done_text(LINE HOST "expect: 100-CONTINUE\r\n\r\n").expects_continue);
	assert_false(assert_done_text(LINE HOST "\r\n").expects_continue);
	assert_false(assert_done_text("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n")
			     .expects_continue);
	assert_false(assert_done_text("POST / HTTP/1.0\r\nExpect: x\r\n\r\n").expects_continue);
}

static const struct http_limits small = {.target_bytes = 24, .head_bytes = 40, .head_count = 3};

struct limit_case {
	struct bytes_case bytes;
	enum http_parse result;
	enum http_fault fault;
};

static void assert_limit_cases(const struct limit_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct http_request request;
		enum http_parse result =
			parse_all_ways(&request, &small, cases[i].bytes.data, cases[i].bytes.len);
		if (result != cases[i].result || request.fault != cases[i].fault) {
			fail_msg("case %zu: result %d, fault %d (%s)", i, (int)result,
				(int)request.fault, request.detail ? request.detail : "");
		}
	}
}

#define ASSERT_LIMIT_CASES(cases) assert_limit_cases(cases, sizeof(cases) / sizeof((cases)[0]))
#define TARGET_TOO_LONG HTTP_FAULT_TARGET_TOO_LONG
#define TOO_LARGE HTTP_FAULT_HEAD_TOO_LARGE

static void test_the_request_line_is_limited_before_its_end_comes(void **state)
{
	static const struct limit_case cases[] = {
		{BYTES("GET /90123456789 HTTP/1.1\r\n" HOST "\r\n"), HTTP_BAD, TARGET_TOO_LONG},
		{BYTES("GET /9012345678 HTTP/1.1\r\n" HOST "\r\n"), HTTP_DONE, HTTP_FAULT_NONE},
		{BYTES("\r\nGET /9012345678 HTTP/1.1\r\n" HOST "\r\n"), HTTP_DONE, HTTP_FAULT_NONE},
		{BYTES("\r\nGET /90123456789 HTTP/1.1\r\n"), HTTP_BAD, TARGET_TOO_LONG},
		{BYTES("GET /90123456789012345678"), HTTP_BAD, TARGET_TOO_LONG},
		{BYTES("GET /9012345678901234567"), HTTP_MORE, HTTP_FAULT_NONE},
		{BYTES("GET /9012345678901234567\r"), HTTP_MORE, HTTP_FAULT_NONE},
		{BYTES("GET /9012345678901234567\r\r"), HTTP_BAD, TARGET_TOO_LONG},
		{BYTES("GET /90123456789012345678\n"), HTTP_BAD, TARGET_TOO_LONG},
		{BYTES("GET /9012345678901234567\n"), HTTP_BAD, FRAMING},
	};
	(void)state;
	ASSERT_LIMIT_CASES(cases);
}

static void test_header_bytes_are_limited_before_their_end_comes(void **state)
{
	/* Host takes 9 of 40 bytes. */
	static const struct limit_case cases[] = {
		{BYTES(LINE HOST "X: 4567890123456789012345678901\r\n\r\n"), HTTP_BAD, TOO_LARGE},
		{BYTES(LINE HOST "X: 456789012345678901234567\r\n\r\n"), HTTP_DONE,
			HTTP_FAULT_NONE},
		{BYTES(LINE HOST "X: 45678901234567890123456789\r\n\r\n"), HTTP_DONE,
			HTTP_FAULT_NONE},
		{BYTES(LINE HOST "X: 456789012345678901234567890\r\n\r\n"), HTTP_BAD, TOO_LARGE},
		{BYTES(LINE HOST "X: 45678901234567890123456789"), HTTP_MORE, HTTP_FAULT_NONE},
		{BYTES(LINE HOST "X: 45678901234567890123456789\r"), HTTP_MORE, HTTP_FAULT_NONE},
		{BYTES(LINE HOST "X: 456789012345678901234567890"), HTTP_BAD, TOO_LARGE},
		{BYTES(LINE HOST "X: 45678901234567890123456789\r\r"), HTTP_BAD, TOO_LARGE},
		{BYTES(LINE HOST "X: 45678901234567890123456789\r\nY"), HTTP_BAD, TOO_LARGE},
		{BYTES(LINE HOST "X: 45678901234567890123456789\r\n\r"), HTTP_MORE,
			HTTP_FAULT_NONE},
		{BYTES(LINE HOST "X: 45678901234567890123456789\r\n\n"), HTTP_BAD, FRAMING},
		{BYTES(LINE HOST "X: 45678901234567890123456789\n"), HTTP_BAD, FRAMING},
		{BYTES(LINE HOST "X: 456789012345678901234567890\n"), HTTP_BAD, TOO_LARGE},
	};
	(void)state;
	ASSERT_LIMIT_CASES(cases);
}

static void test_header_lines_are_counted(void **state)
{
	static const struct limit_case cases[] = {
		{BYTES(LINE HOST "A:\r\nB:\r\n\r\n"), HTTP_DONE, HTTP_FAULT_NONE},
		{BYTES(LINE HOST "A:\r\nB:\r\nC:\r\n\r\n"), HTTP_BAD, TOO_LARGE},
		{BYTES(LINE HOST "A:\r\nB:\r\nC"), HTTP_BAD, TOO_LARGE},
		{BYTES(LINE HOST "A:\r\nB:\r\n\rC"), HTTP_BAD, TOO_LARGE},
		{BYTES(LINE HOST "A:\r\nB:\r\n\r"), HTTP_MORE, HTTP_FAULT_NONE},
	};
	(void)state;
	ASSERT_LIMIT_CASES(cases);
}

static void test_the_standard_limits_hold_at_and_past_them(void **state)
{
	static char text[16384];
	struct http_request request;
	(void)state;
	for (int past = 0; past <= 1; past++) {
		/* "GET " and " HTTP/1.1" are 13 bytes. */
		int n = snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\n" HOST "\r\n",
			4096 - 14 + past, 0);
		assert_int_equal(parse_in_steps(&request, &limits, text, (size_t)n, 0, 7),
			past ? HTTP_BAD : HTTP_DONE);
		assert_int_equal(request.fault, past ? TARGET_TOO_LONG : HTTP_FAULT_NONE);
		n = snprintf(
			text, sizeof(text), LINE HOST "X:%0*d\r\n\r\n", 8192 - 9 - 4 + past, 0);
		assert_int_equal(parse_in_steps(&request, &limits, text, (size_t)n, 0, 7),
			past ? HTTP_BAD : HTTP_DONE);
		assert_int_equal(request.fault, past ? TOO_LARGE : HTTP_FAULT_NONE);
		n = snprintf(text, sizeof(text), LINE HOST);
		for (int i = 1; i < 64 + past; i++) {
			n += snprintf(text + n, sizeof(text) - (size_t)n, "X%d: y\r\n", i);
		}
		n += snprintf(text + n, sizeof(text) - (size_t)n, "\r\n");
		assert_int_equal(parse_in_steps(&request, &limits, text, (size_t)n, 0, 7),
			past ? HTTP_BAD : HTTP_DONE);
		assert_int_equal(request.fault, past ? TOO_LARGE : HTTP_FAULT_NONE);
	}
}

static void test_pipelined_requests_come_out_one_by_one(void **state)
{
	static const char text[] = "GET /a HTTP/1.1\r\n" HOST "\r\n"
				   "POST /b HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\n"
				   "GET "
				   "\r\nHEAD /c HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";
	static const struct {
		enum http_method method;
		const char *path;
		bool keeps_alive;
	} expected[] = {{HTTP_GET, "/a", true}, {HTTP_POST, "/b", true}, {HTTP_HEAD, "/c", false}};
	size_t at = 0;
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct http_request request = assert_done(text + at, sizeof(text) - 1 - at);
		assert_int_equal(request.method, expected[i].method);
		assert_span_text(text + at, request.path, expected[i].path);
		assert_int_equal(request.keeps_alive, expected[i].keeps_alive);
		at += request.head_len + request.content_length;
	}
	assert_int_equal(at, sizeof(text) - 1);
}

static void test_a_finished_line_is_not_looked_at_again(void **state)
{
	char text[] = "GET /a HTTP/1.1\r\n" HOST "Content-Length: 7\r\nX: y\r\n\r\n";
	size_t len = sizeof(text) - 1;
	size_t finished = len - 5; /* X is read, its line is not finished */
	struct http_request request;
	(void)state;
	http_request_init(&request);
	assert_int_equal(http_request_parse(&request, &limits, text, finished), HTTP_MORE);
	memset(text, '\n', finished - 3);
	assert_int_equal(http_request_parse(&request, &limits, text, len), HTTP_DONE);
	assert_int_equal(request.content_length, 7);
	assert_int_equal(request.head_len, len);
}

static void test_a_searched_part_of_a_line_is_not_searched_again(void **state)
{
	char text[] = "GET /aaaa HTTP/1.1\r\n" HOST "\r\n";
	struct http_request request;
	(void)state;
	http_request_init(&request);
	assert_int_equal(http_request_parse(&request, &limits, text, 9), HTTP_MORE);
	text[6] = '\n';
	/* Had the line feed been found, the line would lack its CR; so the target is at fault. */
	assert_int_equal(http_request_parse(&request, &limits, text, sizeof(text) - 1), HTTP_BAD);
	assert_non_null(strstr(request.detail, "target"));
}

static void test_a_verdict_stays(void **state)
{
	struct http_request request;
	(void)state;
	http_request_init(&request);
	assert_int_equal(http_request_parse(&request, &limits, NULL, 0), HTTP_MORE);
	assert_int_equal(http_request_parse(&request, &limits, "x\n", 2), HTTP_BAD);
	assert_int_equal(http_request_parse(&request, &limits, "x\n", 2), HTTP_BAD);
	http_request_init(&request);
	static const char good[] = "GET / HTTP/1.0\r\n\r\nx\n";
	assert_int_equal(http_request_parse(&request, &limits, good, sizeof(good) - 1), HTTP_DONE);
	assert_int_equal(http_request_parse(&request, &limits, good, sizeof(good) - 1), HTTP_DONE);
	assert_int_equal(request.head_len, sizeof(good) - 3);
}

static void test_media_types_are_compared_without_parameters_and_case(void **state)
{
	static const struct {
		const char *value;
		bool is_json;
	} cases[] = {
		{"application/json", true},
		{"Application/JSON", true},
		{"application/json;charset=utf-8", true},
		{"application/json ; charset=utf-8", true},
		{"application/json;", true},
		{"application/jsonx", false},
		{"application/jso", false},
		{"application/json x", false},
		{"application/json, text/plain", false},
		{"application/problem+json", false},
		{"text/json", false},
		{"; application/json", false},
		{"", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (http_media_type_is(str_from(cases[i].value), "application/json") !=
			cases[i].is_json) {
			fail_msg("%s", cases[i].value);
		}
	}
	assert_false(http_media_type_is((struct str){NULL, 0}, "application/json"));
}

static void test_query_values_are_found_by_their_whole_name(void **state)
{
	static const struct {
		const char *query;
		const char *value; /* NULL: absent */
	} cases[] = {
		{"", NULL},
		{"revision=2", "2"},
		{"a=1&revision=2", "2"},
		{"revision=2&a=1", "2"},
		{"revision=2&revision=3", "2"},
		{"revision=", ""},
		{"revision", ""},
		{"revision&a", ""},
		{"revision=a=b", "a=b"},
		{"&&revision=2", "2"},
		{"xrevision=2", NULL},
		{"revisionx=2", NULL},
		{"REVISION=2", NULL},
		{"a=revision=2", NULL},
		{"=revision", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str value = http_query_value(str_from(cases[i].query), "revision");
		if (cases[i].value == NULL) {
			assert_null(value.data);
			continue;
		}
		if (value.data == NULL || !str_equal(value, str_from(cases[i].value))) {
			fail_msg("%s", cases[i].query);
		}
	}
	assert_null(http_query_value((struct str){NULL, 0}, "revision").data);
}

static void test_etags_match_weakly(void **state)
{
	static const struct {
		const char *if_none_match;
		bool matches;
	} cases[] = {
		{"\"abc\"", true},
		{"W/\"abc\"", true},
		{"*", true},
		{"\"x\", \"abc\"", true},
		{"\"x\",W/\"abc\" , \"y\"", true},
		{"\"a,b\", \"abc\"", true},
		{",, \"abc\"", true},
		{"\"ab\"", false},
		{"\"abcd\"", false},
		{"abc", false},
		{"\"abc", false},
		{"w/\"abc\"", false},
		{"\"x, \"abc\"", false},
		{"**", false},
		{"\"x\" *", false},
		{"", false},
		{"\"", false},
		{"W/", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (http_etag_matches(str_from(cases[i].if_none_match), STR("\"abc\"")) !=
			cases[i].matches) {
			fail_msg("%s", cases[i].if_none_match);
		}
	}
	assert_true(http_etag_matches(STR("\"abc\""), STR("W/\"abc\"")));
	assert_false(http_etag_matches((struct str){NULL, 0}, STR("\"abc\"")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_whole_request_gives_all_its_fields),
		cmocka_unit_test(test_the_smallest_requests_are_taken),
		cmocka_unit_test(test_a_question_mark_without_a_query_is_an_empty_query),
		cmocka_unit_test(test_methods_are_known_by_their_exact_name),
		cmocka_unit_test(test_bad_request_lines_are_framing_errors),
		cmocka_unit_test(test_targets_other_than_the_origin_form_are_framing_errors),
		cmocka_unit_test(test_one_empty_line_before_the_request_line_is_skipped),
		cmocka_unit_test(test_bad_header_lines_are_framing_errors),
		cmocka_unit_test(test_host_is_one_and_a_host),
		cmocka_unit_test(test_doubtful_body_lengths_are_framing_errors),
		cmocka_unit_test(test_clear_body_lengths_are_taken),
		cmocka_unit_test(test_a_value_that_decides_comes_once),
		cmocka_unit_test(test_the_connection_stays_unless_said_otherwise),
		cmocka_unit_test(test_the_only_expectation_is_100_continue),
		cmocka_unit_test(test_the_request_line_is_limited_before_its_end_comes),
		cmocka_unit_test(test_header_bytes_are_limited_before_their_end_comes),
		cmocka_unit_test(test_header_lines_are_counted),
		cmocka_unit_test(test_the_standard_limits_hold_at_and_past_them),
		cmocka_unit_test(test_pipelined_requests_come_out_one_by_one),
		cmocka_unit_test(test_a_finished_line_is_not_looked_at_again),
		cmocka_unit_test(test_a_searched_part_of_a_line_is_not_searched_again),
		cmocka_unit_test(test_a_verdict_stays),
		cmocka_unit_test(test_media_types_are_compared_without_parameters_and_case),
		cmocka_unit_test(test_query_values_are_found_by_their_whole_name),
		cmocka_unit_test(test_etags_match_weakly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
