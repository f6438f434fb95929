// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void assert_content(const struct buf *b, const char *expected)
{
	assert_int_equal(b->len, strlen(expected));
	assert_memory_equal(b->data, expected, b->len);
}

static void test_content_grows_to_the_maximum_and_not_past_it(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 1000);
	for (int i = 0; i < 1000; i++) {
		assert_true(buf_append(&b, "x", 1));
	}
	assert_int_equal(b.len, 1000);
	assert_int_equal(b.cap, 1000);
	assert_false(buf_append(&b, "x", 1));
	assert_false(buf_printf(&b, "x"));
	assert_false(buf_append_json_text(&b, STR("x")));
	assert_true(buf_append(&b, NULL, 0));
	assert_int_equal(b.len, 1000);
	buf_fini(&b);
}

static void test_a_reserve_gives_room_without_changing_the_content(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 5000);
	assert_true(buf_append_str(&b, STR("abc")));
	assert_true(buf_reserve(&b, 4997));
	assert_true(b.cap - b.len >= 4997);
	assert_content(&b, "abc");
	assert_false(buf_reserve(&b, 4998));
	assert_content(&b, "abc");
	buf_fini(&b);
}

static void test_absurd_sizes_are_refused(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, SIZE_MAX);
	assert_true(buf_append_str(&b, STR("abc")));
	assert_false(buf_reserve(&b, SIZE_MAX - 3));
	assert_false(buf_reserve(&b, SIZE_MAX));
	assert_false(buf_reserve(&b, SIZE_MAX / 2 + 2));
	assert_content(&b, "abc");
	buf_fini(&b);
}

static void test_a_maximum_of_nothing_holds_nothing(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 0);
	assert_false(buf_append(&b, "x", 1));
	assert_true(buf_append(&b, NULL, 0));
	assert_true(buf_append_json_text(&b, (struct str){NULL, 0}));
	buf_fini(&b);
}

static void test_printf_fills_to_the_last_byte(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 6);
	assert_true(buf_printf(&b, "%d", 123));
	assert_false(buf_printf(&b, "%s", "4567"));
	assert_content(&b, "123");
	assert_true(buf_printf(&b, "%s", "456"));
	assert_content(&b, "123456");
	assert_true(buf_printf(&b, "%s", ""));
	buf_fini(&b);
}

static void test_consuming_moves_the_rest_to_the_front(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 64);
	buf_consume(&b, 0);
	assert_true(buf_append_str(&b, STR("abcdef")));
	buf_consume(&b, 0);
	assert_content(&b, "abcdef");
	buf_consume(&b, 2);
	assert_content(&b, "cdef");
	buf_consume(&b, 4);
	assert_int_equal(b.len, 0);
	buf_fini(&b);
}

static void test_a_finished_buffer_can_be_used_again(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 4);
	assert_true(buf_append_str(&b, STR("abcd")));
	buf_fini(&b);
	assert_null(b.data);
	assert_true(buf_append_str(&b, STR("efgh")));
	assert_false(buf_append_str(&b, STR("i")));
	buf_clear(&b);
	assert_true(buf_append_str(&b, STR("i")));
	assert_content(&b, "i");
	buf_fini(&b);
	buf_fini(&b);
}

static void test_json_text_is_escaped(void **state)
{
	static const struct {
		struct str text;
		const char *expected;
	} cases[] = {
		{{"", 0}, ""},
		{{"plain", 5}, "plain"},
		{{"\"\\/", 3}, "\\\"\\\\/"},
		{{"a\nb\tc\rd", 7}, "a\\nb\\u0009c\\u000dd"},
		{{"\0\x01\x1f\x7f", 4}, "\\u0000\\u0001\\u001f\\u007f"},
		{{"\xc3\xa9\xf0\x9f\x98\x80", 6}, "\xc3\xa9\xf0\x9f\x98\x80"},
		{{"\"", 1}, "\\\""},
		{{"a\"", 2}, "a\\\""},
		{{"\"a", 2}, "\\\"a"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b;
		buf_init(&b, strlen(cases[i].expected));
		assert_true(buf_append_json_text(&b, cases[i].text));
		assert_content(&b, cases[i].expected);
		buf_fini(&b);
	}
}

static void test_json_text_that_does_not_fit_leaves_no_part(void **state)
{
	(void)state;
	for (size_t max = 1; max < 14; max++) {
		struct buf b;
		buf_init(&b, max);
		assert_true(buf_append_str(&b, STR("x")));
		assert_false(buf_append_json_text(&b, STR("abc\"de\nf\x01")));
		assert_content(&b, "x");
		buf_fini(&b);
	}
}

static void test_json_is_written_with_single_quotes(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 11);
	assert_true(buf_append_str(&b, STR("'")));
	assert_true(buf_append_json(&b, "{'a':'b'}"));
	assert_content(&b, "'{\"a\":\"b\"}");
	assert_false(buf_append_json(&b, "''"));
	assert_content(&b, "'{\"a\":\"b\"}");
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_content_grows_to_the_maximum_and_not_past_it),
		cmocka_unit_test(test_a_reserve_gives_room_without_changing_the_content),
		cmocka_unit_test(test_absurd_sizes_are_refused),
		cmocka_unit_test(test_a_maximum_of_nothing_holds_nothing),
		cmocka_unit_test(test_printf_fills_to_the_last_byte),
		cmocka_unit_test(test_consuming_moves_the_rest_to_the_front),
		cmocka_unit_test(test_a_finished_buffer_can_be_used_again),
		cmocka_unit_test(test_json_text_is_escaped),
		cmocka_unit_test(test_json_text_that_does_not_fit_leaves_no_part),
		cmocka_unit_test(test_json_is_written_with_single_quotes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
