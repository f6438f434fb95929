// SPDX-License-Identifier: Apache-2.0
/*
 * Each source is scanned whole, byte by byte and cut in two at each place; all must give the same
 * reports.
 */
#include "intake_send_scan_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define REPORTS_MAX 8
#define REPORT_BYTES_MAX 64

struct cut {
	char bytes[256];
	size_t len;
	uint64_t line;
	int64_t index;
	enum scan_fault fault;
};

struct scanned {
	struct cut cuts[REPORTS_MAX];
	size_t count;
	uint64_t span_bytes;
	enum scan_step end;
	uint64_t broken_line;
	bool has_content;
};

static void note(struct scanned *scanned, const struct scan_report *report)
{
	assert_true(scanned->count < REPORTS_MAX);
	struct cut *cut = &scanned->cuts[scanned->count++];
	assert_true(report->bytes.len < sizeof(cut->bytes));
	memset(cut, 0, sizeof(*cut));
	memcpy(cut->bytes, report->bytes.data, report->bytes.len);
	cut->len = report->bytes.len;
	cut->line = report->line;
	cut->index = report->index;
	cut->fault = report->fault;
	scanned->span_bytes += report->span_bytes;
}

/* One piece, from a copy of exactly its size. */
static enum scan_step feed(struct scan *scan, struct scanned *scanned, const char *data, size_t len)
{
	char *copy = malloc(len > 0 ? len : 1);
	assert_non_null(copy);
	memcpy(copy, data, len);
	enum scan_step step = SCAN_MORE;
	for (size_t at = 0; at < len && step != SCAN_BROKEN;) {
		struct scan_report report;
		size_t used = 0;
		step = scan_feed(scan, copy + at, len - at, &used, &report);
		at += used;
		if (step == SCAN_REPORT) {
			note(scanned, &report);
		} else {
			assert_true(step == SCAN_BROKEN || (step == SCAN_MORE && at == len));
		}
	}
	free(copy);
	return step;
}

static struct scanned scan_in_steps(
	const char *data, size_t len, bool is_lines, size_t first, size_t size)
{
	struct scanned scanned = {.count = 0};
	struct scan scan;
	scan_init(&scan, is_lines, REPORT_BYTES_MAX);
	enum scan_step step = feed(&scan, &scanned, data, first);
	for (size_t at = first; at < len && step != SCAN_BROKEN;) {
		size_t part = len - at < size ? len - at : size;
		step = feed(&scan, &scanned, data + at, part);
		at += part;
	}
	if (step != SCAN_BROKEN) {
		struct scan_report report;
		while ((step = scan_finish(&scan, &report)) == SCAN_REPORT) {
			note(&scanned, &report);
		}
	}
	scanned.end = step;
	scanned.has_content = scan_has_content(&scan);
	if (step == SCAN_BROKEN) {
		assert_non_null(scan_broken_reason(&scan, &scanned.broken_line));
	}
	scan_fini(&scan);
	return scanned;
}

static struct scanned scan_all_ways(const char *data, size_t len, bool is_lines)
{
	struct scanned whole = scan_in_steps(data, len, is_lines, len, len);
	struct scanned other = scan_in_steps(data, len, is_lines, 0, 1);
	assert_memory_equal(&other, &whole, sizeof(whole));
	for (size_t cut = 0; cut <= len; cut++) {
		other = scan_in_steps(data, len, is_lines, cut, len);
		assert_memory_equal(&other, &whole, sizeof(whole));
	}
	return whole;
}

static struct scanned scan(const char *text)
{
	return scan_all_ways(text, strlen(text), false);
}

static void assert_cut(
	const struct scanned *scanned, size_t i, const char *bytes, uint64_t line, int64_t index)
{
	assert_true(i < scanned->count);
	assert_string_equal(scanned->cuts[i].bytes, bytes);
	assert_int_equal(scanned->cuts[i].len, strlen(bytes));
	assert_int_equal(scanned->cuts[i].line, line);
	assert_int_equal(scanned->cuts[i].index, index);
	assert_int_equal(scanned->cuts[i].fault, SCAN_FAULT_NONE);
}

static void test_one_document_is_its_source_byte_by_byte(void **state)
{
	(void)state;
	static const char *const documents[] = {
		"{}",
		"{\"a\": 1}\n",
		" \r\n\t{\n  \"a\": [1, {\"b\": \"}\\\"{\\\\\"}],\r\n \"c\": 2\n}\n\n",
		"{\"cut\": \"off",
		"\"text\"",
		"no JSON [ at all",
		"{\"a\": 1} \n \n ",
	};
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		struct scanned scanned = scan(documents[i]);
		assert_int_equal(scanned.count, 1);
		assert_cut(&scanned, 0, documents[i], 0, -1);
		assert_int_equal(scanned.end, SCAN_END);
		assert_int_equal(scanned.span_bytes, strlen(documents[i]));
	}
}

