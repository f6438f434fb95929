// SPDX-License-Identifier: Apache-2.0
#include "history_int.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000)
#define WALL (INT64_C(1794204312) * SECOND)

static struct history history;
static struct history_sample now;

static int set_up(void **state)
{
	(void)state;
	history = (struct history){0};
	now = (struct history_sample){.at_us = 100 * SECOND};
	history_add(&history, &now, WALL);
	return 0;
}

static void advance(int64_t seconds)
{
	now.at_us += seconds * SECOND;
}

static void add(void)
{
	history_add(&history, &now, WALL + now.at_us);
}

static void assert_near(double value, double wanted)
{
	assert_true(fabs(value - wanted) < 0.001);
}

static void test_a_step_holds_what_happened_in_it(void **state)
{
	(void)state;
	advance(HISTORY_STEP_S);
	now.stored = 10;
	now.connections = 3;
	add();
	advance(HISTORY_STEP_S);
	now.stored = 25;
	now.refused = 1;
	now.duplicates = 2;
	now.connections = 1;
	add();
	assert_int_equal(history.step_count, 2);
	assert_int_equal(history.steps[0].stored, 10);
	assert_int_equal(history.steps[0].connections, 3);
	assert_int_equal(history.steps[1].stored, 15);
	assert_int_equal(history.steps[1].refused, 1);
	assert_int_equal(history.steps[1].duplicates, 2);
	assert_int_equal(history.steps[1].connections, 1);
	assert_true(isnan(history.steps[1].commit_p50_ms));
}

static void test_steps_without_a_sample_were_empty(void **state)
{
	(void)state;
	advance(HISTORY_STEP_S * 4 + 1);
	now.stored = 9;
	add();
	assert_int_equal(history.step_count, 4);
	assert_int_equal(history.steps[2].stored, 0);
	assert_int_equal(history.steps[3].stored, 9);
	advance(1000000);
	add();
	assert_int_equal(history.step_count, 4 + HISTORY_STEPS + 1);
}

static void test_a_timer_that_is_late_makes_no_step_more(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		now.at_us += HISTORY_STEP_S * SECOND + 2 * SECOND;
		add();
	}
	assert_int_equal(history.step_count, 10);
}

static void test_the_rate_is_of_the_last_minute(void **state)
{
	(void)state;
	/* 600 in the first ten steps, then one a second for a minute and more. */
	for (int i = 0; i < 10; i++) {
		advance(HISTORY_STEP_S);
		now.stored += 60;
		add();
	}
	for (int i = 0; i < 14; i++) {
		advance(HISTORY_STEP_S);
		now.stored += 4;
		now.duplicates += 1;
		now.refused += 10;
		add();
	}
	struct history_rate rate = history_rate_at(&history, &now);
	assert_int_equal(rate.window_s, HISTORY_WINDOW_S);
	assert_near(rate.reports_per_s, 1);
	assert_near(rate.refused_per_s, 2);
	advance(4);
	rate = history_rate_at(&history, &now);
	assert_int_equal(rate.window_s, HISTORY_WINDOW_S + 4);
	assert_near(rate.reports_per_s, 60.0 / 64);
}

static void test_a_rate_counts_from_the_start_when_that_is_less(void **state)
{
	(void)state;
	struct history_rate rate = history_rate_at(&history, &now);
	assert_true(isnan(rate.reports_per_s) && isnan(rate.refused_per_s));
	advance(2);
	now.stored = 6;
	rate = history_rate_at(&history, &now);
	assert_int_equal(rate.window_s, 2);
	assert_near(rate.reports_per_s, 3);
	assert_near(rate.refused_per_s, 0);
	assert_true(isnan(rate.commit_p50_ms));
}

static void test_latencies_are_those_of_the_window(void **state)
{
	(void)state;
	now.commits[20] = 1000;
	for (int i = 0; i < 13; i++) {
		advance(HISTORY_STEP_S);
		add();
	}
	/* 100 commits of 1.024 to 2.048 ms. */
	now.commits[11] += 100;
	struct history_rate rate = history_rate_at(&history, &now);
	assert_near(rate.commit_p50_ms, 1.536);
	assert_near(rate.commit_p99_ms, 1.024 + 1.024 * 0.99);
}

