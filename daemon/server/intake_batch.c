// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a batch.
 *
 * Each line is judged as soon as it is whole, while the body still arrives, and its report goes to
 * the store like one that came alone. Its place in the answer is kept in a ring: pending until the
 * store has spoken, then ready, and written when all before it are. A bad line is an entry like any
 * other and touches no neighbour.
 *
 * What bounds memory: one line and a read's worth of the body; so many reports pending; so many
 * bytes of results that the client has not taken. At any of these no further line is taken, and so
 * nothing is read. Whoever waits for room in the store's queue is woken when the store has answered
 * somebody.
 *
 * An atomic batch is gathered: its reports go to one transaction of their own, which is sent when
 * every line was found good, and the answer begins when its end is known. A dry run asks the store
 * nothing.
 *
 * The generation that was in force when it began judges all of it: the answer's codes and the
 * receipts' taxonomy are of one version.
 */
#include "intake_batch_int.h"

#include "base/clock.h"
#include "http/http_gunzip.h"
#include "http/http_lines.h"
#include "http/http_response.h"
#include "intake_int.h"
#include "judgement_int.h"
#include "reply_int.h"
#include "results_int.h"
#include "worker_int.h"

#include <stdlib.h>
#include <string.h>

/* Lines judged before others get their turn. */
#define STEP_LINES 4
/* The answer is written in pieces of about this size. */
#define PIECE_BYTES ((size_t)16 * 1024)
#define UNZIP_BYTES ((size_t)32 * 1024)
#define RETRY_AFTER_S 1

enum atomic_phase { ATOMIC_GATHERS, ATOMIC_COMMITS, ATOMIC_DECIDED };

struct intake_batch {
	struct generation *generation;
	char partner[PEER_NAME_SIZE];
	bool is_dry_run;
	bool is_atomic;
	enum atomic_phase phase;
	struct store_atomic *atomic; /* the reports gathered */
	struct http_lines lines;
	struct results results;
	uint64_t reports;
	uint64_t bytes;      /* of lines taken */
	struct quota *quota; /* the partner's */
	uint32_t in_flight;  /* reports counted there */
	struct http_gunzip *gunzip;
	struct buf plain;   /* unzipped, not taken yet */
	bool may_hold_more; /* the decoder, for which there was no room */
	bool has_all_lines; /* no further line is taken */
	bool is_broken;     /* the answer stays without its end */
	bool closes;        /* the rest of the body is left unread */
	bool has_begun;     /* the answer's head is in the output, or was */
	bool has_ended;     /* so is its end */
	int status;         /* of the answer as a whole */
	int retry_after_s;  /* likewise; 0: none */
};

/* --- life --- */

struct intake_batch *intake_batch_new(struct conn *conn)
{
	const struct conf *conf = worker_conf(conn->worker);
	struct intake_batch *batch = calloc(1, sizeof(*batch));
	if (batch == NULL) {
		return NULL;
	}
	batch->generation = generation_ref(conn->worker->generation);
	snprintf(batch->partner, sizeof(batch->partner), "%.*s", STR_ARG(conn->partner->name));
	batch->quota = conn->quota;
	batch->is_dry_run = conn->route == ROUTE_VALIDATE;
	batch->is_atomic = intake_is_atomic(conn);
	batch->status = 200;
	http_lines_init(&batch->lines, (size_t)conf->limits_report_bytes);
	results_init(&batch->results);
	buf_init(&batch->plain, (size_t)conf->limits_report_bytes + 2 * UNZIP_BYTES);
	bool done = true;
	if (conn->is_gzip) {
		batch->gunzip = http_gunzip_new();
		done = batch->gunzip != NULL;
	}
	if (done && batch->is_atomic && !batch->is_dry_run) {
		batch->atomic = store_atomic_new((uint32_t)conf->limits_max_atomic_reports);
		done = batch->atomic != NULL;
	}
	if (!done) {
		intake_batch_free(&batch);
	}
	return batch;
}

