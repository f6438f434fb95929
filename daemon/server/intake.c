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

#include "base/clock.h"
#include "base/log.h"
#include "http/http_response.h"
#include "report/receipt.h"
#include "report_path_int.h"
#include "retraction_int.h"
#include "worker_int.h"

#include <stdio.h>
#include <string.h>

#define RETRY_AFTER_S 1
#define REFUSALS_A_SECOND 10
#define WARNINGS_MAX_BYTES ((size_t)1 << 20)

struct route_info {
	const char *allow;
	bool takes_get;
	bool takes_post;
};

static const struct route_info routes[ROUTE_COUNT] = {
	[ROUTE_REPORTS] = {.allow = "POST", .takes_post = true},
	[ROUTE_REPORT] = {.allow = "GET, HEAD", .takes_get = true},
	[ROUTE_RETRACTION] = {.allow = "POST", .takes_post = true},
	[ROUTE_WHOAMI] = {.allow = "GET, HEAD", .takes_get = true},
	[ROUTE_TAXONOMY] = {.allow = "GET, HEAD", .takes_get = true},
	[ROUTE_SCHEMA] = {.allow = "GET, HEAD", .takes_get = true},
	[ROUTE_OTHER] = {.allow = NULL},
};

static struct str request_path(const struct conn *conn)
{
	return http_span_str(conn->in.data, conn->request.path);
}

static enum route find_route(struct str path)
{
	static const struct {
		struct str path;
		enum route route;
	} fixed[] = {
		{STR("/v1/reports"), ROUTE_REPORTS},
		{STR("/v1/whoami"), ROUTE_WHOAMI},
		{STR("/v1/taxonomy"), ROUTE_TAXONOMY},
		{STR("/v1/schema"), ROUTE_SCHEMA},
	};
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (str_equal(path, fixed[i].path)) {
			return fixed[i].route;
		}
	}
	struct str rest = report_path_rest(path);
	if (rest.data != NULL && rest.len == 0) {
		return ROUTE_REPORT;
	}
	return str_equal(rest, STR("/retraction")) ? ROUTE_RETRACTION : ROUTE_OTHER;
}

static struct partner_metrics *partner_metrics(const struct conn *conn)
{
	return metrics_partner(
		&conn->worker->metrics, conn->is_counted ? conn->counted_partner_id : 0);
}

/* --- answers --- */

static bool is_head(const struct conn *conn)
{
	return conn->request.method == HTTP_HEAD;
}

/* What is left of a refused request's body would be taken for the next request. */
static bool leaves_body(const struct conn *conn)
{
	const struct http_request *request = &conn->request;
	return !conn->body_is_ended && (request->is_chunked || request->content_length > 0);
}

/* Whether the connection may go on after an answer that does not itself end it. */
static bool wants_close(const struct conn *conn)
{
	int64_t life_ms = worker_conf(conn->worker)->limits_connection_life_ms;
	return !conn->request.keeps_alive || leaves_body(conn) || conn->worker->is_draining ||
		conn->is_suspended || conn->is_revoked ||
		clock_monotonic_ms() - conn->opened_at_ms >= life_ms;
}

/*
 * Takes away the answer that was prepared: a receipt that may not be sent, most of all. Where no
 * memory is left for another one, closing without a word is the answer.
 */
static void discard_answer(struct conn *conn)
{
	buf_clear(&conn->out);
	buf_clear(&conn->worker->body);
	conn->closes = true;
	conn->status = 503;
	conn->reject = REJECT_UNAVAILABLE;
}

/* Puts the answer into out, where there is none. Nothing is sent yet. */
static bool render(struct conn *conn, struct http_response *response, struct str body)
{
	response->closes = response->closes || wants_close(conn);
	response->says_keep_alive = conn->request.is_http_1_0 && !response->closes;
	response->is_head_only = is_head(conn);
	if (!http_response_render(&conn->out, response, body)) {
		return false;
	}
	conn->closes = response->closes;
	conn->status = response->status;
	conn->reject = REJECT_COUNT;
	return true;
}

static void send_answer(struct conn *conn)
{
	struct metrics *metrics = &conn->worker->metrics;
	metrics_count_request(metrics, conn->route, conn->status);
	if (conn->reject != REJECT_COUNT) {
		metric_add(&metrics->refused[conn->reject], 1);
		metric_add(&partner_metrics(conn)->refused, 1);
	}
	conn_answer_ready(conn);
}

