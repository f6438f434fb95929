// SPDX-License-Identifier: Apache-2.0
/*
 * The life of one report.
 *
 * Its bytes arrive over a partner's connection into that connection's input buffer. As soon as the
 * head is complete, intake_accepts_head decides on what needs no body: who speaks, which resource,
 * which method, which media type, how long it will be. A refusal is answered then, and no 100
 * Continue is sent.
 *
 * When the body is whole, it is judged where it lies: report_check() parses it and walks it against
 * the table of fields and the rules, in the worker's arena. A report that holds gets an id and the
 * time, its receipt is written into the connection's output, unsent, and the report goes to the
 * store, which encodes it into the batch that fills. From here on nothing of the arena is needed,
 * and it is wiped. The connection waits, and reads nothing.
 *
 * The store answers when the batch's transaction is over. Stored: the waiting receipt is sent, 201.
 * A repeat: the receipt of the first copy, 200. Other content: 409. The database is away for longer
 * than store_wait: 503, and the receipt that was never sent is thrown away.
 *
 * A report that breaks a rule is looked up by its key first, if it has one: what was accepted once
 * is answered by its receipt for ever, even if the rules have become stricter since. Otherwise the
 * waiting refusal is sent, and a trace of it, without content, is kept.
 */
#include "intake_int.h"

#include "api_int.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/http_gunzip.h"
#include "http/http_response.h"
#include "judgement_int.h"
#include "report/receipt.h"
#include "reply_int.h"
#include "report_path_int.h"
#include "retraction_int.h"
#include "worker_int.h"

#include <stdio.h>
#include <string.h>

#define UNZIP_FIRST_BYTES ((size_t)4096)
#define UNZIP_SMALL_BYTES ((size_t)65536)

static struct str request_path(const struct conn *conn)
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

/* --- before the body --- */

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

