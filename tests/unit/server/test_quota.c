// SPDX-License-Identifier: Apache-2.0
/*
 * Time is a number here, so what passes is known to the last report and the last byte, also where
 * threads take at once.
 */
#include "server/quota.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000)
#define THREADS 4
#define ATTEMPTS 50000

static struct quota quota;

static int make_quota(void **state)
{
	(void)state;
	memset(&quota, 0, sizeof(quota));
	return 0;
}

static bool take(const struct quota_limits *limits, int64_t now_us, int64_t reports, int64_t bytes)
{
	int64_t retry_ms;
	bool is_taken = quota_take(
		&quota, limits, now_us, (struct quota_demand){reports, bytes}, &retry_ms);
	assert_int_equal(is_taken, retry_ms == 0);
	return is_taken;
}

/* Refused now; granted in exactly so many milliseconds and not one sooner. */
static void assert_retry(
	const struct quota_limits *limits, int64_t now_us, struct quota_demand demand, int64_t ms)
{
	int64_t retry_ms;
	assert_false(quota_take(&quota, limits, now_us, demand, &retry_ms));
	assert_int_equal(retry_ms, ms);
	assert_false(quota_take(&quota, limits, now_us + (ms - 1) * 1000, demand, &retry_ms));
	assert_int_equal(retry_ms, 1);
	assert_true(quota_take(&quota, limits, now_us + ms * 1000, demand, &retry_ms));
	assert_int_equal(retry_ms, 0);
}

static int64_t take_until_refused(const struct quota_limits *limits, int64_t now_us)
{
	int64_t taken = 0;
	while (take(limits, now_us, 1, 0)) {
		taken++;
	}
	return taken;
}

static void test_a_burst_passes_and_one_more_does_not(void **state)
{
	static const struct quota_limits limits = {
		.reports_per_s = 3, .reports_burst = 7, .bytes_per_s = 10, .bytes_burst = 100};
	(void)state;
	assert_int_equal(take_until_refused(&limits, 5 * SECOND), 7);
	assert_true(take(&limits, 5 * SECOND, 0, 60));
	assert_true(take(&limits, 5 * SECOND, 0, 40));
	assert_false(take(&limits, 5 * SECOND, 0, 1));
	assert_true(take(&limits, 5 * SECOND, 0, 0));
}

static void test_without_a_burst_the_worth_of_a_second_passes(void **state)
{
	static const struct quota_limits limits = {.reports_per_s = 5};
	(void)state;
	assert_int_equal(take_until_refused(&limits, SECOND), 5);
	assert_int_equal(take_until_refused(&limits, 100 * SECOND), 5);
}

static void test_without_a_rate_everything_passes(void **state)
{
	static const struct quota_limits limits = {.reports_burst = 1, .bytes_burst = 1};
	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_true(take(&limits, 0, QUOTA_MAX, INT64_MAX));
	}
	quota_give_back(&quota, &limits, (struct quota_demand){1, 1});
}

static void test_nothing_is_rounded_away(void **state)
{
	static const struct quota_limits limits = {.reports_per_s = 3, .reports_burst = 3};
	int64_t taken = 0;
	(void)state;
	/* Seven microseconds are no whole number of reports; a thousand seconds are. */
	for (int64_t now_us = 0; now_us <= 1000 * SECOND; now_us += 70) {
		taken += take(&limits, now_us, 1, 0);
	}
	taken += take_until_refused(&limits, 1000 * SECOND);
	assert_int_equal(taken, 3 + 3 * 1000);
}

static void test_retry_is_exact(void **state)
{
	static const struct quota_limits thirds = {.reports_per_s = 3, .reports_burst = 3};
	static const struct quota_limits whole = {.bytes_per_s = 1000, .bytes_burst = 5000};
	(void)state;
	assert_int_equal(take_until_refused(&thirds, 0), 3);
	assert_retry(&thirds, 0, (struct quota_demand){1, 0}, 334);
	assert_true(take(&whole, 0, 0, 5000));
	assert_retry(&whole, 0, (struct quota_demand){0, 1}, 1);
	assert_retry(&whole, 1000, (struct quota_demand){0, 5000}, 5000);
}

