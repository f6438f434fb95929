// SPDX-License-Identifier: Apache-2.0
#include "intake_send_answer_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HEX "00ff10a9b8c7d6e5f40123456789abcdef00ff10a9b8c7d6e5f40123456789ab"
#define OTHER_HEX "11ff10a9b8c7d6e5f40123456789abcdef00ff10a9b8c7d6e5f40123456789ab"
#define RECEIPT "{\"status\":\"stored\",\"report_id\":\"N-1\",\"sha256\":\"" HEX "\"}"
#define PROBLEM(name) "{\"type\":\"urn:intaked:problem:" name "\",\"title\":\"T\"}"

static enum answer_kind kind_of(int status, const char *body, size_t report_count)
{
	struct answer answer;
	answer_read_body(&answer, status, str_from(body), report_count);
	enum answer_kind kind = answer.kind;
	assert_int_equal(answer.status, status);
	answer_fini(&answer);
	return kind;
}

static void test_answers_to_one_report(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *body;
		enum answer_kind kind;
	} cases[] = {
		{201, RECEIPT, ANSWER_STORED},
		{200, RECEIPT, ANSWER_REPEATED},
		{200, "{\"status\":\"valid\"}", ANSWER_VALID},
		{200, "", ANSWER_UNKNOWN},
		{200, "<html>", ANSWER_UNKNOWN},
		{200, "{}", ANSWER_UNKNOWN},
		{201, "{\"status\":\"stored\",\"report_id\":\"N-1\"}", ANSWER_UNKNOWN},
		{202, RECEIPT, ANSWER_UNKNOWN},
		{204, "", ANSWER_UNKNOWN},
		{302, "", ANSWER_DENIED},
		{400, PROBLEM("json-invalid"), ANSWER_REFUSED},
		{409, PROBLEM("report-conflict"), ANSWER_REFUSED},
		{413, PROBLEM("body-too-large"), ANSWER_REFUSED},
		{422, PROBLEM("report-invalid"), ANSWER_REFUSED},
		{413, "a proxy's page", ANSWER_REFUSED},
		{400, "a proxy's page", ANSWER_DENIED},
		{422, "{\"type\":\"about:blank\"}", ANSWER_DENIED},
		{401, "", ANSWER_DENIED},
		{403, PROBLEM("partner-unknown"), ANSWER_DENIED},
		{403, PROBLEM("partner-suspended"), ANSWER_DENIED},
		{404, PROBLEM("not-found"), ANSWER_DENIED},
		{405, PROBLEM("method-not-allowed"), ANSWER_DENIED},
		{415, PROBLEM("media-type"), ANSWER_DENIED},
		{408, PROBLEM("timeout"), ANSWER_LATER},
		{429, PROBLEM("quota"), ANSWER_LATER},
		{500, PROBLEM("unstorable"), ANSWER_REFUSED},
		{500, "", ANSWER_LATER},
		{502, "<html>", ANSWER_LATER},
		{503, PROBLEM("unavailable"), ANSWER_LATER},
		{504, "", ANSWER_LATER},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(kind_of(cases[i].status, cases[i].body, 1), cases[i].kind);
	}
}

static void test_refusal_of_a_batch_is_none_of_its_reports(void **state)
{
	(void)state;
	assert_int_equal(kind_of(413, PROBLEM("body-too-large"), 2), ANSWER_SMALLER);
	assert_int_equal(kind_of(413, "a proxy's page", 2), ANSWER_SMALLER);
	assert_int_equal(kind_of(400, PROBLEM("framing-invalid"), 2), ANSWER_DENIED);
	assert_int_equal(kind_of(503, PROBLEM("unavailable"), 2), ANSWER_LATER);
}

static void test_lines_of_a_batch(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		enum answer_kind kind;
		uint64_t number;
		int64_t retry_after_s;
	} cases[] = {
		{"{\"line\":1,\"status\":201,\"receipt\":" RECEIPT "}", ANSWER_STORED, 1, 0},
		{"{\"line\":12,\"status\":200,\"receipt\":" RECEIPT "}\r", ANSWER_REPEATED, 12, 0},
		{"{\"line\":2,\"status\":422,\"problem\":" PROBLEM("report-invalid") "}",
			ANSWER_REFUSED, 2, 0},
		{"{\"line\":3,\"status\":503,\"problem\":" PROBLEM(
			 "unavailable") ",\"retry_after\":7}",
			ANSWER_LATER, 3, 7},
		{"{\"line\":3,\"status\":429,\"problem\":" PROBLEM("quota") ",\"retry_after\":-1}",
			ANSWER_LATER, 3, 0},
		{"{\"line\":101,\"status\":413,\"problem\":" PROBLEM("too-many-reports") "}",
			ANSWER_SMALLER, 101, 0},
		{"{\"line\":4,\"status\":413,\"problem\":" PROBLEM("line-too-long") "}",
			ANSWER_REFUSED, 4, 0},
		{"{\"line\":1,\"status\":201}", ANSWER_UNKNOWN, 1, 0},
		{"{\"line\":0,\"status\":201,\"receipt\":" RECEIPT "}", ANSWER_UNKNOWN, 0, 0},
		{"{\"status\":201,\"receipt\":" RECEIPT "}", ANSWER_UNKNOWN, 0, 0},
		{"{\"line\":1,\"status\":201,\"rec", ANSWER_UNKNOWN, 0, 0},
		{"", ANSWER_UNKNOWN, 0, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer answer;
		answer_read_line(&answer, str_from(cases[i].line));
		assert_int_equal(answer.kind, cases[i].kind);
		assert_int_equal(answer.line, cases[i].number);
		assert_int_equal(answer.retry_after_s, cases[i].retry_after_s);
		answer_fini(&answer);
	}
}

static bool is_about(int status, const char *hex, const char *bytes)
{
	struct answer answer;
	struct digest digest;
	assert_true(digest_from_hex(hex, &digest));
	answer_read_body(&answer, status, STR(RECEIPT), 1);
	bool is_so = answer_is_about(&answer, &digest, str_from(bytes));
	answer_fini(&answer);
	return is_so;
}

static void test_receipt_of_another_report_is_not_taken(void **state)
{
	(void)state;
	assert_true(is_about(201, HEX, "{\"report_id\":\"N-1\"}"));
	assert_true(is_about(200, HEX, "anything"));
	assert_false(is_about(201, OTHER_HEX, "{\"report_id\":\"N-1\"}"));
	/* Of a repeat the digest is the first copy's. */
	assert_true(is_about(200, OTHER_HEX, "{ \"report_id\" : \"N-1\" }"));
	assert_false(is_about(200, OTHER_HEX, "{\"report_id\":\"N-2\"}"));
	assert_false(is_about(200, OTHER_HEX, "anything"));
	/* The server holds numbers that a double does not. */
	assert_true(is_about(200, OTHER_HEX,
		"{\"extensions\":{\"x\":12345678901234567890e300},\"report_id\":\"N-1\"}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_to_one_report),
		cmocka_unit_test(test_refusal_of_a_batch_is_none_of_its_reports),
		cmocka_unit_test(test_lines_of_a_batch),
		cmocka_unit_test(test_receipt_of_another_report_is_not_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
