// SPDX-License-Identifier: Apache-2.0
/*
 * replay FILE: runs one script, silently, and ends with 0; or says at which line something else
 * was there than the script expects, and ends with 1. The commands are in script_commands.c.
 *
 * A line is words, of which "..." is one; \r, \n, \" and \\ stand in it for what they do in C. What
 * follows # is a comment. "configure" comes first; the first other line starts the worker.
 */
#include "replay.h"

#include "report/report_check.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 4096

static const char *path;
static FILE *file;
static int line_number;
static char text[LINE_SIZE];
static char words[LINE_SIZE];
static struct script_line line;
static struct shared shared = {.worker_count = 1, .listening_fd = -1};

void script_fail(const char *fmt, ...)
{
	va_list args;
	fprintf(stderr, "%s:%d: %s", path, line_number, text);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* --- words --- */

static char unescaped(char c)
{
	switch (c) {
	case 'r':
		return '\r';
	case 'n':
		return '\n';
	default:
		return c;
	}
}

/* Copies one word to *out_ptr and leaves *in_ptr behind it. */
static void take_word(const char **in_ptr, char **out_ptr)
{
	const char *in = *in_ptr;
	char *out = *out_ptr;
	bool is_quoted = *in == '"';
	in += is_quoted;
	while (*in != '\0' && *in != '\n' && (is_quoted ? *in != '"' : *in != ' ')) {
		if (is_quoted && *in == '\\' && in[1] != '\0') {
			*out++ = unescaped(*++in);
		} else {
			*out++ = *in;
		}
		in++;
	}
	if (is_quoted && *in++ != '"') {
		script_fail("a quote is not closed");
	}
	*out++ = '\0';
	*in_ptr = in;
	*out_ptr = out;
}

static void split(void)
{
	const char *in = text;
	char *out = words;
	line.count = 0;
	for (;;) {
		in += strspn(in, " \t\n");
		if (*in == '\0' || *in == '#') {
			return;
		}
		if (line.count == WORDS_MAX) {
			script_fail("more than %d words", WORDS_MAX);
		}
		line.words[line.count++] = out;
		take_word(&in, &out);
	}
}

int64_t script_number(const char *word)
{
	char *end;
	long long number = strtoll(word, &end, 10);
	if (end == word || *end != '\0') {
		script_fail("a number is expected, not \"%s\"", word);
	}
	return number;
}

int64_t script_duration_us(const char *word)
{
	static const struct {
		const char *unit;
		int64_t us;
	} units[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}};
	char *end;
	long long number = strtoll(word, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (end != word && strcmp(end, units[i].unit) == 0) {
			return number * units[i].us;
		}
	}
	script_fail("a time is expected, as 200ms, not \"%s\"", word);
}

struct wire *script_wire(const char *name)
{
	struct wire *wire = wire_find(name);
	if (wire == NULL) {
		script_fail("nobody is called %s", name);
	}
	return wire;
}

/* --- lines --- */

/* False at the end of the file. */
static bool next_line(void)
{
	do {
		if (fgets(text, sizeof(text), file) == NULL) {
			return false;
		}
		line_number++;
		split();
	} while (line.count == 0);
	return true;
}

static void run_line(void)
{
	for (const struct script_command *command = script_commands; command->name != NULL;
		command++) {
		if (strcmp(command->name, line.words[0]) != 0) {
			continue;
		}
		if (line.count < command->words_min) {
			script_fail("usage: %s %s", command->name, command->usage);
		}
		command->run(&line);
		return;
	}
	script_fail("there is no such command");
}

/* The worker's loop asks for the next line here. */
static bool run_next_line(void)
{
	script_check_always(&shared);
	if (!next_line()) {
		return false;
	}
	run_line();
	return true;
}

static bool read_configuration(void)
{
	while (next_line()) {
		if (strcmp(line.words[0], "configure") != 0) {
			return true;
		}
		run_line();
	}
	return false;
}

/* --- the worker --- */

/* The linker sends the program's threads here (--wrap): there is one only. */
int __wrap_pthread_create(
	pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg);
int __wrap_pthread_join(pthread_t thread, void **result_out);

int __wrap_pthread_create(
	pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg)
{
	(void)attributes;
	*thread = pthread_self();
	run(arg);
	return 0;
}

int __wrap_pthread_join(pthread_t thread, void **result_out)
{
	(void)thread;
	(void)result_out;
	return 0;
}

/* The line that read_configuration stopped at comes first. */
static bool run_first_line(void)
{
	fake_loop_set_step(run_next_line);
	run_line();
	return true;
}

static void play(void)
{
	struct generation *generation = script_generation();
	struct err err;
	database_state_init(&shared.database);
	shared.quotas = quota_table_new();
	ENSURE(shared.quotas != NULL && peer_gate_init(&shared.gate));
	fake_loop_set_step(run_first_line);
	/* Comes back when the loop has ended: what is left of the script looks at what remains. */
	struct worker *worker = worker_start(0, &shared, generation, NULL, &err);
	if (worker == NULL) {
		script_fail("%s", err.text);
	}
	while (run_next_line()) {
	}
	worker_stop(&worker);
	generation_unref(&generation);
	script_check_nothing_counted(&shared);
	quota_table_free(&shared.quotas);
}

int main(int argc, char **argv)
{
	path = argv[argc - 1];
	file = argc == 2 ? fopen(path, "r") : NULL;
	if (file == NULL) {
		fputs("usage: replay FILE\n", stderr);
		return 2;
	}
	report_check_init();
	if (!read_configuration()) {
		script_fail("nothing happens in it");
	}
	play();
	wire_free_all();
	fake_store_forget();
	fclose(file);
	return 0;
}
