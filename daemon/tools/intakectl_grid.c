// SPDX-License-Identifier: Apache-2.0
#include "intakectl_grid_int.h"

#include "intakectl_int.h"

#include <stdarg.h>
#include <stdlib.h>

#define GAP 2

void grid_init(struct grid *grid, size_t column_count, unsigned right_aligned)
{
	ENSURE(column_count > 0 && column_count <= GRID_COLUMNS_MAX);
	*grid = (struct grid){.column_count = column_count, .right_aligned = right_aligned};
}

void grid_add(struct grid *grid, const char *fmt, ...)
{
	va_list args;
	char *text = NULL;
	va_start(args, fmt);
	ENSURE(vasprintf(&text, fmt, args) >= 0);
	va_end(args);
	grid->cells = reallocarray(grid->cells, grid->cell_count + 1, sizeof(*grid->cells));
	ENSURE(grid->cells != NULL);
	grid->cells[grid->cell_count++] = text;
}

static int column_width(const struct grid *grid, size_t column)
{
	int width = 0;
	for (size_t i = column; i < grid->cell_count; i += grid->column_count) {
		int cell_width = table_cell_width(grid->cells[i]);
		width = cell_width > width ? cell_width : width;
	}
	return width;
}

static void print_cell(const struct grid *grid, size_t cell, int width, FILE *out)
{
	size_t column = cell % grid->column_count;
	const char *text = grid->cells[cell];
	bool is_last = column + 1 == grid->column_count;
	if ((grid->right_aligned & (1U << column)) != 0) {
		fprintf(out, "%*s", width - table_cell_width(text), "");
		table_print_cell(out, text, 0);
		fprintf(out, "%*s", is_last ? 0 : GAP, "");
	} else {
		table_print_cell(out, text, is_last ? 0 : width + GAP);
	}
	if (is_last) {
		fputc('\n', out);
	}
}

void grid_print(struct grid *grid, FILE *out)
{
	int widths[GRID_COLUMNS_MAX] = {0};
	ENSURE(grid->cell_count % grid->column_count == 0);
	for (size_t column = 0; column < grid->column_count; column++) {
		widths[column] = column_width(grid, column);
	}
	for (size_t i = 0; i < grid->cell_count; i++) {
		print_cell(grid, i, widths[i % grid->column_count], out);
		free(grid->cells[i]);
	}
	free(grid->cells);
	grid->cells = NULL;
	grid->cell_count = 0;
}