static void test_several_objects_a_line_each_are_lines(void **state)
{
	(void)state;
	struct scanned scanned = scan("\n{\"a\":1} \r\n\n  \n broken {\n{\"b\":\"\\n\"}");
	assert_int_equal(scanned.count, 3);
	assert_cut(&scanned, 0, "{\"a\":1}", 2, -1);
	assert_cut(&scanned, 1, "broken {", 5, -1);
	assert_cut(&scanned, 2, "{\"b\":\"\\n\"}", 6, -1);
	assert_int_equal(scanned.end, SCAN_END);
}

static void test_lines_by_name_need_no_second_look(void **state)
{
	(void)state;
	static const char text[] = "[1]\r\n\n{\"a\"\n}\n";
	struct scanned scanned = scan_all_ways(text, sizeof(text) - 1, true);
	assert_int_equal(scanned.count, 3);
	assert_cut(&scanned, 0, "[1]", 1, -1);
	assert_cut(&scanned, 1, "{\"a\"", 3, -1);
	assert_cut(&scanned, 2, "}", 4, -1);
	scanned = scan_all_ways("", 0, true);
	assert_int_equal(scanned.count, 0);
	assert_true(scanned.has_content);
}

static void test_objects_over_several_lines_are_put_on_one_each(void **state)
{
	(void)state;
	struct scanned scanned = scan("{\n \"a\":\r\n1\n}\n{\n\"b\": 2 }\n\n7 \"x y\"{}");
	assert_int_equal(scanned.count, 5);
	assert_cut(&scanned, 0, "{  \"a\":  1 }", 1, -1);
	assert_cut(&scanned, 1, "{ \"b\": 2 }", 5, -1);
	assert_cut(&scanned, 2, "7", 8, -1);
	assert_cut(&scanned, 3, "\"x y\"", 8, -1);
	assert_cut(&scanned, 4, "{}", 8, -1);
	scanned = scan("{} {\"cut\": [1,");
	assert_int_equal(scanned.count, 2);
	assert_cut(&scanned, 1, "{\"cut\": [1,", 1, -1);
	assert_int_equal(scanned.end, SCAN_END);
}

static void test_first_of_several_objects_decides(void **state)
{
	(void)state;
	struct scanned scanned = scan("{}\n{\n}");
	assert_int_equal(scanned.count, 3);
	assert_cut(&scanned, 1, "{", 2, -1);
	assert_cut(&scanned, 2, "}", 3, -1);
	static const char *const values[] = {"{\n}\n{}\n{\n}", "{} {}\n{\n}"};
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		scanned = scan(values[i]);
		assert_int_equal(scanned.count, 3);
		assert_cut(&scanned, 1, "{}", i == 0 ? 3 : 1, -1);
		assert_cut(&scanned, 2, "{ }", i == 0 ? 4 : 2, -1);
	}
}

static void test_elements_of_an_array_are_cut_out(void **state)
{
	(void)state;
	struct scanned scanned =
		scan(" [ {\"a\": \"],{\\\"\"} ,\n[1,\n{\"b\":[]}],\n 3,\"x\" ]\n ");
	assert_int_equal(scanned.count, 4);
	assert_cut(&scanned, 0, "{\"a\": \"],{\\\"\"}", 1, 0);
	assert_cut(&scanned, 1, "[1, {\"b\":[]}]", 2, 1);
	assert_cut(&scanned, 2, "3", 4, 2);
	assert_cut(&scanned, 3, "\"x\"", 4, 3);
	assert_int_equal(scanned.end, SCAN_END);
}

static void test_empty_array_holds_nothing(void **state)
{
	(void)state;
	struct scanned scanned = scan("[ \n ]\n");
	assert_int_equal(scanned.count, 0);
	assert_int_equal(scanned.end, SCAN_END);
	assert_true(scanned.has_content);
}

static void test_missing_elements_are_faults(void **state)
{
	(void)state;
	struct scanned scanned = scan("[,{},\n]");
	assert_int_equal(scanned.count, 3);
	assert_int_equal(scanned.cuts[0].fault, SCAN_FAULT_EMPTY);
	assert_int_equal(scanned.cuts[0].index, 0);
	assert_int_equal(scanned.cuts[0].line, 1);
	assert_cut(&scanned, 1, "{}", 1, 1);
	assert_int_equal(scanned.cuts[2].fault, SCAN_FAULT_EMPTY);
	assert_int_equal(scanned.cuts[2].line, 2);
	assert_int_equal(scanned.end, SCAN_END);
}

