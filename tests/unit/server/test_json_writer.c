// SPDX-License-Identifier: Apache-2.0
#include "json_writer_int.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void write_all(struct json_writer *json)
{
	json_open(json, NULL, '{');
	json_text(json, "text", STR("a \"quoted\" line\nand \\ \x01"));
	json_text(json, "none", (struct str){NULL, 0});
	json_integer(json, "low", INT64_MIN);
	json_boolean(json, "yes", true);
	json_open(json, "list", '[');
	json_real(json, NULL, 1.5);
	json_real(json, NULL, NAN);
	json_real(json, NULL, HUGE_VAL);
	json_open(json, NULL, '{');
	json_close(json, '}');
	json_close(json, ']');
	json_time(json, "at", INT64_C(1794204312482913));
	json_time(json, "never", 0);
	json_open(json, "raw", '[');
	json_elements(json, STR("1,2"));
	json_integer(json, NULL, 3);
	json_close(json, ']');
	json_open(json, "empty", '[');
	json_elements(json, (struct str){NULL, 0});
	json_close(json, ']');
	json_close(json, '}');
}

static const char wanted[] =
	"{\"text\":\"a \\\"quoted\\\" line\\nand \\\\ \\u0001\",\"none\":null,"
	"\"low\":-9223372036854775808,\"yes\":true,\"list\":[1.500,null,null,{}],"
	"\"at\":\"2026-11-09T06:05:12.482913Z\",\"never\":null,\"raw\":[1,2,3],\"empty\":[]}";

static void test_values_are_separated_and_escaped(void **state)
{
	struct buf out;
	struct json_writer json = {.out = &out};
	(void)state;
	buf_init(&out, 1000);
	write_all(&json);
	assert_false(json.has_failed);
	assert_true(buf_append(&out, "", 1));
	assert_string_equal(out.data, wanted);
	buf_fini(&out);
}

static void test_what_does_not_fit_has_failed(void **state)
{
	(void)state;
	for (size_t max = 0; max < sizeof(wanted) - 1; max++) {
		struct buf out;
		struct json_writer json = {.out = &out};
		buf_init(&out, max);
		write_all(&json);
		assert_true(json.has_failed);
		buf_fini(&out);
	}
}

static void test_plain_text_is_printable_and_fits(void **state)
{
	char out[12];
	(void)state;
	assert_string_equal(json_plain(out, sizeof(out), "a \"b\"\tc\n"), "a \"b\" c ");
	assert_string_equal(json_plain(out, sizeof(out), "\xff\x01\x7f\xc3\xa9."), "?????.");
	assert_string_equal(json_plain(out, sizeof(out), "eleven bytes"), "eleven byte");
	assert_string_equal(json_plain(out, sizeof(out), ""), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_separated_and_escaped),
		cmocka_unit_test(test_plain_text_is_printable_and_fits),
		cmocka_unit_test(test_what_does_not_fit_has_failed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
