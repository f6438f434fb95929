// SPDX-License-Identifier: Apache-2.0
/*
 * The commands and their options, once: the command line, the help, the shell completion and the
 * test of the manual page go by these tables.
 */
#pragma once

#include "intakectl_int.h"

enum option_id {
	OPTION_NONE, /* ends a list */
	OPTION_CONF,
	OPTION_JSON,
	OPTION_HELP,
	OPTION_VERSION,
	OPTION_ORG,
	OPTION_TITLE,
	OPTION_LIVE,
	OPTION_MODE,
	OPTION_RELAY,
	OPTION_QUOTA,
	OPTION_CERT,
	OPTION_SPKI,
	OPTION_EXPIRES,
	OPTION_NOTE,
	OPTION_EXPIRING,
	OPTION_CSR,
	OPTION_CA,
	OPTION_CA_KEY,
	OPTION_CA_PASSWORD_FILE,
	OPTION_SERVER_CA,
	OPTION_OUT,
	OPTION_DAYS,
	OPTION_INTERVAL,
	OPTION_REPORT,
	OPTION_REVISION,
	OPTION_TEST,
	OPTION_PERSON,
	OPTION_ASKED_BY,
	OPTION_REASON,
	OPTION_YES,
	OPTION_DRY_RUN,
	OPTION_PARTNER,
	OPTION_CATEGORY,
	OPTION_AREA,
	OPTION_SINCE,
	OPTION_UNTIL,
	OPTION_ENDS,
	OPTION_TLP,
	OPTION_TLP_MAX,
	OPTION_FORMAT,
	OPTION_WHERE,
	OPTION_CONNECTION,
	OPTION_COUNT
};

/* What stands behind an option or a command, and so what it can be completed to. */
enum value {
	VALUE_NONE, /* nothing: the option is a flag */
	VALUE_TEXT,
	VALUE_TEXTS, /* and the option may be repeated */
	VALUE_FILE,
	VALUE_FOLDER,
	VALUE_NUMBER,  /* from 1 to max */
	VALUE_CHOICE,  /* one of choices */
	VALUE_PERHAPS, /* the same, the first of them when nothing is said */
	VALUE_PARTNER,
	VALUE_KEY,
	VALUE_COUNT
};

struct option_row {
	const char *name;
	char letter; /* 0: none */
	enum value value;
	size_t offset; /* of the field in struct request */
	int max;
	const char *choices[6];
	/* Of a text: whether it can be one, and what is expected. NULL: only the database knows. */
	bool (*is_value)(const char *text);
	const char *expected;
};

/* What a command needs of the configuration. */
enum conf_need {
	CONF_WHOLE,   /* without a fault */
	CONF_IN_PART, /* what can be had of it */
	CONF_NONE
};

struct command {
	const char *group;
	const char *verb; /* NULL: the group is the whole command */
	const char *usage;
	const char *purpose;
	enum value operand; /* what it takes beside options */
	bool operand_is_optional;
	const char *operand_choice; /* of VALUE_CHOICE: the only one */
	enum conf_need conf_need;
	bool is_default; /* its verb may be left out */
	enum outcome (*run)(const struct request *request);
	/* What the request lacks or has too much of, as a sentence; may be NULL. */
	const char *(*find_fault)(const struct request *request);
	enum option_id options[16]; /* beside those that all take */
};

extern const struct option_row option_rows[OPTION_COUNT];
extern const struct command commands[];
extern const size_t command_count;

/* The command that the words name, and how many of them it took; NULL when there is none. */
const struct command *command_find(char *const *words, int word_count, int *taken_out);
bool command_takes(const struct command *command, enum option_id option);
/* What all commands take. */
bool option_is_common(enum option_id option);
/* "partner add"; out is returned. */
const char *command_name(const struct command *command, char *out, size_t size);
void command_print_help(FILE *out);
/* The fault, and how it is done, on standard error. command may be NULL. */
enum outcome command_usage_fault(const struct command *command, const char *fault);

/* Takes the line apart. On OUTCOME_DONE command is NULL only where help or version is asked for. */
enum outcome command_line_parse(
	int argc, char **argv, struct request *request, const struct command **command_out);
