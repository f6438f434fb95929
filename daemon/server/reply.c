// SPDX-License-Identifier: Apache-2.0
/*
 * An answer is put together in two steps, so that one that may not be sent yet, a receipt most of
 * all, can be taken away again. A refusal of an enrolled partner leaves a trace without content.
 */
#include "reply_int.h"

#include "api_int.h"
#include "base/clock.h"
#include "http/http_response.h"
#include "intake_int.h"
#include "worker_int.h"

#include <string.h>

#define RETRY_AFTER_S 1
#define RETRY_AFTER_MAX_S 86400

/* A partner whose key was revoked meanwhile is still the one whose connection was counted. */
static int32_t partner_id_of(const struct conn *conn)
{
	if (conn->is_counted) {
		return conn->counted_partner_id;
	}
	return conn->partner != NULL ? conn->partner->id : 0;
}

struct partner_metrics *reply_partner_metrics(const struct conn *conn)
{
	return metrics_partner(&conn->worker->metrics, partner_id_of(conn));
}

int reply_seconds(int64_t ms)
{
	int64_t seconds = (ms + 999) / 1000;
	if (seconds < RETRY_AFTER_S) {
		return RETRY_AFTER_S;
	}
	return seconds < RETRY_AFTER_MAX_S ? (int)seconds : RETRY_AFTER_MAX_S;
}

static bool is_head(const struct conn *conn)
{
	return conn->request.method == HTTP_HEAD;
}

/* What is left of a refused request's body would be taken for the next request. */
static bool leaves_body(const struct conn *conn)
{
	const struct http_request *request = &conn->request;
	/* Of a batch the rest is read while it is answered. */
	return conn->batch == NULL && !conn->body_is_ended &&
		(request->is_chunked || request->content_length > 0);
}

/* Whether the connection may go on after an answer that does not itself end it. */
static bool wants_close(const struct conn *conn)
{
	int64_t life_ms = worker_conf(conn->worker)->limits_connection_life_ms;
	return !conn->request.keeps_alive || leaves_body(conn) || conn->worker->is_draining ||
		conn->is_suspended || conn->is_revoked ||
		clock_monotonic_ms() - conn->opened_at_ms >= life_ms;
}

void reply_discard(struct conn *conn)
{
	buf_clear(&conn->out);
	buf_clear(&conn->worker->body);
	conn->closes = true;
	conn->status = 503;
	conn->reject = REJECT_UNAVAILABLE;
	conn->refusal_codes = (struct refusal_codes){{0}};
}

/* Made once a second. */
static const char *date_now(struct worker *worker)
{
	int64_t now_s = clock_wall_us() / 1000000;
	if (now_s != worker->date_s) {
		worker->date_s = now_s;
		clock_format_http_date(now_s, worker->date);
	}
	return worker->date;
}

bool reply_render(struct conn *conn, struct http_response *response, struct str body)
{
	response->closes = response->closes || wants_close(conn);
	response->says_keep_alive = conn->request.is_http_1_0 && !response->closes;
	response->is_head_only = is_head(conn);
	response->date = date_now(conn->worker);
	if (!http_response_render(&conn->out, response, body)) {
		return false;
	}
	conn->closes = response->closes;
	conn->status = response->status;
	conn->reject = REJECT_COUNT;
	return true;
}

void reply_count_refusal(struct conn *conn, enum reject reject, struct refusal_codes codes)
{
	struct recent_refusal refusal = {
		.at_us = clock_wall_us(),
		.partner_id = partner_id_of(conn),
		.route = conn->route,
		.reject = reject,
		.codes = codes,
	};
	metric_add(&conn->worker->metrics.refused[reject], 1);
	metric_add(&reply_partner_metrics(conn)->refused, 1);
	/* What an atomic batch was rolled back for is noted; the rest of its lines says nothing. */
	if (reject != REJECT_BATCH_ROLLED_BACK) {
		refusal_ring_note(&conn->worker->recent_refusals, &refusal);
	}
}

void reply_count_request(struct conn *conn, int status)
{
	struct metrics *metrics = &conn->worker->metrics;
	int64_t took_ms = clock_monotonic_ms() - conn->request_at_ms;
	metrics_count_request(metrics, conn->route, status);
	metric_observe(&metrics->request_milliseconds, took_ms > 0 ? (uint64_t)took_ms : 0);
}

/* A client that is not told sends its next request into a connection that ends. */
void reply_review_close(struct conn *conn)
{
	if (!conn->closes && wants_close(conn)) {
		conn->closes = http_response_close(&conn->out);
	}
}