/* Who asks for all or nothing in other words must not get some. */
static bool accepts_query(struct conn *conn)
{
	struct str value = atomic_value(conn);
	return conn->request.method != HTTP_POST || conn->route == ROUTE_RETRACTION ||
		value.data == NULL || str_equal(value, STR("true")) ||
		str_equal(value, STR("false")) ||
		refuse_head(conn, REJECT_NOT_FOUND, "atomic is true or false");
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
	if (!request->has_content_encoding || str_equal(encoding, STR("identity"))) {
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
	if (request->content_length > intake_body_limit(conn) ||
		(request->is_chunked && request->method != HTTP_POST)) {
		return refuse_head(conn, REJECT_BODY_TOO_LARGE, NULL);
	}
	return true;
}

/* Takes from the partner's quotas, or notes when there will be enough. */
static void take_quota(struct conn *conn, int64_t reports, int64_t bytes)
{
	struct quota_limits limits = conn_quota_limits(conn);
	struct quota_demand demand = {.reports = reports, .bytes = bytes};
	if (!quota_take(
		    conn->quota, &limits, clock_monotonic_us(), demand, &conn->quota_retry_ms)) {
		conn->quota_retry_ms += conn->quota_retry_ms == 0 ? 1 : 0;
	} else {
		conn->quota_retry_ms = 0;
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
	conn->route = find_route(request_path(conn));
	return accepts_peer(conn) && accepts_method(conn) && accepts_query(conn) &&
		accepts_body(conn) && accepts_demand(conn);
}

/* Of a whole body: was there enough for it, and for one more in flight? */
static bool is_within_quota(struct conn *conn)
{
	if (conn->quota_retry_ms == 0 && conn->request.is_chunked) {
		take_quota(conn, 0, (int64_t)conn->body_len);
	}
	if (conn->quota_retry_ms > 0) {
		reply_refuse(conn, REJECT_QUOTA, NULL);
		return false;
	}
	if (conn->route != ROUTE_VALIDATE && !conn_enter_report(conn)) {
		reply_refuse(conn, REJECT_QUOTA,
			"too many reports of the partner wait for the database");
		return false;
	}
	return true;
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

bool intake_is_atomic(const struct conn *conn)
{
	return str_equal(atomic_value(conn), STR("true"));
}

/* --- receipts --- */

static bool render_receipt(
	struct conn *conn, const struct receipt *receipt, int status, const char *location)
{
	struct buf *body = &conn->worker->body;
	struct http_response response = {
		.status = status,
		.content_type = "application/json",
		.location = location != NULL ? str_from(location) : (struct str){NULL, 0},
	};
	reply_discard(conn);
	return receipt_render(body, receipt) && buf_append_str(body, STR("\n")) &&
		reply_render(conn, &response, buf_str(body));
}

/* --- POST /v1/reports --- */

static void submit(struct conn *conn, const struct judgement *judgement)
{
	struct worker *worker = conn->worker;
	struct submission submission;
	char location[sizeof(REPORT_PATH_PREFIX) + REPORT_PATH_ID_MAX];

	if (!judgement_submission(
		    conn, worker->generation, judgement, &worker->warnings, &submission)) {
		reply_refuse(conn, REJECT_UNAVAILABLE, NULL);
		return;
	}
	struct receipt receipt = judgement_receipt(conn, &submission);
	snprintf(location, sizeof(location), REPORT_PATH_PREFIX "%.*s", STR_ARG(receipt.report_id));
	if (render_receipt(conn, &receipt, 201, location) &&
		store_submit(worker->store, &submission, conn_ticket(conn, 0))) {
		conn_wait(conn, QUESTION_STORE);
	} else {
		reply_refuse(conn, REJECT_UNAVAILABLE, "too many reports wait for the database");
	}
}

/* Of a dry run: nothing is stored, and nobody is asked whether it was. */
static void answer_valid(struct conn *conn, const struct judgement *judgement)
{
	struct worker *worker = conn->worker;
	struct submission submission;
	bool done = judgement_submission(
		conn, worker->generation, judgement, &worker->warnings, &submission);
	if (done) {
		struct receipt receipt = judgement_receipt(conn, &submission);
		receipt.status = RECEIPT_VALID;
		done = render_receipt(conn, &receipt, 200, NULL);
	}
	if (!done) {
		reply_refuse(conn, REJECT_UNAVAILABLE, NULL);
		return;
	}
	reply_send(conn);
}

/* Writes the refusal. */
static void render_report_refusal(
	struct conn *conn, enum reject reject, const struct report_result *result)
{
	struct buf *body = &conn->worker->body;
	const char *detail = reject == REJECT_JSON_INVALID ? result->detail : NULL;
	bool done = reply_open_problem(conn, reject, detail);
	if (result->verdict == REPORT_INVALID) {
		done = done && buf_append_str(body, STR(",\"errors\":")) &&
			report_findings_render(body, result->errors, result->error_count);
	}
	if (done) {
		reply_close_problem(conn, reject);
	}
	if (result->verdict == REPORT_INVALID) {
		conn->refusal_codes = refusal_codes_of(result);
	}
}

/* It is sent when the key was looked up, which a dry run does not. */
static void refuse_report(struct conn *conn, enum reject reject, const struct judgement *judgement)
{
	struct store_key key;
	render_report_refusal(conn, reject, &judgement->result);
	if (conn->route == ROUTE_VALIDATE) {
		reply_send(conn);
		return;
	}
	judgement_note_refusal(
		conn, reject, &judgement->result, judgement->sha256, judgement->payload.len);
	if (!judgement_key(conn, judgement, &key)) {
		reply_send(conn);
	} else if (store_find(conn->worker->store, &key, conn_ticket(conn, 0))) {
		conn_wait(conn, QUESTION_REPEAT);
	} else {
		/* Whether it was stored once cannot be known: no refusal for good. */
		reply_refuse(conn, REJECT_UNAVAILABLE, NULL);
	}
}

/*
 * Doubles while it is small and then takes all at once: doubling to the end would hold the old and
 * the new half at the same time.
 */
static size_t unzip_room(const struct buf *plain, size_t limit)
{
	size_t left = limit + 1 - plain->len;
	size_t more = plain->len > 0 ? plain->len : UNZIP_FIRST_BYTES;
	return plain->len >= UNZIP_SMALL_BYTES || more > left ? left : more;
}

/* Unzips into the worker's buffer, up to the limit of a report and not a byte further. */
static bool unzip(struct http_gunzip *gunzip, struct str body, struct buf *plain, size_t limit)
{
	enum http_parse parsed = HTTP_MORE;
	bool is_full = true;
	while (parsed == HTTP_MORE && is_full && plain->len <= limit) {
		size_t used;
		size_t len;
		if (!buf_reserve(plain, unzip_room(plain, limit))) {
			return false;
		}
		size_t room = plain->cap - plain->len;
		parsed = http_gunzip_decode(
			gunzip, body.data, body.len, &used, plain->data + plain->len, room, &len);
		plain->len += len;
		body = (struct str){body.data + used, body.len - used};
		is_full = len == room;
	}
	return true;
}

/* The body without its content encoding; false when the request was refused for it. */
static bool decoded_body(struct conn *conn, struct str *body_out)
{
	struct buf *plain = &conn->worker->plain;
	size_t limit = intake_body_limit(conn);
	*body_out = conn_body(conn);
	if (!conn->is_gzip) {
		return true;
	}
	struct http_gunzip *gunzip = http_gunzip_new();
	buf_init(plain, limit + 1);
	bool done = gunzip != NULL && unzip(gunzip, *body_out, plain, limit);
	bool is_complete = done && http_gunzip_is_complete(gunzip);
	http_gunzip_free(&gunzip);
	*body_out = buf_str(plain);
	if (!done) {
		reply_refuse(conn, REJECT_UNAVAILABLE, NULL);
	} else if (plain->len > limit) {
		reply_refuse(conn, REJECT_BODY_TOO_LARGE, NULL);
	} else if (!is_complete) {
		reply_refuse_framing(conn, HTTP_FAULT_FRAMING, "the body is no whole gzip stream");
	} else {
		return true;
	}
	buf_fini(plain);
	return false;
}

void intake_refuse_body(
	struct conn *conn, enum reject reject, struct str body, const struct report_result *result)
{
	uint8_t sha256[32];
	if (!judgement_digest(conn->worker, body, sha256)) {
		reply_refuse(conn, REJECT_UNAVAILABLE, NULL);
		return;
	}
	render_report_refusal(conn, reject, result);
	judgement_note_refusal(conn, reject, result, sha256, body.len);
	reply_send(conn);
}

static void post_report(struct conn *conn, struct str body)
{
	struct worker *worker = conn->worker;
	struct judgement judgement;

	judgement_make(conn, worker->generation, body, &judgement);
	switch (judgement.result.verdict) {
	case REPORT_VALID:
		if (conn->route == ROUTE_VALIDATE) {
			answer_valid(conn, &judgement);
		} else {
			submit(conn, &judgement);
		}
		break;
	case REPORT_INVALID:
		refuse_report(conn, REJECT_REPORT_INVALID, &judgement);
		break;
	case REPORT_NOT_JSON:
		refuse_report(conn, REJECT_JSON_INVALID, &judgement);
		break;
	case REPORT_OVERLOAD:
		reply_refuse(conn, REJECT_UNAVAILABLE, NULL);
		break;
	}
	arena_reset(&worker->arena);
}

/* The body is judged before this returns, where it lies. */
static void post_body(struct conn *conn, void (*judge)(struct conn *conn, struct str body))
{
	struct str body;
	if (is_within_quota(conn) && decoded_body(conn, &body)) {
		judge(conn, body);
		buf_fini(&conn->worker->plain);
	}
}

/* --- GET --- */

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

/* -1 when the value is no revision. 0 when there is none: the newest. */
static int32_t read_revision(struct str query)
{
	struct str value = http_query_value(query, "revision");
	int32_t revision = 0;
	if (value.data == NULL) {
		return 0;
	}
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] < '0' || value.data[i] > '9' || i >= 7) {
			return -1;
		}
		revision = revision * 10 + (value.data[i] - '0');
	}
	return revision > 0 ? revision : -1;
}

