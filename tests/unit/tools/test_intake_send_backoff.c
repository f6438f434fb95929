// SPDX-License-Identifier: Apache-2.0
#include "intake_send_backoff_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const uint32_t randoms[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff};
#define RANDOM_COUNT (sizeof(randoms) / sizeof(randoms[0]))

static void test_each_failure_doubles_the_wait_up_to_the_longest(void **state)
{
	(void)state;
	int64_t longest = BACKOFF_FIRST_MS;
	for (unsigned failures = 1; failures < 40; failures++) {
		for (size_t i = 0; i < RANDOM_COUNT; i++) {
			int64_t delay = backoff_delay_ms(failures, 0, randoms[i]);
			assert_true(delay >= longest / 2 && delay < longest);
		}
		assert_int_equal(backoff_delay_ms(failures, 0, 0), longest / 2);
		longest = longest * 2 < BACKOFF_LONGEST_MS ? longest * 2 : BACKOFF_LONGEST_MS;
	}
	assert_int_equal(longest, BACKOFF_LONGEST_MS);
}

static void test_no_failure_counts_as_the_first(void **state)
{
	(void)state;
	assert_int_equal(backoff_delay_ms(0, 0, 7), backoff_delay_ms(1, 0, 7));
	assert_int_equal(backoff_delay_ms(1, -5, 7), backoff_delay_ms(1, 0, 7));
}

static void test_wait_is_never_below_what_the_server_asks(void **state)
{
	(void)state;
	static const int64_t asked_s[] = {1, 7, 59, 60, 61, 3600};
	for (size_t i = 0; i < sizeof(asked_s) / sizeof(asked_s[0]); i++) {
		for (unsigned failures = 1; failures < 12; failures++) {
			for (size_t j = 0; j < RANDOM_COUNT; j++) {
				int64_t delay = backoff_delay_ms(failures, asked_s[i], randoms[j]);
				assert_true(delay >= asked_s[i] * 1000);
				assert_true(
					delay <= asked_s[i] * 1100 || delay <= BACKOFF_LONGEST_MS);
			}
		}
	}
}

static void test_no_wait_is_much_longer_than_a_day(void **state)
{
	(void)state;
	static const int64_t asked_s[] = {86400, 86401, INT64_MAX / 1000, INT64_MAX};
	for (size_t i = 0; i < sizeof(asked_s) / sizeof(asked_s[0]); i++) {
		for (size_t j = 0; j < RANDOM_COUNT; j++) {
			int64_t delay = backoff_delay_ms(1, asked_s[i], randoms[j]);
			assert_true(delay >= 86400 * 1000 && delay <= 86400 * 1100);
		}
	}
}

static void test_two_clients_do_not_come_back_together(void **state)
{
	(void)state;
	for (unsigned failures = 1; failures < 12; failures++) {
		assert_true(backoff_delay_ms(failures, 0, 0) <
			backoff_delay_ms(failures, 0, 0xffffffff));
		assert_true(backoff_delay_ms(failures, 5, 0) <
			backoff_delay_ms(failures, 5, 0xffffffff));
	}
	/* Nor those whose own wait would be below what is asked, or could just reach it. */
	assert_true(backoff_delay_ms(5, 5, 0) < backoff_delay_ms(5, 5, 0x10000000));
	assert_true(backoff_delay_ms(2, 1, 0) < backoff_delay_ms(2, 1, 0xffffffff));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_failure_doubles_the_wait_up_to_the_longest),
		cmocka_unit_test(test_no_failure_counts_as_the_first),
		cmocka_unit_test(test_wait_is_never_below_what_the_server_asks),
		cmocka_unit_test(test_no_wait_is_much_longer_than_a_day),
		cmocka_unit_test(test_two_clients_do_not_come_back_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
