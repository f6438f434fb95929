// SPDX-License-Identifier: Apache-2.0
/*
 * From words to a request, by the table of options. Options may stand anywhere on the line; which
 * of them a command takes is known once the command is.
 */
#include "intakectl_command_int.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

/* Beyond any letter. */
#define CODE_BASE 1000

struct line {
	struct request *request;
	bool has[OPTION_COUNT];
	bool is_wrong; /* getopt said so already */
	/* Its value was left out and the next word is none of its choices: that may be meant as
	 * one. */
	const struct option_row *without_value;
	char fault[320];
};

/* getopt's own table, made from ours. */
static void list_options(struct option long_options[OPTION_COUNT], char letters[OPTION_COUNT * 2])
{
	size_t letter_count = 0;
	for (int id = OPTION_NONE + 1; id < OPTION_COUNT; id++) {
		const struct option_row *row = &option_rows[id];
		int has_value = row->value == VALUE_NONE ? no_argument
			: row->value == VALUE_PERHAPS    ? optional_argument
							 : required_argument;
		long_options[id - 1] = (struct option){row->name, has_value, NULL, CODE_BASE + id};
		if (row->letter != '\0') {
			letters[letter_count++] = row->letter;
			if (has_value == required_argument) {
				letters[letter_count++] = ':';
			}
		}
	}
	long_options[OPTION_COUNT - 1] = (struct option){NULL, 0, NULL, 0};
	letters[letter_count] = '\0';
}

static enum option_id option_of_code(int code)
{
	for (int id = OPTION_NONE + 1; id < OPTION_COUNT; id++) {
		if (code == CODE_BASE + id || (code != '\0' && code == option_rows[id].letter)) {
			return (enum option_id)id;
		}
	}
	return OPTION_NONE;
}

static bool is_choice(const struct option_row *row, const char *text)
{
	for (size_t i = 0; row->choices[i] != NULL; i++) {
		if (strcmp(row->choices[i], text) == 0) {
			return true;
		}
	}
	return false;
}

/* Said without a value too, the value may not only be joined to it but also be the next word. */
static const char *perhaps_value(struct line *line, const struct option_row *row, char *const *argv)
{
	if (optarg != NULL) {
		return optarg;
	}
	if (argv[optind] != NULL && is_choice(row, argv[optind])) {
		return argv[optind++];
	}
	line->without_value = argv[optind] != NULL ? row : NULL;
	return row->choices[0];
}

/* "--relay is yes or no" */
static void set_choice_fault(struct line *line, const struct option_row *row)
{
	size_t len = (size_t)snprintf(line->fault, sizeof(line->fault), "--%s is ", row->name);
	for (size_t i = 0; row->choices[i] != NULL && len < sizeof(line->fault); i++) {
		bool is_last = row->choices[i + 1] == NULL;
		const char *before = i == 0 ? "" : is_last ? " or " : ", ";
		len += (size_t)snprintf(line->fault + len, sizeof(line->fault) - len, "%s%s",
			before, row->choices[i]);
	}
}

/* Where a line has several faults, the first is said. */
static void set_fault(struct line *line, const struct option_row *row, const char *value)
{
	if (line->fault[0] != '\0') {
		return;
	}
	if (row->is_value != NULL && !row->is_value(value)) {
		snprintf(line->fault, sizeof(line->fault), "--%s %.100s is not %s", row->name,
			value, row->expected);
	} else if (row->value == VALUE_NUMBER) {
		snprintf(line->fault, sizeof(line->fault), "--%s is a number from 1 to %d",
			row->name, row->max);
	} else if (row->value == VALUE_TEXTS) {
		snprintf(line->fault, sizeof(line->fault), "--%s is there more than %d times",
			row->name, TEXTS_MAX);
	} else {
		set_choice_fault(line, row);
	}
}

static bool take_number(const struct option_row *row, const char *text, int *number_out)
{
	size_t digits = strspn(text, "0123456789");
	if (digits == 0 || digits > 9 || text[digits] != '\0') {
		return false;
	}
	*number_out = (int)strtol(text, NULL, 10);
	return *number_out >= 1 && *number_out <= row->max;
}

static void take_option(struct line *line, enum option_id id, const char *value)
{
	const struct option_row *row = &option_rows[id];
	void *field = (char *)line->request + row->offset;
	bool is_good = row->is_value == NULL || row->is_value(value);
	line->has[id] = true;
	switch (row->value) {
	case VALUE_NONE:
		*(bool *)field = true;
		break;
	case VALUE_TEXTS: {
		struct texts *texts = field;
		is_good = is_good && texts->count < TEXTS_MAX;
		if (is_good) {
			texts->items[texts->count++] = value;
		}
		break;
	}
	case VALUE_NUMBER:
		is_good = take_number(row, value, field);
		break;
	case VALUE_CHOICE:
	case VALUE_PERHAPS:
		is_good = is_choice(row, value);
		*(const char **)field = value;
		break;
	case VALUE_TEXT:
	case VALUE_FILE:
	case VALUE_FOLDER:
	case VALUE_PARTNER:
	case VALUE_KEY:
		*(const char **)field = value;
		break;
	case VALUE_COUNT:
		ENSURE(false);
	}
	if (!is_good) {
		set_fault(line, row, value);
	}
}

