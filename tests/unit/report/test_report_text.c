// SPDX-License-Identifier: Apache-2.0
#include "../../../daemon/report/report_text_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
	struct str text;
	size_t points;
	uint8_t kinds;
} cases[] = {
	{{"", 0}, 0, 0}, {{"a", 1}, 1, 0}, {{"\x20\x7e", 2}, 2, 0},
	{{"\x1f", 1}, 1, REPORT_TEXT_FORBIDDEN}, {{"\0", 1}, 1, REPORT_TEXT_FORBIDDEN},
	{{"\x7f", 1}, 1, REPORT_TEXT_FORBIDDEN}, {{"\t", 1}, 1, REPORT_TEXT_LINES},
	{{"\n", 1}, 1, REPORT_TEXT_LINES}, {{"\r\n", 2}, 2, REPORT_TEXT_LINES},
	{{"\r", 1}, 1, REPORT_TEXT_FORBIDDEN},
	{{"\r\r\n", 3}, 3, REPORT_TEXT_FORBIDDEN | REPORT_TEXT_LINES},
	{{"\xc2\x80", 2}, 1, REPORT_TEXT_FORBIDDEN}, {{"\xc2\x9f", 2}, 1, REPORT_TEXT_FORBIDDEN},
	{{"\xc2\xa0", 2}, 1, 0}, {{"\xe2\x80\xac", 3}, 1, 0}, /* U+202C */
	{{"\xe2\x80\xad", 3}, 1, REPORT_TEXT_OVERRIDE},       /* U+202D */
	{{"\xe2\x80\xae", 3}, 1, REPORT_TEXT_OVERRIDE},       /* U+202E */
	{{"\xe2\x80\xaf", 3}, 1, 0},                          /* U+202F */
	{{"\xef\xb7\x8f", 3}, 1, 0},                          /* U+FDCF */
	{{"\xef\xb7\x90", 3}, 1, REPORT_TEXT_FORBIDDEN},      /* U+FDD0 */
	{{"\xef\xb7\xaf", 3}, 1, REPORT_TEXT_FORBIDDEN},      /* U+FDEF */
	{{"\xef\xb7\xb0", 3}, 1, 0},                          /* U+FDF0 */
	{{"\xef\xbf\xbd", 3}, 1, 0},                          /* U+FFFD */
	{{"\xef\xbf\xbe", 3}, 1, REPORT_TEXT_FORBIDDEN},      /* U+FFFE */
	{{"\xef\xbf\xbf", 3}, 1, REPORT_TEXT_FORBIDDEN},      /* U+FFFF */
	{{"\xf0\x9f\xbf\xbd", 4}, 1, 0},                      /* U+1FFFD */
	{{"\xf0\x9f\xbf\xbe", 4}, 1, REPORT_TEXT_FORBIDDEN},
	{{"\xf4\x8f\xbf\xbf", 4}, 1, REPORT_TEXT_FORBIDDEN}, /* U+10FFFF */
};

/* Each case stands at every place of a longer text, so that every path over eight bytes is run. */
static void test_every_character_is_seen_at_every_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t before = 0; before < 20; before++) {
			for (size_t after = 0; after < 20; after++) {
				size_t len = before + cases[i].text.len + after;
				/* Of exactly this size, for the sanitizers. */
				char *text = malloc(len == 0 ? 1 : len);
				assert_non_null(text);
				memset(text, 'x', len);
				memcpy(text + before, cases[i].text.data, cases[i].text.len);
				uint8_t kinds;
				assert_int_equal(report_text_scan((struct str){text, len}, &kinds),
					before + after + cases[i].points);
				assert_int_equal(kinds, cases[i].kinds);
				free(text);
			}
		}
	}
}

static void test_kinds_add_up(void **state)
{
	uint8_t kinds;
	(void)state;
	assert_int_equal(report_text_scan(STR("abcdefgh\tabcdefghi\x7f\xe2\x80\xae"
					      "abcdefgh\xc3\xa9"),
				 &kinds),
		29);
	assert_int_equal(kinds, REPORT_TEXT_LINES | REPORT_TEXT_FORBIDDEN | REPORT_TEXT_OVERRIDE);
}

static void test_cutting_keeps_whole_characters(void **state)
{
	struct str text = STR("a\xc3\xa9\xf0\x9f\x98\x80z");
	static const size_t lens[] = {0, 1, 3, 7, 8, 8};
	(void)state;
	for (size_t max = 0; max < 6; max++) {
		assert_int_equal(report_text_cut(text, max).len, lens[max]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_character_is_seen_at_every_place),
		cmocka_unit_test(test_kinds_add_up),
		cmocka_unit_test(test_cutting_keeps_whole_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
