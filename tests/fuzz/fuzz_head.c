// SPDX-License-Identifier: Apache-2.0
/*
 * A request's head: whole and byte by byte the verdict is the same, what it names lies inside the
 * head, and what tight limits let through is what wide ones do.
 */
#include "fuzz.h"
#include "http/http_request.h"

static const struct http_limits wide = {.target_bytes = 4096, .head_bytes = 8192, .head_count = 64};
static const struct http_limits tight = {.target_bytes = 64, .head_bytes = 256, .head_count = 4};

static enum http_parse parse_by_bytes(struct http_request *request,
	const struct http_limits *limits, const char *data, size_t size)
{
	enum http_parse result = HTTP_MORE;
	http_request_init(request);
	for (size_t len = 0; result == HTTP_MORE && len <= size; len++) {
		result = http_request_parse(request, limits, data, len);
	}
	return result;
}

static void ensure_inside(const struct http_request *request, struct http_span span)
{
	ENSURE(span.offset <= request->head_len);
	ENSURE(span.len <= request->head_len - span.offset);
}

static void ensure_same_span(struct http_span one, struct http_span other)
{
	ENSURE(one.offset == other.offset && one.len == other.len);
}

static void ensure_same_head(const struct http_request *one, const struct http_request *other)
{
	ENSURE(one->head_len == other->head_len && one->method == other->method);
	ensure_same_span(one->method_name, other->method_name);
	ensure_same_span(one->path, other->path);
	ensure_same_span(one->query, other->query);
	ensure_same_span(one->host, other->host);
	ensure_same_span(one->content_type, other->content_type);
	ensure_same_span(one->content_encoding, other->content_encoding);
	ensure_same_span(one->if_none_match, other->if_none_match);
	ensure_same_span(one->accept, other->accept);
	ENSURE(one->is_http_1_0 == other->is_http_1_0 && one->keeps_alive == other->keeps_alive);
	ENSURE(one->is_chunked == other->is_chunked);
	ENSURE(one->has_content_length == other->has_content_length);
	ENSURE(one->content_length == other->content_length);
	ENSURE(one->expects_continue == other->expects_continue);
}

static void ensure_sound(const struct http_request *request, const char *data, size_t size)
{
	ENSURE(request->head_len >= 4 && request->head_len <= size);
	ENSURE(memcmp(data + request->head_len - 4, "\r\n\r\n", 4) == 0);
	ENSURE(!(request->is_chunked && request->has_content_length));
	ENSURE(request->has_host || request->is_http_1_0);
	ENSURE(request->path.len > 0 && data[request->path.offset] == '/');
	ensure_inside(request, request->method_name);
	ensure_inside(request, request->path);
	ensure_inside(request, request->query);
	ensure_inside(request, request->host);
	ensure_inside(request, request->content_type);
	ensure_inside(request, request->content_encoding);
	ensure_inside(request, request->if_none_match);
	ensure_inside(request, request->accept);
}

/* What the server asks of a head. */
static void ask(const struct http_request *request, const char *data)
{
	struct str query = http_span_str(data, request->query);
	struct str value = http_query_value(query, "revision");
	ENSURE(value.data == NULL ||
		(value.data >= query.data && value.data + value.len <= query.data + query.len));
	struct str type = http_span_str(data, request->content_type);
	ENSURE(!http_media_type_is(type, "application/json") ||
		!http_media_type_is(type, "application/x-ndjson"));
	struct str coding = http_span_str(data, request->content_encoding);
	ENSURE(!http_coding_is(coding, "gzip") || coding.len == 4);
	struct str tags = http_span_str(data, request->if_none_match);
	ENSURE(!http_etag_matches(tags, STR("\"a\"")) || memchr(tags.data, '*', tags.len) != NULL ||
		memmem(tags.data, tags.len, "\"a\"", 3) != NULL);
}

static enum http_parse judge(struct http_request *request, const struct http_limits *limits,
	const char *data, size_t size)
{
	struct http_request by_bytes;
	http_request_init(request);
	enum http_parse result = http_request_parse(request, limits, data, size);
	ENSURE(parse_by_bytes(&by_bytes, limits, data, size) == result);
	ENSURE(by_bytes.fault == request->fault && by_bytes.detail == request->detail);
	ENSURE((result == HTTP_BAD) == (request->fault != HTTP_FAULT_NONE));
	if (result == HTTP_BAD) {
		fuzz_ensure_sentence(request->detail);
	}
	if (result == HTTP_DONE) {
		ensure_same_head(request, &by_bytes);
		ensure_sound(request, data, size);
		ask(request, data);
	}
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_request request;
	struct http_request tight_request;
	enum http_parse result = judge(&request, &wide, (const char *)data, size);
	if (judge(&tight_request, &tight, (const char *)data, size) == HTTP_DONE) {
		ENSURE(result == HTTP_DONE);
		ensure_same_head(&request, &tight_request);
	}
	return 0;
}