static void test_more_than_the_burst_passes_when_full_and_is_paid_later(void **state)
{
	static const struct quota_limits limits = {.bytes_per_s = 10, .bytes_burst = 100};
	(void)state;
	assert_true(take(&limits, 0, 0, 1));
	assert_retry(&limits, 0, (struct quota_demand){0, 250}, 100);
	/* 250 are missing since 100 ms: one byte is there when 99 are missing. */
	assert_retry(&limits, 100000, (struct quota_demand){0, 1}, 15100);
	assert_true(take(&limits, 1000 * SECOND, 0, 101));
	assert_retry(&limits, 1000 * SECOND, (struct quota_demand){0, 101}, 10100);
}

static void test_both_are_taken_or_neither(void **state)
{
	static const struct quota_limits limits = {
		.reports_per_s = 1, .reports_burst = 10, .bytes_per_s = 10, .bytes_burst = 100};
	int64_t retry_ms;
	(void)state;
	assert_true(take(&limits, 0, 1, 95));
	assert_false(quota_take(&quota, &limits, 0, (struct quota_demand){1, 10}, &retry_ms));
	assert_int_equal(retry_ms, 500);
	assert_int_equal(quota_left(&quota, &limits, 0).reports, 9);
	assert_false(quota_take(&quota, &limits, 0, (struct quota_demand){10, 5}, &retry_ms));
	assert_int_equal(retry_ms, 1000);
	assert_int_equal(quota_left(&quota, &limits, 0).bytes, 5);
	/* The longer wait counts. */
	assert_retry(&limits, 0, (struct quota_demand){10, 20}, 1500);
}

static void test_what_is_given_back_can_be_taken_again(void **state)
{
	static const struct quota_limits limits = {
		.reports_per_s = 1, .reports_burst = 10, .bytes_per_s = 1, .bytes_burst = 100};
	(void)state;
	assert_true(take(&limits, 0, 10, 100));
	quota_give_back(&quota, &limits, (struct quota_demand){4, 30});
	assert_false(take(&limits, 0, 5, 0));
	assert_false(take(&limits, 0, 0, 31));
	assert_true(take(&limits, 0, 4, 30));
	/* Time has filled it meanwhile: there is no more than the burst. */
	assert_int_equal(quota_left(&quota, &limits, 7 * SECOND).reports, 7);
	quota_give_back(&quota, &limits, (struct quota_demand){4, 0});
	assert_int_equal(quota_left(&quota, &limits, 7 * SECOND).reports, 10);
	assert_int_equal(take_until_refused(&limits, 7 * SECOND), 10);
}

static void test_new_limits_hold_at_once(void **state)
{
	static const struct quota_limits slow = {.reports_per_s = 1, .reports_burst = 3600};
	static const struct quota_limits fast = {.reports_per_s = 1000, .reports_burst = 20000};
	static const struct quota_limits small = {.reports_per_s = 1, .reports_burst = 10};
	static const struct quota_limits none = {0};
	(void)state;
	assert_true(take(&slow, 0, 3600, 0));
	assert_false(take(&slow, 0, 1, 0));
	assert_int_equal(take_until_refused(&fast, 0), 20000 - 3600);
	assert_retry(&fast, 0, (struct quota_demand){1, 0}, 1);
	/* 20000 are missing from the small one, which so waits until 9 are. */
	assert_retry(&small, 1000, (struct quota_demand){1, 0}, INT64_C(19991000));
	assert_true(take(&none, 0, 1000000, 0));
	assert_false(take(&small, 1000, 1, 0));
}

static void test_a_clock_that_stands_still_or_is_behind_gives_nothing(void **state)
{
	static const struct quota_limits limits = {.reports_per_s = 10, .reports_burst = 2};
	int64_t retry_ms;
	(void)state;
	assert_int_equal(take_until_refused(&limits, SECOND), 2);
	for (int i = 0; i < 100; i++) {
		assert_false(take(&limits, SECOND, 1, 0));
		assert_false(take(&limits, SECOND / 2, 1, 0));
	}
	assert_false(
		quota_take(&quota, &limits, SECOND / 2, (struct quota_demand){1, 0}, &retry_ms));
	assert_int_equal(retry_ms, 600);
	assert_true(take(&limits, SECOND + 100000, 1, 0));
}

