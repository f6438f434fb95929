// SPDX-License-Identifier: Apache-2.0
#include "../../../daemon/report/report_number_int.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_tokens_are_judged_by_their_text(void **state)
{
	static const struct {
		const char *token;
		enum report_number_kind kind;
	} cases[] = {
		{"0", NUMBER_HELD},
		{"-0", NUMBER_HELD},
		{"9223372036854775807", NUMBER_HELD},
		{"9223372036854775808", NUMBER_BIG_INTEGER},
		{"-9223372036854775808", NUMBER_HELD},
		{"-9223372036854775809", NUMBER_BIG_INTEGER},
		{"10000000000000000000", NUMBER_BIG_INTEGER},
		{"1e300", NUMBER_HELD},
		{"1e301", NUMBER_BAD_REAL},
		{"1E+301", NUMBER_BAD_REAL},
		{"-1e-300", NUMBER_HELD},
		{"-1e-301", NUMBER_BAD_REAL},
		{"0e301", NUMBER_BAD_REAL},
		{"1e0000000000000000000300", NUMBER_HELD},
		{"1e99999999999999999999999", NUMBER_BAD_REAL},
		{"1e41", NUMBER_ODD_REAL},
		{"0.1e42", NUMBER_ODD_REAL},
		{"-1e41", NUMBER_HELD},
		{"2e41", NUMBER_HELD},
		{"1000000000e300", NUMBER_ODD_REAL},
		{"-1000000000e300", NUMBER_ODD_REAL},
		{"100000000e300", NUMBER_HELD},
		{"0.12345678901234567890123456789012345678", NUMBER_HELD},
		{"0.123456789012345678901234567890123456789", NUMBER_BAD_REAL},
		/* No numbers of JSON: the parser is to refuse them. */
		{"01", NUMBER_HELD},
		{"-", NUMBER_HELD},
		{"1.", NUMBER_HELD},
		{"1.e301", NUMBER_HELD},
		{"1e", NUMBER_HELD},
		{"1e+", NUMBER_HELD},
		{"1e301.5", NUMBER_HELD},
		{"99999999999999999999-1", NUMBER_HELD},
		{"0099999999999999999999", NUMBER_HELD},
		{"1e301e1", NUMBER_HELD},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum report_number_kind kind = report_number_judge(str_from(cases[i].token));
		if (kind != cases[i].kind) {
			fail_msg("%s: %d", cases[i].token, (int)kind);
		}
	}
}

static void test_a_replacement_has_the_length_of_the_token(void **state)
{
	char integer[] = "-9223372036854775809";
	char real[] = "[1e301]";
	char odd[] = "[1e41]";
	(void)state;
	report_number_replace(integer, 20, NUMBER_BIG_INTEGER);
	assert_int_equal(strlen(integer), 20);
	assert_memory_equal(integer, "-92233720", 9);
	report_number_replace(real + 1, 5, NUMBER_BAD_REAL);
	assert_string_equal(real, "[1e41 ]");
	report_number_replace(odd + 1, 4, NUMBER_ODD_REAL);
	assert_string_equal(odd, "[2e41]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens_are_judged_by_their_text),
		cmocka_unit_test(test_a_replacement_has_the_length_of_the_token),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
