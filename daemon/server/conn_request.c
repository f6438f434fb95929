// SPDX-License-Identifier: Apache-2.0
/*
 * A request as it arrives: the input buffer, the head, the body with its framing taken away. What
 * it means is for intake_int.h.
 *
 * While no request has begun a connection holds no buffer. What all of a worker's connections hold
 * is bounded by its share of the pool.
 */
#include "conn_parts_int.h"

#include "base/clock.h"
#include "http/http_response.h"
#include "intake_batch_int.h"
#include "intake_int.h"
#include "reply_int.h"
#include "worker_int.h"

#include <string.h>

/* First size of the input buffer: an ordinary report with its head. */
#define INPUT_FIRST_BYTES 4096
#define INPUT_SLACK_BYTES 65536

void conn_charge_input(struct conn *conn)
{
	struct worker *worker = conn->worker;
	size_t held = conn->in.cap + (conn->batch != NULL ? intake_batch_bytes(conn->batch) : 0);
	worker->input_bytes += held - conn->in_charged;
	conn->in_charged = held;
	metric_set(&worker->metrics.input_bytes, worker->input_bytes);
}

void conn_release_input(struct conn *conn)
{
	buf_fini(&conn->in);
	conn_charge_input(conn);
}

size_t conn_input_share(const struct worker *worker)
{
	return (size_t)worker_conf(worker)->limits_input_pool_bytes /
		(size_t)worker->shared->worker_count;
}

static bool reserve_input(struct conn *conn, size_t more)
{
	bool gathers = conn->batch != NULL && intake_batch_gathers(conn->batch);
	if ((gathers || conn->in.cap - conn->in.len < more) &&
		conn->worker->input_bytes + more > conn_input_share(conn->worker)) {
		return false;
	}
	bool done = buf_reserve(&conn->in, more);
	conn_charge_input(conn);
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

size_t conn_input_max(const struct conf *conf)
{
	size_t report_bytes = (size_t)conf->limits_report_bytes;
	return report_bytes + INTAKE_GZIP_OVERHEAD(report_bytes) + (size_t)conf->limits_head_bytes +
		(size_t)conf->limits_target_bytes + INPUT_SLACK_BYTES;
}

void conn_start_request(struct conn *conn)
{
	size_t max = conn_input_max(worker_conf(conn->worker));
	/* A reload changes the limit, but not what is held already. */
	conn->in.max = max > conn->in.cap ? max : conn->in.cap;
	http_request_init(&conn->request);
	conn->body_len = 0;
	conn->body_start = 0;
	conn->body_used = 0;
	conn->is_ndjson = false;
	conn->is_gzip = false;
	conn->has_sha256 = false;
	conn->quota_retry_ms = 0;
	conn->quota_taken = (struct quota_demand){0};
	conn->request_end = 0;
	conn->continued = false;
	conn->body_is_ended = false;
	conn->route = ROUTE_OTHER;
	conn->question = QUESTION_NONE;
	conn_set_state(conn, CONN_HEAD);
	conn->request_at_ms = conn->since_ms;
}

const char *conn_reason_to_part(const struct conn *conn)
{
	if (conn->is_revoked) {
		return "the certificate is not good any more";
	}
	if (conn->is_suspended) {
		return "the partner is suspended";
	}
	return conn->worker->is_draining ? "draining" : NULL;
}

/* Spares a read that would only say that nothing came: TLS knows whether it holds more. */
enum step conn_await_request(struct conn *conn)
{
	conn_release_input(conn);
	conn_set_state(conn, CONN_IDLE);
	if (tls_stream_has_pending(&conn->stream) || conn_reason_to_part(conn) != NULL) {
		return STEP_MORE;
	}
	return conn_wait_for(conn, STREAM_WANT_READ);
}

static enum step on_read_end(struct conn *conn, enum stream_result result)
{
	if (result == STREAM_EOF) {
		return conn_close_because(conn, "closed by the peer");
	}
	return conn_close_because(conn, result == STREAM_CUT ? "cut by the peer" : "TLS failed");
}

void conn_refuse_for_memory(struct conn *conn, size_t room)
{
	conn->request.keeps_alive = false;
	if (conn->in_charged + room > conn_input_share(conn->worker)) {
		reply_refuse(conn, REJECT_BODY_TOO_LARGE,
			"it takes more memory than there is for all requests (input_pool_bytes);"
			" a smaller one is expected");
	} else {
		reply_refuse(
			conn, REJECT_UNAVAILABLE, "not enough memory for requests at the moment");
	}
}

static enum step after_read(struct conn *conn, enum stream_result result)
{
	if (result == STREAM_DONE) {
		return STEP_MORE;
	}
	if (result == STREAM_WANT_READ || result == STREAM_WANT_WRITE) {
		return conn_wait_for(conn, result);
	}
	return on_read_end(conn, result);
}

/* Reads more; STEP_MORE when something came. */
static enum step fill_input(struct conn *conn, size_t room)
{
	enum stream_result result;
	if (!conn_read(conn, room, &result)) {
		conn_refuse_for_memory(conn, room);
		return STEP_MORE;
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
	conn_start_request(conn);
	conn_refuse_for_memory(conn, INPUT_FIRST_BYTES);
	return STEP_MORE;
}

/* Since the handshake; 0 of one that is not known. */
static bool has_expired(const struct conn *conn)
{
	return conn->peer.expires_at_s != 0 && conn->peer.expires_at_s <= clock_wall_us() / 1000000;
}

enum step conn_step_idle(struct conn *conn)
{
	conn->is_revoked = conn->is_revoked || has_expired(conn);
	const char *reason = conn_reason_to_part(conn);
	if (conn->is_revoked) {
		return conn_close_because(conn, reason);
	}
	enum step step = read_first(conn);
	if (step == STEP_WAIT) {
		conn_release_input(conn);
		return reason != NULL ? conn_close_because(conn, reason) : STEP_WAIT;
	}
	if (step == STEP_MORE && conn->state == CONN_IDLE) {
		conn_start_request(conn);
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
	conn_set_state(conn, CONN_BATCH);
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
	conn_set_state(conn, CONN_BODY);
	conn->since_ms = conn->request_at_ms;
}

enum step conn_step_head(struct conn *conn)
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
		conn->chunked.content + conn->chunked.chunk_left <= intake_coded_limit(conn);
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

enum step conn_step_body(struct conn *conn)
{
	if (!conn_decode_body(conn)) {
		reply_refuse_framing(conn, HTTP_FAULT_FRAMING, conn->chunked.detail);
		return STEP_MORE;
	}
	if (!is_within_limit(conn)) {
		intake_refuse_too_large(conn);
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

struct str conn_body(const struct conn *conn)
{
	return (struct str){conn->in.data + conn->body_start, conn->body_len};
}
