// SPDX-License-Identifier: Apache-2.0
/*
 * The order of memory. The words are stored with release after the odd sequence number, and loaded
 * with acquire before that number is loaded again: who sees any word of a change sees a sequence
 * number that tells. Every access is atomic, so that there is no data race either.
 */
#include "refusal_ring_int.h"

#include <assert.h>
#include <string.h>

#define READ_TRIES 4

static_assert(REPORT_CODE_COUNT < UINT8_MAX, "a code plus one fits a byte");
static_assert(REJECT_COUNT <= UINT8_MAX && ROUTE_COUNT <= UINT8_MAX, "each fits a byte");

struct refusal_codes refusal_codes_of(const struct report_result *result)
{
	struct refusal_codes codes = {{0}};
	size_t used = 0;
	for (size_t i = 0; i < result->error_count && used < REFUSAL_CODES; i++) {
		uint8_t code = (uint8_t)(result->errors[i].code + 1);
		if (memchr(codes.first, code, used) == NULL) {
			codes.first[used++] = code;
		}
	}
	return codes;
}

static void pack(const struct recent_refusal *refusal, uint64_t words_out[REFUSAL_WORDS])
{
	uint32_t codes;
	memcpy(&codes, refusal->codes.first, sizeof(codes));
	words_out[0] = (uint64_t)refusal->at_us;
	words_out[1] = (uint64_t)(uint32_t)refusal->partner_id << 32 | refusal->count;
	words_out[2] = (uint64_t)refusal->route << 40 | (uint64_t)refusal->reject << 32 | codes;
}

static void unpack(const uint64_t words[REFUSAL_WORDS], struct recent_refusal *refusal_out)
{
	uint32_t codes = (uint32_t)words[2];
	*refusal_out = (struct recent_refusal){
		.at_us = (int64_t)words[0],
		.partner_id = (int32_t)(words[1] >> 32),
		.count = (uint32_t)words[1],
		.route = (enum route)(words[2] >> 40 & 0xff),
		.reject = (enum reject)(words[2] >> 32 & 0xff),
	};
	memcpy(refusal_out->codes.first, &codes, sizeof(codes));
}

static void write_entry(struct refusal_entry *entry, const struct recent_refusal *refusal)
{
	uint64_t words[REFUSAL_WORDS];
	uint64_t sequence = atomic_load_explicit(&entry->sequence, memory_order_relaxed);
	pack(refusal, words);
	atomic_store_explicit(&entry->sequence, sequence + 1, memory_order_relaxed);
	for (size_t i = 0; i < REFUSAL_WORDS; i++) {
		atomic_store_explicit(&entry->words[i], words[i], memory_order_release);
	}
	atomic_store_explicit(&entry->sequence, sequence + 2, memory_order_release);
}

static bool is_alike(const struct recent_refusal *a, const struct recent_refusal *b)
{
	return a->partner_id == b->partner_id && a->route == b->route && a->reject == b->reject &&
		memcmp(a->codes.first, b->codes.first, sizeof(a->codes.first)) == 0;
}

void refusal_ring_note(struct refusal_ring *ring, const struct recent_refusal *refusal)
{
	uint32_t count = 1;
	if (ring->written > 0 && is_alike(&ring->newest, refusal)) {
		count = ring->newest.count < UINT32_MAX ? ring->newest.count + 1 : UINT32_MAX;
	} else {
		ring->written++;
	}
	ring->newest = *refusal;
	ring->newest.count = count;
	write_entry(&ring->entries[(ring->written - 1) % REFUSAL_RING_SIZE], &ring->newest);
}

/* False where nothing was written yet, or it changes all the time. */
static bool read_entry(const struct refusal_entry *entry, struct recent_refusal *refusal_out)
{
	uint64_t words[REFUSAL_WORDS];
	for (int tries = 0; tries < READ_TRIES; tries++) {
		uint64_t before = atomic_load_explicit(&entry->sequence, memory_order_acquire);
		for (size_t i = 0; i < REFUSAL_WORDS; i++) {
			words[i] = atomic_load_explicit(&entry->words[i], memory_order_acquire);
		}
		uint64_t after = atomic_load_explicit(&entry->sequence, memory_order_relaxed);
		if (before == after && before % 2 == 0) {
			unpack(words, refusal_out);
			return before != 0;
		}
	}
	return false;
}

size_t refusal_ring_read(
	const struct refusal_ring *ring, struct recent_refusal out[REFUSAL_RING_SIZE])
{
	size_t count = 0;
	for (size_t i = 0; i < REFUSAL_RING_SIZE; i++) {
		count += read_entry(&ring->entries[i], &out[count]) ? 1 : 0;
	}
	return count;
}
