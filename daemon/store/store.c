// SPDX-License-Identifier: Apache-2.0
/*
 * The queue before one PostgreSQL link. What arrives fills batches in the lane of its partner, from
 * which the next one is taken (lanes_int.h). At most one batch is in flight (see batch.c for why
 * that makes a group commit), beside it at most one call of look-ups, one retraction and one call
 * of refusals.
 *
 * Nothing waits for ever: what has waited for store_wait is answered STORE_UNAVAILABLE by a tick
 * that runs only while something waits.
 */
#include "store_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "pg_error_int.h"
#include "row_int.h"
#include "statements_int.h"

#include <sched.h>
#include <stdlib.h>

#define TICK_MS 100
/* Looks at the sockets before a batch goes, at most. */
#define MAX_LOOKS 150
/* When others want the core each look may cost their whole turn on it. */
#define LOOKS_MAX_US 5000
#define MAX_REFUSALS 64
/* Where nothing waits that would be the test, it may be well again after so long. */
#define SUSPICION_MS 3000

void store_kick(struct store *store)
{
	static const struct timeval at_once = {0, 0};
	evtimer_add(store->kick, &at_once);
}

void store_arm_tick(struct store *store)
{
	if (!evtimer_pending(store->tick, NULL)) {
		struct timeval delay = {0, TICK_MS * 1000L};
		evtimer_add(store->tick, &delay);
	}
}

void store_count_pending(struct store *store, const struct batch_entry *entry, int change)
{
	size_t bytes = (size_t)entry->report_len + entry->indicator_len;
	lanes_count(&store->lanes, entry->partner_id, change);
	store->pending_reports += (size_t)change;
	store->pending_bytes += (size_t)change * bytes;
	metric_set(&store->metrics->queued, store->pending_reports);
	metric_set(&store->metrics->queued_bytes, store->pending_bytes);
}

void store_give_up_link(struct store *store, const PGresult *result)
{
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	pg_link_give_up(store->link, message != NULL ? message : "no reason given");
}

void store_suspect(struct store *store)
{
	store->is_suspect = true;
	store->suspected_at_ms = clock_monotonic_ms();
	store_arm_tick(store);
}

void store_announce(struct store *store)
{
	store->is_suspect = false;
	store->hooks.on_state(store->hooks.ctx, true, "");
}

/*
 * Under suspicion a batch that waits is the test; without one nothing would ever pass it. Not at
 * once, though: who sends a report now and then would be told of a change with each.
 */
static bool may_be_announced(const struct store *store)
{
	return !store->is_suspect ||
		(store->flying == NULL && lanes_is_empty(&store->lanes) &&
			clock_monotonic_ms() - store->suspected_at_ms >= SUSPICION_MS);
}

/* --- look-ups, retractions and refusals --- */

static void on_answer(void *ctx, uint64_t ticket, const struct store_result *result)
{
	struct store *store = ctx;
	store->hooks.on_result(store->hooks.ctx, ticket, result);
}

static void on_finds_error(struct store *store, const PGresult *result)
{
	find_queue_lost(&store->finds);
	store->retries_later = true;
	if (pg_error_class(PQresultErrorField(result, PG_DIAG_SQLSTATE)) == PG_ERROR_AWAY) {
		store_give_up_link(store, result);
	}
}

static void on_finds_result(struct store *store, const PGresult *result)
{
	if (PQresultStatus(result) != PGRES_TUPLES_OK) {
		on_finds_error(store, result);
	} else if (pg_link_has_doubt(store->link)) {
		find_queue_lost(&store->finds);
	} else {
		find_queue_answer(&store->finds, result, on_answer, store);
	}
}

static void take_back_retraction(struct store *store)
{
	if (store->retractions.flying != NULL) {
		metric_add(&store->metrics->resends, 1);
		retract_queue_lost(&store->retractions);
	}
}

static void on_retraction_error(struct store *store, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	enum pg_error error = pg_error_class(sqlstate);

	if (error == PG_ERROR_RETRY || error == PG_ERROR_AWAY) {
		take_back_retraction(store);
		store->retries_later = true;
		if (error == PG_ERROR_AWAY) {
			store_give_up_link(store, result);
		}
		return;
	}
	bool is_odd = error == PG_ERROR_ODD;
	log_error("retraction-unstorable", "sqlstate=%s outcome=%s", sqlstate,
		is_odd ? "unavailable" : "unstorable");
	retract_queue_refuse(&store->retractions, is_odd ? STORE_UNAVAILABLE : STORE_UNSTORABLE,
		on_answer, store);
}

