// SPDX-License-Identifier: Apache-2.0
/*
 * Rows of intake.receipt as the server sends them in binary.
 */
#include "answer_int.h"

#include "row_int.h"
#include "samples.h"

#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { COLUMNS = 16 };

static void set_int4(PGresult *result, int row, int column, int32_t value)
{
	uint32_t network = htobe32((uint32_t)value);
	sample_set(result, row, column, &network, 4);
}

/* A row without a receipt. */
static void set_bare(PGresult *result, int row, int32_t place, const char *outcome)
{
	set_int4(result, row, 0, place);
	sample_set_text(result, row, 1, outcome);
	for (int column = 2; column < COLUMNS; column++) {
		sample_set(result, row, column, NULL, -1);
	}
}

static void set_receipt(PGresult *result, int row, const char *areas, const char *warnings)
{
	struct uuid id = {{1, 2, 3, [15] = 16}};
	uint8_t sha256[32] = {0xcd, [31] = 0xef};
	uint64_t received_at = htobe64((uint64_t)(SAMPLE_TIME_US - ROW_EPOCH_US));
	sample_set(result, row, 2, id.bytes, sizeof(id.bytes));
	sample_set(result, row, 3, &received_at, sizeof(received_at));
	sample_set_text(result, row, 4, "NH-1");
	set_int4(result, row, 5, 1000000);
	sample_set(result, row, 6, "\1", 1);
	sample_set(result, row, 7, sha256, sizeof(sha256));
	sample_set_text(result, row, 8, "t/1.0.0");
	sample_set_text(result, row, 9, "ransomware");
	sample_set_text(result, row, 10, "AA3");
	sample_set_text(result, row, 11, areas);
	sample_set(result, row, 12, warnings, warnings != NULL ? (int)strlen(warnings) : -1);
}

static void test_a_receipt_comes_out_as_it_was_stored(void **state)
{
	PGresult *result = sample_result(COLUMNS);
	struct answer answer;
	(void)state;
	set_bare(result, 0, 1, "conflict");
	set_bare(result, 1, 256, "duplicate");
	set_receipt(result, 1, "AA3 AA4 AA2", "[{\"code\":\"x\"}]");
	answer_read(result, 1, &answer);

	const struct receipt *receipt = &answer.result.receipt;
	assert_int_equal(answer.place, 255);
	assert_int_equal(answer.result.outcome, STORE_DUPLICATE);
	assert_true(answer.result.has_receipt);
	assert_int_equal(receipt->status, RECEIPT_STORED);
	assert_int_equal(receipt->id.bytes[0], 1);
	assert_int_equal(receipt->id.bytes[15], 16);
	assert_true(receipt->received_at_us == SAMPLE_TIME_US);
	assert_true(str_equal(receipt->report_id, STR("NH-1")));
	assert_int_equal(receipt->revision, 1000000);
	assert_true(receipt->is_test);
	assert_int_equal(receipt->sha256[0], 0xcd);
	assert_int_equal(receipt->sha256[31], 0xef);
	assert_true(str_equal(receipt->taxonomy, STR("t/1.0.0")));
	assert_true(str_equal(receipt->category, STR("ransomware")));
	assert_true(str_equal(receipt->primary_area, STR("AA3")));
	assert_true(str_equal(receipt->warnings, STR("[{\"code\":\"x\"}]")));
	PQclear(result);
}

static void test_a_retraction_comes_with_the_receipt(void **state)
{
	PGresult *result = sample_result(COLUMNS);
	uint64_t retracted_at = htobe64((uint64_t)(SAMPLE_TIME_US + 1 - ROW_EPOCH_US));
	struct answer answer;
	(void)state;
	set_bare(result, 0, 1, "retracted");
	set_receipt(result, 0, "AA3", NULL);
	sample_set(result, 0, 13, &retracted_at, sizeof(retracted_at));
	sample_set_text(result, 0, 14, "Sent twice.");
	answer_read(result, 0, &answer);
	assert_int_equal(answer.result.outcome, STORE_RETRACTED);
	assert_int_equal(answer.result.receipt.status, RECEIPT_RETRACTED);
	assert_true(answer.result.receipt.retracted_at_us == SAMPLE_TIME_US + 1);
	assert_true(str_equal(answer.result.receipt.reason, STR("Sent twice.")));
	PQclear(result);
}

static void test_what_is_erased_says_nothing_else(void **state)
{
	PGresult *result = sample_result(COLUMNS);
	uint64_t at = htobe64((uint64_t)(SAMPLE_TIME_US - ROW_EPOCH_US));
	struct answer answer;
	(void)state;
	set_bare(result, 0, 1, "duplicate");
	set_receipt(result, 0, "AA3", NULL);
	sample_set(result, 0, 13, &at, sizeof(at));
	sample_set_text(result, 0, 14, "Sent twice.");
	sample_set(result, 0, 15, &at, sizeof(at));
	answer_read(result, 0, &answer);
	assert_int_equal(answer.result.outcome, STORE_DUPLICATE);
	assert_int_equal(answer.result.receipt.status, RECEIPT_ERASED);
	PQclear(result);
}

static void test_outcomes_have_their_names(void **state)
{
	static const struct {
		const char *text;
		enum store_outcome outcome;
	} cases[] = {
		{"stored", STORE_STORED},
		{"duplicate", STORE_DUPLICATE},
		{"conflict", STORE_CONFLICT},
		{"superseded", STORE_SUPERSEDED},
		{"erased", STORE_ERASED},
		{"retracted", STORE_RETRACTED},
		{"not found", STORE_NOT_FOUND},
		{"unheard of", STORE_UNAVAILABLE},
		{"", STORE_UNAVAILABLE},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		PGresult *result = sample_result(COLUMNS);
		struct answer answer;
		set_bare(result, 0, 1, cases[i].text);
		answer_read(result, 0, &answer);
		assert_int_equal(answer.place, 0);
		assert_int_equal(answer.result.outcome, cases[i].outcome);
		assert_false(answer.result.has_receipt);
		PQclear(result);
	}
}

static void test_areas_are_parted_at_spaces(void **state)
{
	static const struct {
		const char *text;
		size_t count;
		const char *last;
	} cases[] = {
		{"", 0, NULL},
		{"AA1", 1, "AA1"},
		{"AA1 AA2 AA3 AA4", 4, "AA4"},
		{"1 2 3 4 5 6 7 8", ANSWER_MAX_AREAS, "8"},
		{"1 2 3 4 5 6 7 8 9", ANSWER_MAX_AREAS, "8"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		PGresult *result = sample_result(COLUMNS);
		struct answer answer;
		set_bare(result, 0, 1, "duplicate");
		set_receipt(result, 0, cases[i].text, NULL);
		answer_read(result, 0, &answer);
		const struct str_list *areas = &answer.result.receipt.action_areas;
		assert_int_equal(areas->count, cases[i].count);
		if (areas->count > 0) {
			assert_true(
				str_equal(areas->items[areas->count - 1], str_from(cases[i].last)));
		}
		assert_int_equal(answer.result.receipt.warnings.len, 0);
		PQclear(result);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_receipt_comes_out_as_it_was_stored),
		cmocka_unit_test(test_a_retraction_comes_with_the_receipt),
		cmocka_unit_test(test_what_is_erased_says_nothing_else),
		cmocka_unit_test(test_outcomes_have_their_names),
		cmocka_unit_test(test_areas_are_parted_at_spaces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
