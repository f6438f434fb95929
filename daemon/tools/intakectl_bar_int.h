// SPDX-License-Identifier: Apache-2.0
/*
 * A line on standard error that says how far something long is, where that is a terminal; nothing
 * where it is not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bar {
	const char *what; /* "reports" */
	long long total;  /* 0: not known */
	int64_t began_ms;
	int64_t shown_ms;
	bool is_terminal;
	bool is_drawn;
};

void bar_init(struct bar *bar, const char *what, long long total);
/* As often as it likes; drawn four times a second. */
void bar_show(struct bar *bar, long long done);
/* Takes the line away. */
void bar_end(struct bar *bar);
/* "[#####---------------]  25%  500 of 2000 reports  100/s  0:15 left"; out is returned. */
const char *bar_format(
	const struct bar *bar, long long done, int64_t elapsed_ms, char *out, size_t size);