void intake_batch_free(struct intake_batch **batch_ptr)
{
	struct intake_batch *batch = *batch_ptr;
	if (batch == NULL) {
		return;
	}
	for (; batch->in_flight > 0; batch->in_flight--) {
		quota_leave_report(batch->quota);
	}
	store_atomic_free(&batch->atomic);
	results_fini(&batch->results);
	buf_fini(&batch->plain);
	http_gunzip_free(&batch->gunzip);
	generation_unref(&batch->generation);
	free(batch);
	*batch_ptr = NULL;
}

size_t intake_batch_bytes(const struct intake_batch *batch)
{
	return batch->results.bytes + batch->plain.cap;
}

bool intake_batch_is_broken(const struct intake_batch *batch)
{
	return batch->is_broken;
}

bool intake_batch_has_begun(const struct intake_batch *batch)
{
	return batch->has_begun;
}

bool intake_batch_may_be_refused(const struct intake_batch *batch)
{
	if (batch->is_atomic) {
		return !batch->has_begun && batch->phase == ATOMIC_GATHERS;
	}
	return !batch->has_begun && batch->reports == 0 && batch->results.next == 0;
}

bool intake_batch_waits_for_store(const struct intake_batch *batch)
{
	return batch->results.pending > 0;
}

void intake_batch_break(struct intake_batch *batch)
{
	batch->has_all_lines = true;
	batch->is_broken = true;
}

/* --- results --- */

/* Counts no more reports as in flight than wait for the store. */
static void leave_unused(struct intake_batch *batch)
{
	while (batch->in_flight > batch->results.pending) {
		batch->in_flight--;
		quota_leave_report(batch->quota);
	}
}

/* Memory for what must be said is short: the answer ends here, and not as if it were whole. */
static void settle(struct conn *conn, struct result *result, bool done)
{
	struct intake_batch *batch = conn->batch;
	if (!done) {
		intake_batch_break(batch);
	}
	if (result->kind != RESULT_RECEIPT) {
		reply_count_refusal(conn, result->reject, result->codes);
	}
	result_settle(&batch->results, result);
	leave_unused(batch);
}

static struct quota_demand demand_of(const struct conn *conn, size_t line_bytes)
{
	return (struct quota_demand){
		.reports = conn->batch->is_dry_run ? 0 : 1, .bytes = (int64_t)line_bytes};
}

/* Sending it again must not cost twice what was not done once. */
static void give_back_quota(struct conn *conn, const struct result *result)
{
	if (conn->partner != NULL) {
		struct quota_limits limits = conn_quota_limits(conn);
		quota_give_back(conn->batch->quota, &limits, demand_of(conn, result->taken_bytes));
	}
}

static void refuse_line(
	struct conn *conn, struct result *result, enum reject reject, const char *detail)
{
	struct str_list none = {NULL, 0};
	bool is_for_later = reject == REJECT_UNAVAILABLE;
	if (is_for_later) {
		give_back_quota(conn, result);
	}
	reply_trace(conn, reject, none, none, NULL, 0);
	result_set_problem(
		&conn->batch->results, result, reject, detail, is_for_later ? RETRY_AFTER_S : 0);
	settle(conn, result, true);
}

static void settle_repeat(
	struct conn *conn, struct result *result, const struct store_result *stored)
{
	struct receipt receipt = stored->receipt;
	receipt.status = intake_repeat_status(&receipt);
	metric_add(&conn->worker->metrics.duplicates, 1);
	metric_add(&reply_partner_metrics(conn)->duplicates, 1);
	settle(conn, result,
		result_set_receipt(&conn->batch->results, result, 200, &receipt, NULL));
}

static void settle_conflict(
	struct conn *conn, struct result *result, const struct store_result *stored)
{
	struct str_list none = {NULL, 0};
	reply_trace(conn, REJECT_REPORT_CONFLICT, none, none, NULL, 0);
	settle(conn, result,
		result_set_conflict(
			&conn->batch->results, result, REJECT_REPORT_CONFLICT, &stored->receipt));
}

