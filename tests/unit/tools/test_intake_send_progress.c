// SPDX-License-Identifier: Apache-2.0
#include "intake_send_progress_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void assert_text(int width, struct progress_count count, double reports_rate,
	double bytes_rate, const char *trouble, const char *expected)
{
	char text[256];
	progress_format(text, sizeof(text), width, &count, reports_rate, bytes_rate, trouble);
	assert_string_equal(text, expected);
}

static void test_bar_shows_share_rate_and_time_left(void **state)
{
	(void)state;
	struct progress_count count = {
		.reports = 41000, .bytes = 41, .total_bytes = 100, .refused = 0};
	assert_text(79, count, 1520.4, 0.5, "",
		"[########------------]  41%  41000 reports  1520/s  1:58 left");
	count.refused = 3;
	assert_text(79, count, 1520.4, 0.01, "",
		"[########------------]  41%  41000 reports, 3 refused  1520/s  1:38:20 left");
	assert_text(79, count, 1, 0.0001, "",
		"[########------------]  41%  41000 reports, 3 refused  1/s  days left");
}

static void test_line_has_no_bar(void **state)
{
	(void)state;
	struct progress_count count = {.reports = 5, .bytes = 100, .total_bytes = 100};
	assert_text(0, count, 0, 0, "", "100%  5 reports  0/s");
}

static void test_unknown_total_has_no_share_and_no_time(void **state)
{
	(void)state;
	struct progress_count count = {.reports = 5, .bytes = 100};
	assert_text(79, count, 2, 40, "", "5 reports  2/s");
}

static void test_trouble_takes_the_place_of_the_rate(void **state)
{
	(void)state;
	struct progress_count count = {.reports = 5, .bytes = 1, .total_bytes = 2};
	assert_text(0, count, 2, 40, "Connection refused",
		" 50%  5 reports  waiting: Connection refused");
}

static void test_bar_is_cut_at_the_width(void **state)
{
	(void)state;
	struct progress_count count = {.reports = 5, .bytes = 1, .total_bytes = 2};
	assert_text(
		40, count, 2, 40, "Connection refused", "[##########----------]  50%  5 reports  ");
}

static void test_source_that_grew_is_at_most_all(void **state)
{
	(void)state;
	struct progress_count count = {.reports = 5, .bytes = 300, .total_bytes = 2};
	assert_text(79, count, 2, 40, "", "[####################] 100%  5 reports  2/s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bar_shows_share_rate_and_time_left),
		cmocka_unit_test(test_line_has_no_bar),
		cmocka_unit_test(test_unknown_total_has_no_share_and_no_time),
		cmocka_unit_test(test_trouble_takes_the_place_of_the_rate),
		cmocka_unit_test(test_bar_is_cut_at_the_width),
		cmocka_unit_test(test_source_that_grew_is_at_most_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