static void test_no_number_is_too_large(void **state)
{
	static const struct quota_limits largest = {
		QUOTA_MAX, QUOTA_MAX, QUOTA_MAX, QUOTA_MAX, QUOTA_MAX, QUOTA_MAX};
	static const struct quota_limits least = {1, 1, 1, 1, 1, 1};
	int64_t retry_ms;
	(void)state;
	assert_true(take(&largest, 0, QUOTA_MAX, QUOTA_MAX));
	assert_false(take(&largest, 0, 1, 1));
	assert_true(take(&largest, INT64_MAX / 2, INT64_MAX, INT64_MAX));
	assert_false(quota_take(&quota, &least, INT64_MAX / 2,
		(struct quota_demand){INT64_MAX, INT64_MAX}, &retry_ms));
	assert_int_equal(retry_ms, QUOTA_MAX * 1000);
	assert_true(take(&least, INT64_MAX, 1, INT64_MAX));
	struct quota_left left = quota_left(&quota, &largest, INT64_MAX);
	assert_int_equal(left.reports, QUOTA_MAX - 1);
	assert_int_equal(left.bytes, 0);
	assert_int_equal(left.connections, QUOTA_MAX);
}

static void test_what_is_left_is_told(void **state)
{
	static const struct quota_limits limits = {.connections = 3,
		.reports_in_flight = 5,
		.reports_per_s = 2,
		.reports_burst = 10,
		.bytes_per_s = 100};
	static const struct quota_limits lower = {.connections = 1,
		.reports_in_flight = 1,
		.reports_per_s = 1,
		.reports_burst = 1,
		.bytes_per_s = 1};
	static const struct quota_limits none = {0};
	(void)state;
	assert_true(take(&limits, 0, 7, 30));
	for (int i = 0; i < 2; i++) {
		assert_true(quota_enter_connection(&quota, &limits));
		assert_true(quota_enter_report(&quota, &limits));
	}
	struct quota_left left = quota_left(&quota, &limits, SECOND / 4);
	assert_int_equal(left.connections, 1);
	assert_int_equal(left.reports_in_flight, 3);
	assert_int_equal(left.reports, 3);
	assert_int_equal(left.bytes, 95);
	left = quota_left(&quota, &lower, SECOND / 4);
	assert_int_equal(left.connections, 0);
	assert_int_equal(left.reports_in_flight, 0);
	assert_int_equal(left.reports, 0);
	assert_int_equal(left.bytes, 0);
	left = quota_left(&quota, &none, SECOND / 4);
	assert_int_equal(left.connections, QUOTA_UNLIMITED);
	assert_int_equal(left.reports_in_flight, QUOTA_UNLIMITED);
	assert_int_equal(left.reports, QUOTA_UNLIMITED);
	assert_int_equal(left.bytes, QUOTA_UNLIMITED);
}

static void test_counters_reach_their_limit_and_no_further(void **state)
{
	static const struct quota_limits limits = {.connections = 3, .reports_in_flight = 2};
	static const struct quota_limits lower = {.connections = 1, .reports_in_flight = 1};
	static const struct quota_limits none = {0};
	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_true(quota_enter_connection(&quota, &limits));
	}
	assert_false(quota_enter_connection(&quota, &limits));
	for (int i = 0; i < 2; i++) {
		assert_true(quota_enter_report(&quota, &limits));
	}
	assert_false(quota_enter_report(&quota, &limits));
	assert_true(quota_enter_report(&quota, &none));
	assert_true(quota_enter_connection(&quota, &none));
	for (int i = 0; i < 3; i++) {
		quota_leave_report(&quota);
		assert_int_equal(quota_enter_report(&quota, &lower), i == 2);
	}
	quota_leave_connection(&quota);
	assert_false(quota_enter_connection(&quota, &limits));
	quota_leave_connection(&quota);
	assert_true(quota_enter_connection(&quota, &limits));
}

/* What threads share: each attempt is some microseconds after the one before. */
static _Atomic int64_t clock_us;
static const struct quota_limits shared_limits = {.connections = 2,
	.reports_per_s = 50000,
	.reports_burst = 100,
	.bytes_per_s = 30000000,
	.bytes_burst = 100000};

