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
#include "conn_parts_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "intake_batch_int.h"
#include "net/peer_gate.h"
#include "reply_int.h"
#include "worker_int.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CONN_MAGIC 0x636f6e6eU /* "conn" */
/* Steps a connection may do before others get their turn. */
#define TURN_STEPS 8
#define LINGER_MS 1000

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

void conn_set_state(struct conn *conn, enum conn_state state)
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

enum step conn_wait_for(struct conn *conn, enum stream_result result)
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

void conn_wait(struct conn *conn, enum conn_question question)
{
	conn->question = question;
	conn_set_state(conn, CONN_WAIT);
}

static enum step step_wait(struct conn *conn)
{
	(void)conn;
	return STEP_WAIT;
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
		[CONN_HANDSHAKE] = conn_step_handshake,
		[CONN_IDLE] = conn_step_idle,
		[CONN_HEAD] = conn_step_head,
		[CONN_BODY] = conn_step_body,
		[CONN_BATCH] = conn_step_batch,
		[CONN_WAIT] = step_wait,
		[CONN_HELD] = conn_step_held,
		[CONN_ANSWER] = conn_step_answer,
		[CONN_LINGER] = conn_step_linger,
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
		conn_log_handshake_failure(conn, HANDSHAKE_FAILURE_TIMEOUT);
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
	buf_init(&conn->in, conn_input_max(worker_conf(worker)));
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
	conn_set_state(conn, CONN_HANDSHAKE);
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
	/* Or who hangs up again and again would fill the store's queue. */
	conn->owed = conn->batch != NULL ? intake_batch_take_in_flight(conn->batch) : 0;
	intake_batch_free(&conn->batch);
	conn_leave_gate(conn);
	conn_uncount_partner(conn);
	tls_stream_close(&conn->stream);
	log_debug("connection-closed",
		"conn=%s partner=%.*s reason=\"%s\" requests=%llu age_ms=%lld", conn_id(conn, id),
		conn->partner != NULL ? (int)conn->partner->name.len : 1,
		conn->partner != NULL ? conn->partner->name.data : "-", reason,
		(unsigned long long)conn->requests, (long long)(now() - conn->opened_at_ms));
	conn_set_state(conn, CONN_CLOSED);
	conn->worker->connection_count--;
	atomic_fetch_sub_explicit(&conn->worker->shared->connections, 1, memory_order_relaxed);
	event_active(conn->worker->reap, EV_TIMEOUT, 0);
}

/* Whoever has the slot that the ticket names; NULL when its memory was given back. */
static struct conn *conn_of_slot(const struct worker *worker, uint64_t ticket)
{
	uint32_t slot = (uint32_t)ticket >> TICKET_NAME_BITS;
	ENSURE(slot < worker->table.slot_count);
	return conn_table_at(&worker->table, slot);
}

void conn_reap(struct conn *conn)
{
	conn_release_input(conn);
	buf_fini(&conn->out);
	list_remove(&conn->link);
	if (conn->owed == 0) {
		conn_table_give_back(&conn->worker->table, conn);
	}
}

void conn_settle_owed(struct worker *worker, uint64_t ticket)
{
	struct conn *conn = conn_of_slot(worker, ticket);
	if (conn == NULL || conn->use != ticket >> 32 || conn->owed == 0) {
		return;
	}
	quota_leave_report(conn->quota);
	bool is_reaped = list_is_empty(&conn->link);
	if (--conn->owed == 0 && is_reaped) {
		conn_table_give_back(&worker->table, conn);
	}
}

/* Nobody answers any more. */
static void forget_owed(struct conn *conn)
{
	for (; conn->owed > 0; conn->owed--) {
		quota_leave_report(conn->quota);
	}
}

void conn_close_all(struct worker *worker)
{
	for (uint32_t slot = 0; slot < worker->table.slot_count; slot++) {
		struct conn *conn = conn_table_at(&worker->table, slot);
		if (conn != NULL) {
			conn_close(conn, "stopping");
			forget_owed(conn);
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
	struct conn *conn = conn_of_slot(worker, ticket);
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
