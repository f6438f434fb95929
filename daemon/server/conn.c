// SPDX-License-Identifier: Apache-2.0
/*
 * libevent's callback only says that the descriptor is ready; conn_drive then calls the function of
 * the present state until one must wait. No state waits without a deadline: that of WAIT is the
 * store's. While the store has the request nothing is read: a peer that pipelines is held back by
 * its own window.
 *
 * A connection is never freed inside its own callback: it goes to the CLOSED list and is reaped
 * after the loop turn. The store refers to it by ticket, never by pointer.
 */
#include "conn_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/http_response.h"
#include "intake_batch_int.h"
#include "intake_int.h"
#include "net/address.h"
#include "net/peer_gate.h"
#include "reply_int.h"
#include "worker_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* First size of the input buffer: an ordinary report with its head. */
#define INPUT_FIRST_BYTES 4096
#define INPUT_SLACK_BYTES 65536
/* Steps a connection may do before others get their turn. */
#define TURN_STEPS 8
#define LINGER_MS 1000
#define ANSWER_NOT_TAKEN "the peer did not take its answer"

static const enum connection_phase phases[CONN_STATE_COUNT] = {
	[CONN_HANDSHAKE] = PHASE_HANDSHAKE,
	[CONN_IDLE] = PHASE_IDLE,
	[CONN_HEAD] = PHASE_REQUEST,
	[CONN_BODY] = PHASE_REQUEST,
	[CONN_BATCH] = PHASE_REQUEST,
	[CONN_WAIT] = PHASE_COMMIT,
	[CONN_HELD] = PHASE_ANSWER,
	[CONN_ANSWER] = PHASE_ANSWER,
	[CONN_LINGER] = PHASE_ANSWER,
	[CONN_CLOSED] = PHASE_COUNT,
};

static void on_io(evutil_socket_t fd, short what, void *ctx);

/* --- states --- */

static void count_phase(struct conn *conn, enum conn_state state, int64_t change)
{
	if (phases[state] != PHASE_COUNT) {
		metric_add(&conn->worker->metrics.connections[phases[state]], (uint64_t)change);
	}
}

static int64_t now(void)
{
	return clock_monotonic_ms();
}

static void set_state(struct conn *conn, enum conn_state state)
{
	count_phase(conn, conn->state, -1);
	count_phase(conn, state, 1);
	conn->state = state;
	conn->since_ms = now();
	list_remove(&conn->link);
	list_append(&conn->worker->states[state], &conn->link);
}

int64_t conn_timeout_ms(const struct conf *conf, enum conn_state state)
{
	switch (state) {
	case CONN_HANDSHAKE:
		return conf->limits_handshake_timeout_ms;
	case CONN_IDLE:
		return conf->limits_idle_timeout_ms;
	case CONN_HEAD:
		return conf->limits_head_timeout_ms;
	case CONN_BODY:
		return conf->limits_request_timeout_ms;
	case CONN_ANSWER:
		return conf->limits_write_timeout_ms;
	case CONN_HELD:
		return conf->quota_refusal_delay_ms;
	case CONN_LINGER:
		return LINGER_MS;
	default:
		return INT64_MAX;
	}
}

/* Asks the kernel only when it changes. */
void conn_watch(struct conn *conn, short mask)
{
	if (mask == conn->io_mask) {
		return;
	}
	if (conn->io_mask != 0) {
		event_del(&conn->io);
	}
	conn->io_mask = mask;
	if (mask == 0) {
		return;
	}
	event_assign(&conn->io, conn->worker->base, conn->stream.fd, (short)(mask | EV_PERSIST),
		on_io, conn);
	event_priority_set(&conn->io, conn->priority);
	if (event_add(&conn->io, NULL) != 0) {
		conn->io_mask = 0;
		conn_close(conn, "cannot watch the socket");
	}
}

static enum step wait_for(struct conn *conn, enum stream_result result)
{
	conn_watch(conn, result == STREAM_WANT_WRITE ? EV_WRITE : EV_READ);
	return STEP_WAIT;
}

enum step conn_close_because(struct conn *conn, const char *reason)
{
	if (conn->close_reason == NULL) {
		conn->close_reason = reason;
	}
	return STEP_CLOSE;
}

/* --- input --- */

