// SPDX-License-Identifier: Apache-2.0
/*
 * Look-ups of receipts by key, many in one call of intake.find(). While one call is in flight the
 * next one gathers. Part of a store; same thread.
 */
#pragma once

#include "answer_int.h"
#include "base/attr.h"
#include "pg_link_int.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FIND_MAX_WAITING 1024
#define FIND_MAX_CALL 64
/* The schema's limit of a report id; a longer one cannot be stored. */
#define FIND_MAX_REPORT_ID 128

struct find_entry {
	uint64_t ticket;
	int64_t queued_at_ms;
	int32_t partner_id;
	int32_t revision;
	bool is_test;
	bool has_sha256;
	uint8_t report_id_len;
	char report_id[FIND_MAX_REPORT_ID];
	uint8_t sha256[32];
};

/* A ring of entries, allocated at the first look-up; the oldest in_call of them are in flight. */
struct find_queue {
	struct find_entry *entries;
	size_t first;
	size_t count;
	size_t in_call;
};

void find_queue_init(struct find_queue *queue);
void find_queue_fini(struct find_queue *queue);
/* False when the queue is full, memory is short or the key cannot exist. */
MUST_CHECK bool find_queue_add(
	struct find_queue *queue, const struct store_key *key, uint64_t ticket, int64_t now_ms);
/* Sends a call unless one is in flight or nothing waits. */
void find_queue_send(
	struct find_queue *queue, struct pg_link *link, int kind, const char *statement);
/* The call in flight was answered. */
void find_queue_answer(
	struct find_queue *queue, const PGresult *result, answer_fn *answer, void *ctx);
/* The call in flight was lost: its entries wait again. */
void find_queue_lost(struct find_queue *queue);
/* Answers what waits since before_ms or longer with STORE_UNAVAILABLE. */
void find_queue_expire(struct find_queue *queue, int64_t before_ms, answer_fn *answer, void *ctx);