static void take_store_result(
	struct conn *conn, struct result *result, const struct store_result *stored)
{
	switch (stored->outcome) {
	case STORE_STORED:
		metric_add(&conn->worker->metrics.stored, 1);
		metric_add(&reply_partner_metrics(conn)->stored, 1);
		settle(conn, result, true);
		break;
	case STORE_FOUND:
	case STORE_DUPLICATE:
		settle_repeat(conn, result, stored);
		break;
	case STORE_NOT_FOUND:
		/* The refusal that was prepared stands. */
		settle(conn, result, true);
		break;
	case STORE_CONFLICT:
		settle_conflict(conn, result, stored);
		break;
	case STORE_SUPERSEDED:
		refuse_line(conn, result, REJECT_REVISION_SUPERSEDED, NULL);
		break;
	case STORE_ERASED:
		refuse_line(conn, result, REJECT_REPORT_ERASED, NULL);
		break;
	case STORE_RETRACTED:
		ENSURE(!"no retraction is in a batch");
		break;
	case STORE_ROLLED_BACK:
		refuse_line(conn, result, REJECT_BATCH_ROLLED_BACK, NULL);
		break;
	case STORE_UNSTORABLE:
		refuse_line(conn, result, REJECT_UNSTORABLE, NULL);
		break;
	case STORE_UNAVAILABLE:
		refuse_line(conn, result, REJECT_UNAVAILABLE, "the database is away");
		break;
	}
}

void intake_batch_result(struct conn *conn, uint32_t name, const struct store_result *result)
{
	struct result *waiting = results_find(&conn->batch->results, name);
	ENSURE(waiting != NULL);
	take_store_result(conn, waiting, result);
	conn_wake(conn);
}

/* --- lines --- */

static struct result *add_result(struct conn *conn)
{
	struct intake_batch *batch = conn->batch;
	struct result *result = results_add(&batch->results, batch->lines.number);
	if (result == NULL) {
		intake_batch_break(batch);
	}
	return result;
}

/*
 * The last line that is answered; the rest of the body is not read. Of an atomic batch there is no
 * line to answer yet: all of it is refused.
 */
static void end_with(struct conn *conn, struct result *result, enum reject reject)
{
	if (conn->batch->is_atomic) {
		reply_refuse(conn, reject, NULL);
		return;
	}
	refuse_line(conn, result, reject, NULL);
	conn->batch->has_all_lines = true;
	conn->batch->closes = true;
}

static bool hand_over(
	struct conn *conn, const struct submission *submission, struct intake_batch *batch)
{
	uint64_t ticket = conn_ticket(conn, results_newest_name(&batch->results));
	if (batch->atomic != NULL) {
		return store_atomic_add(batch->atomic, submission, ticket);
	}
	return store_submit(conn->worker->store, submission, ticket);
}

static void take_valid(struct conn *conn, struct result *result, const struct judgement *judgement)
{
	struct intake_batch *batch = conn->batch;
	struct submission submission;
	if (!judgement_submission(
		    conn, batch->generation, judgement, &conn->worker->warnings, &submission)) {
		refuse_line(conn, result, REJECT_UNAVAILABLE, NULL);
		return;
	}
	struct receipt receipt = judgement_receipt(conn, &submission);
	receipt.status = batch->is_dry_run ? RECEIPT_VALID : RECEIPT_STORED;
	if (!result_set_receipt(&batch->results, result, batch->is_dry_run ? 200 : 201, &receipt,
		    &judgement->result)) {
		refuse_line(conn, result, REJECT_UNAVAILABLE, NULL);
	} else if (batch->is_dry_run) {
		settle(conn, result, true);
	} else if (!hand_over(conn, &submission, batch)) {
		refuse_line(
			conn, result, REJECT_UNAVAILABLE, "too many reports wait for the database");
	}
}