/* Counts in the worker's pool what the connection holds of requests. */
static void charge_input(struct conn *conn)
{
	struct worker *worker = conn->worker;
	size_t held = conn->in.cap + (conn->batch != NULL ? intake_batch_bytes(conn->batch) : 0);
	worker->input_bytes += held - conn->in_charged;
	conn->in_charged = held;
	metric_set(&worker->metrics.input_bytes, worker->input_bytes);
}

static void release_input(struct conn *conn)
{
	buf_fini(&conn->in);
	charge_input(conn);
}

static bool reserve_input(struct conn *conn, size_t more)
{
	struct worker *worker = conn->worker;
	size_t share = (size_t)worker_conf(worker)->limits_input_pool_bytes /
		(size_t)worker->shared->worker_count;
	if (worker->input_bytes + more > share && conn->in.cap - conn->in.len < more) {
		return false;
	}
	bool done = buf_reserve(&conn->in, more);
	charge_input(conn);
	return done;
}

/* One read into the input buffer. */
static enum stream_result read_input(struct conn *conn)
{
	size_t n = 0;
	size_t room = conn->in.cap - conn->in.len;
	enum stream_result result =
		tls_stream_read(&conn->stream, conn->in.data + conn->in.len, room, &n);
	conn->in.len += n;
	metric_add(&conn->worker->metrics.received_bytes, n);
	return result;
}

bool conn_read(struct conn *conn, size_t room, enum stream_result *result_out)
{
	if (!reserve_input(conn, room)) {
		return false;
	}
	*result_out = read_input(conn);
	return true;
}

/* Bytes that a request and what is pipelined behind it may take. */
static size_t input_max(const struct conf *conf)
{
	return (size_t)conf->limits_report_bytes + (size_t)conf->limits_head_bytes +
		(size_t)conf->limits_target_bytes + INPUT_SLACK_BYTES;
}

static void start_request(struct conn *conn)
{
	size_t max = input_max(worker_conf(conn->worker));
	/* A reload changes the limit, but not what is held already. */
	conn->in.max = max > conn->in.cap ? max : conn->in.cap;
	http_request_init(&conn->request);
	conn->body_len = 0;
	conn->body_start = 0;
	conn->body_used = 0;
	conn->is_ndjson = false;
	conn->is_gzip = false;
	conn->quota_retry_ms = 0;
	conn->quota_taken = (struct quota_demand){0};
	conn->request_end = 0;
	conn->continued = false;
	conn->body_is_ended = false;
	conn->route = ROUTE_OTHER;
	conn->question = QUESTION_NONE;
	set_state(conn, CONN_HEAD);
	conn->request_at_ms = conn->since_ms;
}

/* --- handshake --- */

/* Why no further request is waited for; NULL when one is. */
static const char *reason_to_part(const struct conn *conn)
{
	if (conn->is_revoked) {
		return "the certificate was revoked";
	}
	if (conn->is_suspended) {
		return "the partner is suspended";
	}
	return conn->worker->is_draining ? "draining" : NULL;
}

/* Spares a read that would only say that nothing came: TLS knows whether it holds more. */
static enum step await_request(struct conn *conn)
{
	release_input(conn);
	set_state(conn, CONN_IDLE);
	if (tls_stream_has_pending(&conn->stream) || reason_to_part(conn) != NULL) {
		return STEP_MORE;
	}
	return wait_for(conn, STREAM_WANT_READ);
}

static void leave_gate(struct conn *conn)
{
	if (conn->is_at_gate) {
		struct sockaddr_storage address = {0};
		memcpy(&address, &conn->address, sizeof(conn->address));
		peer_gate_leave(&conn->worker->shared->gate, &address);
		conn->is_at_gate = false;
	}
}

static void log_handshake_failure(struct conn *conn, enum handshake_failure failure)
{
	struct worker *worker = conn->worker;
	struct sockaddr_storage address = {0};
	char text[ADDRESS_TEXT_SIZE];
	char id[CONN_ID_SIZE];
	uint64_t suppressed;

	metric_add(&worker->metrics.handshake_failures[failure], 1);
	if (!log_limit_pass(&worker->handshake_logs[failure], now(), &suppressed)) {
		return;
	}
	memcpy(&address, &conn->address, sizeof(conn->address));
	log_info("handshake-failed", "conn=%s peer=%s reason=%s text=\"%s\" suppressed=%llu",
		conn_id(conn, id), address_format(&address, text), handshake_failure_name(failure),
		handshake_failure_text(failure), (unsigned long long)suppressed);
}

