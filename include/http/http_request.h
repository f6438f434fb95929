// SPDX-License-Identifier: Apache-2.0
/*
 * Strict HTTP/1.1 requests out of a growing buffer (RFC 9110, 9112). A push parser: it is called
 * again whenever bytes were added, remembers how far it has looked, and never looks at a byte
 * twice. Pure: it owns no memory and keeps offsets, not pointers, so the buffer may move.
 *
 * What it takes: CRLF only; METHOD SP origin-form SP HTTP/1.0 or 1.1; header names that are tokens,
 * values without control characters (tab included); exactly one Host on 1.1; Content-Length of 1 to
 * 10 digits, once; Transfer-Encoding exactly "chunked", never beside Content-Length, never on 1.0.
 * Everything else is one refusal, after which the connection closes.
 *
 * Decided where RFC 9112 leaves a choice: one empty line before the request line is skipped (2.2),
 * a second is refused. Only the origin form is a target, so absolute-form, "OPTIONS *" and
 * CONNECT's authority are framing errors. Host may be empty, and on 1.0 absent. Spaces around a
 * value are dropped. A second Content-Type or Content-Encoding is refused, of several If-None-Match
 * or Accept lines the first counts. Expect is ignored on 1.0. The verdict is the same however the
 * bytes arrive.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every limit of a request's head. Each is judged as soon as it is passed, with or without an LF.
 */
struct http_limits {
	size_t target_bytes; /* request line without its CRLF, 4,096 */
	size_t head_bytes;   /* all header lines, each with its CRLF, 8,192 */
	size_t head_count;   /* header lines, 64 */
};

enum http_parse { HTTP_MORE, HTTP_DONE, HTTP_BAD };

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_DELETE,
	HTTP_PATCH,
	HTTP_OPTIONS,
	HTTP_TRACE,
	HTTP_CONNECT,
	HTTP_METHOD_UNKNOWN
};

/* Why a head or a body was bad. */
enum http_fault {
	HTTP_FAULT_NONE,
	HTTP_FAULT_FRAMING,         /* 400 */
	HTTP_FAULT_TARGET_TOO_LONG, /* 414 */
	HTTP_FAULT_HEAD_TOO_LARGE,  /* 431 */
	HTTP_FAULT_EXPECTATION      /* 417: any Expect but 100-continue */
};

/* A part of the buffer, by offset from the start of the head. */
struct http_span {
	uint32_t offset;
	uint32_t len;
};

struct http_request {
	/* The parser's own place. */
	uint32_t scanned;    /* bytes looked at */
	uint32_t line_start; /* of the line being read */
	uint32_t headers_start;
	uint32_t header_count;
	bool has_request_line;
	bool says_close;
	/* The result, complete at HTTP_DONE; head_len bytes of the buffer belong to the head. */
	uint32_t head_len;
	enum http_method method;
	struct http_span method_name;
	struct http_span path;  /* without the query */
	struct http_span query; /* without the question mark; len 0 when absent */
	bool is_http_1_0;
	bool keeps_alive;
	bool is_chunked;
	bool has_content_length;
	bool expects_continue;
	bool has_host;
	struct http_span host; /* with its port */
	uint64_t content_length;
	bool has_content_type;
	struct http_span content_type;
	bool has_content_encoding;
	struct http_span content_encoding;
	bool has_if_none_match;
	struct http_span if_none_match;
	bool has_accept;
	struct http_span accept;
	/* At HTTP_BAD. */
	enum http_fault fault;
	const char *detail; /* static sentence: what was expected */
};

void http_request_init(struct http_request *request);
/*
 * data: everything since the start of the head. HTTP_MORE until the empty line has arrived. Once it
 * was HTTP_DONE or HTTP_BAD it stays so.
 */
enum http_parse http_request_parse(struct http_request *request, const struct http_limits *limits,
	const char *data, size_t len);

static inline struct str http_span_str(const char *data, struct http_span span)
{
	return (struct str){data + span.offset, span.len};
}

/* True when the media type of a Content-Type value is type, parameters aside. */
bool http_media_type_is(struct str value, const char *type);
/* True when a Content-Encoding value is this one coding alone, in any case. */
bool http_coding_is(struct str value, const char *coding);
/* The value of name in a query of unescaped name=value pairs; data NULL when absent. */
struct str http_query_value(struct str query, const char *name);
/* True when an If-None-Match value names etag (quoted) or is "*". Weak comparison. */
bool http_etag_matches(struct str if_none_match, struct str etag);
