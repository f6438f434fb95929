// SPDX-License-Identifier: Apache-2.0
/*
 * The body of a retraction: as strict as a report, with the same codes.
 */
#include "judged.h"

static const struct report_retraction untouched = {.revision = -1};

static struct report_retraction judge(struct judged *judged, const char *data, size_t len)
{
	struct report_retraction retraction = untouched;
	arena_reset(&judged->arena);
	/* A copy of exactly this size, so that a sanitizer sees a read past the end. */
	char *copy = malloc(len == 0 ? 1 : len);
	assert_non_null(copy);
	memcpy(copy, data, len);
	report_check_retraction(&judged->arena, &judged->rules, (struct str){copy, len},
		&judged->result, &retraction);
	free(copy);
	return retraction;
}

static struct report_retraction judge_text(struct judged *judged, const char *text)
{
	return judge(judged, text, strlen(text));
}

static void test_revision_and_reason_are_read(void **state)
{
	struct judged *judged = *state;
	struct report_retraction retraction =
		judge_text(judged, "{\"reason\":\"Twice.\\n\\u00e4\\t\\\"\",\"revision\":1000000}");
	assert_int_equal(judged->result.verdict, REPORT_VALID);
	assert_int_equal(judged->result.error_count + judged->result.warning_count, 0);
	assert_null(judged->result.key_report_id.data);
	assert_int_equal(retraction.revision, 1000000);
	assert_true(str_equal(retraction.reason, STR("Twice.\n\xc3\xa4\t\"")));
}

static void test_every_fault_has_its_place_and_code(void **state)
{
	static const struct {
		const char *body;
		const char *errors;
	} cases[] = {
		{"[]", " type"},
		{"null", " type"},
		{"\"reason\"", " type"},
		{"{}", " member-missing revision,  member-missing reason"},
		{"{\"revision\":1}", " member-missing reason"},
		{"{\"reason\":\"R\"}", " member-missing revision"},
		{"{\"revision\":1,\"reason\":\"R\",\"report_id\":\"x\"}",
			"/report_id member-unknown"},
		{"{\"revision\":1,\"reason\":\"R\",\"extensions\":{}}",
			"/extensions member-unknown"},
		{"{\"revision\":\"1\",\"reason\":7}", "/revision type, /reason type"},
		{"{\"revision\":null,\"reason\":null}", "/revision type, /reason type"},
		{"{\"revision\":1.0,\"reason\":\"R\"}", "/revision not-integer"},
		{"{\"revision\":1e0,\"reason\":\"R\"}", "/revision not-integer"},
		{"{\"revision\":0,\"reason\":\"R\"}", "/revision too-small"},
		{"{\"revision\":-1,\"reason\":\"R\"}", "/revision too-small"},
		{"{\"revision\":1000001,\"reason\":\"R\"}", "/revision too-large"},
		{"{\"revision\":99999999999999999999,\"reason\":\"R\"}", "/revision too-large"},
		{"{\"revision\":1,\"reason\":\"\"}", "/reason too-short"},
		{"{\"revision\":1,\"reason\":\"a\\u0007\"}", "/reason text-forbidden"},
		{"{\"revision\":1,\"reason\":\"a\\rb\"}", "/reason text-forbidden"},
		{"{\"revision\":1,\"reason\":\"a\\u202e\"}", "/reason text-forbidden"},
		{"{\"revision\":1,\"reason\":\"a\\ufffe\"}", "/reason text-forbidden"},
		{"{\"revision\":1,\"reason\":\"a\\u0085\"}", "/reason text-forbidden"},
		{"{\"reason\":\"\",\"colour\":1,\"revision\":0}",
			"/reason too-short, /colour member-unknown, /revision too-small"},
		{"{\"revision\":1,\"reason\":\"tab\\tline\\nline\\r\\n\"}", ""},
		{"{\"revision\":1,\"reason\":\" \"}", ""},
	};
	struct judged *judged = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct report_retraction retraction = judge_text(judged, cases[i].body);
		bool is_valid = cases[i].errors[0] == '\0';
		judged_expect(cases[i].body, judged_errors(judged), cases[i].errors);
		assert_int_equal(judged->result.verdict, is_valid ? REPORT_VALID : REPORT_INVALID);
		assert_int_equal(retraction.revision, is_valid ? 1 : untouched.revision);
	}
}

static void test_a_reason_has_up_to_1000_code_points(void **state)
{
	static const char *const characters[] = {
		"x", "\xc3\xa4", "\xf0\x9f\x94\x92", "\\ud83d\\udd12"};
	struct judged *judged = *state;
	for (size_t i = 0; i < sizeof(characters) / sizeof(characters[0]); i++) {
		for (int points = 1000; points <= 1001; points++) {
			char body[REPORT_RETRACTION_MAX_BYTES];
			size_t len = (size_t)snprintf(
				body, sizeof(body), "{\"revision\":1,\"reason\":\"");
			for (int n = 0; n < points; n++) {
				len += (size_t)snprintf(
					body + len, sizeof(body) - len, "%s", characters[i]);
			}
			len += (size_t)snprintf(body + len, sizeof(body) - len, "\"}");
			assert_true(len < sizeof(body));
			judge(judged, body, len);
			judged_expect(characters[i], judged_errors(judged),
				points == 1000 ? "" : "/reason too-long");
		}
	}
}

static void test_what_is_no_json_is_no_retraction(void **state)
{
	static const char *const bodies[] = {"", " ", "{", "{\"revision\":1,\"reason\":\"R\"",
		"{\"revision\":1,\"revision\":1,\"reason\":\"R\"}",
		"{\"revision\":1,\"reason\":\"\\u0000\"}",
		"{\"revision\":1,\"reason\":\"\\ud800\"}", "{\"revision\":1,\"reason\":\"\xff\"}",
		"{\"revision\":1,\"reason\":\"R\"}{}"};
	struct judged *judged = *state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		judge_text(judged, bodies[i]);
		assert_int_equal(judged->result.verdict, REPORT_NOT_JSON);
		assert_true(judged->result.detail[0] != '\0');
		assert_int_equal(judged->result.error_count, 0);
	}
}

static void test_a_short_arena_is_overload(void **state)
{
	static const char body[] = "{\"revision\":0,\"reason\":\"\",\"colour\":[1,2,3]}";
	struct judged *judged = *state;
	struct report_retraction retraction;
	size_t max = 0;
	do {
		struct arena arena;
		assert_true(max < 1 << 20);
		arena_init(&arena, max += 16);
		report_check_retraction(
			&arena, &judged->rules, STR(body), &judged->result, &retraction);
		assert_true(judged->result.verdict == REPORT_OVERLOAD ||
			judged->result.verdict == REPORT_INVALID);
		arena_fini(&arena);
	} while (judged->result.verdict == REPORT_OVERLOAD);
	assert_true(max > 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_revision_and_reason_are_read),
		cmocka_unit_test(test_every_fault_has_its_place_and_code),
		cmocka_unit_test(test_a_reason_has_up_to_1000_code_points),
		cmocka_unit_test(test_what_is_no_json_is_no_retraction),
		cmocka_unit_test(test_a_short_arena_is_overload),
	};
	return cmocka_run_group_tests(tests, judged_setup, judged_teardown);
}