static void count_partner(struct conn *conn)
{
	if (conn->is_counted || conn->partner == NULL) {
		return;
	}
	struct quota_limits limits = conn_quota_limits(conn);
	conn->counted_partner_id = conn->partner->id;
	conn->quota = quota_table_find(conn->worker->shared->quotas, conn->partner->id);
	conn->is_counted = quota_enter_connection(conn->quota, &limits);
	conn->is_over_cap = !conn->is_counted;
}

static void uncount_partner(struct conn *conn)
{
	conn_leave_report(conn);
	if (conn->is_counted) {
		quota_leave_connection(conn->quota);
		conn->is_counted = false;
	}
}

struct quota_limits conn_quota_limits(const struct conn *conn)
{
	return quota_limits_merge(worker_conf(conn->worker), &conn->partner->quota);
}

bool conn_enter_report(struct conn *conn)
{
	struct quota_limits limits = conn_quota_limits(conn);
	ENSURE(!conn->has_report_in_flight);
	conn->has_report_in_flight = quota_enter_report(conn->quota, &limits);
	return conn->has_report_in_flight;
}

void conn_leave_report(struct conn *conn)
{
	if (conn->has_report_in_flight) {
		conn->has_report_in_flight = false;
		quota_leave_report(conn->quota);
	}
}

void conn_identify(struct conn *conn)
{
	const struct registry *registry = conn->worker->registry;
	struct str claimed = {NULL, 0};

	conn->partner = NULL;
	conn->is_suspended = false;
	if (registry == NULL) {
		return;
	}
	if (conn->peer.claim == PEER_CLAIM_NAMED) {
		claimed = str_from(conn->peer.name);
	}
	conn->is_suspended = registry_find(registry, claimed, conn->peer.claim == PEER_CLAIM_BROKEN,
				     conn->peer.spki_sha256, &conn->partner) == REGISTRY_SUSPENDED;
	count_partner(conn);
}

static bool will_be_refused(const struct conn *conn)
{
	return conn->worker->registry != NULL &&
		(conn->partner == NULL || conn->is_suspended || conn->is_over_cap);
}

/* By the present lists: they may have come while it shook hands by those before. */
static bool is_still_good(struct conn *conn)
{
	return tls_stream_is_let_in(&conn->stream, conn->worker->generation->tls);
}

void conn_verify_again(struct conn *conn)
{
	if (is_still_good(conn)) {
		return;
	}
	conn->is_revoked = true;
	if (conn->state == CONN_IDLE || conn->state == CONN_HEAD) {
		conn_close(conn, reason_to_part(conn));
	} else if (conn->state == CONN_BATCH) {
		conn_drive(conn);
	}
}

static enum step step_handshake(struct conn *conn)
{
	enum stream_result result = tls_stream_handshake(&conn->stream);
	if (result == STREAM_WANT_READ || result == STREAM_WANT_WRITE) {
		return wait_for(conn, result);
	}
	if (result != STREAM_DONE) {
		log_handshake_failure(conn, conn->stream.failure);
		return conn_close_because(conn, "handshake failed");
	}
	if (!tls_stream_peer(&conn->stream, &conn->peer) || !is_still_good(conn)) {
		log_handshake_failure(conn, HANDSHAKE_FAILURE_OTHER);
		return conn_close_because(conn, "no identity in the certificate");
	}
	leave_gate(conn);
	metric_add(&conn->worker->metrics.handshakes, 1);
	conn_identify(conn);
	if (will_be_refused(conn)) {
		/* May ask, and hear why not, but is not given the time of an idle one. */
		start_request(conn);
		return STEP_MORE;
	}
	return await_request(conn);
}

/* --- requests --- */

static enum step on_read_end(struct conn *conn, enum stream_result result)
{
	if (result == STREAM_EOF) {
		return conn_close_because(conn, "closed by the peer");
	}
	return conn_close_because(conn, result == STREAM_CUT ? "cut by the peer" : "TLS failed");
}

/* What is left of the request stays unread, so nothing can follow it. */
static enum step refuse_for_memory(struct conn *conn)
{
	conn->request.keeps_alive = false;
	reply_refuse(conn, REJECT_UNAVAILABLE, "not enough memory for requests at the moment");
	return STEP_MORE;
}

