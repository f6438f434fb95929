// SPDX-License-Identifier: Apache-2.0
#include "intake_send_summary_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char problem[] =
	"{\"type\":\"urn:intaked:problem:report-invalid\",\"title\":\"The report breaks\","
	"\"errors\":["
	"{\"pointer\":\"\",\"code\":\"member-missing\",\"detail\":\"missing\",\"member\":\"tlp\"},"
	"{\"pointer\":\"/category\",\"code\":\"value-unknown\",\"detail\":\"not allowed\","
	"\"allowed\":[\"a\",\"b\"],\"did_you_mean\":\"b\"},"
	"{\"pointer\":\"/areas/0\",\"code\":\"area\",\"detail\":\"no area\","
	"\"allowed\":[\"AA1\",2]}]}";

static void refuse(struct summary *summary, const struct summary_place *place,
	const char *report_id, const char *body)
{
	struct answer answer;
	answer_read_body(&answer, 422, str_from(body), 1);
	assert_int_equal(answer.kind, ANSWER_REFUSED);
	summary_add_refusal(summary, place, report_id, &answer);
	answer_fini(&answer);
}

static void assert_refusals(const struct summary *summary, const char *expected)
{
	assert_int_equal(summary->refusal_text.len, strlen(expected));
	assert_memory_equal(summary->refusal_text.data, expected, strlen(expected));
}

static void test_refusal_quotes_every_error(void **state)
{
	(void)state;
	struct summary summary;
	struct summary_place place = {"out/a.ndjson", 17, -1};
	summary_init(&summary);
	refuse(&summary, &place, "N-1", problem);
	assert_refusals(&summary,
		"  out/a.ndjson:17  N-1  The report breaks (422)\n"
		"      (the report)  member-missing: missing: tlp\n"
		"      /category  value-unknown: not allowed; did you mean b?\n"
		"      /areas/0  area: no area; allowed: AA1, 2\n");
	assert_int_equal(summary.refused, 1);
	assert_true(summary_has_refusals(&summary));
	summary_fini(&summary);
}

static void test_places_are_shown_as_they_are_known(void **state)
{
	(void)state;
	struct summary summary;
	struct summary_place document = {"a.json", 0, -1};
	struct summary_place element = {"a.json", 3, 7};
	summary_init(&summary);
	summary_add_unsendable(&summary, &document, "too long");
	summary_add_unsendable(&summary, &element, "too long");
	assert_refusals(&summary,
		"  a.json  cannot be sent: too long\n"
		"  a.json:3 (element 7)  cannot be sent: too long\n");
	assert_int_equal(summary_reports(&summary), 2);
	summary_fini(&summary);
}

static void test_control_characters_do_not_reach_the_terminal(void **state)
{
	(void)state;
	struct summary summary;
	struct summary_place place = {"a\033[2J\n\x7f\xc2\x9b\xc3\x9f.json", 0, -1};
	summary_init(&summary);
	refuse(&summary, &place, NULL,
		"{\"type\":\"urn:intaked:problem:x\",\"title\":\"a\\u0007b\\u009bc\","
		"\"detail\":\"d\\ne\"}");
	assert_refusals(&summary, "  a?[2J???\xc3\x9f.json  a?b?c (422)\n      d?e\n");
	summary_fini(&summary);
}

static size_t lines_of(const struct summary *summary)
{
	size_t count = 0;
	for (size_t i = 0; i < summary->refusal_text.len; i++) {
		count += summary->refusal_text.data[i] == '\n';
	}
	return count;
}

static void test_only_the_first_refusals_are_quoted_and_all_counted(void **state)
{
	(void)state;
	struct summary summary;
	struct summary_place place = {"a", 1, -1};
	summary_init(&summary);
	for (size_t i = 0; i < 21; i++) {
		assert_int_equal(lines_of(&summary), i);
		summary_add_unsendable(&summary, &place, "x");
	}
	assert_int_equal(lines_of(&summary), 20);
	assert_int_equal(summary.unsendable, 21);
	assert_int_equal(summary.refusals_quoted, 20);
	summary_fini(&summary);
}

static void test_only_the_first_errors_are_quoted(void **state)
{
	(void)state;
	struct summary summary;
	struct summary_place place = {"a", 1, -1};
	char body[2048] = "{\"type\":\"urn:intaked:problem:x\",\"title\":\"T\",\"errors\":[";
	for (size_t i = 0; i < 12; i++) {
		strcat(body, i == 0 ? "" : ",");
		strcat(body, "{\"pointer\":\"/p\",\"code\":\"c\",\"detail\":\"d\"}");
	}
	strcat(body, "]}");
	summary_init(&summary);
	refuse(&summary, &place, NULL, body);
	assert_int_equal(lines_of(&summary), 1 + 10 + 1);
	static const char last[] = "      and 2 more errors\n";
	size_t last_len = sizeof(last) - 1;
	assert_memory_equal(
		summary.refusal_text.data + summary.refusal_text.len - last_len, last, last_len);
	summary_fini(&summary);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusal_quotes_every_error),
		cmocka_unit_test(test_places_are_shown_as_they_are_known),
		cmocka_unit_test(test_control_characters_do_not_reach_the_terminal),
		cmocka_unit_test(test_only_the_first_refusals_are_quoted_and_all_counted),
		cmocka_unit_test(test_only_the_first_errors_are_quoted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