void reply_send(struct conn *conn)
{
	/* It may have been rendered before the store was asked. */
	reply_review_close(conn);
	reply_count_request(conn, conn->status);
	if (conn->reject != REJECT_COUNT) {
		reply_count_refusal(conn, conn->reject, conn->refusal_codes);
	}
	conn_answer_ready(conn);
}

static int retry_after_s(const struct conn *conn, enum reject reject)
{
	if (reject == REJECT_QUOTA) {
		return reply_seconds(conn->quota_retry_ms);
	}
	return reject == REJECT_UNAVAILABLE ? RETRY_AFTER_S : 0;
}

void reply_close_problem(struct conn *conn, enum reject reject)
{
	struct buf *body = &conn->worker->body;
	const struct reject_info *info = reject_info(reject);
	struct http_response response = {
		.status = info->status,
		.content_type = "application/problem+json",
		.closes = info->closes,
		.allow = reject == REJECT_METHOD_NOT_ALLOWED ? api_allow(conn->route) : NULL,
		.retry_after_s = retry_after_s(conn, reject),
	};
	if (buf_append_str(body, STR("}\n")) && reply_render(conn, &response, buf_str(body))) {
		conn->reject = reject;
	}
}

bool reply_open_problem(struct conn *conn, enum reject reject, const char *detail)
{
	reply_discard(conn);
	return reject_render_open(&conn->worker->body, reject, detail);
}

/* --- the trace of refusals --- */

static bool is_traced(int status)
{
	return status == 400 || status == 409 || status == 413 || status == 415 || status == 422;
}

void reply_trace(struct conn *conn, enum reject reject, struct str_list codes,
	struct str_list pointers, const uint8_t *sha256, size_t size)
{
	const struct reject_info *info = reject_info(reject);
	struct refusal refusal = {
		.refused_at_us = clock_wall_us(),
		.status = info->status,
		.problem = str_from(info->name),
		.codes = codes,
		.pointers = pointers,
		.sha256 = sha256,
		.size_bytes = (int64_t)size,
	};
	/* A dry run submits nothing. */
	if (conn->partner == NULL || conn->route == ROUTE_VALIDATE || !is_traced(info->status)) {
		return;
	}
	struct quota *quota = quota_table_find(conn->worker->shared->quotas, conn->partner->id);
	if (!quota_may_trace(quota, refusal.refused_at_us, &refusal.unrecorded)) {
		return;
	}
	refusal.partner_id = conn->partner->id;
	/* Not the target: what names no resource of ours is a peer's text of any kind. */
	refusal.path = str_from(metrics_route_path(conn->route));
	store_note_refusal(conn->worker->store, &refusal);
}

/* Of a body that was not judged: what was declared, or has come so far. */
static size_t unjudged_bytes(const struct conn *conn)
{
	return conn->request.is_chunked ? (size_t)conn->body_used + conn->body_len
					: (size_t)conn->request.content_length;
}

void reply_trace_request(struct conn *conn, enum reject reject)
{
	struct str_list none = {NULL, 0};
	if (conn->has_sha256) {
		reply_trace(conn, reject, none, none, conn->sha256, conn->judged_bytes);
	} else {
		reply_trace(conn, reject, none, none, NULL, unjudged_bytes(conn));
	}
}

void reply_refuse(struct conn *conn, enum reject reject, const char *detail)
{
	if (reply_open_problem(conn, reject, detail)) {
		reply_close_problem(conn, reject);
	}
	reply_trace_request(conn, reject);
	reply_send(conn);
}

void reply_refuse_framing(struct conn *conn, enum http_fault fault, const char *detail)
{
	static const enum reject rejects[] = {
		[HTTP_FAULT_NONE] = REJECT_FRAMING_INVALID,
		[HTTP_FAULT_FRAMING] = REJECT_FRAMING_INVALID,
		[HTTP_FAULT_TARGET_TOO_LONG] = REJECT_TARGET_TOO_LONG,
		[HTTP_FAULT_HEAD_TOO_LARGE] = REJECT_HEADERS_TOO_LARGE,
		[HTTP_FAULT_EXPECTATION] = REJECT_EXPECTATION,
	};
	/* Nothing more can be told apart on this connection: it is no HEAD either, if it was one.
	 */
	conn->request.method = HTTP_METHOD_UNKNOWN;
	conn->request.keeps_alive = false;
	reply_refuse(conn, rejects[fault], detail);
}
