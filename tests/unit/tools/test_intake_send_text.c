// SPDX-License-Identifier: Apache-2.0
#include "intake_send_text_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *text;
	const char *clean;
} cases[] = {
	{"", ""},
	{"plain", "plain"},
	{"a\033[2J\r\n\tb\x7f", "a?[2J???b?"},
	/* U+009B begins a sequence as ESC and [ do; U+00A0 is a space. */
	{"a\302\2332J\302\200\302\240", "a?2J?\302\240"},
	{"\xc3\x9f\xe2\x82\xac", "\xc3\x9f\xe2\x82\xac"},
};

static void test_control_characters_are_replaced(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char copy[64];
		struct buf appended;
		buf_init(&appended, sizeof(copy));
		text_copy_clean(copy, sizeof(copy), cases[i].text);
		assert_string_equal(copy, cases[i].clean);
		assert_true(text_append_clean(&appended, cases[i].text));
		assert_true(str_equal(buf_str(&appended), str_from(cases[i].clean)));
		buf_fini(&appended);
	}
}

static void test_copy_is_cut_between_characters(void **state)
{
	(void)state;
	static const char *const cuts[] = {
		"", "a", "a", "a", "a\xe2\x82\xac", "a\xe2\x82\xac?", "a\xe2\x82\xac?"};
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		char copy[16];
		memset(copy, 'x', sizeof(copy));
		text_copy_clean(copy, i + 1, "a\xe2\x82\xac\n");
		assert_string_equal(copy, cuts[i]);
		assert_int_equal(copy[i + 1], 'x');
	}
	char copy[4];
	text_copy_clean(copy, 3, "a\xc2\x9b");
	assert_string_equal(copy, "a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_control_characters_are_replaced),
		cmocka_unit_test(test_copy_is_cut_between_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
