// SPDX-License-Identifier: Apache-2.0
/*
 * Has the daemon read everything again, and waits for what it says. The daemon judges its files,
 * not this program: a configuration with faults is brought before it too, so that its log and its
 * status know of the attempt.
 */
#include "intakectl_control_int.h"

#include <stdio.h>

/* A reload may have to wait for a database. */
#define RELOAD_TIMEOUT_S 90

static void print_fault(void *ctx, const char *sentence)
{
	size_t *count = ctx;
	outcome_failed("%s", sentence);
	(*count)++;
}

/* What this program finds itself, when the daemon tells nothing. */
static void print_own_faults(const struct request *request)
{
	size_t count = 0;
	struct conf *conf = conf_load(request->conf_path, print_fault, &count);
	conf_unref(&conf);
}

/* How many there were. */
static size_t print_faults(const json_t *faults)
{
	size_t count = json_array_size(faults);
	for (size_t i = 0; i < count; i++) {
		const char *fault = json_string_value(json_array_get(faults, i));
		outcome_failed("%s", fault == NULL ? "?" : fault);
	}
	return count;
}

static enum outcome print_refusal(const struct request *request, const json_t *answer)
{
	if (print_faults(json_object_get(answer, "faults")) == 0) {
		print_own_faults(request);
	}
	const char *error = json_string_value(json_object_get(answer, "error"));
	return outcome_failed("the reload was refused and nothing has changed: %s",
		error == NULL ? "the daemon's log says why" : error);
}

static void print_needs_restart(const json_t *settings)
{
	for (size_t i = 0; i < json_array_size(settings); i++) {
		const char *setting = json_string_value(json_array_get(settings, i));
		printf("%s was changed, which takes a restart\n", setting == NULL ? "?" : setting);
	}
}

enum outcome reload_command_run(const struct request *request)
{
	struct err err;
	json_t *answer = control_ask(request, "reload", RELOAD_TIMEOUT_S, &err);
	if (answer == NULL) {
		print_own_faults(request);
		return outcome_failed("%s", err.text);
	}
	enum outcome outcome = OUTCOME_DONE;
	bool is_taken = json_is_true(json_object_get(answer, "reloaded"));
	if (request->is_json) {
		control_print(answer);
		outcome = is_taken ? OUTCOME_DONE : OUTCOME_FAILED;
	} else if (is_taken) {
		puts("reloaded");
		print_needs_restart(json_object_get(answer, "needs_restart"));
	} else if (json_object_get(answer, "reloaded") == NULL &&
		!control_is_answer(answer, &err)) {
		outcome = outcome_failed("%s", err.text);
	} else {
		outcome = print_refusal(request, answer);
	}
	json_decref(answer);
	return outcome;
}
