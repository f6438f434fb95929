// SPDX-License-Identifier: Apache-2.0
#include "intake_send_identity_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Numbers that the server takes, at the end of the object in which they may stand. */
static const char *const odd_numbers[] = {
	"12345678901234567890123456789012345e300",
	"-12345678901234567890123456789012345E+300",
	"1e-300",
	"1.5",
	"0",
	"-7",
};

static void assert_id(const char *text, const char *expected)
{
	/* A copy of exactly its size. */
	size_t len = strlen(text);
	char *copy = malloc(len > 0 ? len : 1);
	assert_non_null(copy);
	memcpy(copy, text, len);
	char *id = identity_report_id((struct str){copy, len});
	if (expected == NULL) {
		assert_null(id);
	} else {
		assert_non_null(id);
		assert_string_equal(id, expected);
	}
	free(id);
	free(copy);
}

static void test_report_id_is_read_where_there_is_one(void **state)
{
	(void)state;
	assert_id("{\"a\":1,\"report_id\":\"N-7\"}", "N-7");
	assert_id("{\"a\":\"\\\"1e999\",\"report_id\":\"N-1e999\"}", "N-1e999");
	assert_id("{\"report_id\":7}", NULL);
	assert_id("[]", NULL);
	assert_id("{\"report_id\":\"N", NULL);
	assert_id("{\"report_id\":\"N\\", NULL);
	assert_id("{\"report_id\":\"N\",", NULL);
	assert_id("{\"report_id\":\"N\",\"a\":-}", NULL);
	assert_id("1e5", NULL);
	assert_id("-", NULL);
	assert_id("", NULL);
}

static void test_no_number_keeps_the_rest_from_being_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(odd_numbers) / sizeof(odd_numbers[0]); i++) {
		char text[256];
		snprintf(text, sizeof(text),
			"{\"extensions\":{\"x\":[%s ,%s]},\"report_id\":\"N-7\",\"revision\":3}",
			odd_numbers[i], odd_numbers[i]);
		assert_id(text, "N-7");
		assert_int_equal(identity_revision(str_from(text)), 3);
	}
}

static void test_revision_is_read_where_there_is_one(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t revision;
	} cases[] = {
		{"{\"revision\":1}", 1},
		{"{\"revision\":2}", 2},
		{"{\"\\u0072evision\" : 1000000 }", 1000000},
		{"{\"report_id\":\"N\"}", 1},
		{"{\"extensions\":{\"revision\":2}}", 1},
		{"{\"narrative\":\"\\\"revision\\\":2\"}", 1},
		{"{\"revision\":\"2\"}", 1},
		{"{\"revision\":-2}", 1},
		{"{\"revision\":2", 1},
		{"2", 1},
		{"", 1},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(identity_revision(str_from(cases[i].text)), cases[i].revision);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report_id_is_read_where_there_is_one),
		cmocka_unit_test(test_no_number_keeps_the_rest_from_being_read),
		cmocka_unit_test(test_revision_is_read_where_there_is_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
