// SPDX-License-Identifier: Apache-2.0
/*
 * Rows of the database for people: columns as wide as their widest value. A character is taken to
 * be one column wide. Control characters do not reach the terminal.
 */
#include "intakectl_int.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Bytes that go on with a character of UTF-8 take no room of their own. */
static bool starts_character(char byte)
{
	return ((unsigned char)byte & 0xc0) != 0x80;
}

int table_cell_width(const char *text)
{
	int width = 0;
	for (; *text != '\0'; text++) {
		width += starts_character(*text);
	}
	return width;
}

/* Of the control character that text begins with; U+0080 to U+009F are such, too. 0: of none. */
static size_t control_len(const char *text)
{
	unsigned char first = (unsigned char)text[0];
	unsigned char second = first == 0xc2 ? (unsigned char)text[1] : 0;
	if (second >= 0x80 && second < 0xa0) {
		return 2;
	}
	return first < 0x20 || first == 0x7f ? 1 : 0;
}

void table_print_cell(FILE *out, const char *text, int width)
{
	int printed = table_cell_width(text);
	while (*text != '\0') {
		size_t len = control_len(text);
		fputc(len > 0 ? '?' : *text, out);
		text += len > 0 ? len : 1;
	}
	for (; printed < width; printed++) {
		fputc(' ', out);
	}
}

static const char *cell_text(const PGresult *rows, int row, int column)
{
	const char *text = PQgetvalue(rows, row, column);
	return text[0] == '\0' ? "-" : text;
}

static int column_width(const PGresult *rows, int column)
{
	int width = table_cell_width(PQfname(rows, column));
	for (int row = 0; row < PQntuples(rows); row++) {
		int cell_width = table_cell_width(cell_text(rows, row, column));
		width = cell_width > width ? cell_width : width;
	}
	return width;
}

static void print_heading(const char *name, int width)
{
	char heading[64];
	size_t len = 0;
	for (; name[len] != '\0' && len + 1 < sizeof(heading); len++) {
		heading[len] = (char)toupper((unsigned char)name[len]);
	}
	heading[len] = '\0';
	table_print_cell(stdout, heading, width);
}

static void print_line(const PGresult *rows, int row, const int *widths)
{
	int last = PQnfields(rows) - 1;
	for (int column = 0; column <= last; column++) {
		int width = column == last ? 0 : widths[column] + 2;
		if (row < 0) {
			print_heading(PQfname(rows, column), width);
		} else {
			table_print_cell(stdout, cell_text(rows, row, column), width);
		}
	}
	putchar('\n');
}

void table_print(const PGresult *rows)
{
	int widths[16] = {0};
	ENSURE(PQnfields(rows) <= (int)(sizeof(widths) / sizeof(widths[0])));
	for (int column = 0; column < PQnfields(rows); column++) {
		widths[column] = column_width(rows, column);
	}
	for (int row = -1; row < PQntuples(rows); row++) {
		print_line(rows, row, widths);
	}
}

void table_print_row(const PGresult *rows, int row)
{
	int width = 0;
	for (int column = 0; column < PQnfields(rows); column++) {
		int name_width = table_cell_width(PQfname(rows, column));
		width = name_width > width ? name_width : width;
	}
	for (int column = 0; column < PQnfields(rows); column++) {
		table_print_cell(stdout, PQfname(rows, column), width + 2);
		table_print_cell(stdout, cell_text(rows, row, column), 0);
		putchar('\n');
	}
}
