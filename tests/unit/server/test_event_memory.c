// SPDX-License-Identifier: Apache-2.0
#include "event_memory_int.h"

#include <event2/event.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#define DESCRIPTORS 500
/* Less than one piece each: its table by number grows a few times, and that is all. */
#define GROWTH_MAX ((size_t)DESCRIPTORS * 24)

static void nothing(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	(void)ctx;
}

static void test_a_descriptor_once_watched_holds_no_page_of_the_heap(void **state)
{
	struct event_base *base = event_base_new();
	int descriptors[DESCRIPTORS];
	struct event *event = event_new(base, 0, 0, nothing, NULL);
	size_t before = mallinfo2().uordblks;

	(void)state;
	descriptors[0] = eventfd(0, EFD_CLOEXEC);
	for (int i = 0; i < DESCRIPTORS; i++) {
		if (i > 0) {
			descriptors[i] = dup(descriptors[0]);
		}
		assert_true(descriptors[i] >= 0);
		event_assign(event, base, descriptors[i], EV_READ, nothing, NULL);
		assert_int_equal(event_add(event, NULL), 0);
		assert_int_equal(event_del(event), 0);
	}
	assert_true(mallinfo2().uordblks <= before + GROWTH_MAX);
	for (int i = 0; i < DESCRIPTORS; i++) {
		close(descriptors[i]);
	}
	event_free(event);
	event_base_free(base);
}

static void test_timers_that_are_reserved_take_no_memory_when_they_are_set(void **state)
{
	static const struct timeval later = {60, 0};
	struct event_base *base = event_base_new();
	struct event *timers[EVENT_MEMORY_TIMERS];

	(void)state;
	assert_true(event_memory_reserve_timers(base));
	for (int i = 0; i < EVENT_MEMORY_TIMERS; i++) {
		timers[i] = evtimer_new(base, nothing, NULL);
	}
	size_t before = mallinfo2().uordblks;
	for (int i = 0; i < EVENT_MEMORY_TIMERS; i++) {
		assert_int_equal(evtimer_add(timers[i], &later), 0);
	}
	assert_int_equal(mallinfo2().uordblks, before);
	for (int i = 0; i < EVENT_MEMORY_TIMERS; i++) {
		event_free(timers[i]);
	}
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_descriptor_once_watched_holds_no_page_of_the_heap),
		cmocka_unit_test(test_timers_that_are_reserved_take_no_memory_when_they_are_set),
	};
	event_memory_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
