// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

static void test_days_agree_with_libc_for_every_day_of_the_contract(void **state)
{
	(void)state;
	int64_t expected = 0;
	for (int year = 1970; year <= 2200; year++) {
		for (int month = 1; month <= 12; month++) {
			for (int day = 1; day <= 32; day++) {
				int64_t days;
				struct tm tm = {.tm_year = year - 1900,
					.tm_mon = month - 1,
					.tm_mday = day};
				bool exists = timegm(&tm) != -1 && tm.tm_mon == month - 1 &&
					tm.tm_mday == day;
				assert_int_equal(
					clock_days_from_date(year, month, day, &days), exists);
				if (exists) {
					assert_true(days == expected);
					expected++;
				}
			}
		}
	}
}

static void test_dates_that_do_not_exist_are_refused(void **state)
{
	static const int bad[][3] = {{2026, 0, 1}, {2026, 13, 1}, {2026, 1, 0}, {2026, 4, 31},
		{2026, 2, 29}, {2100, 2, 29}, {2024, 2, 30}, {0, 1, 1}, {-1, 1, 1}, {2026, -1, 1},
		{2026, 1, -1}};
	int64_t days;
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (clock_days_from_date(bad[i][0], bad[i][1], bad[i][2], &days)) {
			fail_msg("%d-%d-%d", bad[i][0], bad[i][1], bad[i][2]);
		}
	}
	assert_true(clock_days_from_date(2000, 2, 29, &days));
	assert_true(days == 11016);
	assert_true(clock_days_from_date(1, 1, 1, &days));
	assert_true(days == -719162);
}

static void test_times_are_written_as_rfc_3339(void **state)
{
	static const struct {
		int64_t wall_us;
		const char *expected;
	} cases[] = {
		{0, "1970-01-01T00:00:00.000000Z"},
		{1, "1970-01-01T00:00:00.000001Z"},
		{1794204312482913, "2026-11-09T06:05:12.482913Z"},
		{951782399999999, "2000-02-28T23:59:59.999999Z"},
		{951782400000000, "2000-02-29T00:00:00.000000Z"},
		{951868800000000, "2000-03-01T00:00:00.000000Z"},
		{4107542399000000, "2100-02-28T23:59:59.000000Z"},
		{4107542400000000, "2100-03-01T00:00:00.000000Z"},
		{253402300799999999, "9999-12-31T23:59:59.999999Z"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[CLOCK_RFC3339_SIZE];
		clock_format_rfc3339(cases[i].wall_us, text);
		assert_string_equal(text, cases[i].expected);
	}
}

static void test_times_agree_with_libc(void **state)
{
	(void)state;
	for (int64_t seconds = 0; seconds < 253402300800; seconds += INT64_C(86399) * 97) {
		char expected[64];
		char text[CLOCK_RFC3339_SIZE];
		time_t when = (time_t)seconds;
		struct tm tm;
		gmtime_r(&when, &tm);
		snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.000042Z",
			tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
			tm.tm_sec);
		clock_format_rfc3339(seconds * 1000000 + 42, text);
		assert_string_equal(text, expected);
	}
}

static void test_clocks_run_in_their_units(void **state)
{
	(void)state;
	int64_t before_us = clock_monotonic_us();
	int64_t ms = clock_monotonic_ms();
	int64_t after_us = clock_monotonic_us();
	assert_true(before_us / 1000 <= ms && ms <= after_us / 1000);
	int64_t before = (int64_t)time(NULL);
	int64_t wall_us = clock_wall_us();
	int64_t after = (int64_t)time(NULL);
	/* time(2) may lag behind by a timer tick. */
	assert_true(before <= wall_us / 1000000 && wall_us / 1000000 <= after + 1);
}

static void test_what_was_has_its_age_by_the_wall_clock(void **state)
{
	(void)state;
	int64_t expected = clock_wall_us() - 5000000;
	int64_t told = clock_wall_of_monotonic(clock_monotonic_us() - 5000000);
	assert_true(told >= expected - 1000 && told < expected + 1000000);
}

static void test_http_dates_are_those_of_rfc_9110(void **state)
{
	static const struct {
		int64_t unix_s;
		const char *text;
	} cases[] = {
		{784111777, "Sun, 06 Nov 1994 08:49:37 GMT"}, /* the example of 5.6.7 */
		{0, "Thu, 01 Jan 1970 00:00:00 GMT"},
		{951782399, "Mon, 28 Feb 2000 23:59:59 GMT"},
		{951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
		{1796083199, "Mon, 30 Nov 2026 23:59:59 GMT"},
		{253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[CLOCK_HTTP_DATE_SIZE];
		struct tm parts;
		char expected[64];
		time_t seconds = (time_t)cases[i].unix_s;
		clock_format_http_date(cases[i].unix_s, text);
		strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT",
			gmtime_r(&seconds, &parts));
		assert_string_equal(text, expected);
		assert_string_equal(text, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_days_agree_with_libc_for_every_day_of_the_contract),
		cmocka_unit_test(test_what_was_has_its_age_by_the_wall_clock),
		cmocka_unit_test(test_http_dates_are_those_of_rfc_9110),
		cmocka_unit_test(test_dates_that_do_not_exist_are_refused),
		cmocka_unit_test(test_times_are_written_as_rfc_3339),
		cmocka_unit_test(test_times_agree_with_libc),
		cmocka_unit_test(test_clocks_run_in_their_units),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
