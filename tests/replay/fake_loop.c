// SPDX-License-Identifier: Apache-2.0
/*
 * What of libevent the worker uses. Like libevent it takes what is ready, runs the most urgent kind
 * of it, of the last kind a few at a time, and looks again. Timers are due by the fake clock, and
 * those of one instant come in the order in which they were set.
 */
#include "replay.h"

#include "base/clock.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX 256
#define TURNS_MAX 100000

/* By an event's own address: those of connections are assigned again and again. */
struct entry {
	struct event *event;
	bool is_added;
	bool is_active;
	int64_t due_us;
	uint64_t order;
};

struct event_config {
	int last_priority_events;
};

struct event_base {
	struct entry entries[EVENTS_MAX];
	size_t count;
	int priorities;
	int last_priority_events;
	uint64_t order;
	bool is_ended;
};

static struct event_base *the_base;
static fake_loop_step_fn *next_step;

/* --- events --- */

static struct entry *entry_of(struct event *event)
{
	struct event_base *base = event->ev_base;
	for (size_t i = 0; i < base->count; i++) {
		if (base->entries[i].event == event) {
			return &base->entries[i];
		}
	}
	ENSURE(base->count < EVENTS_MAX);
	base->entries[base->count] = (struct entry){.event = event};
	return &base->entries[base->count++];
}

static void forget(struct event *event)
{
	struct event_base *base = event->ev_base;
	struct entry *entry = entry_of(event);
	*entry = base->entries[--base->count];
}

int event_assign(struct event *event, struct event_base *base, evutil_socket_t fd, short events,
	event_callback_fn callback, void *arg)
{
	memset(event, 0, sizeof(*event));
	event->ev_base = base;
	event->ev_fd = fd;
	event->ev_events = events;
	event->ev_evcallback.evcb_cb_union.evcb_callback = callback;
	event->ev_evcallback.evcb_arg = arg;
	event->ev_evcallback.evcb_pri = (uint8_t)(base->priorities / 2);
	return 0;
}

struct event *event_new(struct event_base *base, evutil_socket_t fd, short events,
	event_callback_fn callback, void *arg)
{
	struct event *event = malloc(sizeof(*event));
	ENSURE(event != NULL);
	event_assign(event, base, fd, events, callback, arg);
	return event;
}

void event_free(struct event *event)
{
	forget(event);
	free(event);
}

int event_add(struct event *event, const struct timeval *after)
{
	struct entry *entry = entry_of(event);
	entry->is_added = true;
	entry->order = event->ev_base->order++;
	if (after != NULL) {
		entry->due_us =
			clock_monotonic_us() + (int64_t)after->tv_sec * 1000000 + after->tv_usec;
	}
	return 0;
}

int event_del(struct event *event)
{
	forget(event);
	return 0;
}

void event_active(struct event *event, int what, short calls)
{
	(void)what;
	(void)calls;
	entry_of(event)->is_active = true;
}

int event_priority_set(struct event *event, int priority)
{
	event->ev_evcallback.evcb_pri = (uint8_t)priority;
	return 0;
}

int event_pending(const struct event *event, short events, struct timeval *due)
{
	const struct event_base *base = event->ev_base;
	(void)events;
	(void)due;
	for (size_t i = 0; i < base->count; i++) {
		if (base->entries[i].event == event) {
			return base->entries[i].is_added || base->entries[i].is_active;
		}
	}
	return 0;
}

/* --- the base --- */

struct event_config *event_config_new(void)
{
	return calloc(1, sizeof(struct event_config));
}

void event_config_free(struct event_config *config)
{
	free(config);
}

int event_config_set_max_dispatch_interval(
	struct event_config *config, const struct timeval *interval, int calls, int priority)
{
	(void)interval;
	(void)priority;
	config->last_priority_events = calls;
	return 0;
}

struct event_base *event_base_new_with_config(const struct event_config *config)
{
	struct event_base *base = calloc(1, sizeof(*base));
	ENSURE(base != NULL);
	base->last_priority_events = config->last_priority_events;
	the_base = base;
	return base;
}

