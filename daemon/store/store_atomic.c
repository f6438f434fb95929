// SPDX-License-Identifier: Apache-2.0
/*
 * A batch that is stored whole or not at all is gathered by whoever reads it, outside the queue,
 * and enters that at once.
 */
#include "base/clock.h"
#include "store_int.h"

#include <stdlib.h>

struct store_atomic {
	struct batch *batch;
};

struct store_atomic *store_atomic_new(uint32_t capacity)
{
	struct store_atomic *atomic = calloc(1, sizeof(*atomic));
	if (atomic == NULL) {
		return NULL;
	}
	atomic->batch = batch_new(capacity);
	if (atomic->batch == NULL) {
		store_atomic_free(&atomic);
		return NULL;
	}
	atomic->batch->is_atomic = true;
	return atomic;
}

void store_atomic_free(struct store_atomic **atomic)
{
	if (*atomic == NULL) {
		return;
	}
	batch_free(&(*atomic)->batch);
	free(*atomic);
	*atomic = NULL;
}

bool store_atomic_add(
	struct store_atomic *atomic, const struct submission *submission, uint64_t ticket)
{
	struct batch *batch = atomic->batch;
	return batch->count < batch->capacity && batch_append(batch, submission, ticket, 0);
}

uint32_t store_atomic_count(const struct store_atomic *atomic)
{
	return atomic->batch->count;
}

size_t store_atomic_bytes(const struct store_atomic *atomic)
{
	return atomic->batch->reports.cap + atomic->batch->indicators.cap;
}

void store_atomic_commit(struct store *store, struct store_atomic **atomic)
{
	struct batch *batch = (*atomic)->batch;
	int64_t now_ms = clock_monotonic_ms();
	(*atomic)->batch = NULL;
	store_atomic_free(atomic);
	for (uint32_t i = 0; i < batch->count; i++) {
		batch->entries[i].queued_at_ms = now_ms;
		store_count_pending(store, &batch->entries[i], 1);
	}
	lanes_put_whole(&store->lanes, batch->entries[0].partner_id, batch);
	store_arm_tick(store);
	if (store->flying == NULL && !store->retries_later) {
		store_kick(store);
	}
}
