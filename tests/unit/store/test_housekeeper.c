// SPDX-License-Identifier: Apache-2.0
/*
 * How long housekeeping rests between two steps, and how large they are. What they do is tested
 * with PostgreSQL.
 */
#include "housekeeper_int.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_late_work_gives_way_to_more_than_it_can_keep_up_with(void **state)
{
	static const struct {
		struct housekeeper_step step;
		int64_t expected_ms; /* of 2,000 at most */
	} cases[] = {
		/* Nothing comes: a backlog is taken at half of the time. */
		{{.took_ms = 100, .changes = 1000, .stored = 0, .since_last_ms = 200}, 100},
		/* 1,000 in 200 ms can be taken, one more cannot. */
		{{.took_ms = 100, .changes = 1000, .stored = 1000, .since_last_ms = 200}, 100},
		{{.took_ms = 100, .changes = 1000, .stored = 1001, .since_last_ms = 200}, 900},
		/* The same rates after a long rest: what it could take counts, not what it took. */
		{{.took_ms = 100, .changes = 1000, .stored = 5000, .since_last_ms = 1000}, 100},
		{{.took_ms = 100, .changes = 1000, .stored = 5001, .since_last_ms = 1000}, 900},
		/* Never longer than the interval. */
		{{.took_ms = 1999, .changes = 1, .stored = 0, .since_last_ms = 4000}, 1999},
		{{.took_ms = 2001, .changes = 1, .stored = 0, .since_last_ms = 4000}, 2000},
		{{.took_ms = 222, .changes = 1, .stored = 1000, .since_last_ms = 1000}, 1998},
		{{.took_ms = 223, .changes = 1, .stored = 1000, .since_last_ms = 1000}, 2000},
		{{.took_ms = 0, .changes = 1, .stored = 1000, .since_last_ms = 0}, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct housekeeper_step full = cases[i].step;
		full.most = full.changes;
		assert_int_equal(housekeeper_rest_ms(&full, 2000), cases[i].expected_ms);
	}
}

static void test_the_emptier_a_step_was_the_later_is_the_next(void **state)
{
	static const struct {
		struct housekeeper_step step;
		int64_t expected_ms; /* of 2,000 at most */
	} cases[] = {
		{{.took_ms = 5, .most = 200, .changes = 0}, 2000},
		{{.took_ms = 5, .most = 200, .changes = 1}, 1990},
		{{.took_ms = 20, .most = 200, .changes = 100}, 1000},
		{{.took_ms = 40, .most = 200, .changes = 199}, 40},
		{{.took_ms = 40, .most = 200, .changes = 200}, 40},
		/* So many waited that a small step was full. */
		{{.took_ms = 5, .most = 1, .changes = 1}, 5},
		/* One that took long rests as long in any case. */
		{{.took_ms = 1500, .most = 200, .changes = 100}, 1500},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(housekeeper_rest_ms(&cases[i].step, 2000), cases[i].expected_ms);
	}
}

static void test_a_step_that_fails_is_tried_with_half_as_much(void **state)
{
	static const struct {
		int32_t most;
		bool has_failed;
		int64_t took_ms;
		int32_t expected;
	} cases[] = {
		{200, true, 5000, 100},
		{3, true, 5000, 1},
		{1, true, 5000, 1},
		/* It fits now: more would fail again. */
		{100, false, 500, 100},
		{100, false, 499, 200},
		{1, false, 0, 2},
		{99, false, 0, 198},
		{150, false, 0, 200},
		{200, false, 0, 200},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
			housekeeper_next_most(cases[i].most, cases[i].has_failed, cases[i].took_ms),
			cases[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_work_gives_way_to_more_than_it_can_keep_up_with),
		cmocka_unit_test(test_the_emptier_a_step_was_the_later_is_the_next),
		cmocka_unit_test(test_a_step_that_fails_is_tried_with_half_as_much),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
