// SPDX-License-Identifier: Apache-2.0
/*
 * The answer of a batch: its results in the order of their lines, in chunks, as soon as each is
 * known. That of an atomic batch has a status of its own, so it begins when its end is known: its
 * reports go to the store when every line was found good, and are all refused when one was not.
 */
#include "intake_batch_parts_int.h"

#include "base/clock.h"
#include "http/http_response.h"
#include "reply_int.h"
#include "worker_int.h"

/* The answer is written in pieces of about this size. */
#define PIECE_BYTES ((size_t)16 * 1024)

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

/* How long until there is enough for all of it; taken and given back to ask. */
static int64_t whole_retry_ms(struct conn *conn, const struct quota_limits *limits)
{
	struct intake_batch *batch = conn->batch;
	int64_t retry_ms = 0;
	if (quota_take(batch->quota, limits, clock_monotonic_us(), batch->demand, &retry_ms)) {
		quota_give_back(batch->quota, limits, batch->demand);
	}
	return retry_ms;
}

/* What is to be sent again as a whole has cost nothing, and is told when there is enough for it. */
static void end_decision(struct conn *conn)
{
	struct intake_batch *batch = conn->batch;
	batch->phase = ATOMIC_DECIDED;
	if ((batch->status != 429 && batch->status != 503) || conn->partner == NULL) {
		return;
	}
	struct quota_limits limits = conn_quota_limits(conn);
	quota_give_back(batch->quota, &limits, conn->quota_taken);
	conn->quota_taken = (struct quota_demand){0};
	int retry_after_s = reply_seconds(whole_retry_ms(conn, &limits));
	if (retry_after_s > batch->retry_after_s) {
		batch->retry_after_s = retry_after_s;
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
	batch->retry_after_s = INTAKE_BATCH_RETRY_AFTER_S;
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
			intake_batch_settle(conn, result);
		}
	}
	store_atomic_free(&conn->batch->atomic);
	end_decision(conn);
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
		bool is_wanted = gathered > 0 && !is_failed(results) && !batch->is_broken;
		if (is_wanted && !intake_batch_finds_room(conn)) {
			return false;
		}
		batch->phase = ATOMIC_COMMITS;
		if (is_wanted) {
			store_atomic_commit(conn->worker->store, &batch->atomic);
		} else if (is_failed(results) || batch->is_broken) {
			roll_back(conn);
		}
	}
	if (batch->phase == ATOMIC_COMMITS && results->pending == 0) {
		decide_status(batch);
		end_decision(conn);
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