/* What was accepted once is answered by its receipt for ever: the key is looked up first. */
static void take_invalid(
	struct conn *conn, struct result *result, const struct judgement *judgement)
{
	struct intake_batch *batch = conn->batch;
	struct store_key key;
	if (!result_set_findings(
		    &batch->results, result, REJECT_REPORT_INVALID, &judgement->result)) {
		refuse_line(conn, result, REJECT_UNAVAILABLE, NULL);
		return;
	}
	if (batch->is_dry_run) {
		settle(conn, result, true);
		return;
	}
	judgement_note_refusal(conn, REJECT_REPORT_INVALID, &judgement->result, judgement->sha256,
		judgement->payload.len);
	if (!judgement_key(conn, judgement, &key)) {
		settle(conn, result, true);
	} else if (!store_find(conn->worker->store, &key,
			   conn_ticket(conn, results_newest_name(&batch->results)))) {
		refuse_line(conn, result, REJECT_UNAVAILABLE, NULL);
	}
}

static void take_broken(struct conn *conn, struct result *result, const struct judgement *judgement)
{
	bool done = result_set_text(
		&conn->batch->results, result, REJECT_JSON_INVALID, judgement->result.detail);
	if (!conn->batch->is_dry_run) {
		judgement_note_refusal(conn, REJECT_JSON_INVALID, &judgement->result,
			judgement->sha256, judgement->payload.len);
	}
	settle(conn, result, done);
}

/* A line that is over quota costs no judgement. */
static bool is_within_quota(struct conn *conn, struct result *result, size_t len)
{
	struct quota_limits limits = conn_quota_limits(conn);
	int64_t retry_ms = 0;
	if (quota_take(conn->batch->quota, &limits, clock_monotonic_us(), demand_of(conn, len),
		    &retry_ms)) {
		result->taken_bytes = (uint32_t)len;
		return true;
	}
	result_set_problem(
		&conn->batch->results, result, REJECT_QUOTA, NULL, reply_seconds(retry_ms));
	settle(conn, result, true);
	return false;
}

static void take_report(struct conn *conn, struct str line)
{
	struct intake_batch *batch = conn->batch;
	struct judgement judgement;
	struct result *result = add_result(conn);
	if (result == NULL) {
		return;
	}
	const struct conf *conf = batch->generation->conf;
	int64_t max_reports =
		batch->is_atomic ? conf->limits_max_atomic_reports : conf->limits_max_batch_reports;
	batch->reports++;
	if (batch->reports > (uint64_t)max_reports) {
		end_with(conn, result, REJECT_TOO_MANY_REPORTS);
		return;
	}
	if (!is_within_quota(conn, result, line.len)) {
		return;
	}
	judgement_make(conn, batch->generation, line, &judgement);
	switch (judgement.result.verdict) {
	case REPORT_VALID:
		take_valid(conn, result, &judgement);
		break;
	case REPORT_INVALID:
		take_invalid(conn, result, &judgement);
		break;
	case REPORT_NOT_JSON:
		take_broken(conn, result, &judgement);
		break;
	case REPORT_OVERLOAD:
		refuse_line(conn, result, REJECT_UNAVAILABLE, NULL);
		break;
	}
	arena_reset(&conn->worker->arena);
}

static void take_too_long(struct conn *conn)
{
	struct result *result = add_result(conn);
	if (result != NULL) {
		conn->batch->reports++;
		refuse_line(conn, result, REJECT_LINE_TOO_LONG, NULL);
	}
}

static bool has_more_to_unzip(const struct conn *conn)
{
	return conn->batch->gunzip != NULL && (conn->body_len > 0 || conn->batch->may_hold_more);
}

/* The bytes of lines that wait, and whether none will follow them. */
static struct str waiting_bytes(const struct conn *conn, bool *is_end_out)
{
	const struct intake_batch *batch = conn->batch;
	if (batch->gunzip == NULL) {
		*is_end_out = conn->body_is_ended;
		return (struct str){conn->in.data, conn->body_len};
	}
	*is_end_out = conn->body_is_ended && !has_more_to_unzip(conn);
	return buf_str(&batch->plain);
}