static enum step after_read(struct conn *conn, enum stream_result result)
{
	if (result == STREAM_DONE) {
		return STEP_MORE;
	}
	if (result == STREAM_WANT_READ || result == STREAM_WANT_WRITE) {
		return wait_for(conn, result);
	}
	return on_read_end(conn, result);
}

/* Reads more; STEP_MORE when something came. */
static enum step fill_input(struct conn *conn, size_t room)
{
	enum stream_result result;
	if (!conn_read(conn, room, &result)) {
		return refuse_for_memory(conn);
	}
	return after_read(conn, result);
}

/* Nobody who asks nothing is refused for want of memory: then it is only looked whether it does. */
static enum step read_first(struct conn *conn)
{
	enum stream_result result;
	char first[64];
	size_t n;
	if (conn_read(conn, INPUT_FIRST_BYTES, &result)) {
		return after_read(conn, result);
	}
	result = tls_stream_read(&conn->stream, first, sizeof(first), &n);
	if (result != STREAM_DONE) {
		return after_read(conn, result);
	}
	explicit_bzero(first, sizeof(first));
	start_request(conn);
	return refuse_for_memory(conn);
}

static enum step step_idle(struct conn *conn)
{
	const char *reason = reason_to_part(conn);
	if (conn->is_revoked) {
		return conn_close_because(conn, reason);
	}
	enum step step = read_first(conn);
	if (step == STEP_WAIT) {
		release_input(conn);
		return reason != NULL ? conn_close_because(conn, reason) : STEP_WAIT;
	}
	if (step == STEP_MORE && conn->state == CONN_IDLE) {
		start_request(conn);
	}
	return step;
}

static void start_batch(struct conn *conn)
{
	conn->batch = intake_batch_new(conn);
	if (conn->batch == NULL) {
		conn->request.keeps_alive = false;
		reply_refuse(conn, REJECT_UNAVAILABLE, NULL);
		return;
	}
	/* Lines are dropped from the front as they are taken; so is the head. */
	buf_consume(&conn->in, conn->body_start);
	conn->body_start = 0;
	conn->request_end = 0;
	conn->willing_ms = 0;
	conn->willing_since_ms = 0;
	conn->held_up_since_ms = 0;
	set_state(conn, CONN_BATCH);
}

static void finish_head(struct conn *conn)
{
	conn->body_start = conn->request.head_len;
	conn->request_end = conn->body_start;
	if (!intake_accepts_head(conn)) {
		return;
	}
	http_chunked_init(&conn->chunked);
	if (conn->is_ndjson) {
		start_batch(conn);
		return;
	}
	set_state(conn, CONN_BODY);
	conn->since_ms = conn->request_at_ms;
}

static enum step step_head(struct conn *conn)
{
	enum http_parse parsed = http_request_parse(&conn->request,
		&conn->worker->generation->http_limits, conn->in.data, conn->in.len);
	if (parsed == HTTP_MORE) {
		/* What is not filled yet is read first; the buffer doubles when it is full. */
		size_t room = conn->in.cap > conn->in.len ? conn->in.cap - conn->in.len
							  : INPUT_FIRST_BYTES;
		return fill_input(conn, room);
	}
	if (parsed == HTTP_BAD) {
		reply_refuse_framing(conn, conn->request.fault, conn->request.detail);
		return STEP_MORE;
	}
	finish_head(conn);
	return STEP_MORE;
}

/* In place: the gaps that the chunks' framing left are closed. */
static bool decode_chunks(struct conn *conn)
{
	size_t raw_start = conn->body_start + conn->body_len;
	size_t decoded;
	size_t used;
	enum http_parse parsed = http_chunked_decode(&conn->chunked, conn->in.data + raw_start,
		conn->in.len - raw_start, conn->in.data + raw_start, &decoded, &used);
	conn->body_len += decoded;
	/* What follows is raw, or the next request. */
	size_t rest = conn->in.len - raw_start - used;
	memmove(conn->in.data + raw_start + decoded, conn->in.data + raw_start + used, rest);
	conn->in.len = raw_start + decoded + rest;
	conn->body_is_ended = parsed == HTTP_DONE;
	return parsed != HTTP_BAD;
}

static void measure_body(struct conn *conn)
{
	size_t arrived = conn->in.len - conn->body_start;
	uint64_t wanted = conn->request.content_length - conn->body_used;
	conn->body_len = arrived < wanted ? arrived : (size_t)wanted;
	conn->body_is_ended = conn->body_len == wanted;
}

