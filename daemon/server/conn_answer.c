// SPDX-License-Identifier: Apache-2.0
/*
 * An answer on its way out, and what comes after it: the next request, or the end of the
 * connection.
 */
#include "conn_parts_int.h"

#include "base/clock.h"
#include "intake_batch_int.h"
#include "reply_int.h"
#include "worker_int.h"

/* Reads of what is dropped before others get their turn. */
#define LINGER_READS 8

/* Sending it again must not cost twice what was not done once. */
static void give_back_quota(struct conn *conn)
{
	bool was_done = conn->reject != REJECT_UNAVAILABLE && conn->reject != REJECT_QUOTA;
	if (!was_done && conn->partner != NULL) {
		struct quota_limits limits = conn_quota_limits(conn);
		quota_give_back(conn->quota, &limits, conn->quota_taken);
	}
	conn->quota_taken = (struct quota_demand){0};
}

void conn_answer_ready(struct conn *conn)
{
	intake_batch_free(&conn->batch);
	conn_leave_report(conn);
	give_back_quota(conn);
	conn->question = QUESTION_NONE;
	conn_set_state(conn, conn->reject == REJECT_QUOTA ? CONN_HELD : CONN_ANSWER);
}

void conn_end_hold(struct conn *conn)
{
	reply_review_close(conn);
	conn_set_state(conn, CONN_ANSWER);
}

/* Until its time is over: whoever asks too much is not kept busy with refusals. */
enum step conn_step_held(struct conn *conn)
{
	conn_watch(conn, 0);
	return STEP_WAIT;
}

static enum step next_request(struct conn *conn)
{
	buf_clear(&conn->out);
	conn->out_sent = 0;
	if (conn->request_end < conn->in.len && !conn->is_revoked) {
		buf_consume(&conn->in, conn->request_end);
		conn_start_request(conn);
		return STEP_MORE;
	}
	buf_fini(&conn->out);
	return conn_await_request(conn);
}

static enum step start_linger(struct conn *conn)
{
	tls_stream_shutdown(&conn->stream);
	if (conn->body_is_ended && conn->request_end == conn->in.len &&
		!tls_stream_has_pending(&conn->stream)) {
		return conn_close_because(conn, "answered");
	}
	/* Closing with input unread would reset the connection and could destroy the answer. */
	conn_release_input(conn);
	conn_set_state(conn, CONN_LINGER);
	return STEP_MORE;
}

enum step conn_step_answer(struct conn *conn)
{
	while (conn->out_sent < conn->out.len) {
		size_t n = 0;
		enum stream_result result = tls_stream_write(&conn->stream,
			conn->out.data + conn->out_sent, conn->out.len - conn->out_sent, &n);
		conn->out_sent += n;
		metric_add(&conn->worker->metrics.sent_bytes, n);
		if (n > 0) {
			conn->since_ms = clock_monotonic_ms();
		}
		if (result == STREAM_WANT_READ || result == STREAM_WANT_WRITE) {
			return conn_wait_for(conn, result);
		}
		if (result != STREAM_DONE) {
			metric_add(&conn->worker->metrics.answers_dropped, 1);
			return conn_close_because(conn, ANSWER_NOT_TAKEN);
		}
	}
	conn->requests++;
	return conn->closes ? start_linger(conn) : next_request(conn);
}

enum step conn_end_batch(struct conn *conn, bool is_broken)
{
	if (is_broken) {
		metric_add(&conn->worker->metrics.answers_dropped, 1);
		return conn_close_because(conn, "the batch could not be finished");
	}
	intake_batch_free(&conn->batch);
	conn_charge_input(conn);
	conn->requests++;
	conn->request_end = conn->body_len;
	return conn->closes ? start_linger(conn) : next_request(conn);
}

enum step conn_step_linger(struct conn *conn)
{
	for (int i = 0; i < LINGER_READS; i++) {
		enum stream_result result = tls_stream_drop(&conn->stream);
		if (result == STREAM_WANT_READ) {
			break;
		}
		if (result != STREAM_DONE) {
			return conn_close_because(conn, "answered");
		}
	}
	return conn_wait_for(conn, STREAM_WANT_READ);
}