static enum outcome check_options(const struct line *line, const struct command *command)
{
	char fault[80];
	for (int id = OPTION_NONE + 1; id < OPTION_COUNT; id++) {
		if (line->has[id] && !command_takes(command, (enum option_id)id)) {
			snprintf(fault, sizeof(fault), "--%s does not belong to this command",
				option_rows[id].name);
			return command_usage_fault(command, fault);
		}
	}
	return line->fault[0] == '\0' ? OUTCOME_DONE : command_usage_fault(command, line->fault);
}

static enum outcome check_words(
	struct line *line, const struct command *command, char **words, int word_count)
{
	int taken = command->operand == VALUE_NONE ? 0 : 1;
	if (word_count > taken && line->without_value != NULL) {
		set_choice_fault(line, line->without_value);
		return command_usage_fault(command, line->fault);
	}
	if (word_count > taken) {
		snprintf(line->fault, sizeof(line->fault), "there are too many words: \"%.100s\"",
			words[taken]);
		return command_usage_fault(command, line->fault);
	}
	if (word_count < taken && !command->operand_is_optional) {
		snprintf(line->fault, sizeof(line->fault), "%.*s is missing",
			(int)strcspn(command->usage, " "), command->usage);
		return command_usage_fault(command, line->fault);
	}
	return OUTCOME_DONE;
}

static enum outcome check_line(
	struct line *line, const struct command *command, char **words, int word_count)
{
	enum outcome outcome = check_options(line, command);
	if (outcome == OUTCOME_DONE) {
		outcome = check_words(line, command, words, word_count);
	}
	if (outcome != OUTCOME_DONE) {
		return outcome;
	}
	if (word_count == 1 && command->operand == VALUE_CHOICE &&
		strcmp(words[0], command->operand_choice) != 0) {
		return command_usage_fault(command, "that word is not known here");
	}
	line->request->argument = word_count == 1 ? words[0] : NULL;
	const char *fault = NULL;
	if (command->find_fault != NULL) {
		fault = command->find_fault(line->request);
	}
	return fault == NULL ? OUTCOME_DONE : command_usage_fault(command, fault);
}

/* What can follow the first word: "add, enrol, set". Empty when it begins no command. */
static void list_verbs(const char *group, char *out, size_t size)
{
	size_t len = 0;
	out[0] = '\0';
	for (size_t i = 0; i < command_count && len < size; i++) {
		if (commands[i].verb != NULL && strcmp(commands[i].group, group) == 0) {
			len += (size_t)snprintf(out + len, size - len, "%s%s", len == 0 ? "" : ", ",
				commands[i].verb);
		}
	}
}

static enum outcome say_what_is_missing(struct line *line, char *const *words, int word_count)
{
	char verbs[120];
	char *fault = line->fault;
	size_t size = sizeof(line->fault);
	if (word_count == 0) {
		return command_usage_fault(NULL, "a command is missing");
	}
	list_verbs(words[0], verbs, sizeof(verbs));
	if (verbs[0] == '\0') {
		snprintf(fault, size, "there is no command \"%.80s\"", words[0]);
	} else if (word_count == 1) {
		snprintf(fault, size, "behind \"%s\" a word is missing: %s", words[0], verbs);
	} else {
		snprintf(fault, size, "there is no command \"%s %.80s\"; of %s there are %s",
			words[0], words[1], words[0], verbs);
	}
	return command_usage_fault(NULL, fault);
}

enum outcome command_line_parse(
	int argc, char **argv, struct request *request, const struct command **command_out)
{
	struct line line = {.request = request};
	struct option long_options[OPTION_COUNT];
	char letters[OPTION_COUNT * 2];
	int code = 0;
	list_options(long_options, letters);
	while ((code = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
		enum option_id id = option_of_code(code);
		if (id == OPTION_NONE) {
			line.is_wrong = true;
			continue;
		}
		const struct option_row *row = &option_rows[id];
		take_option(&line, id,
			row->value == VALUE_PERHAPS ? perhaps_value(&line, row, argv) : optarg);
	}
	if (line.is_wrong) {
		return command_usage_fault(NULL, "the command line is wrong");
	}
	if (request->wants_help || request->wants_version) {
		return OUTCOME_DONE;
	}
	int taken = 0;
	int word_count = argc - optind;
	const struct command *command = command_find(argv + optind, word_count, &taken);
	if (command == NULL) {
		return say_what_is_missing(&line, argv + optind, word_count);
	}
	*command_out = command;
	return check_line(&line, command, argv + optind + taken, word_count - taken);
}
