// SPDX-License-Identifier: Apache-2.0
#include "journal_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The line's fields, but for the three that every entry begins with, one a line. */
static const char *fields_of(const char *line)
{
	static struct journal_entry entry;
	const char *field = entry.text;
	journal_entry_make(&entry, 6, line);
	assert_true(entry.used < sizeof(entry.text));
	entry.text[entry.used] = '\0';
	for (int i = 0; i < 3; i++) {
		field = strchr(field, '\n');
		assert_non_null(field);
		field++;
	}
	return field;
}

static void test_an_entry_begins_with_the_line_itself(void **state)
{
	static const char expected[] = "MESSAGE=severity=warn event=e a=1\nPRIORITY=4\n"
				       "SYSLOG_IDENTIFIER=intaked\nINTAKED_SEVERITY=warn\n"
				       "INTAKED_EVENT=e\nINTAKED_A=1\n";
	struct journal_entry entry;
	(void)state;
	journal_entry_make(&entry, 4, "severity=warn event=e a=1");
	assert_int_equal(entry.used, strlen(expected));
	assert_memory_equal(entry.text, expected, entry.used);
}

static void test_keys_become_fields(void **state)
{
	static const struct {
		const char *line;
		const char *fields;
	} cases[] = {
		{"event=ready workers=2", "INTAKED_EVENT=ready\nINTAKED_WORKERS=2\n"},
		{"text=\"a b=c\" next=1", "INTAKED_TEXT=a b=c\nINTAKED_NEXT=1\n"},
		{"empty= quoted=\"\" x=y", "INTAKED_EMPTY=\nINTAKED_QUOTED=\nINTAKED_X=y\n"},
		{"text=\"never closed", "INTAKED_TEXT=never closed\n"},
		{"no pairs here, Key=1 a-b=2 =3", ""},
		{"", ""},
		{"a=b=c", "INTAKED_A=b=c\n"},
		{"receipt_id=01a2", "INTAKED_RECEIPT_ID=01a2\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(fields_of(cases[i].line), cases[i].fields);
	}
}

static void test_a_name_longer_than_the_journal_takes_is_no_field(void **state)
{
	(void)state;
	assert_string_equal(fields_of("a23456789012345678901234567890123456789012345678=1 b=2"),
		"INTAKED_A23456789012345678901234567890123456789012345678=1\nINTAKED_B=2\n");
	assert_string_equal(fields_of("a234567890123456789012345678901234567890123456789=1 b=2"),
		"INTAKED_B=2\n");
}

static void test_what_finds_no_room_is_left_out(void **state)
{
	char line[4000];
	(void)state;
	memset(line, 'x', sizeof(line));
	line[1] = '=';
	strcpy(line + sizeof(line) - 5, " b=2");
	assert_string_equal(fields_of(line), "INTAKED_B=2\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_entry_begins_with_the_line_itself),
		cmocka_unit_test(test_keys_become_fields),
		cmocka_unit_test(test_a_name_longer_than_the_journal_takes_is_no_field),
		cmocka_unit_test(test_what_finds_no_room_is_left_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
