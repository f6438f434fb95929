// SPDX-License-Identifier: Apache-2.0
/*
 * Chunks of bytes handed out from the front. The first chunk is sized for an ordinary report, so
 * the usual request costs no malloc at all once the arena is warm.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_IS_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_IS_SANITIZED
#endif
#endif
#ifdef ARENA_IS_SANITIZED
/* A chunk a piece and no rounding, so that the first byte past a piece is out of bounds. */
#define ARENA_CHUNK_BYTES ((size_t)1)
#define ARENA_ALIGNMENT ((size_t)1)
#else
#define ARENA_CHUNK_BYTES ((size_t)32 * 1024)
#define ARENA_ALIGNMENT alignof(max_align_t)
#endif

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;
	alignas(max_align_t) char data[];
};

void arena_init(struct arena *a, size_t max)
{
	*a = (struct arena){.max = max};
}

static void chunk_free(struct arena *a, struct arena_chunk *chunk, size_t used)
{
	a->total -= chunk->size;
	explicit_bzero(chunk->data, used);
	free(chunk);
}

void arena_fini(struct arena *a)
{
	arena_reset(a);
	if (a->chunks != NULL) {
		chunk_free(a, a->chunks, 0);
		a->chunks = NULL;
	}
}

static bool arena_grow(struct arena *a, size_t size)
{
	size_t room = a->max - a->total;
	if (size > room) {
		return false;
	}
	size_t chunk_size = size;
	if (size < ARENA_CHUNK_BYTES) {
		chunk_size = room < ARENA_CHUNK_BYTES ? room : ARENA_CHUNK_BYTES;
	}
	struct arena_chunk *chunk = malloc(sizeof(*chunk) + chunk_size);
	if (chunk == NULL) {
		return false;
	}
	chunk->next = a->chunks;
	chunk->size = chunk_size;
	a->chunks = chunk;
	a->used = 0;
	a->total += chunk_size;
	return true;
}

void *arena_alloc(struct arena *a, size_t size)
{
	size_t wanted = size > 0 ? size : 1;
	size_t rounded = (wanted + ARENA_ALIGNMENT - 1) & ~(ARENA_ALIGNMENT - 1);
	if (rounded < wanted) {
		return NULL;
	}
	if (a->chunks == NULL || a->chunks->size - a->used < rounded) {
		if (!arena_grow(a, rounded)) {
			return NULL;
		}
	}
	void *piece = a->chunks->data + a->used;
	a->used += rounded;
	return piece;
}

void arena_reset(struct arena *a)
{
	if (a->chunks == NULL) {
		return;
	}
	while (a->chunks->next != NULL) {
		struct arena_chunk *chunk = a->chunks;
		a->chunks = chunk->next;
		chunk_free(a, chunk, a->used);
		a->used = a->chunks->size;
	}
	if (a->chunks->size != ARENA_CHUNK_BYTES) {
		chunk_free(a, a->chunks, a->used);
		a->chunks = NULL;
		a->used = 0;
		return;
	}
	explicit_bzero(a->chunks->data, a->used);
	a->used = 0;
}
