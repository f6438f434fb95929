// SPDX-License-Identifier: Apache-2.0
/*
 * The little that workers share besides immutable snapshots: atomics, and one lock that no worker
 * takes while the database is there.
 */
#pragma once

#include "base/attr.h"
#include "net/peer_gate.h"
#include "server/quota.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DATABASE_REASON_BYTES 512

struct database_state {
	_Atomic int links_away;
	_Atomic int64_t away_since_ms; /* of the outage that lasts; monotonic */
	pthread_mutex_t reason_lock;
	char reason[DATABASE_REASON_BYTES]; /* of the last attempt that failed, on any link */
};

struct shared {
	int worker_count;
	int listening_fd;
	_Atomic int accepting; /* workers that poll listening_fd */
	_Atomic uint32_t connections;
	struct peer_gate gate;
	struct quota_table *quotas;
	struct database_state database;
};

enum link_state { LINK_UNKNOWN, LINK_READY, LINK_AWAY };

void database_state_init(struct database_state *state);
/*
 * Notes that one of the process's links to the database changed. Only the first of them to go and
 * the last to come back are logged: one line an outage, not one a worker.
 */
void database_state_note(
	struct database_state *state, enum link_state *link, bool is_available, const char *reason);
/* Why the last attempt failed, whichever link's; it may quote anything. */
void database_state_reason(
	struct database_state *state, char reason_out[static DATABASE_REASON_BYTES]);