bool conn_decode_body(struct conn *conn)
{
	if (conn->request.is_chunked) {
		return conn->body_is_ended || decode_chunks(conn);
	}
	measure_body(conn);
	return true;
}

void conn_consume_body(struct conn *conn, size_t len)
{
	ENSURE(conn->body_start == 0 && len <= conn->body_len);
	buf_consume(&conn->in, len);
	conn->body_len -= len;
	conn->body_used += len;
}

/* Bytes of the body that have come or were announced; false when that is too much. */
static bool is_within_limit(const struct conn *conn)
{
	return !conn->request.is_chunked ||
		conn->chunked.content + conn->chunked.chunk_left <= intake_body_limit(conn);
}

bool conn_send_continue(struct conn *conn)
{
	bool has_begun = conn->body_len > 0 || conn->body_used > 0;
	if (!conn->request.expects_continue || conn->continued || has_begun) {
		return true;
	}
	conn->continued = true;
	size_t n;
	struct buf line;
	buf_init(&line, 256);
	bool done = http_response_continue(&line) &&
		tls_stream_write(&conn->stream, line.data, line.len, &n) == STREAM_DONE &&
		n == line.len;
	buf_fini(&line);
	return done;
}

static enum step step_body(struct conn *conn)
{
	if (!conn_decode_body(conn)) {
		reply_refuse_framing(conn, HTTP_FAULT_FRAMING, conn->chunked.detail);
		return STEP_MORE;
	}
	if (!is_within_limit(conn)) {
		reply_refuse(conn, REJECT_BODY_TOO_LARGE, NULL);
		return STEP_MORE;
	}
	if (conn->body_is_ended) {
		conn->request_end = conn->body_start + conn->body_len;
		intake_request(conn);
		return STEP_MORE;
	}
	if (!conn_send_continue(conn)) {
		return conn_close_because(conn, "cannot send 100 Continue");
	}
	size_t room = conn->in.cap - conn->in.len;
	if (room == 0) {
		room = INPUT_FIRST_BYTES;
		if (!conn->request.is_chunked) {
			/* As much as came already: doubling, but never past the declared end. */
			size_t left = (size_t)conn->request.content_length - conn->body_len;
			room = left < conn->in.cap ? left : conn->in.cap;
		}
	}
	return fill_input(conn, room);
}

/* --- answers --- */

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
	set_state(conn, conn->reject == REJECT_QUOTA ? CONN_HELD : CONN_ANSWER);
}

void conn_end_hold(struct conn *conn)
{
	reply_review_close(conn);
	set_state(conn, CONN_ANSWER);
}

void conn_wait(struct conn *conn, enum conn_question question)
{
	conn->question = question;
	set_state(conn, CONN_WAIT);
}

static enum step step_wait(struct conn *conn)
{
	(void)conn;
	return STEP_WAIT;
}

/* Until its time is over: whoever asks too much is not kept busy with refusals. */
static enum step step_held(struct conn *conn)
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
		start_request(conn);
		return STEP_MORE;
	}
	buf_fini(&conn->out);
	return await_request(conn);
}

static enum step start_linger(struct conn *conn)
{
	tls_stream_shutdown(&conn->stream);
	if (conn->body_is_ended && conn->request_end == conn->in.len &&
		!tls_stream_has_pending(&conn->stream)) {
		return conn_close_because(conn, "answered");
	}
	/* Closing with input unread would reset the connection and could destroy the answer. */
	release_input(conn);
	set_state(conn, CONN_LINGER);
	return STEP_MORE;
}

