// SPDX-License-Identifier: Apache-2.0
/*
 * Each body is shown whole, byte by byte and in two parts at every place; all must tell the same
 * lines. What was not used is shown again in memory of exactly its size.
 */
#include "http/http_lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LIMIT 4

/* What was told, one "NUMBER KIND TEXT;" a line, and the caller's side of a body that arrives. */
struct reader {
	struct http_lines lines;
	char *held; /* not used yet */
	size_t held_len;
	size_t used;
	char told[4096];
	size_t told_len;
};

static void reader_init(struct reader *reader)
{
	*reader = (struct reader){0};
	http_lines_init(&reader->lines, LIMIT);
}

static void note(struct reader *reader, enum http_line told, struct str line)
{
	const char *kind = told == HTTP_LINE_TEXT ? "text" : "too long";
	/* Of a line that is too long there may be a part only. */
	struct str shown = told == HTTP_LINE_TEXT ? line : STR("");
	int len = snprintf(reader->told + reader->told_len, sizeof(reader->told) - reader->told_len,
		"%llu %s %.*s;", (unsigned long long)reader->lines.number, kind, STR_ARG(shown));
	assert_true(len > 0 && (size_t)len < sizeof(reader->told) - reader->told_len);
	reader->told_len += (size_t)len;
}

static void drop(struct reader *reader, size_t used)
{
	size_t rest = reader->held_len - used;
	char *held = malloc(rest + 1);
	assert_non_null(held);
	memcpy(held, reader->held + used, rest);
	free(reader->held);
	reader->held = held;
	reader->held_len = rest;
	reader->used += used;
}

static void show(struct reader *reader, const char *data, size_t len, bool is_end)
{
	char *held = malloc(reader->held_len + len + 1);
	assert_non_null(held);
	if (reader->held_len > 0) {
		memcpy(held, reader->held, reader->held_len);
	}
	memcpy(held + reader->held_len, data, len);
	free(reader->held);
	reader->held = held;
	reader->held_len += len;
	enum http_line told;
	do {
		/* A copy that ends where the bytes do. */
		char *exact = malloc(reader->held_len > 0 ? reader->held_len : 1);
		struct str line = {NULL, 0};
		size_t used;
		assert_non_null(exact);
		memcpy(exact, reader->held, reader->held_len);
		told = http_lines_next(
			&reader->lines, exact, reader->held_len, is_end, &line, &used);
		assert_true(used <= reader->held_len);
		assert_true(told != HTTP_LINE_TEXT || used >= line.len);
		if (told == HTTP_LINE_TEXT || told == HTTP_LINE_TOO_LONG) {
			note(reader, told, line);
		}
		free(exact);
		drop(reader, used);
	} while (told != HTTP_LINE_MORE);
}

/* What is left is part of a line, and never more of it than could still be within the limit. */
static void assert_waits_for_little(const struct reader *reader)
{
	assert_true(reader->held_len <= LIMIT + 1);
}

static void end(struct reader *reader, const char *body, size_t len, const char *expected)
{
	assert_int_equal(reader->held_len, 0);
	assert_int_equal(reader->used, len);
	if (strcmp(reader->told, expected) != 0) {
		fail_msg("of \"%s\": told \"%s\", expected \"%s\"", body, reader->told, expected);
	}
	free(reader->held);
}

static void read_byte_by_byte(const char *body, size_t len, const char *expected)
{
	struct reader reader;
	reader_init(&reader);
	for (size_t i = 0; i < len; i++) {
		show(&reader, body + i, 1, false);
		assert_waits_for_little(&reader);
	}
	show(&reader, "", 0, true);
	end(&reader, body, len, expected);
}

/* The end is told with the second part, or with nothing behind it. */
static void read_in_two(
	const char *body, size_t len, size_t cut, bool is_end_apart, const char *expected)
{
	struct reader reader;
	reader_init(&reader);
	show(&reader, body, cut, false);
	assert_waits_for_little(&reader);
	show(&reader, body + cut, len - cut, !is_end_apart);
	if (is_end_apart) {
		assert_waits_for_little(&reader);
		show(&reader, "", 0, true);
	}
	end(&reader, body, len, expected);
}

static void expect_lines(const char *body, const char *expected)
{
	size_t len = strlen(body);
	read_byte_by_byte(body, len, expected);
	for (size_t cut = 0; cut <= len; cut++) {
		read_in_two(body, len, cut, false, expected);
		read_in_two(body, len, cut, true, expected);
	}
}

