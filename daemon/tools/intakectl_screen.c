// SPDX-License-Identifier: Apache-2.0
#include "intakectl_screen_int.h"

#include "intakectl_int.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ENTER "\033[?1049h\033[?25l\033[H\033[2J"
#define LEAVE "\033[?25h\033[?1049l"
#define HOME "\033[H"
#define REST_OF_LINE "\033[K"
#define REST_OF_SCREEN "\033[J"
#define KEY_END_OF_INPUT 4

static volatile sig_atomic_t has_ended;
static volatile sig_atomic_t has_resized;

static void on_signal(int number)
{
	if (number == SIGWINCH) {
		has_resized = 1;
	} else {
		has_ended = 1;
	}
}

static void catch_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};
	struct sigaction action = {.sa_handler = on_signal};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		sigaction(numbers[i], &action, NULL);
	}
}

void screen_open(struct screen *screen, bool is_drawn)
{
	*screen = (struct screen){.is_drawn = is_drawn};
	catch_signals();
	if (!is_drawn) {
		return;
	}
	screen->has_keys = tcgetattr(STDIN_FILENO, &screen->before) == 0;
	if (screen->has_keys) {
		struct termios raw = screen->before;
		raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
		/* Stopped, it would leave the shell with this screen. */
		raw.c_cc[VSUSP] = _POSIX_VDISABLE;
		raw.c_cc[VMIN] = 1;
		raw.c_cc[VTIME] = 0;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
	}
	fputs(ENTER, stdout);
	fflush(stdout);
}

void screen_close(struct screen *screen)
{
	if (!screen->is_drawn) {
		return;
	}
	fputs(LEAVE, stdout);
	fflush(stdout);
	if (screen->has_keys) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &screen->before);
	}
}

/* The bytes of a line of so many columns; a character is taken to be one column wide. */
static size_t cut_line(const char *line, size_t len, int columns)
{
	size_t cut = 0;
	while (cut < len && columns > 0) {
		cut++;
		while (cut < len && ((unsigned char)line[cut] & 0xc0) == 0x80) {
			cut++;
		}
		columns--;
	}
	return cut;
}

void screen_draw(const struct screen *screen, const char *text)
{
	struct winsize size = {.ws_row = 24, .ws_col = 80};
	ENSURE(screen->is_drawn);
	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	int rows = size.ws_row == 0 ? 24 : size.ws_row;
	int columns = size.ws_col == 0 ? 80 : size.ws_col;
	fputs(HOME, stdout);
	for (int row = 0; row < rows && *text != '\0'; row++) {
		size_t len = strcspn(text, "\n");
		size_t cut = cut_line(text, len, columns);
		/* No line feed in the last row: it would scroll. */
		fputs(row == 0 ? "" : "\n", stdout);
		fwrite(text, 1, cut, stdout);
		fputs(REST_OF_LINE, stdout);
		text += len + (text[len] == '\n');
	}
	fputs(REST_OF_SCREEN, stdout);
	fflush(stdout);
}

static bool read_quit(struct screen *screen)
{
	char key = 0;
	ssize_t len = read(STDIN_FILENO, &key, 1);
	if (len <= 0) {
		screen->has_keys = len < 0 && errno == EINTR;
		return len == 0;
	}
	return key == 'q' || key == 'Q' || key == KEY_END_OF_INPUT;
}

enum screen_event screen_wait(struct screen *screen, int wait_ms)
{
	sigset_t all;
	sigset_t before;
	struct pollfd keys = {.fd = screen->has_keys ? STDIN_FILENO : -1, .events = POLLIN};
	struct timespec wait = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000L};
	enum screen_event event = SCREEN_TIME;
	/* A signal between the look at the flags and the wait must end the wait. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	if (!has_ended && !has_resized && ppoll(&keys, 1, &wait, &before) > 0 &&
		read_quit(screen)) {
		has_ended = 1;
	}
	if (has_ended) {
		event = SCREEN_QUIT;
	} else if (has_resized) {
		has_resized = 0;
		event = SCREEN_RESIZED;
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return event;
}