static enum step step_answer(struct conn *conn)
{
	while (conn->out_sent < conn->out.len) {
		size_t n = 0;
		enum stream_result result = tls_stream_write(&conn->stream,
			conn->out.data + conn->out_sent, conn->out.len - conn->out_sent, &n);
		conn->out_sent += n;
		metric_add(&conn->worker->metrics.sent_bytes, n);
		if (n > 0) {
			conn->since_ms = now();
		}
		if (result == STREAM_WANT_READ || result == STREAM_WANT_WRITE) {
			return wait_for(conn, result);
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
	charge_input(conn);
	conn->requests++;
	conn->request_end = conn->body_len;
	return conn->closes ? start_linger(conn) : next_request(conn);
}

static enum step step_linger(struct conn *conn)
{
	for (int turn = 0; turn < TURN_STEPS; turn++) {
		enum stream_result result = tls_stream_drop(&conn->stream);
		if (result == STREAM_WANT_READ) {
			break;
		}
		if (result != STREAM_DONE) {
			return conn_close_because(conn, "answered");
		}
	}
	return wait_for(conn, STREAM_WANT_READ);
}

/* --- the loop --- */

/* Others first. The socket may not become readable again for what was taken from it already. */
void conn_wake(struct conn *conn)
{
	list_remove(&conn->turn_link);
	list_append(&conn->worker->next_turn, &conn->turn_link);
	worker_arm_turn(conn->worker);
}

/*
 * Whoever has most of what waits for the database comes after the others, and so does a connection
 * whose last answer was 429.
 */
static void set_priority(struct conn *conn)
{
	const struct partner *partner = conn->partner;
	bool has_most = partner != NULL && store_is_dominated_by(conn->worker->store, partner->id);
	bool is_last = has_most || conn->reject == REJECT_QUOTA;
	int priority = is_last ? WORKER_LAST : WORKER_USUAL;
	if (priority != conn->priority && conn->io_mask != 0 &&
		event_priority_set(&conn->io, priority) == 0) {
		conn->priority = priority;
	}
}

void conn_drive(struct conn *conn)
{
	static enum step (*const steps[])(struct conn *) = {
		[CONN_HANDSHAKE] = step_handshake,
		[CONN_IDLE] = step_idle,
		[CONN_HEAD] = step_head,
		[CONN_BODY] = step_body,
		[CONN_BATCH] = conn_step_batch,
		[CONN_WAIT] = step_wait,
		[CONN_HELD] = step_held,
		[CONN_ANSWER] = step_answer,
		[CONN_LINGER] = step_linger,
	};
	for (int turn = 0; conn->state != CONN_CLOSED; turn++) {
		enum step step = steps[conn->state](conn);
		if (step == STEP_CLOSE) {
			conn_close(conn, conn->close_reason);
			return;
		}
		if (step == STEP_WAIT) {
			set_priority(conn);
			return;
		}
		if (turn >= TURN_STEPS && conn->state != CONN_WAIT && conn->state != CONN_ANSWER) {
			conn_wake(conn);
			return;
		}
	}
}

void conn_go_on(struct conn *conn)
{
	if (conn->state == CONN_WAIT) {
		/* It pipelines, or is gone: looked at when it was answered. */
		conn_watch(conn, 0);
	} else if (conn->state != CONN_CLOSED) {
		conn_drive(conn);
	}
}

static void on_io(evutil_socket_t fd, short what, void *ctx)
{
	struct conn *conn = ctx;
	(void)fd;
	(void)what;
	ENSURE(conn->magic == CONN_MAGIC);
	conn_go_on(conn);
}

void conn_deadline_passed(struct conn *conn)
{
	switch (conn->state) {
	case CONN_HANDSHAKE:
		log_handshake_failure(conn, HANDSHAKE_FAILURE_TIMEOUT);
		conn_close(conn, "the handshake took too long");
		break;
	case CONN_HEAD:
	case CONN_BODY:
		reply_refuse(conn, REJECT_TIMEOUT, NULL);
		conn_drive(conn);
		break;
	case CONN_HELD:
		conn_end_hold(conn);
		conn_wake(conn);
		break;
	case CONN_ANSWER:
		metric_add(&conn->worker->metrics.answers_dropped, 1);
		conn_close(conn, ANSWER_NOT_TAKEN);
		break;
	default:
		conn_close(conn, conn->state == CONN_IDLE ? "idle" : "answered");
		break;
	}
}

/* --- life --- */

static void init_conn(struct conn *conn, struct worker *worker, const struct sockaddr_storage *peer)
{
	uint32_t slot = conn->slot;
	uint32_t use = conn->use;
	*conn = (struct conn){
		.magic = CONN_MAGIC,
		.slot = slot,
		.use = use,
		.worker = worker,
		.number = ++worker->connections_ever,
		.opened_at_ms = now(),
		.state = CONN_CLOSED,
		.priority = WORKER_USUAL,
	};
	list_init(&conn->link);
	list_init(&conn->turn_link);
	list_init(&conn->room_link);
	memcpy(&conn->address, peer, sizeof(conn->address));
	buf_init(&conn->in, input_max(worker_conf(worker)));
	buf_init(&conn->out, (size_t)64 << 20);
}

static void refuse_connection(struct worker *worker, int fd)
{
	metric_add(&worker->metrics.connections_refused, 1);
	close(fd);
}

void conn_open(struct worker *worker, int fd, const struct sockaddr_storage *peer)
{
	const struct conf *conf = worker_conf(worker);
	metric_add(&worker->metrics.connections_accepted, 1);
	if (!peer_gate_enter(&worker->shared->gate, peer,
		    (unsigned)conf->listen_max_unidentified_per_address)) {
		refuse_connection(worker, fd);
		return;
	}
	struct conn *conn = conn_table_take(&worker->table);
	if (conn == NULL) {
		peer_gate_leave(&worker->shared->gate, peer);
		refuse_connection(worker, fd);
		return;
	}
	init_conn(conn, worker, peer);
	conn->is_at_gate = true;
	worker->connection_count++;
	atomic_fetch_add_explicit(&worker->shared->connections, 1, memory_order_relaxed);
	set_state(conn, CONN_HANDSHAKE);
	if (!tls_stream_init(&conn->stream, fd, worker->generation->tls)) {
		conn_close(conn, "no memory");
		return;
	}
	/* The client speaks first. */
	conn_watch(conn, EV_READ);
}

void conn_close(struct conn *conn, const char *reason)
{
	char id[CONN_ID_SIZE];
	if (conn->state == CONN_CLOSED) {
		return;
	}
	if (conn->io_mask != 0) {
		event_del(&conn->io);
		conn->io_mask = 0;
	}
	list_remove(&conn->turn_link);
	list_remove(&conn->room_link);
	/* With a close_notify it would look whole to who waits for the end of the connection. */
	if (conn->batch == NULL || !intake_batch_has_begun(conn->batch)) {
		tls_stream_shutdown(&conn->stream);
	}
	intake_batch_free(&conn->batch);
	leave_gate(conn);
	uncount_partner(conn);
	tls_stream_close(&conn->stream);
	log_debug("connection-closed",
		"conn=%s partner=%.*s reason=\"%s\" requests=%llu age_ms=%lld", conn_id(conn, id),
		conn->partner != NULL ? (int)conn->partner->name.len : 1,
		conn->partner != NULL ? conn->partner->name.data : "-", reason,
		(unsigned long long)conn->requests, (long long)(now() - conn->opened_at_ms));
	set_state(conn, CONN_CLOSED);
	conn->worker->connection_count--;
	atomic_fetch_sub_explicit(&conn->worker->shared->connections, 1, memory_order_relaxed);
	event_active(conn->worker->reap, EV_TIMEOUT, 0);
}

void conn_reap(struct conn *conn)
{
	release_input(conn);
	buf_fini(&conn->out);
	conn_table_give_back(&conn->worker->table, conn);
}

void conn_close_all(struct worker *worker)
{
	for (uint32_t slot = 0; slot < worker->table.slot_count; slot++) {
		struct conn *conn = conn_table_at(&worker->table, slot);
		if (conn != NULL) {
			conn_close(conn, "stopping");
			buf_fini(&conn->in);
			buf_fini(&conn->out);
		}
	}
}

uint64_t conn_ticket(const struct conn *conn, uint32_t name)
{
	ENSURE(conn->slot < 1U << TICKET_SLOT_BITS && name < 1U << TICKET_NAME_BITS);
	return (uint64_t)conn->use << 32 | (uint64_t)conn->slot << TICKET_NAME_BITS | name;
}

struct conn *conn_from_ticket(struct worker *worker, uint64_t ticket, uint32_t *name_out)
{
	uint32_t slot = (uint32_t)ticket >> TICKET_NAME_BITS;
	ENSURE(slot < worker->table.slot_count);
	struct conn *conn = conn_table_at(&worker->table, slot);
	bool waits = conn != NULL && (conn->state == CONN_WAIT || conn->state == CONN_BATCH);
	*name_out = (uint32_t)ticket & ((1U << TICKET_NAME_BITS) - 1);
	return waits && conn->use == ticket >> 32 ? conn : NULL;
}

const char *conn_id(const struct conn *conn, char out[CONN_ID_SIZE])
{
	snprintf(out, CONN_ID_SIZE, "%d.%llu", conn->worker->number,
		(unsigned long long)conn->number);
	return out;
}

struct str conn_body(const struct conn *conn)
{
	return (struct str){conn->in.data + conn->body_start, conn->body_len};
}