static void on_retraction_result(struct store *store, const PGresult *result)
{
	if (PQresultStatus(result) != PGRES_TUPLES_OK) {
		on_retraction_error(store, result);
	} else if (pg_link_has_doubt(store->link)) {
		take_back_retraction(store);
	} else {
		retract_queue_answer(&store->retractions, result, on_answer, store);
	}
}

static void send_refusals(struct store *store)
{
	if (store->refusal_count == 0 || store->refusals_fly) {
		return;
	}
	row_array_end(
		&store->refusals, pg_link_session(store->link)->refusal_oid, store->refusal_count);
	const char *values[] = {store->refusals.data};
	const int lengths[] = {(int)store->refusals.len};
	store->refusals_fly = pg_link_send(store->link, KIND_NOTE_REFUSALS, STATEMENT_NOTE_REFUSALS,
		1, values, lengths, false);
	store->refusal_count = 0;
}

void store_note_refusal(struct store *store, const struct refusal *refusal)
{
	if (store->refusal_count >= MAX_REFUSALS || !pg_link_is_ready(store->link)) {
		return;
	}
	if (store->refusal_count == 0 && !row_array_begin(&store->refusals)) {
		return;
	}
	if (row_append_refusal(&store->refusals, refusal)) {
		store->refusal_count++;
		store_arm_tick(store);
	}
}

/* --- link --- */

static void on_link_result(void *ctx, int kind, const PGresult *result)
{
	struct store *store = ctx;
	switch ((enum statement_kind)kind) {
	case KIND_STORE:
		store_on_batch_result(store, result);
		break;
	case KIND_FIND:
		on_finds_result(store, result);
		break;
	case KIND_RETRACT:
		on_retraction_result(store, result);
		break;
	case KIND_NOTE_REFUSALS:
		store->refusals_fly = false;
		break;
	}
	if (!store->retries_later) {
		store_kick(store);
	}
}

static void on_link_ready(void *ctx)
{
	struct store *store = ctx;
	metric_add(&store->metrics->reconnects, 1);
	store->proven_at_ms = clock_monotonic_ms();
	if (may_be_announced(store)) {
		store_announce(store);
	}
	store_kick(store);
}

static void on_link_lost(void *ctx, const char *reason)
{
	struct store *store = ctx;
	if (store->flying != NULL) {
		metric_add(&store->metrics->resends, 1);
		store_take_back(store, store->flying);
		store->flying = NULL;
		store_suspect(store);
	}
	find_queue_lost(&store->finds);
	take_back_retraction(store);
	store->refusals_fly = false;
	store->hooks.on_state(store->hooks.ctx, false, reason);
}

/*
 * Clients that were just answered mostly send again at once. So a batch goes when as many have as
 * were answered, or a look at the sockets has brought nothing new and there were enough of them.
 * Nobody sleeps for it: a look takes no longer than to see what is there already, and whoever else
 * wants the core, the database above all, goes first.
 */
static bool gathers_on(struct store *store)
{
	int64_t now_us = clock_monotonic_us();
	if (store->looks == 0) {
		store->looking_since_us = now_us;
	}
	bool goes_on = (store->has_gathered || store->expected > 0) && ++store->looks < MAX_LOOKS &&
		now_us - store->looking_since_us < LOOKS_MAX_US;
	store->has_gathered = false;
	if (goes_on) {
		sched_yield();
	} else {
		store->looks = 0;
		store->expected = 0;
	}
	return goes_on;
}

static void on_kick(evutil_socket_t fd, short what, void *ctx)
{
	struct store *store = ctx;
	(void)fd;
	(void)what;
	if (store->flying == NULL && !lanes_is_empty(&store->lanes) && gathers_on(store)) {
		store_kick(store);
		return;
	}
	if (pg_link_is_ready(store->link)) {
		store_send_next_batch(store);
	}
	if (pg_link_is_ready(store->link)) {
		find_queue_send(&store->finds, store->link, KIND_FIND, STATEMENT_FIND);
	}
	if (pg_link_is_ready(store->link)) {
		retract_queue_send(
			&store->retractions, store->link, KIND_RETRACT, STATEMENT_RETRACT);
	}
	/* What was to be the test has ended in another way, and nobody sends where it is away. */
	if (store->is_suspect && pg_link_is_ready(store->link) && may_be_announced(store)) {
		store_announce(store);
	}
}

/* --- time --- */

