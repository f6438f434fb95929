// SPDX-License-Identifier: Apache-2.0
/*
 * What is decided on a request before its body is read: who speaks, which resource, which method,
 * which media type and encoding, how long it will be, and whether the partner's quotas have room
 * for it. A refusal is answered at once, and no 100 Continue is sent.
 */
#include "intake_int.h"

#include "api_int.h"
#include "base/clock.h"
#include "reply_int.h"
#include "report_path_int.h"
#include "worker_int.h"

#include <stdio.h>

struct str intake_path(const struct conn *conn)
{
	return http_span_str(conn->in.data, conn->request.path);
}

static enum route find_route(struct str path)
{
	for (int route = 0; route < ROUTE_COUNT; route++) {
		if (str_equal(path, str_from(metrics_route_path((enum route)route)))) {
			return (enum route)route;
		}
	}
	struct str rest = report_path_rest(path);
	if (rest.data != NULL && rest.len == 0) {
		return ROUTE_REPORT;
	}
	return str_equal(rest, STR("/retraction")) ? ROUTE_RETRACTION : ROUTE_OTHER;
}

static bool refuse_head(struct conn *conn, enum reject reject, const char *detail)
{
	reply_refuse(conn, reject, detail);
	return false;
}

static bool accepts_peer(struct conn *conn)
{
	if (conn->worker->registry == NULL) {
		return refuse_head(conn, REJECT_UNAVAILABLE, "the partners were not read yet");
	}
	if (conn->is_suspended) {
		return refuse_head(conn, REJECT_PARTNER_SUSPENDED, NULL);
	}
	if (conn->partner == NULL) {
		return refuse_head(conn, REJECT_PARTNER_UNKNOWN, NULL);
	}
	if (conn->is_over_cap) {
		conn->request.keeps_alive = false;
		return refuse_head(conn, REJECT_QUOTA, "the partner has too many connections open");
	}
	return true;
}

static bool accepts_method(struct conn *conn)
{
	if (conn->request.method == HTTP_METHOD_UNKNOWN) {
		return refuse_head(conn, REJECT_METHOD_UNKNOWN, NULL);
	}
	if (!api_has_route(conn->route)) {
		return refuse_head(conn, REJECT_NOT_FOUND, NULL);
	}
	if (!api_has_method(conn->route, conn->request.method)) {
		return refuse_head(conn, REJECT_METHOD_NOT_ALLOWED, NULL);
	}
	return true;
}

static struct str atomic_value(const struct conn *conn)
{
	return http_query_value(http_span_str(conn->in.data, conn->request.query), "atomic");
}

static bool is_given_again(struct conn *conn, struct str value, const char *name)
{
	struct str query = http_span_str(conn->in.data, conn->request.query);
	const char *behind = value.data + value.len;
	struct str rest = {behind, (size_t)(query.data + query.len - behind)};
	return http_query_value(rest, name).data != NULL;
}

/* Who asks for all or nothing in other words must not get some. */
static bool accepts_query(struct conn *conn)
{
	struct str value = atomic_value(conn);
	if (conn->request.method != HTTP_POST || conn->route == ROUTE_RETRACTION ||
		value.data == NULL) {
		return true;
	}
	bool is_known = str_equal(value, STR("true")) || str_equal(value, STR("false"));
	return (is_known && !is_given_again(conn, value, "atomic")) ||
		refuse_head(conn, REJECT_NOT_FOUND, "atomic is true or false, once");
}

static bool accepts_media_type(struct conn *conn)
{
	const struct http_request *request = &conn->request;
	struct str type = http_span_str(conn->in.data, request->content_type);
	bool takes_batch = conn->route != ROUTE_RETRACTION;
	if (request->has_content_type) {
		conn->is_ndjson = takes_batch && http_media_type_is(type, "application/x-ndjson");
		if (conn->is_ndjson || http_media_type_is(type, "application/json")) {
			return true;
		}
	}
	return refuse_head(conn, REJECT_MEDIA_TYPE,
		takes_batch ? "application/json or application/x-ndjson is expected"
			    : "application/json is expected");
}

static bool accepts_encoding(struct conn *conn)
{
	const struct http_request *request = &conn->request;
	struct str encoding = http_span_str(conn->in.data, request->content_encoding);
	if (!request->has_content_encoding || http_coding_is(encoding, "identity")) {
		return true;
	}
	conn->is_gzip = http_coding_is(encoding, "gzip");
	return conn->is_gzip ||
		refuse_head(conn, REJECT_CONTENT_ENCODING, "gzip or no encoding is expected");
}