struct taken {
	pthread_t thread;
	int64_t reports;
	int64_t bytes;
	int64_t connections;
};

/* Takes, and at times gives back: what stays taken. */
static struct quota_demand hammer_once(int64_t now_us, struct quota_demand demand, bool is_used)
{
	int64_t retry_ms;
	if (!quota_take(&quota, &shared_limits, now_us, demand, &retry_ms)) {
		return (struct quota_demand){0};
	}
	if (!is_used) {
		quota_give_back(&quota, &shared_limits, demand);
		return (struct quota_demand){0};
	}
	return demand;
}

/* One at a time: of a joint demand only the scarcer bucket would be emptied. */
static void *hammer(void *arg)
{
	struct taken *taken = arg;
	for (int i = 0; i < ATTEMPTS; i++) {
		int64_t now_us = atomic_fetch_add(&clock_us, 7);
		bool is_used = i % 16 != 0;
		struct quota_demand reports = {1, 0};
		struct quota_demand bytes = {0, 1 + i % 3 * 700};
		taken->reports += hammer_once(now_us, reports, is_used).reports;
		taken->bytes += hammer_once(now_us, bytes, is_used).bytes;
		if (quota_enter_connection(&quota, &shared_limits)) {
			taken->connections++;
			quota_leave_connection(&quota);
		}
	}
	return NULL;
}

static void test_threads_take_what_there_is_and_no_more(void **state)
{
	struct taken taken[THREADS] = {0};
	struct taken sum = {0};
	(void)state;
	atomic_store(&clock_us, 0);
	/* Empty from the start, so that no time falls on a full bucket and is lost. */
	assert_true(take(&shared_limits, 0, 100, 100000));
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_create(&taken[i].thread, NULL, hammer, &taken[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(taken[i].thread, NULL), 0);
		assert_true(taken[i].connections > 0);
		sum.reports += taken[i].reports;
		sum.bytes += taken[i].bytes;
	}
	int64_t end_us = atomic_load(&clock_us);
	struct quota_left left = quota_left(&quota, &shared_limits, end_us);
	assert_int_equal(sum.reports + left.reports, 50000 * end_us / SECOND);
	assert_int_equal(sum.bytes + left.bytes, 30000000 * end_us / SECOND);
	assert_in_range(left.reports, 0, 100);
	assert_in_range(left.bytes, 0, 100000);
	assert_int_equal(left.connections, 2);
}

static void test_ten_traces_a_second_are_kept_and_the_rest_counted(void **state)
{
	const int64_t second_us = 1000000;
	int32_t not_traced = -1;
	(void)state;
	for (int64_t second = 7; second < 10; second++) {
		for (int i = 0; i < QUOTA_TRACES_A_SECOND; i++) {
			assert_true(quota_may_trace(
				&quota, second * second_us + i * 99999, &not_traced));
			assert_int_equal(not_traced, i == 0 && second > 7 ? 5 : 0);
		}
		for (int i = 0; i < 5; i++) {
			assert_false(
				quota_may_trace(&quota, second * second_us + 999999, &not_traced));
		}
	}
	/* A clock that was set back begins a second like any other. */
	assert_true(quota_may_trace(&quota, 3 * second_us, &not_traced));
	assert_int_equal(not_traced, 5);
}

struct tracer {
	struct quota *quota;
	int kept;
	int64_t not_traced;
};

static void *trace_much(void *arg)
{
	struct tracer *tracer = arg;
	int32_t not_traced;
	for (int64_t i = 0; i < 200000; i++) {
		if (quota_may_trace(tracer->quota, i * 100, &not_traced)) {
			tracer->kept++;
			tracer->not_traced += not_traced;
		}
	}
	return NULL;
}