/* The problem in worker->body, its members complete but for the closing brace. */
static void render_problem(struct conn *conn, enum reject reject)
{
	struct buf *body = &conn->worker->body;
	const struct reject_info *info = reject_info(reject);
	struct http_response response = {
		.status = info->status,
		.content_type = "application/problem+json",
		.closes = info->closes,
		.allow = reject == REJECT_METHOD_NOT_ALLOWED ? routes[conn->route].allow : NULL,
		.retry_after_s = reject == REJECT_UNAVAILABLE ? RETRY_AFTER_S : 0,
	};
	if (buf_append_str(body, STR("}\n")) && render(conn, &response, buf_str(body))) {
		conn->reject = reject;
	}
}

static bool open_problem(struct conn *conn, enum reject reject, const char *detail)
{
	discard_answer(conn);
	return reject_render_open(&conn->worker->body, reject, detail);
}

/* --- the trace of refusals --- */

/* True when this refusal may be kept; counts it otherwise. */
static bool refusal_is_kept(struct worker *worker, int32_t partner_id, int32_t *unrecorded_out)
{
	struct refusal_rate *rate = &worker->refusals[(uint32_t)partner_id % REFUSAL_SLOTS];
	int64_t second = clock_monotonic_ms() / 1000;
	if (rate->partner_id != partner_id || rate->second != second) {
		if (rate->partner_id != partner_id) {
			rate->unrecorded = 0;
		}
		rate->partner_id = partner_id;
		rate->second = second;
		rate->kept = 0;
	}
	if (rate->kept * worker->shared->worker_count >= REFUSALS_A_SECOND) {
		rate->unrecorded++;
		return false;
	}
	rate->kept++;
	*unrecorded_out = rate->unrecorded;
	rate->unrecorded = 0;
	return true;
}

static bool is_traced(int status)
{
	return status == 400 || status == 409 || status == 413 || status == 415 || status == 422;
}

/* Keeps that, not what, was refused. Best effort: no answer waits for it. */
static void trace_refusal(struct conn *conn, enum reject reject, struct str_list codes,
	struct str_list pointers, const uint8_t *sha256)
{
	const struct reject_info *info = reject_info(reject);
	struct refusal refusal = {
		.refused_at_us = clock_wall_us(),
		.status = info->status,
		.problem = str_from(info->name),
		.codes = codes,
		.pointers = pointers,
		.sha256 = sha256,
		.size_bytes = (int64_t)conn->body_len,
	};
	if (conn->partner == NULL || !is_traced(info->status) ||
		!refusal_is_kept(conn->worker, conn->partner->id, &refusal.unrecorded)) {
		return;
	}
	refusal.partner_id = conn->partner->id;
	/* Not the target: what names no resource of ours is a peer's text of any kind. */
	refusal.path = str_from(metrics_route_path(conn->route));
	store_note_refusal(conn->worker->store, &refusal);
}

void intake_refuse(struct conn *conn, enum reject reject, const char *detail)
{
	struct str_list none = {NULL, 0};
	if (open_problem(conn, reject, detail)) {
		render_problem(conn, reject);
	}
	trace_refusal(conn, reject, none, none, NULL);
	send_answer(conn);
}

void intake_refuse_framing(struct conn *conn, enum http_fault fault, const char *detail)
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
	intake_refuse(conn, rejects[fault], detail);
}

/* --- before the body --- */

static bool refuse_head(struct conn *conn, enum reject reject, const char *detail)
{
	intake_refuse(conn, reject, detail);
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
		return refuse_head(
			conn, REJECT_UNAVAILABLE, "the partner has too many connections open");
	}
	return true;
}

static bool accepts_method(struct conn *conn)
{
	const struct route_info *route = &routes[conn->route];
	enum http_method method = conn->request.method;

	if (method == HTTP_METHOD_UNKNOWN) {
		return refuse_head(conn, REJECT_METHOD_UNKNOWN, NULL);
	}
	if (route->allow == NULL) {
		return refuse_head(conn, REJECT_NOT_FOUND, NULL);
	}
	bool is_get = method == HTTP_GET || method == HTTP_HEAD;
	if (!(is_get && route->takes_get) && !(method == HTTP_POST && route->takes_post)) {
		return refuse_head(conn, REJECT_METHOD_NOT_ALLOWED, NULL);
	}
	return true;
}