static bool accepts_post_body(struct conn *conn)
{
	const struct http_request *request = &conn->request;
	if (!accepts_media_type(conn) || !accepts_encoding(conn)) {
		return false;
	}
	if (!request->is_chunked && !request->has_content_length) {
		return refuse_head(conn, REJECT_LENGTH_REQUIRED,
			"Content-Length or Transfer-Encoding: chunked is expected");
	}
	return true;
}

static bool accepts_body(struct conn *conn)
{
	const struct http_request *request = &conn->request;

	if (request->method == HTTP_POST && !accepts_post_body(conn)) {
		return false;
	}
	if (request->content_length > intake_coded_limit(conn) ||
		(request->is_chunked && request->method != HTTP_POST)) {
		intake_refuse_too_large(conn);
		return false;
	}
	return true;
}

/* Takes from the partner's quotas, or notes when there will be enough. */
static void take_quota(struct conn *conn, int64_t reports, int64_t bytes)
{
	struct quota_limits limits = conn_quota_limits(conn);
	struct quota_demand demand = {.reports = reports, .bytes = bytes};
	if (quota_take(conn->quota, &limits, clock_monotonic_us(), demand, &conn->quota_retry_ms)) {
		conn->quota_taken.reports += reports;
		conn->quota_taken.bytes += bytes;
	}
}

/*
 * A batch pays by the line, and a dry run for its bytes only. What is over quota is read all the
 * same, unless the client waits for our word: a new connection would cost more than its body.
 */
static bool accepts_demand(struct conn *conn)
{
	const struct http_request *request = &conn->request;
	if (request->method != HTTP_POST || conn->is_ndjson) {
		return true;
	}
	take_quota(conn, conn->route == ROUTE_VALIDATE ? 0 : 1, (int64_t)request->content_length);
	if (conn->quota_retry_ms > 0 && request->expects_continue) {
		return refuse_head(conn, REJECT_QUOTA, NULL);
	}
	return true;
}

bool intake_accepts_head(struct conn *conn)
{
	conn->route = find_route(intake_path(conn));
	return accepts_peer(conn) && accepts_method(conn) && accepts_query(conn) &&
		accepts_body(conn) && accepts_demand(conn);
}

static bool accepts_quota(struct conn *conn)
{
	if (conn->quota_retry_ms > 0) {
		reply_refuse(conn, REJECT_QUOTA, NULL);
		return false;
	}
	return true;
}

bool intake_is_within_quota(struct conn *conn)
{
	if (conn->quota_retry_ms == 0 && conn->request.is_chunked) {
		take_quota(conn, 0, (int64_t)conn->body_len);
	}
	if (!accepts_quota(conn)) {
		return false;
	}
	if (conn->route != ROUTE_VALIDATE && !conn_enter_report(conn)) {
		reply_refuse(conn, REJECT_QUOTA,
			"too many reports of the partner wait for the database");
		return false;
	}
	return true;
}

bool intake_unzipped_is_within_quota(struct conn *conn, size_t len)
{
	if (!conn->is_gzip) {
		return true;
	}
	/* In one piece: one that is larger than the burst passes when all of it is there. */
	struct quota_limits limits = conn_quota_limits(conn);
	quota_give_back(
		conn->quota, &limits, (struct quota_demand){.bytes = conn->quota_taken.bytes});
	conn->quota_taken.bytes = 0;
	take_quota(conn, 0, (int64_t)len);
	return accepts_quota(conn);
}

size_t intake_body_limit(const struct conn *conn)
{
	if (conn->request.method != HTTP_POST) {
		return 0;
	}
	const struct conf *conf = worker_conf(conn->worker);
	if (conn->route == ROUTE_RETRACTION) {
		return REPORT_RETRACTION_MAX_BYTES;
	}
	if (!conn->is_ndjson) {
		return (size_t)conf->limits_report_bytes;
	}
	return (size_t)(intake_is_atomic(conn) ? conf->limits_max_atomic_bytes
					       : conf->limits_max_batch_bytes);
}

size_t intake_coded_limit(const struct conn *conn)
{
	size_t limit = intake_body_limit(conn);
	return conn->is_gzip ? limit + INTAKE_GZIP_OVERHEAD(limit) : limit;
}

void intake_refuse_too_large(struct conn *conn)
{
	char detail[64] = "no body is expected";
	size_t limit = intake_body_limit(conn);
	if (limit > 0) {
		snprintf(detail, sizeof(detail), "%zu bytes at most are expected, unzipped", limit);
	}
	reply_refuse(conn, REJECT_BODY_TOO_LARGE, detail);
}

bool intake_is_atomic(const struct conn *conn)
{
	return str_equal(atomic_value(conn), STR("true"));
}
