// SPDX-License-Identifier: Apache-2.0
/*
 * Where libevent's smallest pieces of memory lie, and that those of its timers are there.
 *
 * For each number of a descriptor that an event base has ever watched, libevent keeps a few bytes
 * until the base is freed. They come while a crowd comes, so they would lie among what its
 * connections take, each in a page of its own, and none of these pages could be given back when
 * the crowd has left. Here they lie side by side.
 *
 * So memory that libevent hands out to be freed must not go to free(3): such functions are not
 * used.
 */
#pragma once

#include "base/attr.h"

#include <event2/event.h>
#include <stdbool.h>

/* Most that may be pending in a base: two for each client of admin and control, and our own. */
#define EVENT_MEMORY_TIMERS 256

/* Before the first event base is made. */
void event_memory_init(void);
/*
 * For a base that has no timers yet: setting one takes no memory from then on, so it cannot fail.
 * What waits for a timer that was not set would wait for ever. False without memory.
 */
MUST_CHECK bool event_memory_reserve_timers(struct event_base *base);
