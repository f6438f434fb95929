// SPDX-License-Identifier: Apache-2.0
/*
 * The daemon's status for people: what is well in a line each, what is not well marked with "!",
 * then tables. Whatever the daemon does not tell is left out.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

struct view {
	const json_t *status;
	const json_t *before; /* NULL: none; else what rates are the difference to */
	double elapsed_s;     /* since before */
	size_t list_max;      /* rows of a table */
};

void view_print(const struct view *view, FILE *out);
