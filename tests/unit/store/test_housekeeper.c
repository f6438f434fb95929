// SPDX-License-Identifier: Apache-2.0
/*
 * How long housekeeping rests between two steps. What the steps do is tested with PostgreSQL.
 */
#include "housekeeper_int.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_late_work_gives_way_to_reports_that_wait(void **state)
{
	static const struct {
		int64_t step_ms;
		uint64_t waiting;
		int64_t interval_ms;
		int64_t expected_ms;
	} cases[] = {
		{100, 0, 2000, 100},
		{100, 31, 2000, 100},
		{100, 32, 2000, 900},
		{100, UINT64_MAX, 2000, 900},
		{0, 32, 2000, 0},
		{1999, 0, 2000, 1999},
		{2000, 0, 2000, 2000},
		{60000, 0, 2000, 2000},
		{222, 32, 2000, 1998},
		{223, 32, 2000, 2000},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(housekeeper_rest_ms(
					 cases[i].step_ms, cases[i].waiting, cases[i].interval_ms),
			cases[i].expected_ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_work_gives_way_to_reports_that_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
