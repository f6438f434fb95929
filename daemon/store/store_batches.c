// SPDX-License-Identifier: Apache-2.0
/*
 * Batches on their way: which one is sent, what its answer means for each of its reports, and what
 * is done with one that was refused (batch.c says why a receipt can be relied on).
 */
#include "base/clock.h"
#include "base/log.h"
#include "pg_error_int.h"
#include "statements_int.h"
#include "store_int.h"

#include <inttypes.h>
#include <stdio.h>

static void recycle(struct store *store, struct batch *batch)
{
	lanes_recycle(&store->lanes, store->conf, batch);
}

void store_take_back(struct store *store, struct batch *batch)
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
	store_count_pending(store, entry, -1);
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

void store_send_next_batch(struct store *store)
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
			store_take_back(store, batch);
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
		store_take_back(store, second);
		store_take_back(store, first);
	}
	recycle(store, batch);
}

/* The message may quote the row's values, so only where and what kind is logged. */
static void log_unstorable(
	const struct batch_entry *entry, const char *sqlstate, enum store_outcome outcome)
{
	char id[UUID_TEXT_SIZE];
	uuid_format(&entry->id, id);
	log_error("report-unstorable", "id=%s partner_id=%d sqlstate=%s outcome=%s", id,
		(int)entry->partner_id, sqlstate,
		outcome == STORE_UNSTORABLE ? "unstorable" : "unavailable");
}

static void on_batch_error(struct store *store, struct batch *batch, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	switch (pg_error_class(sqlstate)) {
	case PG_ERROR_RETRY:
		metric_add(&store->metrics->resends, 1);
		store_take_back(store, batch);
		store->retries_later = true;
		store_arm_tick(store);
		return;
	case PG_ERROR_AWAY:
		store_take_back(store, batch);
		store_suspect(store);
		store_give_up_link(store, result);
		return;
	case PG_ERROR_ROW:
	case PG_ERROR_ODD:
		break;
	}
	if (batch->count > 1 && !batch->is_atomic) {
		halve(store, batch);
		return;
	}
	enum store_outcome outcome =
		pg_error_class(sqlstate) == PG_ERROR_ODD ? STORE_UNAVAILABLE : STORE_UNSTORABLE;
	log_unstorable(&batch->entries[0], sqlstate, outcome);
	answer_all(store, batch, outcome);
	recycle(store, batch);
}

static void on_batch_committed(struct store *store, struct batch *batch, const PGresult *result)
{
	struct store_result stored = {.outcome = STORE_STORED};
	int64_t took_us = clock_monotonic_us() - store->flown_at_us;
	uint32_t others = 0;
	struct answer answer;

	if (took_us < store->conf->database_store_wait_ms * 1000) {
		store->proven_at_ms = clock_monotonic_ms();
		if (store->is_suspect) {
			store_announce(store);
		}
	}
	for (int row = 0; row < PQntuples(result); row++) {
		answer_read(result, row, &answer);
		ENSURE(answer.place < batch->count);
		others += answer.result.outcome != STORE_STORED ? 1 : 0;
		if (answer.sqlstate != NULL) {
			log_unstorable(
				&batch->entries[answer.place], answer.sqlstate, STORE_UNSTORABLE);
		}
		answer_entry(store, batch, answer.place, &answer.result);
	}
	store->expected = batch->count;
	metric_add(&store->metrics->batches, 1);
	metric_set(&store->metrics->committed_at_us, (uint64_t)clock_monotonic_us());
	metric_add(&store->metrics->reports_stored, batch->count - others);
	metric_observe(&store->metrics->batch_reports, batch->count);
	metric_observe(&store->metrics->commit_microseconds, (uint64_t)took_us);
	for (uint32_t i = 0; i < batch->count; i++) {
		answer_entry(store, batch, i, &stored);
	}
	recycle(store, batch);
}

void store_on_batch_result(struct store *store, const PGresult *result)
{
	struct batch *batch = store->flying;
	ENSURE(batch != NULL);
	store->flying = NULL;
	if (PQresultStatus(result) != PGRES_TUPLES_OK) {
		on_batch_error(store, batch, result);
	} else if (pg_link_has_doubt(store->link)) {
		metric_add(&store->metrics->resends, 1);
		store_take_back(store, batch);
	} else {
		on_batch_committed(store, batch, result);
	}
}

/* A connection that is there, and reports that have waited in vain. */
static void note_stall(struct store *store)
{
	char reason[128];
	snprintf(reason, sizeof(reason),
		"no commit within %" PRId64
		" ms: a synchronous standby is away, a table is locked, or the disk is slow",
		store->conf->database_store_wait_ms);
	store_suspect(store);
	store->hooks.on_state(store->hooks.ctx, false, reason);
}

struct expiry {
	struct store *store;
	int64_t before_ms;
	bool is_stall; /* and not told yet: whoever is answered 503 must find it told */
};

static void expire_batch(void *ctx, struct batch *batch)
{
	struct expiry *expiry = ctx;
	struct store_result unavailable = {.outcome = STORE_UNAVAILABLE};
	for (uint32_t i = 0; i < batch->count; i++) {
		const struct batch_entry *entry = &batch->entries[i];
		if (entry->is_answered || entry->queued_at_ms > expiry->before_ms) {
			continue;
		}
		if (expiry->is_stall) {
			expiry->is_stall = false;
			note_stall(expiry->store);
		}
		answer_entry(expiry->store, batch, i, &unavailable);
	}
}

void store_expire_batches(struct store *store, int64_t before_ms)
{
	/* A queue that is too long for a database that commits is no stall. */
	bool is_stall = pg_link_is_ready(store->link) && store->proven_at_ms <= before_ms;
	struct expiry expiry = {store, before_ms, is_stall};
	if (store->flying != NULL) {
		expire_batch(&expiry, store->flying);
	}
	lanes_each(&store->lanes, store->conf, expire_batch, &expiry);
}
