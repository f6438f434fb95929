// SPDX-License-Identifier: Apache-2.0
#include "server/shared.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

void database_state_init(struct database_state *state)
{
	*state = (struct database_state){.reason_lock = PTHREAD_MUTEX_INITIALIZER};
}

static void keep_reason(struct database_state *state, const char *reason)
{
	pthread_mutex_lock(&state->reason_lock);
	snprintf(state->reason, sizeof(state->reason), "%s", reason);
	pthread_mutex_unlock(&state->reason_lock);
}

void database_state_reason(
	struct database_state *state, char reason_out[static DATABASE_REASON_BYTES])
{
	pthread_mutex_lock(&state->reason_lock);
	memcpy(reason_out, state->reason, sizeof(state->reason));
	pthread_mutex_unlock(&state->reason_lock);
}

void database_state_note(
	struct database_state *state, enum link_state *link, bool is_available, const char *reason)
{
	enum link_state now = is_available ? LINK_READY : LINK_AWAY;
	enum link_state before = *link;
	char escaped[512];

	if (!is_available) {
		keep_reason(state, reason);
	}
	if (now == before) {
		return;
	}
	*link = now;
	if (now == LINK_AWAY && atomic_fetch_add(&state->links_away, 1) == 0) {
		atomic_store(&state->away_since_ms, clock_monotonic_ms());
		log_warn("database-away", "reason=%s",
			log_escape(escaped, sizeof(escaped), str_from(reason)));
	}
	if (now == LINK_READY && before == LINK_AWAY &&
		atomic_fetch_sub(&state->links_away, 1) == 1) {
		log_info("database-back", "after_ms=%lld",
			(long long)(clock_monotonic_ms() - atomic_load(&state->away_since_ms)));
	}
}