int event_base_priority_init(struct event_base *base, int priorities)
{
	base->priorities = priorities;
	return 0;
}

void event_base_free(struct event_base *base)
{
	ENSURE(base->count == 0);
	the_base = NULL;
	free(base);
}

int event_base_loopbreak(struct event_base *base)
{
	base->is_ended = true;
	return 0;
}

/* --- turning --- */

static bool is_readable(int fd)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};
	return poll(&one, 1, 0) == 1;
}

/* Of the worker's descriptors only the mailbox's is one of the kernel's. */
static bool is_ready(const struct entry *entry)
{
	const struct event *event = entry->event;
	if (event->ev_fd < 0) {
		return entry->due_us <= clock_monotonic_us();
	}
	return wire_is_ready(event->ev_fd, event->ev_events) ||
		((event->ev_events & EV_READ) != 0 && is_readable(event->ev_fd));
}

static void find_ready(struct event_base *base)
{
	for (size_t i = 0; i < base->count; i++) {
		struct entry *entry = &base->entries[i];
		if (entry->is_added && is_ready(entry)) {
			entry->is_active = true;
			entry->is_added = (entry->event->ev_events & EV_PERSIST) != 0;
		}
	}
}

/* NULL when none is active. */
static struct entry *most_urgent(struct event_base *base)
{
	struct entry *best = NULL;
	for (size_t i = 0; i < base->count; i++) {
		struct entry *entry = &base->entries[i];
		if (!entry->is_active) {
			continue;
		}
		int priority = entry->event->ev_evcallback.evcb_pri;
		int best_priority = best != NULL ? best->event->ev_evcallback.evcb_pri : 0;
		if (best == NULL || priority < best_priority ||
			(priority == best_priority && entry->order < best->order)) {
			best = entry;
		}
	}
	return best;
}

static void run(struct event *event)
{
	event->ev_evcallback.evcb_cb_union.evcb_callback(
		event->ev_fd, event->ev_events, event->ev_evcallback.evcb_arg);
}

/* False when there was nothing to do. */
static bool turn(struct event_base *base)
{
	bool did_any = wire_accept_one();
	find_ready(base);
	struct entry *entry = most_urgent(base);
	int priority = entry != NULL ? entry->event->ev_evcallback.evcb_pri : 0;
	int left = priority == base->priorities - 1 ? base->last_priority_events : EVENTS_MAX;
	while (entry != NULL && entry->event->ev_evcallback.evcb_pri == priority && left-- > 0 &&
		!base->is_ended) {
		entry->is_active = false;
		run(entry->event);
		did_any = true;
		entry = most_urgent(base);
	}
	return did_any;
}

void fake_loop_settle(void)
{
	for (int turns = 0; !the_base->is_ended && turn(the_base); turns++) {
		if (turns == TURNS_MAX) {
			script_fail("the loop does not come to rest");
		}
	}
}

static int64_t next_timer_us(int64_t until_us)
{
	for (size_t i = 0; i < the_base->count; i++) {
		const struct entry *entry = &the_base->entries[i];
		if (entry->is_added && entry->event->ev_fd < 0 && entry->due_us < until_us) {
			until_us = entry->due_us;
		}
	}
	return until_us;
}

void fake_loop_advance_us(int64_t us)
{
	int64_t until_us = clock_monotonic_us() + us;
	while (!the_base->is_ended && clock_monotonic_us() < until_us) {
		fake_clock_advance_us(next_timer_us(until_us) - clock_monotonic_us());
		fake_loop_settle();
	}
}

void fake_loop_set_step(fake_loop_step_fn *step)
{
	next_step = step;
}

int event_base_dispatch(struct event_base *base)
{
	fake_loop_settle();
	while (!base->is_ended && next_step()) {
		fake_loop_settle();
	}
	base->is_ended = true;
	return 0;
}

bool fake_loop_is_ended(void)
{
	return the_base == NULL || the_base->is_ended;
}