static void test_array_that_does_not_end_is_broken(void **state)
{
	(void)state;
	static const char *const texts[] = {"[", "[{},{}", "[{},\n", "[{\"a\":\"]", "[{},{\"b\":1"};
	static const size_t counts[] = {0, 1, 1, 0, 1};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct scanned scanned = scan(texts[i]);
		assert_int_equal(scanned.count, counts[i]);
		assert_int_equal(scanned.end, SCAN_BROKEN);
	}
}

static void test_something_behind_the_array_is_broken(void **state)
{
	(void)state;
	struct scanned scanned = scan("[{}]\n\n[{}]");
	assert_int_equal(scanned.count, 1);
	assert_int_equal(scanned.end, SCAN_BROKEN);
	assert_int_equal(scanned.broken_line, 3);
}

static void test_line_end_inside_a_string_is_a_fault(void **state)
{
	(void)state;
	struct scanned scanned = scan("[{\"a\":\"x\ny\"},{\"b\":1}]");
	assert_int_equal(scanned.count, 2);
	assert_int_equal(scanned.cuts[0].fault, SCAN_FAULT_LINE_END);
	assert_int_equal(scanned.cuts[0].len, 0);
	assert_cut(&scanned, 1, "{\"b\":1}", 2, 1);
	scanned = scan("{\"a\":\"x\ny\"}\n{\"b\":1}");
	assert_int_equal(scanned.count, 2);
	assert_int_equal(scanned.cuts[0].fault, SCAN_FAULT_LINE_END);
}

/* quoted gives {"…"} of len bytes in all. */
static void put_object(char *out, size_t len)
{
	memset(out, 'x', len);
	memcpy(out, "{\"", 2);
	memcpy(out + len - 2, "\"}", 2);
}

static void test_longest_report_passes_and_one_byte_more_does_not(void **state)
{
	(void)state;
	for (size_t extra = 0; extra <= 1; extra++) {
		size_t len = REPORT_BYTES_MAX + extra;
		enum scan_fault fault = extra == 0 ? SCAN_FAULT_NONE : SCAN_FAULT_TOO_LONG;
		char text[256];
		put_object(text, len);
		struct scanned scanned = scan_all_ways(text, len, false);
		assert_int_equal(scanned.count, 1);
		assert_int_equal(scanned.cuts[0].fault, fault);
		memcpy(text + len, "\n{}\n", 4);
		scanned = scan_all_ways(text, len + 4, true);
		assert_int_equal(scanned.count, 2);
		assert_int_equal(scanned.cuts[0].fault, fault);
		assert_cut(&scanned, 1, "{}", 2, -1);
		text[0] = '[';
		put_object(text + 1, len);
		memcpy(text + 1 + len, ",{}]", 4);
		scanned = scan_all_ways(text, len + 5, false);
		assert_int_equal(scanned.count, 2);
		assert_int_equal(scanned.cuts[0].fault, fault);
		assert_cut(&scanned, 1, "{}", 1, 1);
	}
}

static void test_blank_source_has_no_content(void **state)
{
	(void)state;
	static const char *const texts[] = {"", " ", "\r\n\t \n"};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct scanned scanned = scan(texts[i]);
		assert_int_equal(scanned.count, 0);
		assert_int_equal(scanned.end, SCAN_END);
		assert_false(scanned.has_content);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_document_is_its_source_byte_by_byte),
		cmocka_unit_test(test_several_objects_a_line_each_are_lines),
		cmocka_unit_test(test_lines_by_name_need_no_second_look),
		cmocka_unit_test(test_objects_over_several_lines_are_put_on_one_each),
		cmocka_unit_test(test_first_of_several_objects_decides),
		cmocka_unit_test(test_elements_of_an_array_are_cut_out),
		cmocka_unit_test(test_empty_array_holds_nothing),
		cmocka_unit_test(test_missing_elements_are_faults),
		cmocka_unit_test(test_array_that_does_not_end_is_broken),
		cmocka_unit_test(test_something_behind_the_array_is_broken),
		cmocka_unit_test(test_line_end_inside_a_string_is_a_fault),
		cmocka_unit_test(test_longest_report_passes_and_one_byte_more_does_not),
		cmocka_unit_test(test_blank_source_has_no_content),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
