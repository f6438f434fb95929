// SPDX-License-Identifier: Apache-2.0
/*
 * Bodies with Content-Encoding: gzip (RFC 1952), unfolded piece by piece. Pure. A decoder takes all
 * its memory when it is made, whatever comes later; content goes to the caller's room and is wiped
 * from the decoder with it.
 *
 * Several members one behind the other are one content (RFC 1952 2.2). Bytes behind a member that
 * begin none are refused, and so are the zlib format and raw deflate. The verdict is the same
 * however the bytes arrive and whatever room there is.
 *
 * It does not limit bytes: the caller limits those it gives and those it gets. What costs more than
 * bytes is limited here: tables of codes are built at each block of a member, so empty blocks or
 * members would be much work for little data.
 */
#pragma once

#include "base/attr.h"
#include "http/http_request.h"

#include <stdbool.h>
#include <stddef.h>

/* So many member headers and deflate blocks are taken whatever they hold; with more of them, the
 * content so far must come to so many bytes for each. */
#define HTTP_GUNZIP_BLOCKS_OF_ANY_SIZE 1024
#define HTTP_GUNZIP_BLOCK_MEAN_BYTES_MIN 128

struct http_gunzip;

/* NULL when memory is short. */
MUST_CHECK struct http_gunzip *http_gunzip_new(void);
/* Wipes it: it held content. */
void http_gunzip_free(struct http_gunzip **gunzip);
/*
 * Reads data[0, len) and writes content to out[0, out_size). HTTP_MORE: everything was read
 * (*used_out is len), or the next byte of content finds no room. Whoever got out filled calls again
 * with room, even with len 0, since content may be inside. The end of the body is not the decoder's
 * to know, so it never says HTTP_DONE: at the end ask http_gunzip_is_complete. HTTP_BAD stays so,
 * and out holds nothing then.
 */
MUST_CHECK enum http_parse http_gunzip_decode(struct http_gunzip *gunzip, const char *data,
	size_t len, size_t *used_out, char *out, size_t out_size, size_t *out_len_out);
/* True when a member has ended, its checksum and length were right, and no other has begun. */
bool http_gunzip_is_complete(const struct http_gunzip *gunzip);
/* At HTTP_BAD: static sentence. */
const char *http_gunzip_detail(const struct http_gunzip *gunzip);
