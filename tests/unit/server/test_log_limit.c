// SPDX-License-Identifier: Apache-2.0
#include "../../../daemon/server/log_limit_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_the_first_line_passes_with_nothing_suppressed(void **state)
{
	struct log_limit limit = {0};
	uint64_t suppressed = 99;
	(void)state;
	assert_true(log_limit_pass(&limit, 5, &suppressed));
	assert_int_equal(suppressed, 0);
}

static void test_the_next_line_passes_when_the_quiet_time_is_over_and_not_before(void **state)
{
	struct log_limit limit = {0};
	uint64_t suppressed = 99;
	(void)state;
	assert_true(log_limit_pass(&limit, 1000, &suppressed));
	assert_false(log_limit_pass(&limit, 1000 + LOG_LIMIT_QUIET_MS - 1, &suppressed));
	assert_true(log_limit_pass(&limit, 1000 + LOG_LIMIT_QUIET_MS, &suppressed));
}

static void test_what_was_suppressed_is_counted_once(void **state)
{
	struct log_limit limit = {0};
	uint64_t suppressed = 99;
	(void)state;
	assert_true(log_limit_pass(&limit, 1000, &suppressed));
	for (int i = 0; i < 7; i++) {
		assert_false(log_limit_pass(&limit, 1001 + i, &suppressed));
	}
	assert_true(log_limit_pass(&limit, 1000 + LOG_LIMIT_QUIET_MS, &suppressed));
	assert_int_equal(suppressed, 7);
	assert_true(log_limit_pass(&limit, 1000 + 2 * LOG_LIMIT_QUIET_MS, &suppressed));
	assert_int_equal(suppressed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_line_passes_with_nothing_suppressed),
		cmocka_unit_test(
			test_the_next_line_passes_when_the_quiet_time_is_over_and_not_before),
		cmocka_unit_test(test_what_was_suppressed_is_counted_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
