// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_setting_is_always_a_failure(void **state)
{
	struct err e;
	(void)state;
	assert_false(err_set(&e, "line %d: %s", 7, "no such key"));
	assert_string_equal(e.text, "line 7: no such key");
}

static void test_a_prefix_stands_in_front(void **state)
{
	struct err e;
	(void)state;
	err_set(&e, "no such key");
	assert_false(err_prefix(&e, "line %d", 7));
	assert_false(err_prefix(&e, "%s", "intaked.conf"));
	assert_string_equal(e.text, "intaked.conf: line 7: no such key");
}

static void test_the_present_text_may_be_an_argument(void **state)
{
	struct err e;
	(void)state;
	err_set(&e, "inner");
	err_set(&e, "outer (%s)", e.text);
	assert_string_equal(e.text, "outer (inner)");
	err_prefix(&e, "before %s", e.text);
	assert_string_equal(e.text, "before outer (inner): outer (inner)");
}

static void test_long_texts_are_cut_and_ended(void **state)
{
	struct err e;
	char text[2 * sizeof(e.text)];
	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_set(&e, "%s", text);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	err_prefix(&e, "y");
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_memory_equal(e.text, "y: xxx", 6);
	err_prefix(&e, "%s", text);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_memory_equal(e.text, "xxx", 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_setting_is_always_a_failure),
		cmocka_unit_test(test_a_prefix_stands_in_front),
		cmocka_unit_test(test_the_present_text_may_be_an_argument),
		cmocka_unit_test(test_long_texts_are_cut_and_ended),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
