// SPDX-License-Identifier: Apache-2.0
#include "../../../daemon/report/report_json_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct parsed {
	struct arena arena;
	json_t *tree;
	char detail[160];
};

static const struct report_json_limits limits = {16, 32768};

static int setup(void **state)
{
	struct parsed *parsed = calloc(1, sizeof(*parsed));
	assert_non_null(parsed);
	report_json_init();
	arena_init(&parsed->arena, (size_t)64 * 1024 * 1024);
	*state = parsed;
	return 0;
}

static int teardown(void **state)
{
	struct parsed *parsed = *state;
	arena_fini(&parsed->arena);
	free(parsed);
	return 0;
}

static enum report_json_verdict parse(struct parsed *parsed, struct str body)
{
	arena_reset(&parsed->arena);
	char *copy = malloc(body.len == 0 ? 1 : body.len);
	assert_non_null(copy);
	memcpy(copy, body.data, body.len);
	enum report_json_verdict verdict =
		report_json_parse(&parsed->arena, (struct str){copy, body.len}, &limits,
			&parsed->tree, parsed->detail, sizeof(parsed->detail));
	free(copy);
	return verdict;
}

static void test_what_is_no_i_json_is_refused(void **state)
{
	static const struct {
		struct str body;
		const char *detail;
	} cases[] = {
		{STR(""), "the text is empty"},
		{STR(" \t\r\n"), "the text is empty"},
		{STR("{"), "the text ends too early, near byte 1"},
		{STR("{\"a\":1"), "the text ends too early, near byte 6"},
		{STR("{\"a\":1}x"), "the end of the text is expected, near byte 8"},
		{STR("{\"a\":1}\0"), "the end of the text is expected, near byte 8"},
		{STR("{\"a\":1} {}"), "the end of the text is expected, near byte 9"},
		{STR("{\"a\":1,\"a\":1}"), "each member may stand once in an object, near byte 10"},
		{STR("{\"a\":1,\"\\u0061\":1}"),
			"each member may stand once in an object, near byte 15"},
		{STR("{\"a\\u0000\":1}"), "U+0000 is not accepted, near byte 10"},
		{STR("[\"\\u0000\"]"), "U+0000 is not accepted, near byte 9"},
		{STR("[\"\xff\"]"), "UTF-8 is expected, near byte 2"},
		{STR("[\"\xc0\x80\"]"), "UTF-8 is expected, near byte 2"},
		{STR("[\"\xed\xa0\x80\"]"), "UTF-8 is expected, near byte 2"},
		{STR("[\"\xf4\x90\x80\x80\"]"), "UTF-8 is expected, near byte 2"},
		{STR("\xef\xbb\xbf{}"), "JSON is expected"},
		{STR("[\"\\ud800\"]"), NULL},
		{STR("[\"\\udc00\"]"), NULL},
		{STR("[\"\\ud800\\u0041\"]"), NULL},
		{STR("[\"\\x41\"]"), NULL},
		{STR("[\"\x01\"]"), NULL},
		{STR("[01]"), NULL},
		{STR("[1.]"), NULL},
		{STR("[.5]"), NULL},
		{STR("[+1]"), NULL},
		{STR("[1e]"), NULL},
		{STR("[1e301e1]"), NULL},
		{STR("[99999999999999999999x]"), NULL},
		{STR("[99999999999999999999.]"), NULL},
		{STR("[1 2]"), NULL},
		{STR("[1,]"), NULL},
		{STR("{\"a\":1,}"), NULL},
		{STR("{a:1}"), NULL},
		{STR("[NaN]"), NULL},
		{STR("[tru]"), NULL},
		{STR("[]]"), NULL},
		{STR("// x\n[]"), NULL},
		{STR("1 2"), NULL},
		{STR("1],[2"), NULL},
		{STR("]["), NULL},
		{STR("1,2"), NULL},
		{STR("'x'"), NULL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct parsed *parsed = *state;
		if (parse(parsed, cases[i].body) != REPORT_JSON_BROKEN) {
			fail_msg("%.*s", STR_ARG(cases[i].body));
		}
		if (cases[i].detail != NULL) {
			assert_string_equal(parsed->detail, cases[i].detail);
		}
	}
}

static void test_nesting_and_values_are_counted_outside_strings(void **state)
{
	static char body[200000];
	for (size_t depth = 16; depth <= 17; depth++) {
		memset(body, '[', depth);
		memset(body + depth, ']', depth);
		assert_int_equal(parse(*state, (struct str){body, 2 * depth}),
			depth == 16 ? REPORT_JSON_PARSED : REPORT_JSON_BROKEN);
	}
	assert_string_equal(((struct parsed *)*state)->detail,
		"at most 16 levels of nesting are expected, near byte 17");
	assert_int_equal(
		parse(*state, STR("[\"[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\"]")), REPORT_JSON_PARSED);
	for (size_t commas = 32767; commas <= 32768; commas++) {
		body[0] = '[';
		for (size_t i = 0; i < commas; i++) {
			memcpy(body + 1 + 2 * i, "1,", 2);
		}
		memcpy(body + 1 + 2 * commas, "1]", 2);
		assert_int_equal(parse(*state, (struct str){body, 3 + 2 * commas}),
			commas == 32767 ? REPORT_JSON_PARSED : REPORT_JSON_BROKEN);
	}
	assert_string_equal(((struct parsed *)*state)->detail,
		"at most 32768 values are expected, near byte 65537");
	memset(body, ',', sizeof(body));
	memcpy(body, "[\"", 2);
	memcpy(body + sizeof(body) - 2, "\"]", 2);
	assert_int_equal(parse(*state, (struct str){body, sizeof(body)}), REPORT_JSON_PARSED);
}

static void test_numbers_are_judged_the_same_after_replacement(void **state)
{
	struct parsed *parsed = *state;
	assert_int_equal(parse(parsed,
				 STR("[9223372036854775807,9223372036854775808,"
				     "-9223372036854775808,-9223372036854775809,1e301,-1e301,"
				     "1e41,10e40,-1e41,99999999999e300,1e-400,\"1e301\",1E2,"
				     "99999999999999999999,99999999999999999999,"
				     "99999999999999999998]")),
		REPORT_JSON_PARSED);
	json_t *list = parsed->tree;
	assert_true(json_integer_value(json_array_get(list, 0)) == INT64_MAX);
	assert_true(json_integer_value(json_array_get(list, 1)) > (INT64_C(1) << 62));
	assert_true(json_integer_value(json_array_get(list, 2)) == INT64_MIN);
	assert_true(json_is_integer(json_array_get(list, 3)));
	assert_true(json_integer_value(json_array_get(list, 3)) < -(INT64_C(1) << 62));
	for (size_t i = 4; i < 13; i++) {
		json_t *value = json_array_get(list, i);
		if (i == 11) {
			assert_string_equal(json_string_value(value), "1e301");
			continue;
		}
		assert_true(json_is_real(value));
		bool is_bad = i == 4 || i == 5 || i == 10;
		assert_int_equal(json_real_value(value) == REPORT_JSON_BAD_REAL, is_bad);
	}
	assert_true(json_equal(json_array_get(list, 13), json_array_get(list, 14)));
	assert_false(json_equal(json_array_get(list, 13), json_array_get(list, 15)));
}

static void test_values_that_are_no_containers_are_parsed(void **state)
{
	struct parsed *parsed = *state;
	assert_int_equal(parse(parsed, STR(" \"a\\u0062\" \n")), REPORT_JSON_PARSED);
	assert_string_equal(json_string_value(parsed->tree), "ab");
	assert_int_equal(parse(parsed, STR("-0")), REPORT_JSON_PARSED);
	assert_int_equal(json_integer_value(parsed->tree), 0);
	assert_int_equal(parse(parsed, STR("null")), REPORT_JSON_PARSED);
	assert_true(json_is_null(parsed->tree));
}

/* What is taken out of the text before jansson reads it stands in the tree as it was sent. */
static void test_the_tree_is_that_of_the_whole_text(void **state)
{
	static const struct str bodies[] = {
		STR("{\"eleven bytes\":\"12345678901\",\"b\":\"123456789012\"}"),
		STR("[\"twelve bytes\",\"twelve bytes\",\"twelve bytez\"]"),
		STR("{\"a long name of a member\" : \"a long value of a member\"}"),
		STR("[\"\x7f"
		    "0000\",\"a long string, and a mark\"]"),
		STR("[\"\\u007f0000\",\"a long string, and a mark\"]"),
		STR("[\"\\u007F0000\",\"a long string, and a mark\"]"),
		STR("[\"a long string with an \\u00e9 in it\",\"a long string without\"]"),
		STR("[\"a long string with an \xc3\xa9 in it\",\"a long string without\"]"),
		STR("[\"a long string, then a quote\\\"\",\"a long string without\"]"),
		STR("[\n\t\t\t\t\t1,\n\t\t\t\t\t\"a long string\"\n\t\t\t\t\t]\n\n\n\n\n"),
		STR("{\"a\":{\"a\":{\"a\":\"a long string\"}},\"b\":[{},{\"c\":\"another "
		    "string\"}]}"),
		STR("[1e401,\"a long string, and a number\"]"),
	};
	struct parsed *parsed = *state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		assert_int_equal(parse(parsed, bodies[i]), REPORT_JSON_PARSED);
		json_t *whole =
			json_loadb(bodies[i].data, bodies[i].len, JSON_REJECT_DUPLICATES, NULL);
		bool is_number_lost = memmem(bodies[i].data, bodies[i].len, "1e401", 5) != NULL;
		assert_int_equal(whole == NULL, is_number_lost);
		if (!is_number_lost && !json_equal(parsed->tree, whole)) {
			fail_msg("%.*s", STR_ARG(bodies[i]));
		}
		json_decref(whole);
	}
	assert_string_equal(
		json_string_value(json_array_get(parsed->tree, 1)), "a long string, and a number");
}

