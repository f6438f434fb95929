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
#include "store/store.h"

#include "answer_int.h"
#include "base/clock.h"
#include "base/log.h"
#include "batch_int.h"
#include "find_int.h"
#include "lanes_int.h"
#include "pg_error_int.h"
#include "pg_link_int.h"
#include "retract_int.h"
#include "row_int.h"
#include "statements_int.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 100
/* Looks at the sockets before a batch goes, at most. */
#define MAX_LOOKS 150
/* When others want the core each look may cost their whole turn on it. */
#define LOOKS_MAX_US 5000
#define MAX_REFUSALS 64

enum statement_kind { KIND_STORE, KIND_FIND, KIND_RETRACT, KIND_NOTE_REFUSALS };

struct store {
	struct conf *conf;
	struct store_metrics *metrics;
	struct store_hooks hooks;
	struct pg_link *link;
	struct event *kick; /* at the end of the next loop turn, after what that turn has read */
	bool has_gathered;  /* something was submitted since the last look */
	int looks;          /* since the batch in flight was answered */
	int64_t looking_since_us; /* when the first of these looks was */
	uint32_t expected;        /* of those that it answered, how many have not sent again */
	struct event *tick;
	struct lanes lanes; /* what waits to be sent */
	struct batch *flying;
	int64_t flown_at_us;
	size_t pending_reports;
	bool retries_later; /* a deadlock or the like: the tick sends again */
	bool is_suspect;    /* it refused a batch as a whole: not announced before one succeeds */
	struct find_queue finds;
	struct retract_queue retractions;
	struct buf refusals; /* array of intake.refusal */
	uint32_t refusal_count;
	bool refusals_fly;
};

static void store_kick(struct store *store)
{
	static const struct timeval at_once = {0, 0};
	evtimer_add(store->kick, &at_once);
}

static void store_arm_tick(struct store *store)
{
	if (!evtimer_pending(store->tick, NULL)) {
		struct timeval delay = {0, TICK_MS * 1000L};
		evtimer_add(store->tick, &delay);
	}
}

static void set_pending(struct store *store, size_t pending)
{
	store->pending_reports = pending;
	metric_set(&store->metrics->queued, pending);
}

/* --- batches --- */

static void recycle(struct store *store, struct batch *batch)
{
	lanes_recycle(&store->lanes, store->conf, batch);
}

static void take_back(struct store *store, struct batch *batch)
{
	lanes_take_back(&store->lanes, store->conf, batch);
}

static void answer_entry(
	struct store *store, struct batch *batch, uint32_t index, const struct store_result *result)
{
	struct batch_entry *entry = &batch->entries[index];
	if (entry->is_answered) {
		return;
	}
	entry->is_answered = true;
	batch->unanswered--;
	lanes_count(&store->lanes, entry->partner_id, -1);
	set_pending(store, store->pending_reports - 1);
	store->hooks.on_result(store->hooks.ctx, entry->ticket, result);
}

static void answer_all(struct store *store, struct batch *batch, enum store_outcome outcome)
{
	struct store_result result = {.outcome = outcome};
	for (uint32_t i = 0; i < batch->count; i++) {
		answer_entry(store, batch, i, &result);
	}
}

/* Replaces a batch by a copy without its answered entries; NULL when none is left. */
static struct batch *without_answered(struct store *store, struct batch *batch)
{
	if (batch->count > 0 && batch->unanswered == batch->count) {
		return batch;
	}
	struct batch *rest = NULL;
	if (batch->is_atomic) {
		answer_all(store, batch, STORE_UNAVAILABLE);
	} else if (batch->unanswered > 0) {
		rest = batch_slice(batch, 0, batch->count);
		if (rest == NULL) {
			answer_all(store, batch, STORE_UNAVAILABLE);
		}
	}
	recycle(store, batch);
	return rest;
}

static void send_next_batch(struct store *store)
{
	struct batch *batch;
	while (store->flying == NULL &&
		(batch = lanes_next(&store->lanes, store->conf, clock_monotonic_ms())) != NULL) {
		batch = without_answered(store, batch);
		if (batch == NULL) {
			continue;
		}
		if (!batch_send(batch, store->link, KIND_STORE,
			    batch->is_atomic ? STATEMENT_STORE_ATOMIC : STATEMENT_STORE)) {
			take_back(store, batch);
			return;
		}
		store->flying = batch;
		store->flown_at_us = clock_monotonic_us();
	}
}

