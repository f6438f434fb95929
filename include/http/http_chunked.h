// SPDX-License-Identifier: Apache-2.0
/*
 * Chunked bodies (RFC 9112 7.1): chunk sizes of 1 to 8 hex digits, CRLF only, no extensions, no
 * trailers. More than 8,192 chunks only while their mean size is at least 256 bytes. Pure, and
 * holds no bytes back: every byte given is used, until the body ends or is refused.
 *
 * It does not limit the body: the caller compares content, or sooner content plus chunk_left, with
 * its own maximum after each call.
 */
#pragma once

#include "http/http_request.h"

#include <stddef.h>
#include <stdint.h>

struct http_chunked {
	int state;
	uint32_t digits;
	uint64_t chunk_left; /* bytes of the present chunk still to come */
	uint64_t chunks;
	uint64_t content;   /* decoded bytes so far */
	const char *detail; /* at HTTP_BAD: static sentence */
};

void http_chunked_init(struct http_chunked *chunked);
/*
 * Reads data[0, len); content goes to out (may be data or before it, so a body needs no second
 * buffer), its length to out_len_out, and the number of raw bytes used to used_out. HTTP_DONE after
 * the last chunk's empty line: bytes past used_out belong to the next request. Never to be called
 * again after HTTP_DONE or HTTP_BAD without http_chunked_init.
 */
enum http_parse http_chunked_decode(struct http_chunked *chunked, const char *data, size_t len,
	char *out, size_t *out_len_out, size_t *used_out);