/* More of them than one digit of a stand-in counts, each in its place. */
static void test_many_long_strings_keep_their_places(void **state)
{
	static char body[100000];
	struct parsed *parsed = *state;
	size_t len = 0;
	for (int i = 0; i < 3000; i++) {
		len += (size_t)snprintf(body + len, sizeof(body) - len, "%c\"string number %d\"",
			i == 0 ? '[' : ',', i);
	}
	body[len++] = ']';
	assert_int_equal(parse(parsed, (struct str){body, len}), REPORT_JSON_PARSED);
	for (int i = 0; i < 3000; i++) {
		char expected[32];
		snprintf(expected, sizeof(expected), "string number %d", i);
		assert_string_equal(
			json_string_value(json_array_get(parsed->tree, (size_t)i)), expected);
	}
}

static void test_faults_are_placed_as_in_the_whole_text(void **state)
{
	static const struct str bodies[] = {
		STR("[\"a long string of 30 characters\",x]"),
		STR("{\"a\":\"a long string of 30 chars\",\"a\":1}"),
		STR("{\"b\":{\"a\":\"a long string of 30 chars\",\"a\":1}}"),
		STR("[          1,\n          2"),
		STR("[\"a long string of 30 characters\",\"a string without an end"),
	};
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct parsed *parsed = *state;
		json_error_t error;
		char place[32];
		assert_null(
			json_loadb(bodies[i].data, bodies[i].len, JSON_REJECT_DUPLICATES, &error));
		snprintf(place, sizeof(place), ", near byte %d", error.position);
		assert_int_equal(parse(parsed, bodies[i]), REPORT_JSON_BROKEN);
		assert_non_null(strstr(parsed->detail, place));
	}
}

