// SPDX-License-Identifier: Apache-2.0
/*
 * The life of one report.
 *
 * Its bytes arrive over a partner's connection into that connection's input buffer. As soon as the
 * head is complete, intake_accepts_head decides on what needs no body (intake_head.c).
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

#include "http/http_gunzip.h"
#include "http/http_response.h"
#include "judgement_int.h"
#include "report/receipt.h"
#include "reply_int.h"
#include "report_path_int.h"
#include "retraction_int.h"
#include "worker_int.h"

#include <stdio.h>

#define UNZIP_FIRST_BYTES ((size_t)4096)
#define UNZIP_SMALL_BYTES ((size_t)65536)

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
		intake_refuse_too_large(conn);
	} else if (!is_complete) {
		reply_refuse_framing(conn, HTTP_FAULT_FRAMING, "the body is no whole gzip stream");
	} else {
		return true;
	}
	buf_fini(plain);
	return false;
}

void intake_refuse_body(struct conn *conn, enum reject reject, const struct report_result *result)
{
	render_report_refusal(conn, reject, result);
	judgement_note_refusal(conn, reject, result, conn->sha256, conn->judged_bytes);
	reply_send(conn);
}

static void post_report(struct conn *conn, struct str body)
{
	struct worker *worker = conn->worker;
	struct judgement judgement;

	judgement_make(conn, worker->generation, body, &judgement);
	conn->has_sha256 = judgement.result.verdict != REPORT_OVERLOAD;
	if (conn->has_sha256) {
		memcpy(conn->sha256, judgement.sha256, sizeof(conn->sha256));
		conn->judged_bytes = body.len;
	}
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
	if (intake_is_within_quota(conn) && decoded_body(conn, &body)) {
		if (intake_unzipped_is_within_quota(conn, body.len)) {
			judge(conn, body);
		}
		buf_fini(&conn->worker->plain);
	}
}

/* --- GET --- */

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
	if (!report_path_read_id(intake_path(conn), id, &key.report_id.len) || key.revision < 0) {
		reply_refuse(conn, REJECT_NOT_FOUND, NULL);
	} else if (store_find(conn->worker->store, &key, conn_ticket(conn, 0))) {
		conn_wait(conn, QUESTION_RECEIPT);
	} else {
		reply_refuse(conn, REJECT_UNAVAILABLE, NULL);
	}
}

void intake_request(struct conn *conn)
{
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
	default:
		intake_document(conn);
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
	reply_trace_request(conn, reject);
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

	receipt.partner = conn->partner != NULL ? conn->partner->name : str_from(conn->peer.name);
	bool is_its_doing = result->outcome == STORE_STORED ||
		(result->outcome == STORE_RETRACTED && receipt.partner.len > 0);
	if (conn->partner == NULL && !is_its_doing) {
		/* Its key was revoked meanwhile: what it has brought about is acknowledged, nothing
		 * else is told. */
		reply_refuse(conn, REJECT_PARTNER_UNKNOWN, NULL);
		conn_drive(conn);
		return;
	}
	switch (result->outcome) {
	case STORE_STORED:
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
