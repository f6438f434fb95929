// SPDX-License-Identifier: Apache-2.0
/*
 * The memory of one request: many small pieces, freed in one call and wiped, since they hold
 * victims' data. There is no free of one piece. In sanitizer builds each piece is a malloc of its
 * own, so that an overrun is seen.
 */
#pragma once

#include "base/attr.h"

#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* newest first; the first one made is kept over a reset */
	size_t used;                /* bytes in the newest chunk */
	size_t total;               /* bytes held in all chunks */
	size_t max;                 /* total may not exceed this */
};

void arena_init(struct arena *a, size_t max);
void arena_fini(struct arena *a);
/* Aligned for any type; not zeroed. NULL past the maximum or when memory is short. */
MUST_CHECK void *arena_alloc(struct arena *a, size_t size);
/* Frees and wipes every piece; keeps one chunk for the next request. */
void arena_reset(struct arena *a);
