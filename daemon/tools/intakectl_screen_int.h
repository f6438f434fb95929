// SPDX-License-Identifier: Apache-2.0
/*
 * A terminal that is drawn over and over: another screen than the one with what was typed before,
 * which comes back in the end. Keys arrive one by one and are not shown.
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

enum screen_event { SCREEN_TIME, SCREEN_QUIT, SCREEN_RESIZED };

struct screen {
	bool is_drawn; /* false: standard output is no terminal, and nothing of this is done */
	bool has_keys;
	struct termios before;
};

/* Catches the signals that end the program, so that the terminal is always given back. */
void screen_open(struct screen *screen, bool is_drawn);
void screen_close(struct screen *screen);
/* Draws lines of text from the top, cut to the terminal's size. */
void screen_draw(const struct screen *screen, const char *text);
/* Waits for that long, for q, for a signal, or for another size. */
enum screen_event screen_wait(struct screen *screen, int wait_ms);