static void get_report(struct conn *conn)
{
	struct str query = http_span_str(conn->in.data, conn->request.query);
	char id[REPORT_PATH_ID_MAX];
	struct store_key key = {
		.partner_id = conn->partner->id,
		.is_test = !conn->partner->is_live,
		.report_id = {id, 0},
		.revision = read_revision(query),
	};
	if (!report_path_read_id(request_path(conn), id, &key.report_id.len) || key.revision < 0) {
		reply_refuse(conn, REJECT_NOT_FOUND, NULL);
	} else if (store_find(conn->worker->store, &key, conn_ticket(conn, 0))) {
		conn_wait(conn, QUESTION_RECEIPT);
	} else {
		reply_refuse(conn, REJECT_UNAVAILABLE, NULL);
	}
}

void intake_request(struct conn *conn)
{
	const struct generation *generation = conn->worker->generation;
	/* Suspended while the body arrived: it is finished and answered, being in flight. */
	if (conn->partner == NULL) {
		reply_refuse(conn, REJECT_PARTNER_UNKNOWN, NULL);
		return;
	}
	switch (conn->route) {
	case ROUTE_REPORTS:
		post_body(conn, post_report);
		break;
	case ROUTE_VALIDATE:
		if (conn->request.method == HTTP_POST) {
			post_body(conn, post_report);
		} else {
			get_report(conn);
		}
		break;
	case ROUTE_REPORT:
		get_report(conn);
		break;
	case ROUTE_RETRACTION:
		post_body(conn, retraction_request);
		break;
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

/* --- the store's answers --- */

static void refuse_with_receipt(struct conn *conn, enum reject reject, struct receipt *receipt)
{
	struct buf *body = &conn->worker->body;
	if (reply_open_problem(conn, reject, NULL) && buf_append_str(body, STR(",\"receipt\":")) &&
		receipt_render(body, receipt)) {
		reply_close_problem(conn, reject);
	}
	struct str_list none = {NULL, 0};
	reply_trace(conn, reject, none, none, NULL, conn->body_len);
	reply_send(conn);
}

enum receipt_status intake_repeat_status(const struct receipt *receipt)
{
	return receipt->status == RECEIPT_ERASED ? RECEIPT_ERASED : RECEIPT_DUPLICATE;
}

static void answer_with_receipt(struct conn *conn, struct receipt *receipt, int status)
{
	if (conn->question == QUESTION_STORE || conn->question == QUESTION_REPEAT) {
		receipt->status = intake_repeat_status(receipt);
		metric_add(&conn->worker->metrics.duplicates, 1);
		metric_add(&reply_partner_metrics(conn)->duplicates, 1);
	}
	bool done = render_receipt(conn, receipt, status, NULL);
	(void)done; /* without memory it is closed: see reply_discard */
	reply_send(conn);
}

void intake_store_result(struct conn *conn, const struct store_result *result)
{
	struct receipt receipt = result->receipt;

	if (conn->partner != NULL) {
		receipt.partner = conn->partner->name;
	} else if (result->outcome != STORE_STORED) {
		/* Its key was revoked meanwhile: a report that it sent is acknowledged, nothing
		 * else is told. */
		reply_refuse(conn, REJECT_PARTNER_UNKNOWN, NULL);
		conn_drive(conn);
		return;
	}
	switch (result->outcome) {
	case STORE_STORED:
		metric_add(&conn->worker->metrics.stored, 1);
		metric_add(&reply_partner_metrics(conn)->stored, 1);
		reply_send(conn);
		break;
	case STORE_FOUND:
	case STORE_DUPLICATE:
		answer_with_receipt(conn, &receipt, 200);
		break;
	case STORE_RETRACTED:
		answer_with_receipt(conn, &receipt, 201);
		break;
	case STORE_NOT_FOUND:
		if (conn->question == QUESTION_REPEAT) {
			reply_send(conn);
		} else {
			reply_refuse(conn, REJECT_NOT_FOUND, NULL);
		}
		break;
	case STORE_CONFLICT:
		refuse_with_receipt(conn,
			conn->question == QUESTION_RETRACTION ? REJECT_RETRACTION_CONFLICT
							      : REJECT_REPORT_CONFLICT,
			&receipt);
		break;
	case STORE_SUPERSEDED:
		reply_refuse(conn, REJECT_REVISION_SUPERSEDED, NULL);
		break;
	case STORE_ERASED:
		reply_refuse(conn, REJECT_REPORT_ERASED, NULL);
		break;
	case STORE_UNSTORABLE:
		reply_refuse(conn, REJECT_UNSTORABLE,
			"the operators have been told; sending it again does not help");
		break;
	case STORE_ROLLED_BACK:
		ENSURE(!"a report of its own is in no atomic batch");
		break;
	case STORE_UNAVAILABLE:
		reply_refuse(
			conn, REJECT_UNAVAILABLE, "the database is away; nothing was acknowledged");
		break;
	}
	conn_drive(conn);
}