static void test_lines_end_with_lf_or_crlf_and_the_last_with_nothing(void **state)
{
	(void)state;
	expect_lines("", "");
	expect_lines("a", "1 text a;");
	expect_lines("a\n", "1 text a;");
	expect_lines("a\r\n", "1 text a;");
	expect_lines("a\nb\r\nc", "1 text a;2 text b;3 text c;");
	expect_lines("a\nb\r\nc\r\n", "1 text a;2 text b;3 text c;");
}

/* It may be white space between two values; only in front of an LF does it end the line. */
static void test_a_cr_elsewhere_belongs_to_the_line(void **state)
{
	(void)state;
	expect_lines("a\rb\n", "1 text a\rb;");
	expect_lines("a\r\r\n", "1 text a\r;");
	expect_lines("a\n\rb\n", "1 text a;2 text \rb;");
	expect_lines("a\r", "1 text a\r;");
	expect_lines("\r", "1 text \r;");
}

static void test_blank_lines_take_a_number_and_are_not_told(void **state)
{
	(void)state;
	expect_lines("\n", "");
	expect_lines("\r\n\n", "");
	expect_lines(" \t\n", "");
	expect_lines("\n\na\n\nb", "3 text a;5 text b;");
	expect_lines("\r\n \r\na\r\n\t\r\n", "3 text a;");
	expect_lines("a\n  ", "1 text a;");
	expect_lines(" a \n", "1 text  a ;");
}

/* Told one by one, each would cost the move of all that lies behind it. */
static void test_blank_lines_are_passed_over_at_once(void **state)
{
	(void)state;
	struct http_lines lines;
	struct str line;
	size_t used;
	http_lines_init(&lines, LIMIT);
	assert_int_equal(
		http_lines_next(&lines, "\n \n\r\na\nb", 8, false, &line, &used), HTTP_LINE_TEXT);
	assert_int_equal(lines.number, 4);
	assert_int_equal(used, 7);
}

static void test_a_line_at_the_limit_is_read_with_any_ending(void **state)
{
	(void)state;
	expect_lines("1234\nb\n", "1 text 1234;2 text b;");
	expect_lines("1234\r\nb\n", "1 text 1234;2 text b;");
	expect_lines("a\n1234", "1 text a;2 text 1234;");
	expect_lines("123\r", "1 text 123\r;");
	expect_lines("123\r4", "1 too long ;");
}

static void test_one_byte_past_the_limit_is_too_long_with_any_ending(void **state)
{
	(void)state;
	expect_lines("12345\nb\n", "1 too long ;2 text b;");
	expect_lines("12345\r\nb\n", "1 too long ;2 text b;");
	expect_lines("a\n12345", "1 text a;2 too long ;");
	expect_lines("1234\r", "1 too long ;");
	expect_lines("1234\r\r\n", "1 too long ;");
}

static void test_the_rest_of_an_over_long_line_is_skipped_and_the_next_one_read(void **state)
{
	(void)state;
	expect_lines("1234567890123456789\nb\n", "1 too long ;2 text b;");
	expect_lines("1234567890\r\n\r\n123456\nb", "1 too long ;3 too long ;4 text b;");
	expect_lines("a\n1234567890\n1234567890", "1 text a;2 too long ;3 too long ;");
	expect_lines("1234567890\r", "1 too long ;");
	expect_lines("        \nb", "1 too long ;2 text b;");
}

static void test_a_nul_is_a_byte_like_any_other(void **state)
{
	struct reader reader;
	(void)state;
	reader_init(&reader);
	show(&reader, "\0\n\0", 3, true);
	assert_int_equal(reader.lines.number, 2);
	assert_int_equal(reader.used, 3);
	free(reader.held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_end_with_lf_or_crlf_and_the_last_with_nothing),
		cmocka_unit_test(test_a_cr_elsewhere_belongs_to_the_line),
		cmocka_unit_test(test_blank_lines_take_a_number_and_are_not_told),
		cmocka_unit_test(test_blank_lines_are_passed_over_at_once),
		cmocka_unit_test(test_a_line_at_the_limit_is_read_with_any_ending),
		cmocka_unit_test(test_one_byte_past_the_limit_is_too_long_with_any_ending),
		cmocka_unit_test(
			test_the_rest_of_an_over_long_line_is_skipped_and_the_next_one_read),
		cmocka_unit_test(test_a_nul_is_a_byte_like_any_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