static bool accepts_body(struct conn *conn)
{
	const struct http_request *request = &conn->request;
	const char *data = conn->in.data;

	if (request->method == HTTP_POST) {
		if (!request->has_content_type ||
			!http_media_type_is(
				http_span_str(data, request->content_type), "application/json")) {
			return refuse_head(conn, REJECT_MEDIA_TYPE, "application/json is expected");
		}
		if (request->has_content_encoding &&
			!str_equal(
				http_span_str(data, request->content_encoding), STR("identity"))) {
			return refuse_head(
				conn, REJECT_CONTENT_ENCODING, "no content encoding is expected");
		}
		if (!request->is_chunked && !request->has_content_length) {
			return refuse_head(conn, REJECT_LENGTH_REQUIRED,
				"Content-Length or Transfer-Encoding: chunked is expected");
		}
	}
	if (request->content_length > intake_body_limit(conn) ||
		(request->is_chunked && request->method != HTTP_POST)) {
		return refuse_head(conn, REJECT_BODY_TOO_LARGE, NULL);
	}
	return true;
}

bool intake_accepts_head(struct conn *conn)
{
	conn->route = find_route(request_path(conn));
	return accepts_peer(conn) && accepts_method(conn) && accepts_body(conn);
}

size_t intake_body_limit(const struct conn *conn)
{
	if (conn->request.method != HTTP_POST) {
		return 0;
	}
	if (conn->route == ROUTE_RETRACTION) {
		return REPORT_RETRACTION_MAX_BYTES;
	}
	return (size_t)worker_conf(conn->worker)->limits_report_bytes;
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
	discard_answer(conn);
	return receipt_render(body, receipt) && buf_append_str(body, STR("\n")) &&
		render(conn, &response, buf_str(body));
}

/* The receipt as it will stand in the database. */
static struct receipt make_receipt(const struct conn *conn, const struct submission *submission)
{
	const struct report *report = submission->report;
	struct receipt receipt = {
		.status = RECEIPT_STORED,
		.id = submission->id,
		.partner = conn->partner->name,
		.report_id = report->report_id,
		.revision = report->revision,
		.received_at_us = submission->received_at_us,
		.taxonomy = submission->taxonomy,
		.category = report->category->code,
		.action_areas = report->action_areas,
		.primary_area = report->category->primary_area,
		.is_test = submission->is_test,
		.warnings = submission->warnings,
	};
	memcpy(receipt.sha256, submission->sha256, sizeof(receipt.sha256));
	return receipt;
}

/* --- POST /v1/reports --- */

static void digest_body(struct worker *worker, struct str body, uint8_t sha256_out[32])
{
	ENSURE(EVP_DigestInit_ex2(worker->digest, worker->sha256, NULL) == 1 &&
		EVP_DigestUpdate(worker->digest, body.data, body.len) == 1 &&
		EVP_DigestFinal_ex(worker->digest, sha256_out, NULL) == 1);
}

static void count_warnings(struct metrics *metrics, const struct report_result *result)
{
	for (size_t i = 0; i < result->warning_count; i++) {
		metric_add(&metrics->report_warnings[result->warnings[i].code], 1);
	}
}

static void submit(struct conn *conn, const struct report_result *result, const uint8_t *sha256,
	int64_t now_us)
{
	struct worker *worker = conn->worker;
	struct buf warnings;
	char location[sizeof(REPORT_PATH_PREFIX) + REPORT_PATH_ID_MAX];

	buf_init(&warnings, WARNINGS_MAX_BYTES);
	if (result->warning_count > 0 &&
		!report_findings_render(&warnings, result->warnings, result->warning_count)) {
		buf_fini(&warnings);
		intake_refuse(conn, REJECT_UNAVAILABLE, NULL);
		return;
	}
	struct submission submission = {
		.report = &result->report,
		.id = uuid_v7(&worker->uuids, now_us),
		.partner_id = conn->partner->id,
		.is_test = !conn->partner->is_live,
		.received_at_us = now_us,
		.sha256 = sha256,
		.taxonomy = buf_str(&worker->generation->taxonomy_label),
		.warnings = buf_str(&warnings),
		.payload = conn_body(conn),
	};
	struct receipt receipt = make_receipt(conn, &submission);
	snprintf(location, sizeof(location), REPORT_PATH_PREFIX "%.*s", STR_ARG(receipt.report_id));
	if (render_receipt(conn, &receipt, 201, location) &&
		store_submit(worker->store, &submission, conn_ticket(conn))) {
		count_warnings(&worker->metrics, result);
		conn_wait(conn, QUESTION_STORE);
	} else {
		intake_refuse(conn, REJECT_UNAVAILABLE, "too many reports wait for the database");
	}
	buf_fini(&warnings);
}

