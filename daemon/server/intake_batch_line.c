// SPDX-License-Identifier: Apache-2.0
/*
 * What becomes of one line of a batch: a place in the answer, a judgement, a report for the store
 * or for the atomic batch's transaction, and in the end a result. Each refusal is the line's own;
 * only a limit of the whole ends the batch.
 */
#include "intake_batch_parts_int.h"

#include "base/clock.h"
#include "intake_int.h"
#include "judgement_int.h"
#include "reply_int.h"
#include "worker_int.h"

void intake_batch_leave_unused(struct intake_batch *batch)
{
	while (batch->in_flight > batch->results.pending) {
		batch->in_flight--;
		quota_leave_report(batch->quota);
	}
}

void intake_batch_settle(struct conn *conn, struct result *result)
{
	struct intake_batch *batch = conn->batch;
	if (result->kind == RESULT_UNSAYABLE) {
		/* The answer ends before it, and not as if it were whole. */
		intake_batch_break(batch);
	} else if (result->kind != RESULT_RECEIPT) {
		reply_count_refusal(conn, result->reject, result->codes);
	}
	result_settle(&batch->results, result);
	intake_batch_leave_unused(batch);
}

static struct quota_demand demand_of(const struct conn *conn, size_t line_bytes)
{
	return (struct quota_demand){
		.reports = conn->batch->is_dry_run ? 0 : 1, .bytes = (int64_t)line_bytes};
}

/*
 * Sending it again must not cost twice what was not done once. An atomic batch is sent again as a
 * whole.
 */