static void drop_bytes(struct conn *conn, size_t len)
{
	conn->batch->bytes += len;
	if (conn->batch->gunzip == NULL) {
		conn_consume_body(conn, len);
	} else {
		buf_consume(&conn->batch->plain, len);
	}
}

static bool is_over_limit(const struct conn *conn)
{
	const struct conf *conf = conn->batch->generation->conf;
	int64_t max_bytes = conn->batch->is_atomic ? conf->limits_max_atomic_bytes
						   : conf->limits_max_batch_bytes;
	return conn->batch->bytes > (uint64_t)max_bytes;
}

static void end_over_limit(struct conn *conn)
{
	struct result *result = add_result(conn);
	if (result != NULL) {
		end_with(conn, result, REJECT_BODY_TOO_LARGE);
	}
}

/*
 * Counts the next report in the partner's quota. Where that is used up the batch waits for its own
 * reports; when it has none, one may fly beyond the quota, or it would wait for ever.
 */
static bool may_fly(struct conn *conn)
{
	struct intake_batch *batch = conn->batch;
	struct quota_limits limits = conn_quota_limits(conn);
	if (batch->in_flight > batch->results.pending) {
		return true;
	}
	if (quota_enter_report(batch->quota, &limits)) {
		batch->in_flight++;
		return true;
	}
	return batch->results.pending == 0;
}

static bool is_full_of_results(const struct intake_batch *batch)
{
	return batch->results.bytes >= (size_t)batch->generation->conf->limits_max_unread_bytes;
}

/* No line is taken for which there is no room: what is refused for want of room must be rare. */
static bool has_room(struct conn *conn)
{
	struct intake_batch *batch = conn->batch;
	if (!results_may_wait(&batch->results) || is_full_of_results(batch)) {
		return false;
	}
	if (batch->is_dry_run || batch->is_atomic) {
		return true;
	}
	if (!may_fly(conn)) {
		return false;
	}
	if (store_has_room(conn->worker->store)) {
		return true;
	}
	list_remove(&conn->room_link);
	list_append(&conn->worker->room, &conn->room_link);
	return false;
}

/* One line, if one is whole. */
static enum intake_lines take_line(struct conn *conn)
{
	struct str line;
	size_t used;
	bool is_end;
	struct str waiting = waiting_bytes(conn, &is_end);
	enum http_line told = http_lines_next(
		&conn->batch->lines, waiting.data, waiting.len, is_end, &line, &used);
	if (told == HTTP_LINE_TEXT) {
		take_report(conn, line);
	} else if (told == HTTP_LINE_TOO_LONG) {
		take_too_long(conn);
	}
	if (conn->state != CONN_BATCH) {
		return INTAKE_LINES_ENDED; /* it was refused as a whole */
	}
	drop_bytes(conn, used);
	if (is_over_limit(conn) && !conn->batch->has_all_lines) {
		end_over_limit(conn);
		return INTAKE_LINES_ENDED;
	}
	if (told != HTTP_LINE_MORE) {
		return INTAKE_LINES_MORE;
	}
	conn->batch->has_all_lines = conn->batch->has_all_lines || is_end;
	if (is_end) {
		return INTAKE_LINES_ENDED;
	}
	return has_more_to_unzip(conn) ? INTAKE_LINES_MORE : INTAKE_LINES_INPUT;
}

/* More of the body unzipped, when all that is there was looked at; false when it is broken. */
static bool unzip(struct conn *conn)
{
	struct intake_batch *batch = conn->batch;
	struct buf *plain = &batch->plain;
	size_t used;
	size_t len;
	if (batch->gunzip == NULL || plain->len > batch->lines.scanned) {
		return true;
	}
	/* At once for a long line, as doubling would hold the old half beside the new one. */
	size_t more = plain->len > UNZIP_BYTES ? plain->max - plain->len : UNZIP_BYTES;
	if (!buf_reserve(plain, more)) {
		return false;
	}
	size_t room = plain->cap - plain->len;
	enum http_parse parsed = http_gunzip_decode(batch->gunzip, conn->in.data, conn->body_len,
		&used, plain->data + plain->len, room, &len);
	plain->len += len;
	batch->may_hold_more = len == room;
	conn_consume_body(conn, used);
	bool is_cut = conn->body_is_ended && conn->body_len == 0 && !batch->may_hold_more &&
		!http_gunzip_is_complete(batch->gunzip);
	return parsed != HTTP_BAD && !is_cut;
}

