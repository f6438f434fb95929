// SPDX-License-Identifier: Apache-2.0
/*
 * Lines are found with memchr and read once, when they are whole. Whether a line is too long is
 * judged from the part before its LF alone, arrived or not: that is why the verdict does not depend
 * on how the bytes were cut.
 */
#include "http/http_request.h"

#include <string.h>
#include <strings.h>

#define CONTENT_LENGTH_DIGITS_MAX 10
#define VERSION_LEN 8

enum char_class {
	CHAR_TOKEN = 1, /* RFC 9110 5.6.2 */
	CHAR_HOST = 2,  /* uri-host and port, RFC 3986 3.2.2; every host is made of these */
};

static const uint8_t char_classes[256] = {
	['0' ... '9'] = CHAR_TOKEN | CHAR_HOST,
	['A' ... 'Z'] = CHAR_TOKEN | CHAR_HOST,
	['a' ... 'z'] = CHAR_TOKEN | CHAR_HOST,
	['!'] = CHAR_TOKEN | CHAR_HOST,
	['#'] = CHAR_TOKEN,
	['$'] = CHAR_TOKEN | CHAR_HOST,
	['%'] = CHAR_TOKEN | CHAR_HOST,
	['&'] = CHAR_TOKEN | CHAR_HOST,
	['\''] = CHAR_TOKEN | CHAR_HOST,
	['('] = CHAR_HOST,
	[')'] = CHAR_HOST,
	['*'] = CHAR_TOKEN | CHAR_HOST,
	['+'] = CHAR_TOKEN | CHAR_HOST,
	[','] = CHAR_HOST,
	['-'] = CHAR_TOKEN | CHAR_HOST,
	['.'] = CHAR_TOKEN | CHAR_HOST,
	[':'] = CHAR_HOST,
	[';'] = CHAR_HOST,
	['='] = CHAR_HOST,
	['['] = CHAR_HOST,
	[']'] = CHAR_HOST,
	['^'] = CHAR_TOKEN,
	['_'] = CHAR_TOKEN | CHAR_HOST,
	['`'] = CHAR_TOKEN,
	['|'] = CHAR_TOKEN,
	['~'] = CHAR_TOKEN | CHAR_HOST,
};

static const struct {
	struct str name;
	enum http_method method;
} methods[] = {
	{{"POST", 4}, HTTP_POST},
	{{"GET", 3}, HTTP_GET},
	{{"HEAD", 4}, HTTP_HEAD},
	{{"PUT", 3}, HTTP_PUT},
	{{"DELETE", 6}, HTTP_DELETE},
	{{"PATCH", 5}, HTTP_PATCH},
	{{"OPTIONS", 7}, HTTP_OPTIONS},
	{{"TRACE", 5}, HTTP_TRACE},
	{{"CONNECT", 7}, HTTP_CONNECT},
};

/* The length of the run of bytes of a class that text starts with. */
static size_t span_of_class(struct str text, enum char_class class)
{
	size_t n = 0;
	while (n < text.len && (char_classes[(unsigned char)text.data[n]] & class) != 0) {
		n++;
	}
	return n;
}

static bool equals_ignoring_case(struct str text, struct str expected)
{
	return text.len == expected.len && strncasecmp(text.data, expected.data, text.len) == 0;
}

static struct str trim_spaces(struct str text)
{
	while (text.len > 0 && text.data[0] == ' ') {
		text.data++;
		text.len--;
	}
	while (text.len > 0 && text.data[text.len - 1] == ' ') {
		text.len--;
	}
	return text;
}

/* What text starts with up to the separator, which is dropped with it. */
static struct str take_until(struct str *text, char separator)
{
	struct str part = *text;
	const char *at = part.len > 0 ? memchr(part.data, separator, part.len) : NULL;
	if (at != NULL) {
		part.len = (size_t)(at - part.data);
		text->data = at + 1;
		text->len -= part.len + 1;
	} else {
		text->len = 0;
	}
	return part;
}

static struct http_span span_in(const char *data, struct str part)
{
	return (struct http_span){(uint32_t)(part.data - data), (uint32_t)part.len};
}

static bool refuse(struct http_request *request, enum http_fault fault, const char *detail)
{
	request->fault = fault;
	request->detail = detail;
	return false;
}