static void give_back_quota(struct conn *conn, const struct result *result)
{
	if (conn->partner != NULL && !conn->batch->is_atomic) {
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
	reply_trace(conn, reject, none, none, result_sha256(result), result->taken_bytes);
	result_set_problem(&conn->batch->results, result, reject, detail,
		is_for_later ? INTAKE_BATCH_RETRY_AFTER_S : 0);
	intake_batch_settle(conn, result);
}

static void settle_repeat(
	struct conn *conn, struct result *result, const struct store_result *stored)
{
	struct receipt receipt = stored->receipt;
	receipt.status = intake_repeat_status(&receipt);
	metric_add(&conn->worker->metrics.duplicates, 1);
	metric_add(&reply_partner_metrics(conn)->duplicates, 1);
	bool is_sayable = result_set_receipt(&conn->batch->results, result, 200, &receipt, NULL);
	(void)is_sayable; /* seen to when it is settled */
	intake_batch_settle(conn, result);
}

static void settle_conflict(
	struct conn *conn, struct result *result, const struct store_result *stored)
{
	struct str_list none = {NULL, 0};
	if (!stored->has_receipt) {
		refuse_line(conn, result, REJECT_REPORT_CONFLICT,
			"another line of the batch has its key, with other content or a newer "
			"revision");
		return;
	}
	reply_trace(conn, REJECT_REPORT_CONFLICT, none, none, result_sha256(result),
		result->taken_bytes);
	bool is_sayable = result_set_conflict(
		&conn->batch->results, result, REJECT_REPORT_CONFLICT, &stored->receipt);
	(void)is_sayable; /* seen to when it is settled */
	intake_batch_settle(conn, result);
}

static void take_store_result(
	struct conn *conn, struct result *result, const struct store_result *stored)
{
	switch (stored->outcome) {
	case STORE_STORED:
		metric_add(&reply_partner_metrics(conn)->stored, 1);
		intake_batch_settle(conn, result);
		break;
	case STORE_FOUND:
	case STORE_DUPLICATE:
		settle_repeat(conn, result, stored);
		break;
	case STORE_NOT_FOUND:
		/* The refusal that was prepared stands. */
		intake_batch_settle(conn, result);
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
		refuse_line(conn, result, REJECT_UNSTORABLE,
			conn->batch->is_atomic ? "it, or the batch as a whole, cannot be stored; "
						 "others can be sent one by one"
					       : NULL);
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

static struct result *add_result(struct conn *conn, uint64_t number)
{
	struct intake_batch *batch = conn->batch;
	struct result *result = results_add(&batch->results, number);
	if (result == NULL) {
		intake_batch_break(batch);
	}
	return result;
}

/*
 * The last line that is answered; the rest of the body is not read. Of an atomic batch there is no
 * line to answer yet: all of it is refused.
 */
static void end_with(
	struct conn *conn, struct result *result, enum reject reject, const char *detail)
{
	if (conn->batch->is_atomic) {
		reply_refuse(conn, reject, detail);
		return;
	}
	refuse_line(conn, result, reject, detail);
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
		intake_batch_settle(conn, result);
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
		intake_batch_settle(conn, result);
		return;
	}
	judgement_note_refusal(conn, REJECT_REPORT_INVALID, &judgement->result, judgement->sha256,
		judgement->payload.len);
	if (!judgement_key(conn, judgement, &key)) {
		intake_batch_settle(conn, result);
	} else if (!store_find(conn->worker->store, &key,
			   conn_ticket(conn, results_newest_name(&batch->results)))) {
		refuse_line(conn, result, REJECT_UNAVAILABLE, NULL);
	}
}

static void take_broken(struct conn *conn, struct result *result, const struct judgement *judgement)
{
	if (!result_set_text(
		    &conn->batch->results, result, REJECT_JSON_INVALID, judgement->result.detail)) {
		refuse_line(conn, result, REJECT_UNAVAILABLE, NULL);
		return;
	}
	if (!conn->batch->is_dry_run) {
		judgement_note_refusal(conn, REJECT_JSON_INVALID, &judgement->result,
			judgement->sha256, judgement->payload.len);
	}
	intake_batch_settle(conn, result);
}

/* True when the batch ends with it. */
static bool is_one_too_many(struct conn *conn, struct result *result)
{
	struct intake_batch *batch = conn->batch;
	const struct conf *conf = batch->generation->conf;
	int64_t max_reports =
		batch->is_atomic ? conf->limits_max_atomic_reports : conf->limits_max_batch_reports;
	batch->reports++;
	if (batch->reports <= (uint64_t)max_reports) {
		return false;
	}
	end_with(conn, result, REJECT_TOO_MANY_REPORTS, NULL);
	return true;
}

static void add_demand(struct quota_demand *sum, struct quota_demand demand)
{
	sum->reports += demand.reports;
	sum->bytes += demand.bytes;
}

/* A line that is over quota costs no judgement. */
static bool is_within_quota(struct conn *conn, struct result *result, size_t len)
{
	struct intake_batch *batch = conn->batch;
	struct quota_limits limits = conn_quota_limits(conn);
	struct quota_demand demand = demand_of(conn, len);
	int64_t retry_ms = 0;
	add_demand(&batch->demand, demand);
	if (batch->is_atomic && !quota_can_hold(&limits, batch->demand)) {
		struct quota_demand reports = {.reports = batch->demand.reports};
		/* It has cost nothing: the parts it is to be sent in need the quota. */
		quota_give_back(batch->quota, &limits, conn->quota_taken);
		conn->quota_taken = (struct quota_demand){0};
		end_with(conn, result,
			quota_can_hold(&limits, reports) ? REJECT_BODY_TOO_LARGE
							 : REJECT_TOO_MANY_REPORTS,
			"an atomic batch has to fit into the burst of the partner's quota");
		return false;
	}
	if (quota_take(batch->quota, &limits, clock_monotonic_us(), demand, &retry_ms)) {
		result->taken_bytes = (uint32_t)len;
		if (batch->is_atomic) {
			add_demand(&conn->quota_taken, demand);
		}
		return true;
	}
	result_set_problem(&batch->results, result, REJECT_QUOTA, NULL, reply_seconds(retry_ms));
	intake_batch_settle(conn, result);
	return false;
}

void intake_batch_take_report(struct conn *conn, struct str line)
{
	struct intake_batch *batch = conn->batch;
	struct judgement judgement;
	struct result *result = add_result(conn, conn->batch->lines.number);
	if (result == NULL || is_one_too_many(conn, result) ||
		!is_within_quota(conn, result, line.len)) {
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

void intake_batch_take_too_long(struct conn *conn)
{
	struct result *result = add_result(conn, conn->batch->lines.number);
	if (result != NULL && !is_one_too_many(conn, result)) {
		refuse_line(conn, result, REJECT_LINE_TOO_LONG, NULL);
	}
}

void intake_batch_end_with(struct conn *conn, uint64_t number, enum reject reject)
{
	struct result *result = add_result(conn, number);
	if (result != NULL) {
		end_with(conn, result, reject, NULL);
	}
}
