// SPDX-License-Identifier: Apache-2.0
/*
 * A response is appended whole or not at all, so a full output buffer never holds half a head.
 */
#include "http/http_response.h"

#define LENGTH_DIGITS_MAX 20

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{100, "Continue"},
	{200, "OK"},
	{201, "Created"},
	{204, "No Content"},
	{304, "Not Modified"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{411, "Length Required"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{415, "Unsupported Media Type"},
	{417, "Expectation Failed"},
	{421, "Misdirected Request"},
	{422, "Unprocessable Content"},
	{424, "Failed Dependency"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{503, "Service Unavailable"},
};

const char *http_reason(int status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (reasons[i].status == status) {
			return reasons[i].reason;
		}
	}
	return "";
}

static bool append_number(struct buf *out, size_t value)
{
	char digits[LENGTH_DIGITS_MAX];
	size_t n = sizeof(digits);
	do {
		digits[--n] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	return buf_append(out, digits + n, sizeof(digits) - n);
}

/* prefix, value and CRLF; nothing where there is no value. */
static bool append_line(struct buf *out, struct str prefix, struct str value)
{
	return value.data == NULL ||
		(buf_append_str(out, prefix) && buf_append_str(out, value) &&
			buf_append_str(out, STR("\r\n")));
}

static bool append_number_line(struct buf *out, struct str prefix, size_t value)
{
	return buf_append_str(out, prefix) && append_number(out, value) &&
		buf_append_str(out, STR("\r\n"));
}

static struct str str_or_none(const char *text)
{
	return text != NULL ? str_from(text) : (struct str){NULL, 0};
}

/* Of 204 and 304 a body is impossible: a length would be that of another answer. */
static bool status_has_body(int status)
{
	return status != 204 && status != 304;
}

static bool append_status_line(struct buf *out, int status)
{
	return buf_append_str(out, STR("HTTP/1.1 ")) && append_number(out, (size_t)status) &&
		append_line(out, STR(" "), str_from(http_reason(status)));
}

static bool append_content_lines(
	struct buf *out, const struct http_response *response, size_t body_len)
{
	if (!append_line(out, STR("Content-Type: "), str_or_none(response->content_type))) {
		return false;
	}
	if (response->is_chunked) {
		return append_line(out, STR("Transfer-Encoding: "), STR("chunked"));
	}
	return response->ends_with_close ||
		append_number_line(out, STR("Content-Length: "), body_len);
}

static bool append_head(struct buf *out, const struct http_response *response, size_t body_len)
{
	if (!append_status_line(out, response->status)) {
		return false;
	}
	if (status_has_body(response->status) && !append_content_lines(out, response, body_len)) {
		return false;
	}
	if (response->retry_after_s > 0 &&
		!append_number_line(out, STR("Retry-After: "), (size_t)response->retry_after_s)) {
		return false;
	}
	struct str cache = response->etag.data != NULL ? STR("no-cache") : STR("no-store");
	const char *connection = response->closes ? "close"
		: response->says_keep_alive       ? "keep-alive"
						  : NULL;
	return append_line(out, STR("Date: "), str_or_none(response->date)) &&
		append_line(out, STR("Location: "), response->location) &&
		append_line(out, STR("ETag: "), response->etag) &&
		append_line(out, STR("Allow: "), str_or_none(response->allow)) &&
		append_line(out, STR("Cache-Control: "), cache) &&
		append_line(out, STR("Connection: "), str_or_none(connection)) &&
		buf_append_str(out, response->more) &&
		buf_append_str(out, STR("X-Content-Type-Options: nosniff\r\n\r\n"));
}

bool http_response_render(struct buf *out, const struct http_response *response, struct str body)
{
	size_t len_before = out->len;
	size_t body_len = response->content_type != NULL ? body.len : 0;
	bool sends_body = status_has_body(response->status) && !response->is_head_only;

	if (append_head(out, response, body_len) &&
		(!sends_body || buf_append(out, body.data, body_len))) {
		return true;
	}
	out->len = len_before;
	return false;
}

bool http_response_close(struct buf *response)
{
	static const char stays[] = "Connection: keep-alive\r\n";
	static const char closes[] = "Connection: close\r\n";
	const size_t len = sizeof(closes) - 1;

	if (!buf_reserve(response, len)) {
		return false;
	}
	char *head_end = memmem(response->data, response->len, "\r\n\r\n", 4);
	ENSURE(head_end != NULL);
	char *at = memmem(
		response->data, (size_t)(head_end + 2 - response->data), stays, sizeof(stays) - 1);
	size_t replaced = at != NULL ? sizeof(stays) - 1 : 0;
	at = at != NULL ? at : head_end + 2;
	size_t behind = response->len - (size_t)(at - response->data) - replaced;
	memmove(at + len, at + replaced, behind);
	memcpy(at, closes, len);
	response->len = (size_t)(at - response->data) + len + behind;
	return true;
}

bool http_response_chunk(struct buf *out, struct str bytes)
{
	size_t len_before = out->len;
	if (buf_printf(out, "%zx\r\n", bytes.len) && buf_append_str(out, bytes) &&
		buf_append_str(out, STR("\r\n"))) {
		return true;
	}
	out->len = len_before;
	return false;
}

bool http_response_continue(struct buf *out)
{
	return buf_append_str(out, STR("HTTP/1.1 100 Continue\r\n\r\n"));
}
