// SPDX-License-Identifier: Apache-2.0
/*
 * What people see of a status: rates are differences, what is missing is left out, what is wrong is
 * marked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "intakectl_instant_int.h"
#include "intakectl_view_int.h"
#include "intakectl_view_tables_int.h"

/* JSON with ' for ". */
static json_t *object(const char *text)
{
	char *json = strdup(text);
	assert_non_null(json);
	for (char *c = json; *c != '\0'; c++) {
		*c = *c == '\'' ? '"' : *c;
	}
	json_t *parsed = json_loads(json, 0, NULL);
	free(json);
	assert_non_null(parsed);
	return parsed;
}

/* The view's text, for free(). */
static char *text_of(const char *status, const char *before, double elapsed_s, size_t list_max)
{
	char *text = NULL;
	size_t len = 0;
	json_t *now = object(status);
	json_t *then = before == NULL ? NULL : object(before);
	FILE *out = open_memstream(&text, &len);
	assert_non_null(out);
	view_print(&(struct view){now, then, elapsed_s, list_max}, out);
	fclose(out);
	json_decref(now);
	json_decref(then);
	return text;
}

static void assert_view(const char *status, const char *expected)
{
	char *text = text_of(status, NULL, 0, 10);
	assert_string_equal(text, expected);
	free(text);
}

static void test_durations_show_their_two_largest_units(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {{-5, "0 s"}, {0, "0 s"}, {59, "59 s"}, {60, "1 min"}, {61, "1 min 1 s"},
		{3600, "1 h"}, {3659, "1 h"}, {3660, "1 h 1 min"}, {86399, "23 h 59 min"},
		{86400, "1 d"}, {90000, "1 d 1 h"}, {8640000, "100 d"}};
	char out[DURATION_TEXT_SIZE];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(duration_format(cases[i].seconds, out), cases[i].text);
	}
}

static void test_times_are_those_of_the_daemon_and_nothing_else(void **state)
{
	static const char *const bad[] = {"", "2026", "2026-11-09", "2026-11-09T06:05:12+01:00",
		"2026-13-09T06:05:12Z", "now"};
	int64_t at_s = 0;
	char out[INSTANT_TEXT_SIZE];
	(void)state;
	assert_true(instant_parse("1970-01-02T00:00:01.999999Z", &at_s));
	assert_int_equal(at_s, 86401);
	assert_string_equal(instant_format(at_s, out), "1970-01-02 00:00:01 UTC");
	assert_false(instant_parse(NULL, &at_s));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(instant_parse(bad[i], &at_s));
	}
}

static void test_a_rate_is_what_a_counter_grew_by(void **state)
{
	json_t *now = object("{'a':30,'b':5}");
	json_t *then = object("{'a':10,'b':7}");
	(void)state;
	assert_true(view_rate(now, then, "a", 2.0) == 10.0);
	/* A daemon that was restarted, a moment that took no time, and nothing to compare with. */
	assert_true(view_rate(now, then, "b", 2.0) == 0.0);
	assert_true(view_rate(now, then, "a", 0.0) == 0.0);
	assert_true(view_rate(now, NULL, "a", 2.0) == 15.0);
	assert_true(view_rate(NULL, NULL, "a", 2.0) == 0.0);
	json_decref(now);
	json_decref(then);
}

static void test_what_is_missing_is_left_out(void **state)
{
	(void)state;
	assert_view("{}", "");
	assert_view("{'connections':4,'partners':3,'rate':null,'queue':[],'reports':7}",
		"connections   4\n");
	assert_view("{'rate':{'window_s':60,'reports_per_s':null,'commit_p99_ms':null}}",
		"rate          nothing in the last 60 s\n");
	assert_view(
		"{'rate':{'window_s':0,'reports_per_s':null}}", "rate          not known yet\n");
	assert_view("{'rate':{'commit_p50_ms':1.94}}", "rate          commit p50 1.9 ms\n");
}

static void test_what_is_wrong_is_marked(void **state)
{
	(void)state;
	assert_view("{'ready':true,'reason':'ready'}", "state         ready\n");
	assert_view("{'ready':false,'reason':'the\\u001b[31m end'}",
		"state         ! not ready: the?[31m end\n");
	assert_view("{'now':'2026-11-01T00:00:00Z','certificates':{"
		    "'server_expires_at':'2026-12-01T00:00:00Z',"
		    "'partner_ca_expires_at':'2026-11-30T23:59:59Z',"
		    "'crl_next_update_at':'2026-11-01T00:00:01Z'}}",
		"certificate   expires 2026-12-01 00:00:00 UTC, 30 d left\n"
		"partner CA    ! expires 2026-11-30 23:59:59 UTC, 29 d left\n"
		"revocation    ! next list by 2026-11-01 00:00:01 UTC, in 1 s\n");
	assert_view("{'now':'2026-11-01T00:00:00Z','certificates':{"
		    "'crl_next_update_at':'2026-11-02T00:00:00Z'}}",
		"revocation    next list by 2026-11-02 00:00:00 UTC, in 1 d\n");
	assert_view("{'now':'2026-11-01T00:00:00Z','certificates':{"
		    "'server_expires_at':'2026-11-01T00:00:00Z',"
		    "'crl_next_update_at':'2026-11-01T00:00:00Z'}}",
		"certificate   ! expired 2026-11-01 00:00:00 UTC\n"
		"revocation    ! the list ran out 2026-11-01 00:00:00 UTC\n");
}

static void test_tables_are_cut_with_a_word_of_what_is_left(void **state)
{
	char *text = text_of("{'refusals':{'a':1,'b':10,'c':10},'partner_count':120,'partners':["
			     "{'name':'x','mode':'live','is_suspended':false,'stored':7,"
			     "'duplicate':0,'refused':1},{'name':'y'},{'name':'z'}]}",
		"{'partners':[{'name':'x','stored':3}]}", 2.0, 2);
	(void)state;
	assert_string_equal(text,
		"\n"
		"REFUSAL  COUNT\n"
		"b           10\n"
		"c           10\n"
		"\n"
		"PARTNER  MODE  STATE   STORED  DUPLICATE  REFUSED  STORED/S\n"
		"x        live  active       7          0        1       2.0\n"
		"y        -     active       0          0        0       0.0\n"
		"and 118 more\n");
	free(text);
}

static void test_times_of_a_command_line_are_those_that_are_printed(void **state)
{
	static const char *const good[] = {"2026-11-09", "2026-11-09T06:05:12Z", "2026-11-09 06:05",
		"2026-11-09T06:05:12.123456+02:00", "2026-11-09 06:05:12+00",
		"2026-11-09 06:05:12 UTC", "2026-11-09 06:05:12-05:30"};
	static const char *const bad[] = {"", "now", "yesterday", "infinity", "2026-02-30",
		"2026-11-09T", "2026-11-09 06", "2026-11-09 06:05:12 CET", "2026-11-09 06:05:12+0",
		"2026-11-09 06:05:12+00:00x", "2026-11-09Z"};
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(instant_is_time(good[i]));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(instant_is_time(bad[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations_show_their_two_largest_units),
		cmocka_unit_test(test_times_of_a_command_line_are_those_that_are_printed),
		cmocka_unit_test(test_times_are_those_of_the_daemon_and_nothing_else),
		cmocka_unit_test(test_a_rate_is_what_a_counter_grew_by),
		cmocka_unit_test(test_what_is_missing_is_left_out),
		cmocka_unit_test(test_what_is_wrong_is_marked),
		cmocka_unit_test(test_tables_are_cut_with_a_word_of_what_is_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
