// SPDX-License-Identifier: Apache-2.0
/*
 * All the server may see of the database. One store a worker, used from that worker's thread only.
 * It takes judged reports, commits them in batches and says of each what became of it; it never
 * says stored before PostgreSQL has said so of the transaction. See batch.c for the argument.
 *
 * What is handed over is encoded at once: nothing of a submission is referred to after the call.
 */
#pragma once

#include "base/attr.h"
#include "base/metric.h"
#include "conf/conf.h"
#include "report/receipt.h"
#include "report/report.h"
#include "report/taxonomy.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct store;

enum store_outcome {
	STORE_STORED,      /* committed now (or by an earlier sending of this very submission) */
	STORE_DUPLICATE,   /* equal content, or reason, was stored before: see the receipt */
	STORE_CONFLICT,    /* other content, or another reason, was stored: see the receipt */
	STORE_SUPERSEDED,  /* a newer revision is stored, this one is not, or not retracted */
	STORE_ERASED,      /* what was stored under this key is erased, and was not this */
	STORE_RETRACTED,   /* of store_retract, like STORE_STORED: see the receipt */
	STORE_FOUND,       /* of store_find: see the receipt */
	STORE_NOT_FOUND,   /* of store_find and store_retract */
	STORE_UNSTORABLE,  /* the database refuses this report for good */
	STORE_ROLLED_BACK, /* another report of its atomic batch was refused */
	STORE_UNAVAILABLE, /* not stored as far as is known; may be sent again */
};

struct store_result {
	enum store_outcome outcome;
	bool has_receipt;
	struct receipt receipt; /* borrows from the call; its partner is not filled in */
};

struct store_hooks {
	/* ticket as given to store_submit, store_find or store_retract. Never called from inside
	 * those. */
	void (*on_result)(void *ctx, uint64_t ticket, const struct store_result *result);
	/* The database can be used, or cannot and why; called at each attempt that fails. */
	void (*on_state)(void *ctx, bool is_available, const char *reason);
	void *ctx;
};

struct store_metrics {
	metric_counter batches;
	metric_counter reports_stored;
	metric_counter resends;
	metric_counter halvings;
	metric_counter reconnects;
	metric_counter committed_at_us; /* gauge: the last commit, monotonic; 0: none yet */
	metric_counter queued;          /* gauge: reports waiting or in flight */
	metric_counter queued_bytes;    /* gauge: of their rows */
	struct metric_histogram batch_reports;
	struct metric_histogram commit_microseconds;
};

struct submission {
	const struct report *report;
	struct uuid id;
	int32_t partner_id;
	bool is_test;
	int64_t received_at_us;
	const uint8_t *sha256;
	struct str taxonomy; /* id/version in force */
	struct str warnings; /* JSON array; len 0 for none */
	struct str payload;
};

struct store_key {
	int32_t partner_id;
	bool is_test;
	struct str report_id;
	int32_t revision;      /* 0: the newest */
	const uint8_t *sha256; /* NULL: any content */
};

struct retraction {
	struct uuid id; /* of this request: tells one that is sent again from a repeat */
	int64_t retracted_at_us;
	int32_t partner_id;
	bool is_test;
	struct str report_id;
	int32_t revision;
	struct str reason;
};

struct refusal {
	int64_t refused_at_us;
	int32_t partner_id;
	struct str path;
	int status;
	struct str problem;
	struct str_list codes;
	struct str_list pointers;
	const uint8_t *sha256; /* NULL without a body */
	int64_t size_bytes;
	int32_t unrecorded;
};

MUST_CHECK struct store *store_new(struct event_base *base, struct conf *conf,
	const struct taxonomy *taxonomy, struct store_metrics *metrics, struct store_hooks hooks);
void store_free(struct store **store);
/* From now on; the taxonomy must outlive the store or the next call of this. */
void store_set_conf(struct store *store, struct conf *conf, const struct taxonomy *taxonomy);

/* False when the queue is full or memory is short: answer 503. */
MUST_CHECK bool store_submit(
	struct store *store, const struct submission *submission, uint64_t ticket);
MUST_CHECK bool store_find(struct store *store, const struct store_key *key, uint64_t ticket);
/* False when the next submission would be refused for want of room. */
bool store_has_room(const struct store *store);

/*
 * Reports that are stored together or not at all. Gathered apart, so that they may still be given
 * up; from the commit on each is answered like a submission of its own.
 */
struct store_atomic;
/* capacity: reports at most. NULL when memory is short. */
MUST_CHECK struct store_atomic *store_atomic_new(uint32_t capacity);
void store_atomic_free(struct store_atomic **atomic);
/* False when it is full or memory is short. */
MUST_CHECK bool store_atomic_add(
	struct store_atomic *atomic, const struct submission *submission, uint64_t ticket);
uint32_t store_atomic_count(const struct store_atomic *atomic);
/* Memory held for them. */
size_t store_atomic_bytes(const struct store_atomic *atomic);
/* To be called while the store has room. */
void store_atomic_commit(struct store *store, struct store_atomic **atomic);
MUST_CHECK bool store_retract(
	struct store *store, const struct retraction *retraction, uint64_t ticket);
/* Best effort: dropped when the database is away or too many wait. */
void store_note_refusal(struct store *store, const struct refusal *refusal);

/* True when more than half of many reports that wait are this partner's, and others send too. */
bool store_is_dominated_by(const struct store *store, int32_t partner_id);
bool store_is_available(const struct store *store);
/* Submissions, look-ups and retractions without an answer. */
size_t store_pending(const struct store *store);
