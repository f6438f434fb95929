// SPDX-License-Identifier: Apache-2.0
/*
 * Rates are those of the last ten seconds: what was measured before an outage says nothing about
 * the time after it.
 */
#include "intake_send_progress_int.h"

#include "base/attr.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR_EVERY_MS 250
#define LINE_EVERY_MS 10000
#define SAMPLE_EVERY_MS 1000
#define BAR_CELLS 20
#define WIDTH_DEFAULT 80
#define WIDTH_MAX 200

void progress_init(struct progress *progress, bool is_silent, int64_t now_ms)
{
	const char *terminal = getenv("TERM");
	*progress = (struct progress){
		.is_silent = is_silent,
		.is_terminal = isatty(STDERR_FILENO) == 1 && terminal != NULL &&
			strcmp(terminal, "dumb") != 0,
		.shown_at_ms = now_ms,
		.sampled_at_ms = now_ms,
		.sample_count = 1,
		.samples = {{.at_ms = now_ms}},
	};
}

/* --- text --- */

struct text {
	char *out;
	size_t size;
	size_t len;
};

static void PRINTF_LIKE(2, 3) put(struct text *text, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int len = vsnprintf(text->out + text->len, text->size - text->len, fmt, args);
	va_end(args);
	text->len += len > 0 ? (size_t)len : 0;
	text->len = text->len < text->size ? text->len : text->size - 1;
}

static void put_bar(struct text *text, double share)
{
	int full = (int)(share * BAR_CELLS);
	put(text, "[");
	for (int i = 0; i < BAR_CELLS; i++) {
		put(text, i < full ? "#" : "-");
	}
	put(text, "] ");
}

static void put_time(struct text *text, double seconds)
{
	if (seconds >= 100.0 * 3600) {
		put(text, "  days left");
		return;
	}
	unsigned whole = (unsigned)(seconds + 0.5);
	if (whole >= 3600) {
		put(text, "  %u:%02u:%02u left", whole / 3600, whole / 60 % 60, whole % 60);
	} else {
		put(text, "  %u:%02u left", whole / 60, whole % 60);
	}
}

void progress_format(char *out, size_t size, int width, const struct progress_count *count,
	double reports_rate, double bytes_rate, const char *trouble)
{
	struct text text = {.out = out, .size = size};
	bool is_bar = width > 0;
	out[0] = '\0';
	if (count->total_bytes > 0) {
		double share = (double)count->bytes / (double)count->total_bytes;
		share = share > 1 ? 1 : share;
		if (is_bar) {
			put_bar(&text, share);
		}
		put(&text, "%3d%%  ", (int)(share * 100));
	}
	put(&text, "%llu reports", (unsigned long long)count->reports);
	if (count->refused > 0) {
		put(&text, ", %llu refused", (unsigned long long)count->refused);
	}
	if (trouble[0] != '\0') {
		put(&text, "  waiting: %s", trouble);
	} else {
		put(&text, "  %.0f/s", reports_rate);
		if (count->total_bytes > count->bytes && bytes_rate > 0) {
			put_time(&text, (double)(count->total_bytes - count->bytes) / bytes_rate);
		}
	}
	if (is_bar && text.len > (size_t)width) {
		out[width] = '\0';
	}
}

/* --- when --- */

static void take_sample(
	struct progress *progress, int64_t now_ms, const struct progress_count *count)
{
	if (progress->sample_count == PROGRESS_SAMPLES) {
		progress->sample_count--;
		memmove(progress->samples, progress->samples + 1,
			progress->sample_count * sizeof(progress->samples[0]));
	}
	progress->samples[progress->sample_count++] =
		(struct progress_sample){now_ms, count->reports, count->bytes};
	progress->sampled_at_ms = now_ms;
}

static int terminal_width(void)
{
	struct winsize size;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) {
		return WIDTH_DEFAULT;
	}
	return size.ws_col < WIDTH_MAX ? size.ws_col : WIDTH_MAX;
}

static void show(struct progress *progress, int64_t now_ms, const struct progress_count *count,
	const char *trouble)
{
	char text[WIDTH_MAX * 4];
	const struct progress_sample *since = &progress->samples[0];
	double seconds = (double)(now_ms - since->at_ms) / 1000;
	double reports = (double)(count->reports - since->reports);
	double bytes = (double)(count->bytes - since->bytes);
	progress_format(text, sizeof(text), progress->is_terminal ? terminal_width() - 1 : 0, count,
		seconds > 0 ? reports / seconds : 0, seconds > 0 ? bytes / seconds : 0, trouble);
	if (progress->is_terminal) {
		fprintf(stderr, "\r%s\033[K", text);
		progress->is_drawn = true;
	} else {
		fprintf(stderr, "intake-send: %s\n", text);
	}
	fflush(stderr);
	progress->shown_at_ms = now_ms;
}

void progress_tick(struct progress *progress, int64_t now_ms, const struct progress_count *count,
	const char *trouble)
{
	if (now_ms - progress->sampled_at_ms >= SAMPLE_EVERY_MS) {
		take_sample(progress, now_ms, count);
	}
	int64_t every_ms = progress->is_terminal ? BAR_EVERY_MS : LINE_EVERY_MS;
	if (!progress->is_silent && now_ms - progress->shown_at_ms >= every_ms) {
		show(progress, now_ms, count, trouble);
	}
}

void progress_say(struct progress *progress, const char *sentence)
{
	if (!progress->is_silent) {
		progress_end(progress);
		fprintf(stderr, "intake-send: %s\n", sentence);
	}
}

void progress_end(struct progress *progress)
{
	if (progress->is_drawn) {
		fputs("\r\033[K", stderr);
		progress->is_drawn = false;
	}
}