static void test_quantiles_lie_in_the_bucket_that_holds_them(void **state)
{
	uint64_t commits[METRIC_BUCKETS + 1] = {0};
	(void)state;
	assert_true(isnan(history_commit_ms(commits, 0.5)));
	commits[0] = 1;
	assert_near(history_commit_ms(commits, 1), 0.001);
	commits[0] = 0;
	commits[10] = 98;
	commits[14] = 2;
	assert_near(history_commit_ms(commits, 0.5), 0.512 + 0.512 * 50 / 98);
	assert_near(history_commit_ms(commits, 0.99), 8.192 + 8.192 / 2);
	commits[METRIC_BUCKETS] = 1000;
	assert_near(history_commit_ms(commits, 0.99), 8388.608);
}

static void test_samples_are_sums_over_workers(void **state)
{
	static struct metrics metrics[2];
	const struct metrics *workers[] = {&metrics[0], &metrics[1]};
	(void)state;
	metric_add(&metrics[0].store.reports_stored, 3);
	metric_add(&metrics[1].store.reports_stored, 4);
	metric_add(&metrics[0].duplicates, 5);
	metric_add(&metrics[0].refused[0], 1);
	metric_add(&metrics[1].refused[REJECT_COUNT - 1], 1);
	metric_add(&metrics[1].connections[PHASE_IDLE], 8);
	metric_observe(&metrics[0].store.commit_microseconds, 900);
	metric_observe(&metrics[1].store.commit_microseconds, 1000);
	struct history_sample sample = history_sample_of(workers, 2, 77);
	assert_int_equal(sample.at_us, 77);
	assert_int_equal(sample.stored, 7);
	assert_int_equal(sample.duplicates, 5);
	assert_int_equal(sample.refused, 2);
	assert_int_equal(sample.connections, 8);
	assert_int_equal(sample.commits[10], 2);
}

/* The elements of an array of the page. */
static size_t elements(const char *text, const char *name)
{
	char start[64];
	snprintf(start, sizeof(start), "\"%s\":[", name);
	const char *at = strstr(text, start);
	assert_non_null(at);
	size_t count = 1;
	for (at += strlen(start); *at != ']'; at++) {
		count += *at == ',' ? 1 : 0;
	}
	return count;
}

static void test_the_page_holds_an_hour_oldest_first(void **state)
{
	struct buf page;
	(void)state;
	buf_init(&page, (size_t)1 << 20);
	for (uint64_t i = 1; i <= HISTORY_STEPS + 5; i++) {
		advance(HISTORY_STEP_S);
		now.stored += i;
		add();
	}
	assert_true(history_render(&history, &page) && buf_append(&page, "", 1));
	assert_int_equal(elements(page.data, "stored"), HISTORY_STEPS);
	assert_int_equal(elements(page.data, "commit_p99_ms"), HISTORY_STEPS);
	assert_non_null(strstr(page.data, "\"stored\":[6,7,"));
	assert_non_null(strstr(page.data, ",724,725],\"duplicate\":["));
	assert_non_null(strstr(page.data, "\"commit_p50_ms\":[null,null,"));
	assert_non_null(strstr(page.data, "{\"step_s\":5,\"end_at\":\"2026-11-09T"));
	buf_fini(&page);
}

static void test_a_page_without_a_step_is_whole(void **state)
{
	struct buf page;
	(void)state;
	buf_init(&page, 4096);
	history = (struct history){0};
	assert_true(history_render(&history, &page) && buf_append(&page, "", 1));
	assert_string_equal(page.data,
		"{\"step_s\":5,\"end_at\":null,\"stored\":[],\"duplicate\":[],\"refused\":[],"
		"\"connections\":[],\"commit_p50_ms\":[],\"commit_p99_ms\":[]}\n");
	buf_fini(&page);
	buf_init(&page, 30);
	assert_false(history_render(&history, &page));
	buf_fini(&page);
}

int main(void)
{
#define HISTORY_TEST(test) cmocka_unit_test_setup(test, set_up)
	const struct CMUnitTest tests[] = {
		HISTORY_TEST(test_a_step_holds_what_happened_in_it),
		HISTORY_TEST(test_steps_without_a_sample_were_empty),
		HISTORY_TEST(test_a_timer_that_is_late_makes_no_step_more),
		HISTORY_TEST(test_the_rate_is_of_the_last_minute),
		HISTORY_TEST(test_a_rate_counts_from_the_start_when_that_is_less),
		HISTORY_TEST(test_latencies_are_those_of_the_window),
		HISTORY_TEST(test_quantiles_lie_in_the_bucket_that_holds_them),
		HISTORY_TEST(test_samples_are_sums_over_workers),
		HISTORY_TEST(test_the_page_holds_an_hour_oldest_first),
		HISTORY_TEST(test_a_page_without_a_step_is_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
