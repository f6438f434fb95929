// SPDX-License-Identifier: Apache-2.0
/*
 * What a session must show before it may be used.
 */
#include "schema_int.h"

#include "report/report_check.h"
#include "samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define TEXT(number) TEXT_OF(number)
#define TEXT_OF(number) #number

enum {
	VERSION,
	REPORT,
	INDICATOR,
	REFUSAL,
	FSYNC,
	FULL_PAGE_WRITES,
	SYNCHRONOUS_COMMIT,
	IN_RECOVERY,
	TRANSACTION_READ_ONLY,
	MESSAGES,
	MISSING,
	COLUMNS
};

static PGresult *session(int changed_column, const char *changed)
{
	static const char *const good[COLUMNS] = {TEXT(SCHEMA_VERSION), "16401", "4294967295",
		"16403", "on", "on", "on", "f", "off", "warning", ""};
	PGresult *result = sample_result(COLUMNS);
	for (int column = 0; column < COLUMNS; column++) {
		sample_set_text(
			result, 0, column, column == changed_column ? changed : good[column]);
	}
	return result;
}

static void test_a_session_is_used_only_if_it_is_good(void **state)
{
	static const struct {
		int column;
		const char *value;
		bool allow_unsafe;
		enum pg_refusal refusal;
		const char *reason; /* a part of it */
	} cases[] = {
		{-1, NULL, false, PG_REFUSAL_NONE, ""},
		{VERSION, "1", false, PG_REFUSAL_SCHEMA, "intakectl db migrate"},
		{VERSION, "9999", false, PG_REFUSAL_SCHEMA, "version 9999"},
		{VERSION, "", false, PG_REFUSAL_SCHEMA, "version 0"},
		{FSYNC, "off", false, PG_REFUSAL_DURABILITY, "fsync"},
		{FULL_PAGE_WRITES, "off", false, PG_REFUSAL_DURABILITY, "full_page_writes"},
		{SYNCHRONOUS_COMMIT, "off", false, PG_REFUSAL_DURABILITY, "synchronous_commit"},
		{SYNCHRONOUS_COMMIT, "local", false, PG_REFUSAL_NONE, ""},
		{SYNCHRONOUS_COMMIT, "remote_apply", false, PG_REFUSAL_NONE, ""},
		{FSYNC, "off", true, PG_REFUSAL_NONE, ""},
		{SYNCHRONOUS_COMMIT, "off", true, PG_REFUSAL_NONE, ""},
		{VERSION, "1", true, PG_REFUSAL_SCHEMA, "version 1"},
		{IN_RECOVERY, "t", false, PG_REFUSAL_READ_ONLY, "standby"},
		{TRANSACTION_READ_ONLY, "on", false, PG_REFUSAL_READ_ONLY,
			"default_transaction_read_only"},
		{MESSAGES, "notice", false, PG_REFUSAL_NONE, ""},
		{MESSAGES, "error", false, PG_REFUSAL_DURABILITY, "client_min_messages"},
		{MISSING, "new-code, other-code", false, PG_REFUSAL_SCHEMA, "new-code, other-code"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf conf = {.database_allow_unsafe_durability = cases[i].allow_unsafe};
		struct pg_session found = {0};
		struct err reason = {""};
		PGresult *result = session(cases[i].column, cases[i].value);
		if (schema_check_session(result, &conf, &found, &reason) != cases[i].refusal ||
			strstr(reason.text, cases[i].reason) == NULL) {
			fail_msg("case %zu: %s", i, reason.text);
		}
		PQclear(result);
	}
}

static void test_the_numbers_of_the_types_are_read(void **state)
{
	const struct conf conf = {0};
	struct pg_session found = {0};
	struct err reason;
	PGresult *result = session(-1, NULL);
	(void)state;
	assert_int_equal(schema_check_session(result, &conf, &found, &reason), PG_REFUSAL_NONE);
	assert_int_equal(found.report_oid, 16401);
	assert_true(found.indicator_oid == UINT32_MAX);
	assert_int_equal(found.refusal_oid, 16403);
	PQclear(result);
}

static void test_every_category_is_asked_for(void **state)
{
	struct err err;
	struct taxonomy *taxonomy = taxonomy_load(SOURCE_DIR "/config/taxonomy.json", &err);
	(void)state;
	assert_non_null(taxonomy);
	char *literal = schema_codes_literal(taxonomy);
	size_t commas = 0;
	assert_non_null(literal);
	for (const char *at = literal; *at != '\0'; at++) {
		commas += *at == ',' ? 1 : 0;
	}
	assert_int_equal(commas + 1, taxonomy_category_count(taxonomy));
	assert_true(literal[0] == '{' && literal[strlen(literal) - 1] == '}');
	assert_non_null(strstr(literal, ",ransomware,"));
	free(literal);
	taxonomy_free(&taxonomy);
}

static void test_errors_that_mean_another_schema(void **state)
{
	static const char *const missing[] = {"42883", "42P01", "42704", "3F000", "42703", "42804"};
	static const char *const other[] = {"42501", "28P01", "57P03", "", "4288"};
	(void)state;
	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
		assert_true(schema_error_is_schema(missing[i]));
	}
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		assert_false(schema_error_is_schema(other[i]));
	}
	assert_false(schema_error_is_schema(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_session_is_used_only_if_it_is_good),
		cmocka_unit_test(test_the_numbers_of_the_types_are_read),
		cmocka_unit_test(test_every_category_is_asked_for),
		cmocka_unit_test(test_errors_that_mean_another_schema),
	};
	report_check_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