/* Two halves in its place, so that a row at fault ends up alone. */
static void halve(struct store *store, struct batch *batch)
{
	uint32_t half = batch->count / 2;
	struct batch *first = batch_slice(batch, 0, half);
	struct batch *second = batch_slice(batch, half, batch->count - half);
	metric_add(&store->metrics->halvings, 1);
	if (first == NULL || second == NULL) {
		batch_free(&first);
		batch_free(&second);
		answer_all(store, batch, STORE_UNAVAILABLE);
	} else {
		take_back(store, second);
		take_back(store, first);
	}
	recycle(store, batch);
}

static void give_up_link(struct store *store, const PGresult *result)
{
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	pg_link_give_up(store->link, message != NULL ? message : "no reason given");
}

static void on_batch_error(struct store *store, struct batch *batch, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	char id[UUID_TEXT_SIZE];

	switch (pg_error_class(sqlstate)) {
	case PG_ERROR_RETRY:
		metric_add(&store->metrics->resends, 1);
		take_back(store, batch);
		store->retries_later = true;
		return;
	case PG_ERROR_AWAY:
		take_back(store, batch);
		store->is_suspect = true;
		give_up_link(store, result);
		return;
	case PG_ERROR_ROW:
	case PG_ERROR_ODD:
		break;
	}
	if (batch->count > 1 && !batch->is_atomic) {
		halve(store, batch);
		return;
	}
	/* The message may quote the row's values, so only where and what kind is logged. */
	uuid_format(&batch->entries[0].id, id);
	bool is_odd = pg_error_class(sqlstate) == PG_ERROR_ODD;
	log_error("report-unstorable", "id=%s sqlstate=%s outcome=%s", id, sqlstate,
		is_odd ? "unavailable" : "unstorable");
	answer_all(store, batch, is_odd ? STORE_UNAVAILABLE : STORE_UNSTORABLE);
	recycle(store, batch);
}

static void announce(struct store *store)
{
	store->is_suspect = false;
	store->hooks.on_state(store->hooks.ctx, true, "");
}

static void on_batch_committed(struct store *store, struct batch *batch, const PGresult *result)
{
	struct store_result stored = {.outcome = STORE_STORED};
	uint32_t others = 0;
	struct answer answer;

	for (int row = 0; row < PQntuples(result); row++) {
		answer_read(result, row, &answer);
		ENSURE(answer.place < batch->count);
		others += answer.result.outcome != STORE_STORED ? 1 : 0;
		answer_entry(store, batch, answer.place, &answer.result);
	}
	if (store->is_suspect) {
		announce(store);
	}
	store->expected = batch->count;
	metric_add(&store->metrics->batches, 1);
	metric_set(&store->metrics->committed_at_us, (uint64_t)clock_wall_us());
	metric_add(&store->metrics->reports_stored, batch->count - others);
	metric_observe(&store->metrics->batch_reports, batch->count);
	metric_observe(&store->metrics->commit_microseconds,
		(uint64_t)(clock_monotonic_us() - store->flown_at_us));
	for (uint32_t i = 0; i < batch->count; i++) {
		answer_entry(store, batch, i, &stored);
	}
	recycle(store, batch);
}

static void on_batch_result(struct store *store, const PGresult *result)
{
	struct batch *batch = store->flying;
	ENSURE(batch != NULL);
	store->flying = NULL;
	if (PQresultStatus(result) != PGRES_TUPLES_OK) {
		on_batch_error(store, batch, result);
	} else if (pg_link_has_doubt(store->link)) {
		metric_add(&store->metrics->resends, 1);
		take_back(store, batch);
	} else {
		on_batch_committed(store, batch, result);
	}
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
		give_up_link(store, result);
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
			give_up_link(store, result);
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
		on_batch_result(store, result);
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
	/* Under suspicion a batch that waits is the test; without one nothing would ever pass it.
	 */
	if (!store->is_suspect || lanes_is_empty(&store->lanes)) {
		announce(store);
	}
	store_kick(store);
}

