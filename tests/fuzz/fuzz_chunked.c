// SPDX-License-Identifier: Apache-2.0
/*
 * A chunked body: whole into room of its own and byte by byte in place, the content and the verdict
 * are the same, and content that was taken comes back from chunks of our own making.
 */
#include "fuzz.h"
#include "http/http_chunked.h"
#include "http/http_response.h"

#include <stdlib.h>

struct decoded {
	struct http_chunked chunked;
	enum http_parse result;
	char *content;
	size_t len;
	size_t used;
};

static void decode_whole(struct decoded *decoded, const char *data, size_t size)
{
	decoded->content = malloc(size > 0 ? size : 1);
	ENSURE(decoded->content != NULL);
	http_chunked_init(&decoded->chunked);
	decoded->result = http_chunked_decode(
		&decoded->chunked, data, size, decoded->content, &decoded->len, &decoded->used);
}

/* Over the bytes themselves, as the server does. */
static void decode_by_bytes(struct decoded *decoded, char *data, size_t size)
{
	http_chunked_init(&decoded->chunked);
	decoded->content = data;
	decoded->result = HTTP_MORE;
	while (decoded->result == HTTP_MORE && decoded->used < size) {
		size_t len = 0;
		size_t used = 0;
		decoded->result = http_chunked_decode(&decoded->chunked, data + decoded->used, 1,
			data + decoded->len, &len, &used);
		ENSURE(used == 1 && len <= 1);
		decoded->len += len;
		decoded->used++;
	}
}

static void ensure_comes_back(const struct decoded *decoded)
{
	struct buf chunks;
	struct decoded again = {0};
	struct str content = {decoded->content, decoded->len};
	buf_init(&chunks, decoded->len + 64);
	ENSURE(content.len == 0 || http_response_chunk(&chunks, content));
	ENSURE(http_response_chunk(&chunks, STR("")));
	decode_whole(&again, chunks.data, chunks.len);
	ENSURE(again.result == HTTP_DONE && again.used == chunks.len);
	ENSURE(str_equal((struct str){again.content, again.len}, content));
	free(again.content);
	buf_fini(&chunks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct decoded whole = {0};
	struct decoded by_bytes = {0};
	char *copy = malloc(size > 0 ? size : 1);
	ENSURE(copy != NULL);
	memcpy(copy, data, size);
	decode_whole(&whole, (const char *)data, size);
	decode_by_bytes(&by_bytes, copy, size);
	ENSURE(whole.result == by_bytes.result && whole.used == by_bytes.used);
	ENSURE(whole.chunked.detail == by_bytes.chunked.detail);
	ENSURE(str_equal((struct str){whole.content, whole.len},
		(struct str){by_bytes.content, by_bytes.len}));
	ENSURE(whole.len == whole.chunked.content);
	if (whole.result == HTTP_BAD) {
		fuzz_ensure_sentence(whole.chunked.detail);
	}
	if (whole.result == HTTP_DONE) {
		ensure_comes_back(&whole);
	}
	free(whole.content);
	free(copy);
	return 0;
}
