// SPDX-License-Identifier: Apache-2.0
#include "report/report_time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_times_are_read_to_the_microsecond_in_utc(void **state)
{
	static const struct {
		const char *text;
		int64_t time_us;
	} cases[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"1970-01-01T00:00:00.000001Z", 1},
		{"1970-01-01T00:00:00.1Z", 100000},
		{"1970-01-01T00:00:00+14:59", -INT64_C(53940000000)},
		{"2026-11-09T11:30:00+01:00", INT64_C(1794220200000000)},
		{"2026-11-09T05:30:00-05:00", INT64_C(1794220200000000)},
		{"2000-02-29T23:59:59.999999-00:00", INT64_C(951868799999999)},
		{"2199-12-31T23:59:59Z", INT64_C(7258118399000000)},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t time_us;
		assert_true(report_time_parse(str_from(cases[i].text), &time_us));
		assert_true(time_us == cases[i].time_us);
	}
}

static void test_dates_that_do_not_exist_have_the_form_only(void **state)
{
	static const char *const cases[] = {
		"2026-02-29T00:00:00Z",
		"2100-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z",
		"1969-12-31T23:59:59Z",
		"1969-12-31T23:59:59-14:00",
		"2200-01-01T00:00:00Z",
		"0000-01-01T00:00:00Z",
		"9999-12-31T00:00:00Z",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t time_us;
		assert_true(report_time_has_form(str_from(cases[i])));
		assert_false(report_time_parse(str_from(cases[i]), &time_us));
	}
}

static void test_every_change_of_one_character_is_judged_within_bounds(void **state)
{
	(void)state;
	struct str whole = STR("2026-11-09T03:42:17.123456+01:00");
	for (size_t len = 0; len < whole.len; len++) {
		assert_false(report_time_has_form((struct str){whole.data, len}));
	}
	for (size_t at = 0; at < whole.len; at++) {
		char text[40];
		memcpy(text, whole.data, whole.len);
		text[at] = 'x';
		assert_false(report_time_has_form((struct str){text, whole.len}));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times_are_read_to_the_microsecond_in_utc),
		cmocka_unit_test(test_dates_that_do_not_exist_have_the_form_only),
		cmocka_unit_test(test_every_change_of_one_character_is_judged_within_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