static void test_an_exhausted_arena_ends_the_parse(void **state)
{
	struct parsed *parsed = *state;
	static char body[20002];
	struct arena whole = parsed->arena;
	int exhausted = 0;
	memset(body, 'x', sizeof(body));
	memcpy(body, "[\"", 2);
	memcpy(body + sizeof(body) - 2, "\"]", 2);
	for (size_t max = 0; max <= 131072; max += 4096) {
		arena_init(&parsed->arena, max);
		enum report_json_verdict verdict = parse(parsed, (struct str){body, sizeof(body)});
		assert_true(verdict != REPORT_JSON_BROKEN);
		exhausted += verdict == REPORT_JSON_NO_MEMORY;
		arena_fini(&parsed->arena);
	}
	parsed->arena = whole;
	assert_in_range(exhausted, 1, 32);
	assert_int_equal(parse(parsed, STR("{}")), REPORT_JSON_PARSED);
}

static void test_members_are_measured_as_sent(void **state)
{
	uint32_t sizes[7];
	(void)state;
	report_json_measure_members(
		STR(" { \"a\\\"}\" : [ 1 , {\"}\":\"]\"} ] ,\n\"b\":-1.5e3 , \"c\" : { \"d\" : 12 ,"
		    "\"e\":\"\\\"x\" , \"f\" : [ ] ,\"g\":{ \"h\" : {} }, \"i\":null,\"j\":1,"
		    "\"\\u006b\"  :  true  } , \"l\":0 } "),
		2, sizes, 7);
	static const uint32_t expected[] = {2, 5, 3, 12, 4, 1, 4};
	for (size_t i = 0; i < 7; i++) {
		assert_int_equal(sizes[i], expected[i]);
	}
	report_json_measure_members(STR("{\"a\":{\"b\":\"c\"}}"), 0, sizes, 1);
	assert_int_equal(sizes[0], 3);
	report_json_measure_members(STR("{\"a\":{}}"), 0, sizes, 0);
}

/* jansson itself would go on with what it could keep. */
static void test_memory_that_is_short_leaves_no_tree(void **state)
{
	(void)state;
	const struct str text = STR("{\"id\":\"digital-solidarity-2024\",\"areas\":[1,2,3]}");
	json_error_t error;
	bool is_out_of_memory = false;
	int refused = 0;
	for (size_t max = 0;; max += 8) {
		struct arena arena;
		arena_init(&arena, max);
		json_t *tree = report_json_load(&arena, text, &error, &is_out_of_memory);
		assert_int_equal(tree == NULL, is_out_of_memory);
		if (tree != NULL) {
			assert_string_equal(json_string_value(json_object_get(tree, "id")),
				"digital-solidarity-2024");
			arena_fini(&arena);
			break;
		}
		refused++;
		arena_fini(&arena);
	}
	assert_true(refused > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_no_i_json_is_refused),
		cmocka_unit_test(test_nesting_and_values_are_counted_outside_strings),
		cmocka_unit_test(test_numbers_are_judged_the_same_after_replacement),
		cmocka_unit_test(test_values_that_are_no_containers_are_parsed),
		cmocka_unit_test(test_the_tree_is_that_of_the_whole_text),
		cmocka_unit_test(test_many_long_strings_keep_their_places),
		cmocka_unit_test(test_faults_are_placed_as_in_the_whole_text),
		cmocka_unit_test(test_an_exhausted_arena_ends_the_parse),
		cmocka_unit_test(test_memory_that_is_short_leaves_no_tree),
		cmocka_unit_test(test_members_are_measured_as_sent),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