static bool refuse_framing(struct http_request *request, const char *detail)
{
	return refuse(request, HTTP_FAULT_FRAMING, detail);
}

void http_request_init(struct http_request *request)
{
	*request = (struct http_request){.method = HTTP_METHOD_UNKNOWN};
}

static bool take_method(struct http_request *request, const char *data, struct str name)
{
	if (name.len == 0 || span_of_class(name, CHAR_TOKEN) != name.len) {
		return refuse_framing(request, "a method is a token");
	}
	request->method_name = span_in(data, name);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (str_equal(methods[i].name, name)) {
			request->method = methods[i].method;
			return true;
		}
	}
	return true;
}

static bool take_target(struct http_request *request, const char *data, struct str target)
{
	if (target.len == 0 || target.data[0] != '/') {
		return refuse_framing(request, "a target is a path that starts with a slash");
	}
	for (size_t i = 0; i < target.len; i++) {
		if (target.data[i] <= ' ' || target.data[i] > '~' || target.data[i] == '#') {
			return refuse_framing(
				request, "a target is visible ASCII, without a fragment");
		}
	}
	struct str path = take_until(&target, '?');
	request->path = span_in(data, path);
	request->query = span_in(data, target);
	return true;
}

static bool take_version(struct http_request *request, struct str version)
{
	if (version.len != VERSION_LEN || memcmp(version.data, "HTTP/1.", VERSION_LEN - 1) != 0 ||
		(version.data[VERSION_LEN - 1] != '0' && version.data[VERSION_LEN - 1] != '1')) {
		return refuse_framing(
			request, "METHOD SP path SP HTTP/1.1 is expected as the request line");
	}
	request->is_http_1_0 = version.data[VERSION_LEN - 1] == '0';
	request->keeps_alive = !request->is_http_1_0;
	return true;
}

static bool take_request_line(struct http_request *request, const char *data, struct str line)
{
	struct str method = take_until(&line, ' ');
	struct str target = take_until(&line, ' ');
	request->has_request_line = true;
	return take_method(request, data, method) && take_target(request, data, target) &&
		take_version(request, line);
}

static bool take_host(struct http_request *request, const char *data, struct str value)
{
	if (request->has_host) {
		return refuse_framing(request, "one Host is expected");
	}
	if (span_of_class(value, CHAR_HOST) != value.len) {
		return refuse_framing(request, "Host is a name or an address, and a port");
	}
	request->has_host = true;
	request->host = span_in(data, value);
	return true;
}

static bool take_content_length(struct http_request *request, struct str value)
{
	if (request->has_content_length) {
		return refuse_framing(request, "one Content-Length is expected");
	}
	if (request->is_chunked) {
		return refuse_framing(request, "Content-Length beside Transfer-Encoding");
	}
	if (value.len == 0 || value.len > CONTENT_LENGTH_DIGITS_MAX) {
		return refuse_framing(request, "Content-Length is 1 to 10 digits");
	}
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] < '0' || value.data[i] > '9') {
			return refuse_framing(request, "Content-Length is 1 to 10 digits");
		}
		request->content_length =
			request->content_length * 10 + (unsigned)(value.data[i] - '0');
	}
	request->has_content_length = true;
	return true;
}

static bool take_transfer_encoding(struct http_request *request, struct str value)
{
	if (request->has_content_length) {
		return refuse_framing(request, "Content-Length beside Transfer-Encoding");
	}
	if (request->is_chunked) {
		return refuse_framing(request, "one Transfer-Encoding is expected");
	}
	if (request->is_http_1_0) {
		return refuse_framing(request, "HTTP/1.0 has no Transfer-Encoding");
	}
	if (!equals_ignoring_case(value, STR("chunked"))) {
		return refuse_framing(request, "the only Transfer-Encoding is chunked");
	}
	request->is_chunked = true;
	return true;
}

static bool take_expect(struct http_request *request, struct str value)
{
	if (request->is_http_1_0) {
		return true;
	}
	if (!equals_ignoring_case(value, STR("100-continue"))) {
		return refuse(
			request, HTTP_FAULT_EXPECTATION, "the only expectation is 100-continue");
	}
	request->expects_continue = true;
	return true;
}

