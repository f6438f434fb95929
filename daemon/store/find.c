// SPDX-License-Identifier: Apache-2.0
/*
 * An entry whose client was told 503 while the call was in flight keeps its place in the ring, with
 * the ticket 0, which is nobody's, until the call's answer has come: places are counted by it.
 */
#include "find_int.h"

#include "row_int.h"

#include <stdlib.h>
#include <string.h>

void find_queue_init(struct find_queue *queue)
{
	*queue = (struct find_queue){0};
}

void find_queue_fini(struct find_queue *queue)
{
	free(queue->entries);
	find_queue_init(queue);
}

static struct find_entry *entry_at(struct find_queue *queue, size_t place)
{
	return &queue->entries[(queue->first + place) % FIND_MAX_WAITING];
}

bool find_queue_add(
	struct find_queue *queue, const struct store_key *key, uint64_t ticket, int64_t now_ms)
{
	if (queue->count == FIND_MAX_WAITING || key->report_id.len > FIND_MAX_REPORT_ID) {
		return false;
	}
	if (queue->entries == NULL) {
		queue->entries = calloc(FIND_MAX_WAITING, sizeof(*queue->entries));
		if (queue->entries == NULL) {
			return false;
		}
	}
	struct find_entry *entry = entry_at(queue, queue->count++);
	entry->ticket = ticket;
	entry->queued_at_ms = now_ms;
	entry->partner_id = key->partner_id;
	entry->revision = key->revision;
	entry->is_test = key->is_test;
	entry->report_id_len = (uint8_t)key->report_id.len;
	memcpy(entry->report_id, key->report_id.data, key->report_id.len);
	entry->has_sha256 = key->sha256 != NULL;
	if (entry->has_sha256) {
		memcpy(entry->sha256, key->sha256, sizeof(entry->sha256));
	}
	return true;
}

enum { FIND_PARTNER, FIND_TEST, FIND_REPORT_ID, FIND_REVISION, FIND_SHA256, FIND_PARAMETERS };

static bool append_entry(struct buf *arrays, const struct find_entry *entry)
{
	struct str report_id = {entry->report_id, entry->report_id_len};
	struct str sha256 = {(const char *)entry->sha256, sizeof(entry->sha256)};
	return row_append_int4(&arrays[FIND_PARTNER], entry->partner_id) &&
		row_append_bool(&arrays[FIND_TEST], entry->is_test) &&
		row_append_text(&arrays[FIND_REPORT_ID], report_id) &&
		(entry->revision == 0 ? row_append_null(&arrays[FIND_REVISION])
				      : row_append_int4(&arrays[FIND_REVISION], entry->revision)) &&
		(entry->has_sha256 ? row_append_text(&arrays[FIND_SHA256], sha256)
				   : row_append_null(&arrays[FIND_SHA256]));
}

void find_queue_send(
	struct find_queue *queue, struct pg_link *link, int kind, const char *statement)
{
	static const uint32_t oids[FIND_PARAMETERS] = {
		ROW_OID_INT4, ROW_OID_BOOL, ROW_OID_TEXT, ROW_OID_INT4, ROW_OID_BYTEA};
	struct buf arrays[FIND_PARAMETERS];
	const char *values[FIND_PARAMETERS];
	int lengths[FIND_PARAMETERS];
	bool done = true;

	if (queue->in_call > 0 || queue->count == 0) {
		return;
	}
	size_t calling = queue->count < FIND_MAX_CALL ? queue->count : FIND_MAX_CALL;
	for (int i = 0; i < FIND_PARAMETERS; i++) {
		buf_init(&arrays[i], (size_t)1 << 20);
		done = row_array_begin(&arrays[i]) && done;
	}
	for (size_t i = 0; done && i < calling; i++) {
		done = append_entry(arrays, entry_at(queue, i));
	}
	for (int i = 0; done && i < FIND_PARAMETERS; i++) {
		row_array_end(&arrays[i], oids[i], (uint32_t)calling);
		values[i] = arrays[i].data;
		lengths[i] = (int)arrays[i].len;
	}
	if (done && pg_link_send(link, kind, statement, FIND_PARAMETERS, values, lengths, false)) {
		queue->in_call = calling;
	}
	for (int i = 0; i < FIND_PARAMETERS; i++) {
		buf_fini(&arrays[i]);
	}
}

static void drop_first(struct find_queue *queue, size_t n)
{
	queue->first = (queue->first + n) % FIND_MAX_WAITING;
	queue->count -= n;
}

void find_queue_answer(
	struct find_queue *queue, const PGresult *result, answer_fn *answer, void *ctx)
{
	struct store_result not_found = {.outcome = STORE_NOT_FOUND};
	struct answer found;
	int row = 0;
	size_t called = queue->in_call;

	queue->in_call = 0;
	for (size_t place = 0; place < called; place++) {
		bool is_found = false;
		if (row < PQntuples(result)) {
			/* Rows come in the order of places, none where nothing was found. */
			answer_read(result, row, &found);
			is_found = found.place == place;
			row += is_found ? 1 : 0;
		}
		if (is_found) {
			found.result.outcome = STORE_FOUND;
		}
		if (entry_at(queue, place)->ticket != 0) {
			answer(ctx, entry_at(queue, place)->ticket,
				is_found ? &found.result : &not_found);
		}
	}
	drop_first(queue, called);
}

void find_queue_lost(struct find_queue *queue)
{
	queue->in_call = 0;
}

void find_queue_expire(struct find_queue *queue, int64_t before_ms, answer_fn *answer, void *ctx)
{
	struct store_result unavailable = {.outcome = STORE_UNAVAILABLE};
	for (size_t place = 0; place < queue->count; place++) {
		struct find_entry *entry = entry_at(queue, place);
		if (entry->queued_at_ms > before_ms) {
			break;
		}
		if (entry->ticket != 0) {
			uint64_t ticket = entry->ticket;
			entry->ticket = 0;
			answer(ctx, ticket, &unavailable);
		}
	}
	while (queue->in_call == 0 && queue->count > 0 && entry_at(queue, 0)->ticket == 0) {
		drop_first(queue, 1);
	}
}
