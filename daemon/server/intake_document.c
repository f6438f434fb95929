// SPDX-License-Identifier: Apache-2.0
/*
 * GET of what needs no database: the documents of the generation in force, each with its ETag, and
 * what a partner is told of itself.
 */
#include "intake_int.h"

#include "base/clock.h"
#include "http/http_response.h"
#include "reply_int.h"
#include "worker_int.h"

static void get_document(
	struct conn *conn, struct str document, const char *etag, const char *content_type)
{
	struct http_response response = {
		.status = 200, .content_type = content_type, .etag = str_from(etag)};
	if (conn->request.has_if_none_match &&
		http_etag_matches(
			http_span_str(conn->in.data, conn->request.if_none_match), response.etag)) {
		response.status = 304;
		response.content_type = NULL;
		document.len = 0;
	}
	reply_discard(conn);
	bool done = reply_render(conn, &response, document);
	(void)done; /* without memory it is closed: see reply_discard */
	reply_send(conn);
}

static bool render_limit(struct buf *body, const char *name, int64_t limit)
{
	if (limit == 0) {
		return buf_printf(body, "\"%s\":null,", name);
	}
	return buf_printf(body, "\"%s\":%lld,", name, (long long)limit);
}

static bool render_left(struct buf *body, int64_t left)
{
	if (left == QUOTA_UNLIMITED) {
		return buf_append_str(body, STR("\"left\":null}"));
	}
	return buf_printf(body, "\"left\":%lld}", (long long)left);
}

/* A burst without a rate means nothing, and with none of its own it is a second's worth. */
static int64_t burst_of(int64_t per_s, int64_t burst)
{
	if (per_s == 0) {
		return 0;
	}
	return burst > 0 ? burst : per_s;
}

/* null: no limit. */
static bool render_quota(struct buf *body, const struct conn *conn)
{
	struct quota_limits limits = conn_quota_limits(conn);
	struct quota_left left = quota_left(conn->quota, &limits, clock_monotonic_us());
	return buf_append_str(body, STR("\"quota\":{\"connections\":{")) &&
		render_limit(body, "limit", limits.connections) &&
		render_left(body, left.connections) &&
		buf_append_str(body, STR(",\"reports_in_flight\":{")) &&
		render_limit(body, "limit", limits.reports_in_flight) &&
		render_left(body, left.reports_in_flight) &&
		buf_append_str(body, STR(",\"reports\":{")) &&
		render_limit(body, "per_s", limits.reports_per_s) &&
		render_limit(body, "burst", burst_of(limits.reports_per_s, limits.reports_burst)) &&
		render_left(body, left.reports) && buf_append_str(body, STR(",\"bytes\":{")) &&
		render_limit(body, "per_s", limits.bytes_per_s) &&
		render_limit(body, "burst", burst_of(limits.bytes_per_s, limits.bytes_burst)) &&
		render_left(body, left.bytes) && buf_append_str(body, STR("}"));
}

static bool render_whoami(struct buf *body, const struct conn *conn)
{
	const struct partner *partner = conn->partner;
	char expires[CLOCK_RFC3339_SIZE];
	clock_format_rfc3339(conn->peer.expires_at_s * 1000000, expires);
	bool done = buf_printf(
		body, "{\"partner\":\"%.*s\",\"organisations\":[", STR_ARG(partner->name));
	for (size_t i = 0; done && i < partner->organisation_count; i++) {
		done = buf_append_str(body, i > 0 ? STR(",\"") : STR("\"")) &&
			buf_append_json_text(body, partner->organisations[i]) &&
			buf_append_str(body, STR("\""));
	}
	return done &&
		buf_printf(body, "],\"mode\":\"%s\",\"may_relay\":%s,",
			partner->is_live ? "live" : "test",
			partner->may_relay ? "true" : "false") &&
		render_quota(body, conn) &&
		buf_printf(body, ",\"certificate\":{\"expires_at\":\"%s\"}}\n", expires);
}

static void get_whoami(struct conn *conn)
{
	struct buf *body = &conn->worker->body;
	struct http_response response = {.status = 200, .content_type = "application/json"};
	reply_discard(conn);
	if (!render_whoami(body, conn) || !reply_render(conn, &response, buf_str(body))) {
		reply_refuse(conn, REJECT_UNAVAILABLE, NULL);
		return;
	}
	reply_send(conn);
}

static void get_security_txt(struct conn *conn)
{
	const struct generation *generation = conn->worker->generation;
	if (generation->security_txt.len == 0) {
		reply_refuse(conn, REJECT_NOT_FOUND, NULL);
		return;
	}
	get_document(conn, buf_str(&generation->security_txt), generation->security_txt_etag,
		"text/plain; charset=utf-8");
}

void intake_document(struct conn *conn)
{
	const struct generation *generation = conn->worker->generation;
	switch (conn->route) {
	case ROUTE_WHOAMI:
		get_whoami(conn);
		break;
	case ROUTE_TAXONOMY:
		get_document(conn, taxonomy_document(generation->taxonomy),
			generation->taxonomy_etag, "application/json");
		break;
	case ROUTE_SCHEMA:
		get_document(conn, buf_str(&generation->schema), generation->schema_etag,
			"application/schema+json");
		break;
	case ROUTE_OPENAPI:
		get_document(conn, buf_str(&generation->openapi), generation->openapi_etag,
			"application/json");
		break;
	case ROUTE_SECURITY_TXT:
		get_security_txt(conn);
		break;
	default:
		reply_refuse(conn, REJECT_NOT_FOUND, NULL);
		break;
	}
}
