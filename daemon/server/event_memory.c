// SPDX-License-Identifier: Apache-2.0
#include "event_memory_int.h"

#include <event2/event.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What libevent keeps of a descriptor: a list's head and three small counts. */
#define CELL_BYTES 16
/* For as many descriptors over all bases; not in memory until it is used. */
#define CELLS (1 << 17)

static _Alignas(CELL_BYTES) char cells[CELLS][CELL_BYTES];
static atomic_size_t used_count;

static bool is_cell(const void *memory)
{
	uintptr_t start = (uintptr_t)cells;
	return (uintptr_t)memory >= start && (uintptr_t)memory < start + sizeof(cells);
}

static void *allocate(size_t size)
{
	if (size <= CELL_BYTES && atomic_load(&used_count) < CELLS) {
		size_t number = atomic_fetch_add(&used_count, 1);
		if (number < CELLS) {
			return cells[number];
		}
	}
	return malloc(size);
}

/* A cell is not used again: it has been of use to the end of its base. */
static void release(void *memory)
{
	if (!is_cell(memory)) {
		free(memory);
	}
}

static void *reallocate(void *memory, size_t size)
{
	if (!is_cell(memory)) {
		return realloc(memory, size);
	}
	if (size <= CELL_BYTES) {
		return memory;
	}
	void *larger = malloc(size);
	if (larger != NULL) {
		memcpy(larger, memory, CELL_BYTES);
	}
	return larger;
}

void event_memory_init(void)
{
	event_set_mem_functions(allocate, reallocate, release);
}