/* Writes the refusal; it is sent when the key was looked up. */
static void render_report_refusal(
	struct conn *conn, enum reject reject, const struct report_result *result)
{
	struct buf *body = &conn->worker->body;
	const char *detail = reject == REJECT_JSON_INVALID ? result->detail : NULL;
	bool done = open_problem(conn, reject, detail);
	if (result->verdict == REPORT_INVALID) {
		done = done && buf_append_str(body, STR(",\"errors\":")) &&
			report_findings_render(body, result->errors, result->error_count);
	}
	for (size_t i = 0; i < result->error_count; i++) {
		metric_add(&conn->worker->metrics.report_errors[result->errors[i].code], 1);
	}
	if (done) {
		render_problem(conn, reject);
	}
}

static void trace_report_refusal(struct conn *conn, enum reject reject,
	const struct report_result *result, const uint8_t *sha256)
{
	struct str codes[REPORT_MAX_ERRORS];
	struct str pointers[REPORT_MAX_ERRORS];
	for (size_t i = 0; i < result->error_count; i++) {
		codes[i] = str_from(report_code_text(result->errors[i].code));
		pointers[i] = result->errors[i].pointer;
	}
	trace_refusal(conn, reject, (struct str_list){codes, result->error_count},
		(struct str_list){pointers, result->error_count}, sha256);
}

static void refuse_report(struct conn *conn, enum reject reject, const struct report_result *result,
	const uint8_t *sha256)
{
	render_report_refusal(conn, reject, result);
	trace_report_refusal(conn, reject, result, sha256);
	if (reject == REJECT_REPORT_INVALID && result->key_report_id.data != NULL) {
		struct store_key key = {
			.partner_id = conn->partner->id,
			.is_test = !conn->partner->is_live,
			.report_id = result->key_report_id,
			.revision = result->key_revision,
			.sha256 = sha256,
		};
		if (store_find(conn->worker->store, &key, conn_ticket(conn))) {
			conn_wait(conn, QUESTION_REPEAT);
		} else {
			/* Whether it was stored once cannot be known: no refusal for good. */
			intake_refuse(conn, REJECT_UNAVAILABLE, NULL);
		}
		return;
	}
	send_answer(conn);
}

void intake_refuse_body(struct conn *conn, enum reject reject, const struct report_result *result)
{
	uint8_t sha256[32];
	digest_body(conn->worker, conn_body(conn), sha256);
	refuse_report(conn, reject, result, sha256);
}

static void post_report(struct conn *conn)
{
	struct worker *worker = conn->worker;
	const struct conf *conf = worker_conf(worker);
	struct str body = conn_body(conn);
	struct report_result result;
	uint8_t sha256[32];
	int64_t now_us = clock_wall_us();
	struct report_rules rules = {
		.taxonomy = worker->generation->taxonomy,
		.now_us = now_us,
		.organisations = conn->partner->organisations,
		.organisation_count = conn->partner->organisation_count,
		.may_relay = conn->partner->may_relay,
		.max_depth = (int)conf->limits_report_depth,
		.max_values = (int)conf->limits_report_values,
	};
	report_check(&worker->arena, &rules, body, &result);
	digest_body(worker, body, sha256);
	switch (result.verdict) {
	case REPORT_VALID:
		submit(conn, &result, sha256, now_us);
		break;
	case REPORT_INVALID:
		refuse_report(conn, REJECT_REPORT_INVALID, &result, sha256);
		break;
	case REPORT_NOT_JSON:
		refuse_report(conn, REJECT_JSON_INVALID, &result, sha256);
		break;
	case REPORT_OVERLOAD:
		intake_refuse(conn, REJECT_UNAVAILABLE, NULL);
		break;
	}
	arena_reset(&worker->arena);
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
	discard_answer(conn);
	bool done = render(conn, &response, document);
	(void)done; /* without memory it is closed: see discard_answer */
	send_answer(conn);
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
		buf_printf(body,
			"],\"mode\":\"%s\",\"may_relay\":%s,\"quota\":{\"connections\":%lld},"
			"\"certificate\":{\"expires_at\":\"%s\"}}\n",
			partner->is_live ? "live" : "test", partner->may_relay ? "true" : "false",
			(long long)worker_conf(conn->worker)->quota_connections, expires);
}

