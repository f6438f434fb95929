// SPDX-License-Identifier: Apache-2.0
/*
 * The queue as its parts share it: store.c is its life, its link and its time, store_batches.c what
 * becomes of batches, store_atomic.c those that are gathered whole.
 */
#pragma once

#include "batch_int.h"
#include "find_int.h"
#include "lanes_int.h"
#include "pg_link_int.h"
#include "retract_int.h"
#include "store/store.h"

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
	size_t pending_bytes; /* of their rows */
	bool retries_later;   /* a deadlock or the like: the tick sends again */
	/* It refused a batch as a whole, left it unanswered or let it wait: not announced before
	 * one is taken in time. */
	bool is_suspect;
	int64_t suspected_at_ms; /* when it last gave reason to */
	int64_t proven_at_ms;    /* when it last connected or took a batch in time */
	struct find_queue finds;
	struct retract_queue retractions;
	struct buf refusals; /* array of intake.refusal */
	uint32_t refusal_count;
	bool refusals_fly;
};

/* store.c */
/* Sends what can be sent, at the end of the next loop turn. */
void store_kick(struct store *store);
/* Looks after what waits, until nothing does. */
void store_arm_tick(struct store *store);
/* One more that waits for its answer, or, with change -1, one less. */
void store_count_pending(struct store *store, const struct batch_entry *entry, int change);
/* The server is in trouble: a new connection, after a back-off. */
void store_give_up_link(struct store *store, const PGresult *result);
/* The database is not to be relied on, whatever its connection says. */
void store_suspect(struct store *store);
/* The database takes reports. */
void store_announce(struct store *store);

/* store_batches.c */
void store_send_next_batch(struct store *store);
void store_on_batch_result(struct store *store, const PGresult *result);
/* Waits again, before all others of its lane. */
void store_take_back(struct store *store, struct batch *batch);
/* Answers what waits since before_ms or longer with STORE_UNAVAILABLE; a stall is told first. */
void store_expire_batches(struct store *store, int64_t before_ms);
