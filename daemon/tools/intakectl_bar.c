// SPDX-License-Identifier: Apache-2.0
#include "intakectl_bar_int.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVERY_MS 250
#define CELLS 20

void bar_init(struct bar *bar, const char *what, long long total)
{
	const char *terminal = getenv("TERM");
	*bar = (struct bar){
		.what = what,
		.total = total,
		.began_ms = clock_monotonic_ms(),
		.is_terminal = isatty(STDERR_FILENO) == 1 && terminal != NULL &&
			strcmp(terminal, "dumb") != 0,
	};
}

const char *bar_format(
	const struct bar *bar, long long done, int64_t elapsed_ms, char *out, size_t size)
{
	long long rate = elapsed_ms > 0 ? done * 1000 / elapsed_ms : 0;
	if (bar->total <= 0) {
		snprintf(out, size, "%lld %s  %lld/s", done, bar->what, rate);
		return out;
	}
	char cells[CELLS + 1] = "";
	char left[32] = "";
	/* More may have come than there was when it began. */
	long long shown = done < bar->total ? done : bar->total;
	long long full = shown * CELLS / bar->total;
	for (int i = 0; i < CELLS; i++) {
		cells[i] = i < full ? '#' : '-';
	}
	if (rate > 0 && shown < bar->total) {
		long long seconds = (bar->total - shown) / rate;
		snprintf(left, sizeof(left), "  %lld:%02lld left", seconds / 60, seconds % 60);
	}
	snprintf(out, size, "[%s] %3lld%%  %lld of %lld %s  %lld/s%s", cells,
		shown * 100 / bar->total, done, bar->total, bar->what, rate, left);
	return out;
}

void bar_show(struct bar *bar, long long done)
{
	char text[160];
	int64_t now_ms = clock_monotonic_ms();
	if (!bar->is_terminal || (bar->is_drawn && now_ms - bar->shown_ms < EVERY_MS)) {
		return;
	}
	fprintf(stderr, "\r%s\033[K",
		bar_format(bar, done, now_ms - bar->began_ms, text, sizeof(text)));
	fflush(stderr);
	bar->shown_ms = now_ms;
	bar->is_drawn = true;
}

void bar_end(struct bar *bar)
{
	if (bar->is_drawn) {
		fputs("\r\033[K", stderr);
		fflush(stderr);
	}
	bar->is_drawn = false;
}