static void refuse_unzipped(struct conn *conn)
{
	if (intake_batch_may_be_refused(conn->batch)) {
		reply_refuse_framing(conn, HTTP_FAULT_FRAMING, "the body is no whole gzip stream");
		return;
	}
	intake_batch_break(conn->batch);
}

static bool is_shut_out(const struct conn *conn)
{
	return conn->partner == NULL || conn->is_suspended || conn->is_revoked;
}

/* Nobody can make room by taking results before all are there. */
static bool is_too_much_to_say(const struct intake_batch *batch)
{
	return batch->is_atomic && is_full_of_results(batch);
}

static enum intake_lines take_some(struct conn *conn)
{
	enum intake_lines lines = INTAKE_LINES_MORE;
	for (int i = 0; i < STEP_LINES && lines == INTAKE_LINES_MORE; i++) {
		if (conn->batch->has_all_lines) {
			return INTAKE_LINES_ENDED;
		}
		if (is_too_much_to_say(conn->batch)) {
			reply_refuse(conn, REJECT_BODY_TOO_LARGE,
				"its lines' results are more than an atomic batch may have");
			return INTAKE_LINES_ENDED;
		}
		if (!has_room(conn)) {
			return INTAKE_LINES_PAUSED;
		}
		if (!unzip(conn)) {
			refuse_unzipped(conn);
			return INTAKE_LINES_ENDED;
		}
		lines = take_line(conn);
	}
	return lines;
}

enum intake_lines intake_batch_take_lines(struct conn *conn)
{
	if (is_shut_out(conn) && !conn->batch->has_all_lines) {
		intake_batch_break(conn->batch);
	}
	enum intake_lines lines = take_some(conn);
	if (conn->batch != NULL) {
		/* A place was taken for a line that has not come. */
		leave_unused(conn->batch);
	}
	return lines;
}

/* --- the answer --- */

static bool begin_answer(struct conn *conn)
{
	struct intake_batch *batch = conn->batch;
	struct http_response response = {
		.status = batch->status,
		.content_type = "application/x-ndjson",
		.is_chunked = !conn->request.is_http_1_0,
		.ends_with_close = conn->request.is_http_1_0,
		.closes = conn->request.is_http_1_0 || batch->closes,
		.retry_after_s = batch->retry_after_s,
	};
	batch->has_begun = true;
	return reply_render(conn, &response, STR(""));
}

static bool append_piece(struct conn *conn, struct str piece)
{
	if (conn->request.is_http_1_0) {
		return buf_append_str(&conn->out, piece);
	}
	return http_response_chunk(&conn->out, piece);
}

static bool end_answer(struct conn *conn)
{
	struct intake_batch *batch = conn->batch;
	batch->has_ended = true;
	conn->closes = conn->closes || batch->closes || conn->is_suspended || conn->is_revoked ||
		conn->worker->is_draining;
	reply_count_request(conn, batch->status);
	return batch->is_broken || append_piece(conn, STR(""));
}

/* How the worst of an atomic batch's lines is weighed: what passes by itself comes first. */
static int weight(int status)
{
	static const int order[] = {200, 201, 424, 409, 400, 413, 422, 500, 429, 503};
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (order[i] == status) {
			return (int)i;
		}
	}
	return 0;
}