static void on_link_lost(void *ctx, const char *reason)
{
	struct store *store = ctx;
	if (store->flying != NULL) {
		metric_add(&store->metrics->resends, 1);
		take_back(store, store->flying);
		store->flying = NULL;
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
		send_next_batch(store);
	}
	if (pg_link_is_ready(store->link)) {
		find_queue_send(&store->finds, store->link, KIND_FIND, STATEMENT_FIND);
	}
	if (pg_link_is_ready(store->link)) {
		retract_queue_send(
			&store->retractions, store->link, KIND_RETRACT, STATEMENT_RETRACT);
	}
}

/* --- time --- */

struct expiry {
	struct store *store;
	int64_t before_ms;
};

static void expire_batch(void *ctx, struct batch *batch)
{
	const struct expiry *expiry = ctx;
	struct store_result unavailable = {.outcome = STORE_UNAVAILABLE};
	for (uint32_t i = 0; i < batch->count; i++) {
		if (batch->entries[i].queued_at_ms <= expiry->before_ms) {
			answer_entry(expiry->store, batch, i, &unavailable);
		}
	}
}

static void expire(struct store *store)
{
	int64_t before_ms = clock_monotonic_ms() - store->conf->database_store_wait_ms;
	struct expiry expiry = {store, before_ms};

	if (store->flying != NULL) {
		expire_batch(&expiry, store->flying);
	}
	lanes_each(&store->lanes, store->conf, expire_batch, &expiry);
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
	if (store_pending(store) > 0 || store->refusal_count > 0) {
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
	return store->pending_reports < (size_t)store->conf->database_max_queued_reports;
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
	lanes_count(&store->lanes, submission->partner_id, 1);
	store->has_gathered = true;
	store->expected -= store->expected > 0 ? 1 : 0;
	set_pending(store, store->pending_reports + 1);
	store_arm_tick(store);
	if (store->flying == NULL && !store->retries_later) {
		store_kick(store);
	}
	return true;
}

struct store_atomic {
	struct batch *batch;
};

struct store_atomic *store_atomic_new(uint32_t capacity)
{
	struct store_atomic *atomic = calloc(1, sizeof(*atomic));
	if (atomic == NULL) {
		return NULL;
	}
	atomic->batch = batch_new(capacity);
	if (atomic->batch == NULL) {
		store_atomic_free(&atomic);
		return NULL;
	}
	atomic->batch->is_atomic = true;
	return atomic;
}

void store_atomic_free(struct store_atomic **atomic)
{
	if (*atomic == NULL) {
		return;
	}
	batch_free(&(*atomic)->batch);
	free(*atomic);
	*atomic = NULL;
}

bool store_atomic_add(
	struct store_atomic *atomic, const struct submission *submission, uint64_t ticket)
{
	struct batch *batch = atomic->batch;
	return batch->count < batch->capacity && batch_append(batch, submission, ticket, 0);
}

uint32_t store_atomic_count(const struct store_atomic *atomic)
{
	return atomic->batch->count;
}

size_t store_atomic_bytes(const struct store_atomic *atomic)
{
	return atomic->batch->reports.cap + atomic->batch->indicators.cap;
}

/* Past the limit of the queue too: what was gathered is held already. */
void store_atomic_commit(struct store *store, struct store_atomic **atomic)
{
	struct batch *batch = (*atomic)->batch;
	int64_t now_ms = clock_monotonic_ms();
	(*atomic)->batch = NULL;
	store_atomic_free(atomic);
	for (uint32_t i = 0; i < batch->count; i++) {
		batch->entries[i].queued_at_ms = now_ms;
	}
	int32_t partner_id = batch->entries[0].partner_id;
	lanes_put_whole(&store->lanes, partner_id, batch);
	lanes_count(&store->lanes, partner_id, (int32_t)batch->count);
	set_pending(store, store->pending_reports + batch->count);
	store_arm_tick(store);
	if (store->flying == NULL && !store->retries_later) {
		store_kick(store);
	}
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
