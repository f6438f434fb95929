// SPDX-License-Identifier: Apache-2.0
/*
 * The state of a connection whose request is a batch. It reads and writes in turn, and neither
 * waits for the other: lines are taken as long as there is room for what becomes of them, and
 * results are written as far as the client takes them.
 *
 * Two clocks run. The body must keep its mean rate, counted only while we are willing to read: a
 * pause of ours is not the client's. And a client that takes nothing of its answer is cut, but only
 * when that holds us up: one that sends all before it reads has time until its last byte.
 */
#include "conn_parts_int.h"

#include "base/clock.h"
#include "intake_batch_int.h"
#include "reply_int.h"
#include "worker_int.h"

/* Written before others get their turn. */
#define STEP_BYTES ((size_t)64 * 1024)
/* Read at once: a TLS record. */
#define READ_BYTES ((size_t)16 * 1024)

enum flow { FLOW_IDLE, FLOW_MOVED, FLOW_BLOCKED, FLOW_BROKEN };

/* Writes what can be said, until the client takes no more. */
static enum flow write_results(struct conn *conn)
{
	size_t written = 0;
	while (written < STEP_BYTES) {
		if (conn->out_sent == conn->out.len) {
			buf_clear(&conn->out);
			conn->out_sent = 0;
			if (!intake_batch_render(conn)) {
				return FLOW_BROKEN;
			}
			if (conn->out.len == 0) {
				return written > 0 ? FLOW_MOVED : FLOW_IDLE;
			}
		}
		size_t n = 0;
		enum stream_result result = tls_stream_write(&conn->stream,
			conn->out.data + conn->out_sent, conn->out.len - conn->out_sent, &n);
		conn->out_sent += n;
		written += n;
		if (n > 0) {
			conn->held_up_since_ms = 0;
		}
		metric_add(&conn->worker->metrics.sent_bytes, n);
		if (result == STREAM_WANT_READ || result == STREAM_WANT_WRITE) {
			return FLOW_BLOCKED;
		}
		if (result != STREAM_DONE) {
			return FLOW_BROKEN;
		}
	}
	return FLOW_MOVED;
}

/* Framing that breaks in mid-batch cannot be refused any more once the answer has begun. */
static void refuse_framing(struct conn *conn)
{
	if (intake_batch_may_be_refused(conn->batch)) {
		reply_refuse_framing(conn, HTTP_FAULT_FRAMING, conn->chunked.detail);
	} else {
		intake_batch_break(conn->batch);
		conn->body_is_ended = true;
	}
}

/* Others hold the memory for requests: what was taken is answered. */
static void refuse_for_memory(struct conn *conn)
{
	if (intake_batch_may_be_refused(conn->batch)) {
		conn_refuse_for_memory(conn, READ_BYTES);
	} else {
		intake_batch_break(conn->batch);
	}
}

static enum flow read_body(struct conn *conn)
{
	enum stream_result result;
	if (conn->body_is_ended) {
		return FLOW_IDLE;
	}
	if (!conn_send_continue(conn)) {
		return FLOW_BROKEN;
	}
	if (!conn_read(conn, READ_BYTES, &result)) {
		refuse_for_memory(conn);
		return FLOW_MOVED;
	}
	if (result == STREAM_WANT_READ || result == STREAM_WANT_WRITE) {
		return FLOW_BLOCKED;
	}
	return result == STREAM_DONE ? FLOW_MOVED : FLOW_BROKEN;
}

/* Keeps the clock of the body's rate. */
static void set_willing(struct conn *conn, bool is_willing)
{
	int64_t now_ms = clock_monotonic_ms();
	if (is_willing && conn->willing_since_ms == 0) {
		conn->willing_since_ms = now_ms;
	} else if (!is_willing && conn->willing_since_ms != 0) {
		conn->willing_ms += now_ms - conn->willing_since_ms;
		conn->willing_since_ms = 0;
	}
}

/* Keeps the clock of the client that takes nothing. */
static void set_held_up(struct conn *conn, bool is_held_up)
{
	if (!is_held_up) {
		conn->held_up_since_ms = 0;
	} else if (conn->held_up_since_ms == 0) {
		conn->held_up_since_ms = clock_monotonic_ms();
	}
}

enum step conn_step_batch(struct conn *conn)
{
	if (!conn_decode_body(conn)) {
		refuse_framing(conn);
		return STEP_MORE;
	}
	enum intake_lines lines = intake_batch_take_lines(conn);
	if (conn->state != CONN_BATCH) {
		return STEP_MORE; /* it was refused as a whole */
	}
	enum flow written = write_results(conn);
	if (written == FLOW_BROKEN) {
		return conn_end_batch(conn, true);
	}
	if (intake_batch_is_over(conn) && conn->out_sent == conn->out.len) {
		return conn_end_batch(conn, intake_batch_is_broken(conn->batch));
	}
	enum flow read = FLOW_IDLE;
	bool is_willing = lines == INTAKE_LINES_INPUT;
	if (is_willing) {
		read = read_body(conn);
		if (read == FLOW_BROKEN) {
			return conn_end_batch(conn, true);
		}
		if (conn->state != CONN_BATCH) {
			return STEP_MORE; /* it was refused as a whole */
		}
	}
	set_willing(conn, is_willing && !conn->body_is_ended);
	set_held_up(conn,
		written == FLOW_BLOCKED && (conn->body_is_ended || lines != INTAKE_LINES_INPUT) &&
			!intake_batch_waits_for_store(conn->batch));
	if (lines == INTAKE_LINES_MORE || written == FLOW_MOVED || read == FLOW_MOVED) {
		return STEP_MORE;
	}
	conn_watch(conn,
		(short)((read == FLOW_BLOCKED ? EV_READ : 0) |
			(written == FLOW_BLOCKED ? EV_WRITE : 0)));
	return STEP_WAIT;
}

static bool is_too_slow(const struct conn *conn, int64_t now_ms)
{
	const struct conf *conf = worker_conf(conn->worker);
	int64_t willing_ms = conn->willing_ms;
	if (conn->willing_since_ms != 0) {
		willing_ms += now_ms - conn->willing_since_ms;
	}
	int64_t counted_ms = willing_ms - conf->limits_min_rate_grace_ms;
	int64_t arrived = (int64_t)(conn->body_used + conn->body_len);
	return counted_ms > 0 && arrived * 1000 < conf->limits_min_rate_bytes_per_s * counted_ms;
}

void conn_batch_check(struct conn *conn, int64_t now_ms)
{
	const struct conf *conf = worker_conf(conn->worker);
	if (conn->held_up_since_ms != 0 &&
		now_ms - conn->held_up_since_ms >= conf->limits_write_timeout_ms) {
		metric_add(&conn->worker->metrics.answers_dropped, 1);
		conn_close(conn, ANSWER_NOT_TAKEN);
	} else if (!conn->body_is_ended && is_too_slow(conn, now_ms)) {
		if (intake_batch_may_be_refused(conn->batch)) {
			reply_refuse(conn, REJECT_TIMEOUT, NULL);
		} else {
			intake_batch_break(conn->batch);
		}
		conn_drive(conn);
	}
}
