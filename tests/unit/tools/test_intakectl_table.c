// SPDX-License-Identifier: Apache-2.0
#include "intakectl_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_cell(const char *text, int width, const char *expected)
{
	char *cell = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&cell, &len);
	assert_non_null(out);
	table_print_cell(out, text, width);
	fclose(out);
	assert_string_equal(cell, expected);
	free(cell);
}

static void test_cell_is_filled_up_to_its_width(void **state)
{
	(void)state;
	assert_cell("", 0, "");
	assert_cell("ab", 4, "ab  ");
	assert_cell("abcde", 4, "abcde");
	assert_cell("\xc3\x89t\xc3\xa9", 4, "\xc3\x89t\xc3\xa9 ");
}

static void test_control_characters_do_not_reach_the_terminal(void **state)
{
	(void)state;
	assert_cell("a\033[2J\r\n\x7f", 9, "a?[2J??? ");
	/* U+009B begins a sequence as ESC and [ do; U+00A0 is a space. */
	assert_cell("a\302\2332J\302\200\302\240", 7, "a?2J?\302\240 ");
	assert_cell("\xc2", 0, "\xc2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cell_is_filled_up_to_its_width),
		cmocka_unit_test(test_control_characters_do_not_reach_the_terminal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
