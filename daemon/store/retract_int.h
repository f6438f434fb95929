// SPDX-License-Identifier: Apache-2.0
/*
 * Retractions, one a call of intake.retract(): they are rare, so nothing is won by letting them
 * share a commit, and an error speaks of one alone. While one is in flight the others wait. Part of
 * a store; same thread.
 */
#pragma once

#include "answer_int.h"
#include "base/attr.h"
#include "base/list.h"
#include "pg_link_int.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RETRACT_MAX_WAITING 256

struct retract_entry {
	struct list link;
	uint64_t ticket;
	int64_t queued_at_ms;
	bool is_answered; /* its client was told 503 while it was in flight */
	struct retraction retraction;
	size_t text_len;
	char text[]; /* that the retraction borrows from */
};

struct retract_queue {
	struct list waiting; /* oldest first */
	struct retract_entry *flying;
	size_t count; /* without an answer */
};

void retract_queue_init(struct retract_queue *queue);
void retract_queue_fini(struct retract_queue *queue);
/* False when the queue is full or memory is short. */
MUST_CHECK bool retract_queue_add(struct retract_queue *queue, const struct retraction *retraction,
	uint64_t ticket, int64_t now_ms);
/* Sends a call unless one is in flight or nothing waits. */
void retract_queue_send(
	struct retract_queue *queue, struct pg_link *link, int kind, const char *statement);
/* The call in flight was answered by this row of intake.receipt. */
void retract_queue_answer(
	struct retract_queue *queue, const PGresult *result, answer_fn *answer, void *ctx);
/* The call in flight failed for good. */
void retract_queue_refuse(
	struct retract_queue *queue, enum store_outcome outcome, answer_fn *answer, void *ctx);
/* The call in flight was lost, or has to be made again: its entry is the first to wait. */
void retract_queue_lost(struct retract_queue *queue);
/* Answers what waits since before_ms or longer with STORE_UNAVAILABLE. */
void retract_queue_expire(
	struct retract_queue *queue, int64_t before_ms, answer_fn *answer, void *ctx);
