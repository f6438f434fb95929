// SPDX-License-Identifier: Apache-2.0
/*
 * A table of texts that is filled cell by cell and printed once all widths are known.
 */
#pragma once

#include "base/attr.h"

#include <stddef.h>
#include <stdio.h>

#define GRID_COLUMNS_MAX 8

struct grid {
	size_t column_count;
	char **cells;
	size_t cell_count;
	unsigned right_aligned; /* bit i: column i, which holds numbers */
};

void grid_init(struct grid *grid, size_t column_count, unsigned right_aligned);
/* The next cell, headings first. */
void grid_add(struct grid *grid, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Control characters are replaced. The grid is empty afterwards. */
void grid_print(struct grid *grid, FILE *out);