/* Close wins over keep-alive, in whatever order and on how many lines they come. */
static bool take_connection(struct http_request *request, struct str value)
{
	while (value.len > 0) {
		struct str option = trim_spaces(take_until(&value, ','));
		if (equals_ignoring_case(option, STR("close"))) {
			request->says_close = true;
		} else if (equals_ignoring_case(option, STR("keep-alive"))) {
			request->keeps_alive = true;
		}
	}
	return true;
}

/* A header of which we use one value: two would leave open which of them counts. */
static bool take_single(struct http_request *request, bool *has, struct http_span *span_out,
	struct http_span value, const char *detail)
{
	if (*has) {
		return refuse_framing(request, detail);
	}
	*has = true;
	*span_out = value;
	return true;
}

static bool take_field(
	struct http_request *request, const char *data, struct str name, struct str value)
{
	switch (name.len) {
	case 4:
		return !equals_ignoring_case(name, STR("host")) || take_host(request, data, value);
	case 6:
		if (!request->has_accept && equals_ignoring_case(name, STR("accept"))) {
			request->has_accept = true;
			request->accept = span_in(data, value);
		}
		return !equals_ignoring_case(name, STR("expect")) || take_expect(request, value);
	case 10:
		return !equals_ignoring_case(name, STR("connection")) ||
			take_connection(request, value);
	case 12:
		return !equals_ignoring_case(name, STR("content-type")) ||
			take_single(request, &request->has_content_type, &request->content_type,
				span_in(data, value), "one Content-Type is expected");
	case 13:
		if (!request->has_if_none_match &&
			equals_ignoring_case(name, STR("if-none-match"))) {
			request->has_if_none_match = true;
			request->if_none_match = span_in(data, value);
		}
		return true;
	case 14:
		return !equals_ignoring_case(name, STR("content-length")) ||
			take_content_length(request, value);
	case 16:
		return !equals_ignoring_case(name, STR("content-encoding")) ||
			take_single(request, &request->has_content_encoding,
				&request->content_encoding, span_in(data, value),
				"one Content-Encoding is expected");
	case 17:
		return !equals_ignoring_case(name, STR("transfer-encoding")) ||
			take_transfer_encoding(request, value);
	default:
		return true;
	}
}

static bool take_header_line(struct http_request *request, const char *data, struct str line)
{
	struct str name = {line.data, span_of_class(line, CHAR_TOKEN)};
	if (name.len == 0 || name.len == line.len || line.data[name.len] != ':') {
		return refuse_framing(
			request, "a header line is a token, a colon at once, and a value");
	}
	struct str value =
		trim_spaces((struct str){line.data + name.len + 1, line.len - name.len - 1});
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.data[i];
		if (c < ' ' || c == 0x7f) {
			return refuse_framing(request, "a header value has no control characters");
		}
	}
	request->header_count++;
	return take_field(request, data, name, value);
}

static bool finish_head(struct http_request *request, size_t head_len)
{
	if (!request->has_host && !request->is_http_1_0) {
		return refuse_framing(request, "HTTP/1.1 demands a Host");
	}
	if (request->says_close) {
		request->keeps_alive = false;
	}
	request->head_len = (uint32_t)head_len;
	return true;
}

/* The least bytes that a line begun like this can have, its CRLF included. */
static size_t line_bytes_min(struct str begun)
{
	return begun.len + (begun.len > 0 && begun.data[begun.len - 1] == '\r' ? 1 : 2);
}

/* begun: the line as far as it is known, without its LF. */
static bool check_limits(
	struct http_request *request, const struct http_limits *limits, struct str begun)
{
	if (!request->has_request_line) {
		if (line_bytes_min(begun) > limits->target_bytes + 2) {
			return refuse(request, HTTP_FAULT_TARGET_TOO_LONG,
				"the request line is too long");
		}
		return true;
	}
	bool may_end_head = begun.len == 0 || (begun.len == 1 && begun.data[0] == '\r');
	if (may_end_head) {
		return true;
	}
	if (request->header_count >= limits->head_count) {
		return refuse(request, HTTP_FAULT_HEAD_TOO_LARGE, "too many header lines");
	}
	if (request->line_start - request->headers_start + line_bytes_min(begun) >
		limits->head_bytes) {
		return refuse(request, HTTP_FAULT_HEAD_TOO_LARGE, "the header lines are too long");
	}
	return true;
}

