// SPDX-License-Identifier: Apache-2.0
/*
 * Responses to bytes: status line, the headers that every answer carries, body.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>

struct http_response {
	int status;
	const char *date;         /* as HTTP has it; NULL: none */
	const char *content_type; /* NULL: no body */
	struct str location;      /* data NULL: none; likewise below */
	struct str etag;
	const char *allow;
	struct str more;   /* whole header lines, each with its CRLF; data NULL: none */
	int retry_after_s; /* 0: none */
	bool closes;
	bool says_keep_alive; /* HTTP/1.0 clients must be told that the connection stays */
	bool is_head_only;    /* HEAD: Content-Length as if there were a body, but none is sent */
	bool is_chunked;      /* the body follows in chunks: http_response_chunk */
	bool ends_with_close; /* the body follows and ends with the connection: for HTTP/1.0 */
};

/*
 * Appends a whole response with the body; false, and out as it was, where it does not fit. Every
 * one says Cache-Control: no-store (unless it has an etag: then no-cache), X-Content-Type-Options:
 * nosniff, and Content-Length (but 304 and 204, which never have a body). No Server header. The
 * values are the caller's and hold no CR or LF.
 */
MUST_CHECK bool http_response_render(
	struct buf *out, const struct http_response *response, struct str body);
/*
 * Makes a rendered response that would have left the connection open say that it closes. False
 * without memory: then it is as it was.
 */
MUST_CHECK bool http_response_close(struct buf *response);
/* Appends one chunk of a chunked body; of no bytes, its end. */
MUST_CHECK bool http_response_chunk(struct buf *out, struct str bytes);
/* HTTP/1.1 100 Continue. */
MUST_CHECK bool http_response_continue(struct buf *out);
/* The standard reason phrase of a status (RFC 9110 15); "" where there is none. */
const char *http_reason(int status);
