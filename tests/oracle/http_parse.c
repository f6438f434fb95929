// SPDX-License-Identifier: Apache-2.0
/*
 * The parser's side of the comparison with another HTTP implementation. Standard input: requests,
 * each after its length in decimal and a line feed. Standard output, a line each: "bad", "more"
 * (the head is not complete), or "part" or "done" (the body is not, is complete) with the method,
 * target and body in hex, and the number of bytes used.
 */
#include "base/attr.h"
#include "http/http_chunked.h"
#include "http/http_request.h"

#include <stdio.h>

static const struct http_limits limits = {
	.target_bytes = 4096, .head_bytes = 8192, .head_count = 64};

static void print_hex(const char *data, size_t len)
{
	putchar(' ');
	for (size_t i = 0; i < len; i++) {
		printf("%02x", (unsigned char)data[i]);
	}
	if (len == 0) {
		putchar('-');
	}
}

/* Content moves to the front of body. */
static enum http_parse read_body(const struct http_request *request, char *body, size_t len,
	size_t *content_len_out, size_t *used_out)
{
	if (request->is_chunked) {
		struct http_chunked chunked;
		http_chunked_init(&chunked);
		return http_chunked_decode(&chunked, body, len, body, content_len_out, used_out);
	}
	*used_out = len < request->content_length ? len : (size_t)request->content_length;
	*content_len_out = *used_out;
	return *used_out == request->content_length ? HTTP_DONE : HTTP_MORE;
}

static void judge(char *data, size_t len)
{
	struct http_request request;
	http_request_init(&request);
	enum http_parse result = http_request_parse(&request, &limits, data, len);
	if (result != HTTP_DONE) {
		puts(result == HTTP_BAD ? "bad" : "more");
		return;
	}
	char *body = data + request.head_len;
	size_t content_len;
	size_t used;
	result = read_body(&request, body, len - request.head_len, &content_len, &used);
	if (result == HTTP_BAD) {
		puts("bad");
		return;
	}
	struct str path = http_span_str(data, request.path);
	size_t target_len = path.len;
	if (path.data[path.len] == '?') {
		target_len += 1 + request.query.len;
	}
	fputs(result == HTTP_DONE ? "done" : "part", stdout);
	print_hex(data + request.method_name.offset, request.method_name.len);
	print_hex(path.data, target_len);
	print_hex(body, content_len);
	printf(" %zu\n", request.head_len + used);
}

int main(void)
{
	size_t len;
	while (scanf("%zu", &len) == 1 && getchar() == '\n') { // NOLINT(cert-err34-c)
		char *data = malloc(len + 1);
		ENSURE(data != NULL && fread(data, 1, len, stdin) == len);
		judge(data, len);
		free(data);
	}
	return 0;
}
