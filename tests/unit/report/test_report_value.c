// SPDX-License-Identifier: Apache-2.0
/*
 * Which JSON values are equal, and that equal ones have equal hashes.
 */
#include "report_walk_int.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static json_t *value_of(const char *text)
{
	json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
	if (value == NULL) {
		fail_msg("%s", text);
	}
	return value;
}

static void test_values_are_equal_as_json_is(void **state)
{
	static const struct {
		const char *one;
		const char *other;
		bool is_equal;
	} cases[] = {
		{"1", "1", true},
		{"1", "2", false},
		{"1", "1.0", true},
		{"1.5", "1.5", true},
		{"1.5", "1", false},
		{"0", "-0.0", true},
		{"0.0", "-0.0", true},
		{"9007199254740991", "9007199254740990", false},
		{"1", "\"1\"", false},
		{"true", "true", true},
		{"true", "false", false},
		{"null", "null", true},
		{"null", "false", false},
		{"\"a\"", "\"\\u0061\"", true},
		{"\"a\"", "\"b\"", false},
		{"\"a\"", "\"ab\"", false},
		{"\"\"", "\"\"", true},
		{"[]", "[]", true},
		{"[]", "{}", false},
		{"[1,2]", "[1,2.0]", true},
		{"[1,2]", "[2,1]", false},
		{"[1]", "[1,1]", false},
		{"{}", "{}", true},
		{"{\"a\":1,\"b\":[]}", "{\"b\":[],\"a\":1}", true},
		{"{\"a\":1}", "{\"a\":2}", false},
		{"{\"a\":1}", "{\"b\":1}", false},
		{"{\"a\":1}", "{\"a\":1,\"b\":1}", false},
		{"{\"a\":{\"b\":null}}", "{\"a\":{\"b\":null}}", true},
		{"{\"a\":{\"b\":null}}", "{\"a\":{\"b\":false}}", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *one = value_of(cases[i].one);
		json_t *other = value_of(cases[i].other);
		if (report_value_equal(one, other) != cases[i].is_equal ||
			report_value_equal(other, one) != cases[i].is_equal) {
			fail_msg("%s and %s", cases[i].one, cases[i].other);
		}
		if (cases[i].is_equal) {
			assert_int_equal(report_value_hash(one), report_value_hash(other));
		}
		json_decref(one);
		json_decref(other);
	}
}

static void test_each_value_is_led_to_the_first_that_equals_it(void **state)
{
	static const uint32_t expected[] = {0, 1, 0, 3, 1, 0, 6, 3};
	json_t *array = value_of("[1,\"1\",1.0,[{}],\"1\",1e0,{},[{}]]");
	struct arena arena;
	(void)state;
	arena_init(&arena, 65536);
	struct report_context context = {.arena = &arena};
	const uint32_t *firsts =
		report_values_find_repeated(&context, array, json_array_size(array));
	assert_non_null(firsts);
	assert_memory_equal(firsts, expected, sizeof(expected));
	arena_fini(&arena);
	json_decref(array);
}

static void test_many_values_of_few_kinds_are_found(void **state)
{
	json_t *array = json_array();
	struct arena arena;
	(void)state;
	for (int i = 0; i < 1000; i++) {
		json_array_append_new(array, json_integer(i % 37));
	}
	arena_init(&arena, 65536);
	struct report_context context = {.arena = &arena};
	const uint32_t *firsts = report_values_find_repeated(&context, array, 1000);
	assert_non_null(firsts);
	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(firsts[i], i % 37);
	}
	arena_fini(&arena);
	json_decref(array);
}

static void test_short_memory_is_told(void **state)
{
	json_t *array = value_of("[1,2,3]");
	(void)state;
	for (size_t max = 0; max < 32; max += 4) {
		struct arena arena;
		arena_init(&arena, max);
		struct report_context context = {.arena = &arena};
		assert_null(report_values_find_repeated(&context, array, 3));
		assert_true(context.is_out_of_memory);
		arena_fini(&arena);
	}
	json_decref(array);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_equal_as_json_is),
		cmocka_unit_test(test_each_value_is_led_to_the_first_that_equals_it),
		cmocka_unit_test(test_many_values_of_few_kinds_are_found),
		cmocka_unit_test(test_short_memory_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
