// SPDX-License-Identifier: Apache-2.0
/*
 * The inside of a worker, for the modules that run in its thread: worker.c, and the connections'
 * and requests' own.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mailbox.h"
#include "base/uuid.h"
#include "conn_int.h"
#include "conn_table_int.h"
#include "log_limit_int.h"
#include "net/listener.h"
#include "refusal_ring_int.h"
#include "server/worker.h"
#include "store/store.h"

#include <event2/event.h>
#include <openssl/evp.h>
#include <pthread.h>

/*
 * Events are run in this order. Those of the last kind only a few at a time, and only when no other
 * is there: they are of a partner who has most of the work in hand anyway.
 */
enum worker_priority { WORKER_FIRST, WORKER_USUAL, WORKER_LAST, WORKER_PRIORITIES };

#define WORKER_MAGIC 0x776f726bU /* "work" */

struct worker {
	uint32_t magic;
	int number;
	pthread_t thread;
	bool has_thread;
	_Atomic bool is_done;
	_Atomic uint32_t beat;
	struct shared *shared;
	struct generation *generation;
	struct registry *registry; /* NULL until it was read once */
	struct event_base *base;
	struct mailbox mailbox;
	struct event *mail;
	struct event *sweep;   /* looks for passed deadlines while there are connections */
	struct event *reap;    /* frees closed connections after the loop turn */
	struct event *turn;    /* runs once in the next loop turn */
	struct list next_turn; /* connections that gave way to others */
	struct list turn_end;  /* stands behind the last of the present turn */
	uint32_t review_next;  /* slot whose certificate is verified again next */
	int64_t reviewed_at_s; /* when the last such round began, Unix time */
	struct listener *listener;
	struct store *store;
	enum link_state link;

	struct conn_table table;
	struct list states[CONN_STATE_COUNT];
	uint32_t connection_count;
	uint32_t crowd;        /* the most connections since a crowd was last gone */
	int64_t trimmed_at_ms; /* when memory was last given back */
	uint64_t connections_ever;
	size_t input_bytes;

	struct arena arena;  /* of the report being judged */
	struct buf body;     /* of the answer being made */
	struct buf warnings; /* of the receipt being made */
	struct buf plain;    /* the body being judged, unzipped */
	struct list room;    /* connections that wait for room in the store */
	struct uuid_source uuids;
	int64_t date_s; /* Unix time of: */
	char date[CLOCK_HTTP_DATE_SIZE];
	EVP_MD *sha256;
	EVP_MD_CTX *digest;
	struct log_limit handshake_logs[HANDSHAKE_FAILURE_COUNT];
	struct log_limit unknown_logs;
	bool is_draining;
	int64_t drain_deadline_ms;
	struct refusal_ring recent_refusals;
	struct metrics metrics;
};

static inline const struct conf *worker_conf(const struct worker *worker)
{
	return worker->generation->conf;
}

/* Something is left for the next loop turn. */
void worker_arm_turn(struct worker *worker);
/* The certificates of all connections are verified again, a few at a time. */
void worker_review(struct worker *worker);
