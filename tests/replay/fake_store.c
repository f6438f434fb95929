// SPDX-License-Identifier: Apache-2.0
/*
 * A store that does what the script says, when it says so. It keeps of each submission what its
 * answer needs, and counts of how many it said that they are stored: no client may have been told
 * of more.
 */
#include "replay.h"

#include "store/registry.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_MAX 8192
#define ID_SIZE 128
#define STORED_IDS_BYTES ((size_t)1 << 20)

struct item {
	uint64_t ticket;
	char report_id[ID_SIZE];
	int32_t revision;
	enum store_outcome good; /* what it gets when all goes well */
};

struct store {
	struct store_hooks hooks;
	struct store_metrics *metrics;
	struct item items[ITEMS_MAX];
	size_t count;
	size_t capacity;
	bool is_available;
};

struct store_atomic {
	struct item items[ITEMS_MAX];
	uint32_t count;
	uint32_t capacity;
};

static struct store *the_store;
static size_t stored_count;
static struct buf stored_ids;

/* --- the script's side --- */

struct worker *fake_store_worker(void)
{
	return the_store->hooks.ctx;
}

void fake_store_set_capacity(size_t capacity)
{
	the_store->capacity = capacity;
}

void fake_store_say(bool is_available, const char *reason)
{
	the_store->is_available = is_available;
	the_store->hooks.on_state(the_store->hooks.ctx, is_available, reason);
}

size_t fake_store_waiting(void)
{
	return the_store->count;
}

size_t fake_store_stored(void)
{
	return stored_count;
}

const struct buf *fake_store_stored_ids(void)
{
	return &stored_ids;
}

void fake_store_forget(void)
{
	buf_fini(&stored_ids);
}

static void note_stored(const struct item *item)
{
	stored_count++;
	ENSURE(buf_append(&stored_ids, item->report_id, strlen(item->report_id)) &&
		buf_append(&stored_ids, "\n", 1));
}

static void answer(struct item item, enum store_outcome outcome)
{
	bool has_receipt = outcome == STORE_DUPLICATE || outcome == STORE_CONFLICT ||
		outcome == STORE_FOUND || outcome == STORE_RETRACTED;
	struct store_result result = {.outcome = outcome, .has_receipt = has_receipt};
	if (has_receipt) {
		result.receipt = (struct receipt){
			.status = outcome == STORE_RETRACTED ? RECEIPT_RETRACTED : RECEIPT_STORED,
			.report_id = str_from(item.report_id),
			.revision = item.revision,
			.taxonomy = STR("digital-solidarity-2024/1.0.0"),
			.category = STR("business-email-compromise"),
			.primary_area = STR("AA4"),
			.reason = STR("-"),
		};
	}
	if (outcome == STORE_STORED || outcome == STORE_RETRACTED) {
		note_stored(&item);
	}
	the_store->hooks.on_result(the_store->hooks.ctx, item.ticket, &result);
}

/* What is answered is not there any more while its answer is given: that may submit anew. */
bool fake_store_answer(const char *report_id, enum store_outcome outcome)
{
	size_t waiting = the_store->count;
	bool did_any = false;
	for (size_t i = 0; i < waiting;) {
		struct item item = the_store->items[i];
		if (report_id != NULL && strcmp(item.report_id, report_id) != 0) {
			i++;
			continue;
		}
		the_store->count--;
		waiting--;
		memmove(&the_store->items[i], &the_store->items[i + 1],
			(the_store->count - i) * sizeof(item));
		answer(item, outcome == STORE_STORED ? item.good : outcome);
		did_any = true;
		if (report_id != NULL) {
			break;
		}
	}
	return did_any;
}

/* --- store/store.h --- */

static struct item make_item(
	struct str report_id, int32_t revision, enum store_outcome good, uint64_t ticket)
{
	struct item item = {.ticket = ticket, .revision = revision, .good = good};
	snprintf(item.report_id, sizeof(item.report_id), "%.*s", STR_ARG(report_id));
	return item;
}

static bool put(struct store *store, struct item item)
{
	if (store->count >= store->capacity) {
		return false;
	}
	store->items[store->count++] = item;
	return true;
}

struct store *store_new(struct event_base *base, struct conf *conf, const struct taxonomy *taxonomy,
	struct store_metrics *metrics, struct store_hooks hooks)
{
	(void)base;
	(void)conf;
	(void)taxonomy;
	the_store = calloc(1, sizeof(*the_store));
	ENSURE(the_store != NULL);
	the_store->hooks = hooks;
	the_store->metrics = metrics;
	the_store->capacity = ITEMS_MAX;
	buf_init(&stored_ids, STORED_IDS_BYTES);
	return the_store;
}

void store_free(struct store **store)
{
	free(*store);
	*store = NULL;
	the_store = NULL;
}

void store_set_conf(struct store *store, struct conf *conf, const struct taxonomy *taxonomy)
{
	(void)store;
	(void)conf;
	(void)taxonomy;
}

bool store_submit(struct store *store, const struct submission *submission, uint64_t ticket)
{
	const struct report *report = submission->report;
	return put(store, make_item(report->report_id, report->revision, STORE_STORED, ticket));
}

bool store_find(struct store *store, const struct store_key *key, uint64_t ticket)
{
	return put(store, make_item(key->report_id, key->revision, STORE_NOT_FOUND, ticket));
}

bool store_retract(struct store *store, const struct retraction *retraction, uint64_t ticket)
{
	return put(store,
		make_item(retraction->report_id, retraction->revision, STORE_RETRACTED, ticket));
}

bool store_has_room(const struct store *store)
{
	return store->count < store->capacity;
}

struct store_atomic *store_atomic_new(uint32_t capacity)
{
	struct store_atomic *atomic = calloc(1, sizeof(*atomic));
	ENSURE(atomic != NULL && capacity <= ITEMS_MAX);
	atomic->capacity = capacity;
	return atomic;
}

void store_atomic_free(struct store_atomic **atomic)
{
	free(*atomic);
	*atomic = NULL;
}

bool store_atomic_add(
	struct store_atomic *atomic, const struct submission *submission, uint64_t ticket)
{
	const struct report *report = submission->report;
	if (atomic->count >= atomic->capacity) {
		return false;
	}
	atomic->items[atomic->count++] =
		make_item(report->report_id, report->revision, STORE_STORED, ticket);
	return true;
}

size_t store_atomic_bytes(const struct store_atomic *atomic)
{
	(void)atomic;
	return 0;
}

uint32_t store_atomic_count(const struct store_atomic *atomic)
{
	return atomic->count;
}

void store_atomic_commit(struct store *store, struct store_atomic **atomic)
{
	ENSURE(store_has_room(store));
	for (uint32_t i = 0; i < (*atomic)->count; i++) {
		ENSURE(store->count < ITEMS_MAX);
		store->items[store->count++] = (*atomic)->items[i];
	}
	store_atomic_free(atomic);
}

void store_note_refusal(struct store *store, const struct refusal *refusal)
{
	(void)store;
	(void)refusal;
}

bool store_is_dominated_by(const struct store *store, int32_t partner_id)
{
	(void)store;
	(void)partner_id;
	return false;
}

bool store_is_available(const struct store *store)
{
	return store->is_available;
}

size_t store_pending(const struct store *store)
{
	return store->count;
}