static void expire(struct store *store)
{
	int64_t before_ms = clock_monotonic_ms() - store->conf->database_store_wait_ms;
	store_expire_batches(store, before_ms);
	find_queue_expire(&store->finds, before_ms, on_answer, store);
	retract_queue_expire(&store->retractions, before_ms, on_answer, store);
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct store *store = ctx;
	(void)fd;
	(void)what;
	expire(store);
	store->retries_later = false;
	if (pg_link_is_ready(store->link)) {
		send_refusals(store);
	}
	store_kick(store);
	if (store_pending(store) > 0 || store->refusal_count > 0 || store->is_suspect) {
		store_arm_tick(store);
	}
}

/* --- life --- */

struct store *store_new(struct event_base *base, struct conf *conf, const struct taxonomy *taxonomy,
	struct store_metrics *metrics, struct store_hooks hooks)
{
	struct store *store = calloc(1, sizeof(*store));
	if (store == NULL) {
		return NULL;
	}
	store->conf = conf_ref(conf);
	store->metrics = metrics;
	store->hooks = hooks;
	lanes_init(&store->lanes);
	find_queue_init(&store->finds);
	retract_queue_init(&store->retractions);
	buf_init(&store->refusals, (size_t)4 << 20);
	store->kick = evtimer_new(base, on_kick, store);
	store->tick = evtimer_new(base, on_tick, store);
	struct pg_link_hooks link_hooks = {
		.on_ready = on_link_ready,
		.on_lost = on_link_lost,
		.on_result = on_link_result,
		.ctx = store,
	};
	store->link = pg_link_new(
		base, conf, store_statements, store_statement_count, NULL, taxonomy, link_hooks);
	if (store->kick == NULL || store->tick == NULL || store->link == NULL) {
		store_free(&store);
	}
	return store;
}

void store_free(struct store **store_ptr)
{
	struct store *store = *store_ptr;
	if (store == NULL) {
		return;
	}
	pg_link_free(&store->link);
	if (store->kick != NULL) {
		event_free(store->kick);
	}
	if (store->tick != NULL) {
		event_free(store->tick);
	}
	batch_free(&store->flying);
	lanes_fini(&store->lanes);
	find_queue_fini(&store->finds);
	retract_queue_fini(&store->retractions);
	buf_fini(&store->refusals);
	conf_unref(&store->conf);
	free(store);
	*store_ptr = NULL;
}

void store_set_conf(struct store *store, struct conf *conf, const struct taxonomy *taxonomy)
{
	conf_unref(&store->conf);
	store->conf = conf_ref(conf);
	pg_link_set_conf(store->link, conf, taxonomy);
}

static size_t submission_bytes(const struct submission *submission)
{
	return submission->payload.len + 1024 + submission->report->indicator_count * 128;
}

bool store_has_room(const struct store *store)
{
	return store->pending_reports < (size_t)store->conf->database_max_queued_reports &&
		store->pending_bytes < (size_t)store->conf->database_max_queued_bytes;
}

bool store_submit(struct store *store, const struct submission *submission, uint64_t ticket)
{
	if (!store_has_room(store)) {
		return false;
	}
	int64_t now_ms = clock_monotonic_ms();
	struct batch *batch = lanes_open(&store->lanes, store->conf, submission->partner_id,
		submission_bytes(submission), now_ms);
	if (batch == NULL || !batch_append(batch, submission, ticket, now_ms)) {
		return false;
	}
	store_count_pending(store, &batch->entries[batch->count - 1], 1);
	store->has_gathered = true;
	store->expected -= store->expected > 0 ? 1 : 0;
	store_arm_tick(store);
	if (store->flying == NULL && !store->retries_later) {
		store_kick(store);
	}
	return true;
}

bool store_find(struct store *store, const struct store_key *key, uint64_t ticket)
{
	if (!find_queue_add(&store->finds, key, ticket, clock_monotonic_ms())) {
		return false;
	}
	store_arm_tick(store);
	store_kick(store);
	return true;
}

bool store_retract(struct store *store, const struct retraction *retraction, uint64_t ticket)
{
	if (!retract_queue_add(&store->retractions, retraction, ticket, clock_monotonic_ms())) {
		return false;
	}
	store_arm_tick(store);
	store_kick(store);
	return true;
}

bool store_is_dominated_by(const struct store *store, int32_t partner_id)
{
	return lanes_is_dominated_by(
		&store->lanes, partner_id, store->pending_reports, clock_monotonic_ms());
}

bool store_is_available(const struct store *store)
{
	return pg_link_is_ready(store->link) && !store->is_suspect;
}

size_t store_pending(const struct store *store)
{
	return store->pending_reports + store->finds.count + store->retractions.count;
}