/* Of an atomic batch: 201 if any is new, 200 if all are repeats, else what is worst. */
static int status_of_all(struct results *results)
{
	int status = 200;
	for (uint64_t number = results->first; number < results->next; number++) {
		int one = results_at(results, number)->status;
		if (weight(one) > weight(status)) {
			status = one;
		}
	}
	return status == 400 || status == 413 ? 422 : status;
}

static void decide_status(struct intake_batch *batch)
{
	struct results *results = &batch->results;
	batch->status = status_of_all(results);
	if (batch->status != 429 && batch->status != 503) {
		return;
	}
	for (uint64_t number = results->first; number < results->next; number++) {
		int one_s = results_at(results, number)->retry_after_s;
		batch->retry_after_s = one_s > batch->retry_after_s ? one_s : batch->retry_after_s;
	}
}

static bool is_failed(struct results *results)
{
	for (uint64_t number = results->first; number < results->next; number++) {
		const struct result *result = results_at(results, number);
		if (!result->is_pending && result->status >= 400) {
			return true;
		}
	}
	return false;
}

/* A line that would have been stored, or was found good in a dry run. */
static bool is_rolled_back(const struct result *result, bool is_dry_run)
{
	return result->is_pending || (is_dry_run && result->kind == RESULT_RECEIPT);
}

/* It is not known to the end, so no line was the reason. */
static void decide_status_of_broken(struct intake_batch *batch)
{
	batch->status = reject_info(REJECT_UNAVAILABLE)->status;
	batch->retry_after_s = RETRY_AFTER_S;
}

static void roll_back(struct conn *conn)
{
	struct results *results = &conn->batch->results;
	if (conn->batch->is_broken) {
		decide_status_of_broken(conn->batch);
	} else {
		decide_status(conn->batch);
	}
	for (uint64_t number = results->first; number < results->next; number++) {
		struct result *result = results_at(results, number);
		if (!is_rolled_back(result, conn->batch->is_dry_run)) {
			continue;
		}
		bool was_pending = result->is_pending;
		result_set_problem(results, result, REJECT_BATCH_ROLLED_BACK, NULL, 0);
		if (was_pending) {
			settle(conn, result, true);
		}
	}
	store_atomic_free(&conn->batch->atomic);
	conn->batch->phase = ATOMIC_DECIDED;
}

/* Moves an atomic batch on. True when its answer may begin. */
static bool decide(struct conn *conn)
{
	struct intake_batch *batch = conn->batch;
	struct results *results = &batch->results;
	if (batch->phase == ATOMIC_GATHERS && batch->has_all_lines) {
		uint32_t gathered = batch->atomic != NULL ? store_atomic_count(batch->atomic) : 0;
		if (results->pending > gathered) {
			return false; /* keys are being looked up */
		}
		batch->phase = ATOMIC_COMMITS;
		if (is_failed(results) || batch->is_broken) {
			roll_back(conn);
		} else if (gathered > 0) {
			store_atomic_commit(conn->worker->store, &batch->atomic);
		}
	}
	if (batch->phase == ATOMIC_COMMITS && results->pending == 0) {
		decide_status(batch);
		batch->phase = ATOMIC_DECIDED;
	}
	return batch->phase == ATOMIC_DECIDED;
}

bool intake_batch_render(struct conn *conn)
{
	struct intake_batch *batch = conn->batch;
	struct buf *piece = &conn->worker->body;
	if (batch->has_ended || (batch->is_atomic && !decide(conn))) {
		return true;
	}
	buf_clear(piece);
	if (!results_render(&batch->results, piece, PIECE_BYTES, str_from(batch->partner),
		    batch->generation->taxonomy)) {
		return false;
	}
	bool is_end = batch->has_all_lines && batch->results.first == batch->results.next;
	if (piece->len == 0 && !is_end) {
		return true;
	}
	return (batch->has_begun || begin_answer(conn)) &&
		(piece->len == 0 || append_piece(conn, buf_str(piece))) &&
		(!is_end || end_answer(conn));
}

bool intake_batch_is_over(const struct conn *conn)
{
	return conn->batch->has_ended;
}
