// SPDX-License-Identifier: Apache-2.0
/*
 * Deadlines and memory. One timer looks at the lists of connections five times a second while there
 * are any: a timer each would cost more than all that it finds.
 */
#include "base/clock.h"
#include "worker_parts_int.h"

#include <malloc.h>

#define SWEEP_MS 200
#define TRIM_MS 60000
/* Connections that are worth tidying up after. */
#define CROWD_MIN 16

void worker_arm_sweep(struct worker *worker)
{
	if (!evtimer_pending(worker->sweep, NULL)) {
		struct timeval interval = {0, SWEEP_MS * 1000L};
		evtimer_add(worker->sweep, &interval);
	}
}

/* Lists that are entered at their back are looked at only as far as the timeout has passed. */
static void sweep_ordered(struct worker *worker, enum conn_state state, int64_t now_ms)
{
	struct list *head = &worker->states[state];
	int64_t timeout_ms = conn_timeout_ms(worker_conf(worker), state);
	while (!list_is_empty(head)) {
		struct conn *conn = LIST_OWNER(head->next, struct conn, link);
		if (now_ms - conn->since_ms < timeout_ms) {
			return;
		}
		conn_deadline_passed(conn);
	}
}

static bool is_too_slow(const struct conn *conn, int64_t now_ms)
{
	const struct conf *conf = worker_conf(conn->worker);
	int64_t age_ms = now_ms - conn->request_at_ms;
	if (age_ms <= conf->limits_min_rate_grace_ms) {
		return false;
	}
	int64_t arrived = (int64_t)conn->in.len;
	return arrived * 1000 <
		conf->limits_min_rate_bytes_per_s * (age_ms - conf->limits_min_rate_grace_ms);
}

static void sweep_all(struct worker *worker, enum conn_state state, int64_t now_ms)
{
	struct list *head = &worker->states[state];
	struct list *link = head->next;
	int64_t timeout_ms = conn_timeout_ms(worker_conf(worker), state);
	while (link != head) {
		struct conn *conn = LIST_OWNER(link, struct conn, link);
		link = link->next;
		if (now_ms - conn->since_ms >= timeout_ms ||
			(state == CONN_BODY && is_too_slow(conn, now_ms))) {
			conn_deadline_passed(conn);
		}
	}
}

static void sweep_batches(struct worker *worker, int64_t now_ms)
{
	struct list *head = &worker->states[CONN_BATCH];
	struct list *link = head->next;
	while (link != head) {
		struct conn *conn = LIST_OWNER(link, struct conn, link);
		link = link->next;
		conn_batch_check(conn, now_ms);
	}
}

void worker_end_if_drained(struct worker *worker, int64_t now_ms)
{
	if (!worker->is_draining) {
		return;
	}
	if (worker->connection_count == 0 || now_ms >= worker->drain_deadline_ms) {
		event_base_loopbreak(worker->base);
	}
}

/*
 * Who was let in by a list that has run out since, or by an authority that has expired, is judged
 * again: a connection must not outlive them. By the clock that OpenSSL reads: by a finer one it
 * would be asked a moment too early, and not again.
 */
static void review_after_expiry(struct worker *worker)
{
	const struct tls_expiry *expiry = &worker->generation->tls_expiry;
	int64_t now_s = clock_wall_s();
	for (size_t i = 0; i < expiry->time_count; i++) {
		if (expiry->times_s[i] > worker->reviewed_at_s && expiry->times_s[i] <= now_s) {
			worker_review(worker);
			return;
		}
	}
}

/* All are gone, or, as that may never be, half of a crowd is. */
static bool is_crowd_gone(const struct worker *worker)
{
	uint32_t count = worker->connection_count;
	bool is_reaped = list_is_empty(&worker->states[CONN_CLOSED]);
	return is_reaped &&
		(count == 0 || (worker->crowd >= CROWD_MIN && count <= worker->crowd / 2));
}

/*
 * Gives back what others have left behind: when a crowd is gone, and, as a database that stalls
 * leaves as much behind under connections that stay, now and then.
 */
static void trim(struct worker *worker, int64_t now_ms)
{
	bool is_gone = is_crowd_gone(worker);
	if (is_gone) {
		worker->crowd = 0;
		conn_table_trim(&worker->table);
	}
	if (worker->connection_count > worker->crowd) {
		worker->crowd = worker->connection_count;
	}
	if (is_gone || now_ms - worker->trimmed_at_ms >= TRIM_MS) {
		worker->trimmed_at_ms = now_ms;
		malloc_trim(0);
	}
}

void worker_on_sweep(evutil_socket_t fd, short what, void *ctx)
{
	struct worker *worker = ctx;
	int64_t now_ms = clock_monotonic_ms();
	(void)fd;
	(void)what;
	trim(worker, now_ms);
	review_after_expiry(worker);
	sweep_ordered(worker, CONN_HANDSHAKE, now_ms);
	sweep_ordered(worker, CONN_IDLE, now_ms);
	sweep_ordered(worker, CONN_HEAD, now_ms);
	sweep_all(worker, CONN_BODY, now_ms);
	sweep_batches(worker, now_ms);
	sweep_ordered(worker, CONN_HELD, now_ms);
	sweep_all(worker, CONN_ANSWER, now_ms);
	sweep_ordered(worker, CONN_LINGER, now_ms);
	if (worker->listener != NULL) {
		metric_set(&worker->metrics.accept_failures, listener_failures(worker->listener));
	}
	worker_end_if_drained(worker, now_ms);
	/* What waits in the store for nobody any more is to be trimmed after, too. */
	if (worker->crowd > 0 || worker->connection_count > 0 || worker->is_draining ||
		store_pending(worker->store) > 0) {
		worker_arm_sweep(worker);
	}
}