static void get_whoami(struct conn *conn)
{
	struct buf *body = &conn->worker->body;
	struct http_response response = {.status = 200, .content_type = "application/json"};
	discard_answer(conn);
	if (!render_whoami(body, conn) || !render(conn, &response, buf_str(body))) {
		intake_refuse(conn, REJECT_UNAVAILABLE, NULL);
		return;
	}
	send_answer(conn);
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
		intake_refuse(conn, REJECT_NOT_FOUND, NULL);
	} else if (store_find(conn->worker->store, &key, conn_ticket(conn))) {
		conn_wait(conn, QUESTION_RECEIPT);
	} else {
		intake_refuse(conn, REJECT_UNAVAILABLE, NULL);
	}
}

void intake_request(struct conn *conn)
{
	const struct generation *generation = conn->worker->generation;
	/* Suspended while the body arrived: it is finished and answered, being in flight. */
	if (conn->partner == NULL) {
		intake_refuse(conn, REJECT_PARTNER_UNKNOWN, NULL);
		return;
	}
	switch (conn->route) {
	case ROUTE_REPORTS:
		post_report(conn);
		break;
	case ROUTE_REPORT:
		get_report(conn);
		break;
	case ROUTE_RETRACTION:
		retraction_request(conn);
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
	default:
		intake_refuse(conn, REJECT_NOT_FOUND, NULL);
		break;
	}
}

/* --- the store's answers --- */

static void refuse_with_receipt(struct conn *conn, enum reject reject, struct receipt *receipt)
{
	struct buf *body = &conn->worker->body;
	if (open_problem(conn, reject, NULL) && buf_append_str(body, STR(",\"receipt\":")) &&
		receipt_render(body, receipt)) {
		render_problem(conn, reject);
	}
	struct str_list none = {NULL, 0};
	trace_refusal(conn, reject, none, none, NULL);
	send_answer(conn);
}

static void answer_with_receipt(struct conn *conn, struct receipt *receipt, int status)
{
	if (conn->question == QUESTION_STORE || conn->question == QUESTION_REPEAT) {
		receipt->status = RECEIPT_DUPLICATE;
		metric_add(&conn->worker->metrics.duplicates, 1);
		metric_add(&partner_metrics(conn)->duplicates, 1);
	}
	bool done = render_receipt(conn, receipt, status, NULL);
	(void)done; /* without memory it is closed: see discard_answer */
	send_answer(conn);
}

void intake_store_result(struct conn *conn, const struct store_result *result)
{
	struct receipt receipt = result->receipt;

	if (conn->partner != NULL) {
		receipt.partner = conn->partner->name;
	} else if (result->outcome != STORE_STORED) {
		/* Its key was revoked meanwhile: a report that it sent is acknowledged, nothing
		 * else is told. */
		intake_refuse(conn, REJECT_PARTNER_UNKNOWN, NULL);
		conn_drive(conn);
		return;
	}
	switch (result->outcome) {
	case STORE_STORED:
		metric_add(&conn->worker->metrics.stored, 1);
		metric_add(&partner_metrics(conn)->stored, 1);
		send_answer(conn);
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
			send_answer(conn);
		} else {
			intake_refuse(conn, REJECT_NOT_FOUND, NULL);
		}
		break;
	case STORE_CONFLICT:
		refuse_with_receipt(conn,
			conn->question == QUESTION_RETRACTION ? REJECT_RETRACTION_CONFLICT
							      : REJECT_REPORT_CONFLICT,
			&receipt);
		break;
	case STORE_SUPERSEDED:
		intake_refuse(conn, REJECT_REVISION_SUPERSEDED, NULL);
		break;
	case STORE_UNSTORABLE:
		intake_refuse(conn, REJECT_UNSTORABLE,
			"the operators have been told; sending it again does not help");
		break;
	case STORE_UNAVAILABLE:
		intake_refuse(
			conn, REJECT_UNAVAILABLE, "the database is away; nothing was acknowledged");
		break;
	}
	conn_drive(conn);
}
