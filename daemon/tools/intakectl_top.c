// SPDX-License-Identifier: Apache-2.0
/*
 * How the daemon is, again and again: on a terminal in place, elsewhere one after the other. Rates
 * are what counters grew by since the answer before. On a terminal a daemon that is away is waited
 * for.
 */
#include "intakectl_control_int.h"
#include "intakectl_screen_int.h"
#include "intakectl_view_int.h"

#include "base/clock.h"

#include <stdlib.h>
#include <unistd.h>

#define ANSWER_TIMEOUT_S 3
#define INTERVAL_S 2
#define LIST_MAX 10

struct top {
	const struct request *request;
	int interval_ms;
	struct screen screen;
	json_t *status; /* the last answer; NULL: none, and err says why */
	json_t *before;
	int64_t asked_at_ms;
	int64_t asked_before_at_ms;
	struct err err;
};

static void ask(struct top *top)
{
	json_t *status = control_ask(top->request, "status", ANSWER_TIMEOUT_S, &top->err);
	if (status != NULL && !control_is_answer(status, &top->err)) {
		json_decref(status);
		status = NULL;
	}
	json_decref(top->before);
	top->before = top->status;
	top->asked_before_at_ms = top->asked_at_ms;
	top->status = status;
	top->asked_at_ms = clock_monotonic_ms();
}

static void print_view(const struct top *top, FILE *out)
{
	struct view view = {.status = top->status,
		.before = top->before,
		.elapsed_s = (double)(top->asked_at_ms - top->asked_before_at_ms) / 1000,
		.list_max = LIST_MAX};
	view_print(&view, out);
}

static void draw(const struct top *top)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	ENSURE(out != NULL);
	fprintf(out, "intaked, every %d s; q ends\n\n", top->interval_ms / 1000);
	if (top->status == NULL) {
		fprintf(out, "! %s\n", top->err.text);
	} else {
		print_view(top, out);
	}
	ENSURE(fclose(out) == 0);
	screen_draw(&top->screen, text);
	free(text);
}

/* False when there is no use in going on. */
static bool show(const struct top *top)
{
	if (top->screen.is_drawn) {
		draw(top);
		return true;
	}
	if (top->status == NULL) {
		outcome_failed("%s", top->err.text);
		return false;
	}
	if (top->request->is_json) {
		control_print(top->status);
	} else {
		print_view(top, stdout);
		putchar('\n');
	}
	return fflush(stdout) == 0;
}

/* A new size is drawn at once; the next question still comes when it is time. */
static bool wait_for_next(struct top *top)
{
	for (;;) {
		int64_t left_ms = top->asked_at_ms + top->interval_ms - clock_monotonic_ms();
		if (left_ms < 0) {
			left_ms = 0;
		}
		switch (screen_wait(&top->screen, (int)left_ms)) {
		case SCREEN_QUIT:
			return false;
		case SCREEN_TIME:
			if (clock_monotonic_ms() >= top->asked_at_ms + top->interval_ms) {
				return true;
			}
			break;
		case SCREEN_RESIZED:
			if (top->screen.is_drawn) {
				draw(top);
			}
			break;
		}
	}
}

enum outcome top_command_run(const struct request *request)
{
	int interval_s = request->interval_s == 0 ? INTERVAL_S : request->interval_s;
	struct top top = {.request = request, .interval_ms = interval_s * 1000};
	bool is_shown = true;
	screen_open(&top.screen, isatty(STDOUT_FILENO) && !request->is_json);
	do {
		ask(&top);
		is_shown = show(&top);
	} while (is_shown && wait_for_next(&top));
	screen_close(&top.screen);
	json_decref(top.status);
	json_decref(top.before);
	return is_shown ? OUTCOME_DONE : OUTCOME_FAILED;
}
