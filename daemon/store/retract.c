// SPDX-License-Identifier: Apache-2.0
/*
 * The argument of batch.c holds here too. A retraction is acknowledged when the answer to its call
 * has come and the sync after it. When the connection goes before that, the same request with the
 * same id is sent again, and intake.retract() finds its own row: retracted, the first news of a
 * commit made earlier. What was told 503 is not sent again.
 */
#include "retract_int.h"

#include "row_int.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

void retract_queue_init(struct retract_queue *queue)
{
	*queue = (struct retract_queue){0};
	list_init(&queue->waiting);
}

/* A reason may name people. */
static void free_entry(struct retract_entry *entry)
{
	explicit_bzero(entry->text, entry->text_len);
	free(entry);
}

void retract_queue_fini(struct retract_queue *queue)
{
	struct list *link = queue->waiting.next;
	while (link != &queue->waiting) {
		struct retract_entry *entry = LIST_OWNER(link, struct retract_entry, link);
		link = link->next;
		free_entry(entry);
	}
	if (queue->flying != NULL) {
		free_entry(queue->flying);
	}
	retract_queue_init(queue);
}

/* Copies a text to where the entry's texts end. */
static struct str keep(struct retract_entry *entry, struct str text)
{
	char *copy = entry->text + entry->text_len;
	memcpy(copy, text.data, text.len);
	entry->text_len += text.len;
	return (struct str){copy, text.len};
}

bool retract_queue_add(struct retract_queue *queue, const struct retraction *retraction,
	uint64_t ticket, int64_t now_ms)
{
	if (queue->count == RETRACT_MAX_WAITING) {
		return false;
	}
	struct retract_entry *entry =
		calloc(1, sizeof(*entry) + retraction->report_id.len + retraction->reason.len);
	if (entry == NULL) {
		return false;
	}
	entry->ticket = ticket;
	entry->queued_at_ms = now_ms;
	entry->retraction = *retraction;
	entry->retraction.report_id = keep(entry, retraction->report_id);
	entry->retraction.reason = keep(entry, retraction->reason);
	list_append(&queue->waiting, &entry->link);
	queue->count++;
	return true;
}

static bool send_call(
	const struct retraction *r, struct pg_link *link, int kind, const char *statement)
{
	const uint64_t retracted_at = htobe64((uint64_t)(r->retracted_at_us - ROW_EPOCH_US));
	const uint32_t partner_id = htobe32((uint32_t)r->partner_id);
	const uint32_t revision = htobe32((uint32_t)r->revision);
	const char is_test = r->is_test ? 1 : 0;
	const struct str parameters[] = {
		{(const char *)r->id.bytes, sizeof(r->id.bytes)},
		{(const char *)&retracted_at, sizeof(retracted_at)},
		{(const char *)&partner_id, sizeof(partner_id)},
		{&is_test, 1},
		r->report_id,
		{(const char *)&revision, sizeof(revision)},
		r->reason,
	};
	enum { PARAMETERS = sizeof(parameters) / sizeof(parameters[0]) };
	const char *values[PARAMETERS];
	int lengths[PARAMETERS];
	for (int i = 0; i < PARAMETERS; i++) {
		values[i] = parameters[i].data;
		lengths[i] = (int)parameters[i].len;
	}
	return pg_link_send(link, kind, statement, PARAMETERS, values, lengths, false);
}

void retract_queue_send(
	struct retract_queue *queue, struct pg_link *link, int kind, const char *statement)
{
	if (queue->flying != NULL || list_is_empty(&queue->waiting)) {
		return;
	}
	struct retract_entry *first = LIST_OWNER(queue->waiting.next, struct retract_entry, link);
	if (send_call(&first->retraction, link, kind, statement)) {
		list_remove(&first->link);
		queue->flying = first;
	}
}

/* The entry is in no list any more: whoever is answered may add the next one. */
static void finish(struct retract_queue *queue, struct retract_entry *entry,
	const struct store_result *result, answer_fn *answer, void *ctx)
{
	uint64_t ticket = entry->ticket;
	bool is_answered = entry->is_answered;
	free_entry(entry);
	if (!is_answered) {
		queue->count--;
		answer(ctx, ticket, result);
	}
}

static struct retract_entry *land(struct retract_queue *queue)
{
	struct retract_entry *entry = queue->flying;
	ENSURE(entry != NULL);
	queue->flying = NULL;
	return entry;
}

void retract_queue_answer(
	struct retract_queue *queue, const PGresult *result, answer_fn *answer, void *ctx)
{
	struct answer found;
	answer_read(result, 0, &found);
	finish(queue, land(queue), &found.result, answer, ctx);
}

void retract_queue_refuse(
	struct retract_queue *queue, enum store_outcome outcome, answer_fn *answer, void *ctx)
{
	const struct store_result result = {.outcome = outcome};
	finish(queue, land(queue), &result, answer, ctx);
}

void retract_queue_lost(struct retract_queue *queue)
{
	if (queue->flying == NULL) {
		return;
	}
	struct retract_entry *entry = land(queue);
	if (entry->is_answered) {
		free_entry(entry);
		return;
	}
	/* Appending to the first element's place: the head of a ring is also its end. */
	list_append(queue->waiting.next, &entry->link);
}

void retract_queue_expire(
	struct retract_queue *queue, int64_t before_ms, answer_fn *answer, void *ctx)
{
	const struct store_result unavailable = {.outcome = STORE_UNAVAILABLE};
	struct retract_entry *flying = queue->flying;
	if (flying != NULL && !flying->is_answered && flying->queued_at_ms <= before_ms) {
		flying->is_answered = true;
		queue->count--;
		answer(ctx, flying->ticket, &unavailable);
	}
	struct list *link = queue->waiting.next;
	while (link != &queue->waiting) {
		struct retract_entry *entry = LIST_OWNER(link, struct retract_entry, link);
		if (entry->queued_at_ms > before_ms) {
			break;
		}
		link = link->next;
		list_remove(&entry->link);
		finish(queue, entry, &unavailable, answer, ctx);
	}
}
