// SPDX-License-Identifier: Apache-2.0
#include "event_memory_int.h"

#include <stdatomic.h>
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

static void do_nothing(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	(void)ctx;
}

/* libevent's heap of timers grows with the most that were pending at once, and never shrinks. */
bool event_memory_reserve_timers(struct event_base *base)
{
	static const struct timeval later = {3600, 0};
	struct event *timers[EVENT_MEMORY_TIMERS] = {NULL};
	bool done = true;
	for (int i = 0; i < EVENT_MEMORY_TIMERS && done; i++) {
		timers[i] = evtimer_new(base, do_nothing, NULL);
		done = timers[i] != NULL && evtimer_add(timers[i], &later) == 0;
	}
	for (int i = 0; i < EVENT_MEMORY_TIMERS && timers[i] != NULL; i++) {
		event_free(timers[i]);
	}
	return done;
}