/* Their clocks run apart, so a second may begin anew; no refusal is lost or counted twice. */
static void test_traces_of_threads_are_counted_once(void **state)
{
	struct tracer tracers[4];
	pthread_t threads[4];
	int64_t sum = 0;
	int32_t left = 0;
	(void)state;
	for (int i = 0; i < 4; i++) {
		tracers[i] = (struct tracer){.quota = &quota};
		assert_int_equal(pthread_create(&threads[i], NULL, trace_much, &tracers[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		sum += tracers[i].kept + tracers[i].not_traced;
	}
	assert_true(quota_may_trace(&quota, INT64_C(1000000000), &left));
	assert_int_equal(sum + left, 4 * 200000);
}

static void test_limits_of_a_partner_come_first(void **state)
{
	struct conf conf = {.quota_connections = 512,
		.quota_reports_in_flight = 256,
		.quota_reports_per_s = 500,
		.quota_reports_burst = 20000,
		.quota_bytes_per_s = 8388608,
		.quota_bytes_burst = 0};
	struct partner_quota common = {-1, -1, -1, -1, -1, -1};
	struct partner_quota own = {1, 0, 3, INT64_MAX, 0, 6};
	(void)state;
	struct quota_limits limits = quota_limits_merge(&conf, &common);
	assert_int_equal(limits.connections, 512);
	assert_int_equal(limits.reports_in_flight, 256);
	assert_int_equal(limits.reports_per_s, 500);
	assert_int_equal(limits.reports_burst, 20000);
	assert_int_equal(limits.bytes_per_s, 8388608);
	assert_int_equal(limits.bytes_burst, 0);
	limits = quota_limits_merge(&conf, &own);
	assert_int_equal(limits.connections, 1);
	assert_int_equal(limits.reports_in_flight, 0);
	assert_int_equal(limits.reports_per_s, 3);
	assert_int_equal(limits.reports_burst, QUOTA_MAX);
	assert_int_equal(limits.bytes_per_s, 0);
	assert_int_equal(limits.bytes_burst, 6);
}

static size_t resident_pages(void *start, size_t len)
{
	static unsigned char pages[4096];
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	size_t resident = 0;
	assert_true(len / page_bytes <= sizeof(pages));
	assert_int_equal(mincore(start, len, pages), 0);
	for (size_t i = 0; i < len / page_bytes; i++) {
		resident += pages[i] & 1;
	}
	return resident;
}

static void test_each_partner_has_a_quota_of_its_own(void **state)
{
	static const struct quota_limits limits = {.connections = 1};
	struct quota_table *table = quota_table_new();
	(void)state;
	assert_non_null(table);
	struct quota *first = quota_table_find(table, 1);
	assert_true(quota_enter_connection(first, &limits));
	assert_ptr_equal(quota_table_find(table, 1), first);
	assert_false(quota_enter_connection(quota_table_find(table, 1), &limits));
	assert_in_range(resident_pages(quota_table_find(table, 0),
				QUOTA_PARTNER_SLOTS * sizeof(struct quota)),
		1, 2);
	for (int32_t id = 2; id <= QUOTA_PARTNER_SLOTS; id++) {
		assert_true(quota_enter_connection(quota_table_find(table, id), &limits));
	}
	assert_ptr_equal(quota_table_find(table, QUOTA_PARTNER_SLOTS + 1), first);
	assert_non_null(quota_table_find(table, INT32_MAX));
	quota_table_free(&table);
	assert_null(table);
	quota_table_free(&table);
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup(test, make_quota)
	const struct CMUnitTest tests[] = {
		FRESH(test_a_burst_passes_and_one_more_does_not),
		FRESH(test_without_a_burst_the_worth_of_a_second_passes),
		FRESH(test_without_a_rate_everything_passes),
		FRESH(test_nothing_is_rounded_away),
		FRESH(test_retry_is_exact),
		FRESH(test_more_than_the_burst_passes_when_full_and_is_paid_later),
		FRESH(test_both_are_taken_or_neither),
		FRESH(test_what_is_given_back_can_be_taken_again),
		FRESH(test_new_limits_hold_at_once),
		FRESH(test_a_clock_that_stands_still_or_is_behind_gives_nothing),
		FRESH(test_no_number_is_too_large),
		FRESH(test_what_is_left_is_told),
		FRESH(test_counters_reach_their_limit_and_no_further),
		FRESH(test_threads_take_what_there_is_and_no_more),
		FRESH(test_ten_traces_a_second_are_kept_and_the_rest_counted),
		FRESH(test_traces_of_threads_are_counted_once),
		FRESH(test_limits_of_a_partner_come_first),
		FRESH(test_each_partner_has_a_quota_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