/* Where the present line must have ended: bytes past it need not be looked at. */
static size_t line_window_end(const struct http_request *request, const struct http_limits *limits)
{
	return request->has_request_line ? request->headers_start + limits->head_bytes + 2
					 : request->line_start + limits->target_bytes + 2;
}

/* ended: the line without its LF. */
static bool take_line(struct http_request *request, const char *data, struct str ended)
{
	if (ended.len == 0 || ended.data[ended.len - 1] != '\r') {
		return refuse_framing(request, "a line ends with CR LF");
	}
	struct str line = {ended.data, ended.len - 1};
	uint32_t next = (uint32_t)(request->line_start + ended.len + 1);
	if (request->has_request_line) {
		if (line.len == 0) {
			return finish_head(request, next);
		}
		if (!take_header_line(request, data, line)) {
			return false;
		}
	} else if (line.len > 0 || request->line_start > 0) {
		if (!take_request_line(request, data, line)) {
			return false;
		}
		request->headers_start = next;
	}
	request->line_start = next;
	request->scanned = next;
	return true;
}

enum http_parse http_request_parse(struct http_request *request, const struct http_limits *limits,
	const char *data, size_t len)
{
	while (request->fault == HTTP_FAULT_NONE && request->head_len == 0) {
		size_t window_end = line_window_end(request, limits);
		size_t end = len < window_end ? len : window_end;
		if (request->scanned >= end) {
			return HTTP_MORE;
		}
		const char *line_feed =
			memchr(data + request->scanned, '\n', end - request->scanned);
		size_t known_end = line_feed != NULL ? (size_t)(line_feed - data) : end;
		struct str known = {data + request->line_start, known_end - request->line_start};
		request->scanned = (uint32_t)known_end;
		if (check_limits(request, limits, known) && line_feed != NULL) {
			(void)take_line(request, data, known);
		}
	}
	return request->fault == HTTP_FAULT_NONE ? HTTP_DONE : HTTP_BAD;
}

bool http_media_type_is(struct str value, const char *type)
{
	return equals_ignoring_case(trim_spaces(take_until(&value, ';')), str_from(type));
}

bool http_coding_is(struct str value, const char *coding)
{
	return equals_ignoring_case(value, str_from(coding));
}

struct str http_query_value(struct str query, const char *name)
{
	while (query.len > 0) {
		struct str pair_value = take_until(&query, '&');
		const char *pair_end = pair_value.data + pair_value.len;
		struct str pair_name = take_until(&pair_value, '=');
		if (str_equal(pair_name, str_from(name))) {
			return pair_value.len > 0 ? pair_value : (struct str){pair_end, 0};
		}
	}
	return (struct str){NULL, 0};
}

/* An entity tag's opaque part: W/ does not count in a weak comparison (RFC 9110 8.8.3.2). */
static struct str etag_without_weakness(struct str etag)
{
	if (etag.len >= 2 && memcmp(etag.data, "W/", 2) == 0) {
		return (struct str){etag.data + 2, etag.len - 2};
	}
	return etag;
}

bool http_etag_matches(struct str if_none_match, struct str etag)
{
	struct str rest = trim_spaces(if_none_match);
	struct str wanted = etag_without_weakness(etag);
	if (str_equal(rest, STR("*"))) {
		return true;
	}
	while (rest.len > 0) {
		if (rest.data[0] == ' ' || rest.data[0] == ',') {
			rest = (struct str){rest.data + 1, rest.len - 1};
			continue;
		}
		rest = etag_without_weakness(rest);
		if (rest.len < 2 || rest.data[0] != '"') {
			return false;
		}
		const char *quote = memchr(rest.data + 1, '"', rest.len - 1);
		if (quote == NULL) {
			return false;
		}
		struct str candidate = {rest.data, (size_t)(quote + 1 - rest.data)};
		if (str_equal(candidate, wanted)) {
			return true;
		}
		rest = (struct str){quote + 1, rest.len - candidate.len};
	}
	return false;
}
