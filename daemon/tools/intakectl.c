// SPDX-License-Identifier: Apache-2.0
/*
 * The operator's program: takes the command line apart, reads the configuration, runs one command
 * of the table. Partners and keys change in the database, from where daemons learn of it; only
 * status talks to a daemon.
 */
#include "intakectl_int.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_CONF_PATH "/etc/intaked/intaked.conf"

enum option_code {
	OPTION_CONF = 'c',
	OPTION_VERSION = 'V',
	OPTION_HELP = 256,
	OPTION_JSON,
	OPTION_ORG,
	OPTION_TITLE,
	OPTION_LIVE,
	OPTION_MODE,
	OPTION_RELAY,
	OPTION_QUOTA,
	OPTION_CERT,
	OPTION_SPKI,
	OPTION_NOTE,
};

static const struct option long_options[] = {
	{"conf", required_argument, NULL, OPTION_CONF},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"help", no_argument, NULL, OPTION_HELP},
	{"json", no_argument, NULL, OPTION_JSON},
	{"org", required_argument, NULL, OPTION_ORG},
	{"title", required_argument, NULL, OPTION_TITLE},
	{"live", no_argument, NULL, OPTION_LIVE},
	{"mode", required_argument, NULL, OPTION_MODE},
	{"relay", optional_argument, NULL, OPTION_RELAY},
	{"quota", required_argument, NULL, OPTION_QUOTA},
	{"cert", required_argument, NULL, OPTION_CERT},
	{"spki", required_argument, NULL, OPTION_SPKI},
	{"note", required_argument, NULL, OPTION_NOTE},
	{NULL, 0, NULL, 0},
};

/* How often a command takes the one argument that is not an option. */
enum argument_rule { ARGUMENT_NONE, ARGUMENT_MAYBE, ARGUMENT_ONE };

struct command {
	const char *group;
	const char *verb; /* NULL: the group is the whole command */
	const char *usage;
	const char *purpose;
	enum argument_rule argument_rule;
	enum outcome (*run)(const struct request *request);
	enum option_code options[6]; /* beside those that all take; 0 ends */
};

static const struct command commands[] = {
	{"db", "migrate", "", "apply pending migrations", ARGUMENT_NONE, migrate_command_apply,
		{0}},
	{"db", "status", "", "applied and pending migrations", ARGUMENT_NONE,
		migrate_command_status, {0}},
	{"partner", "add",
		"NAME --org DOMAIN... [--title TEXT] [--live] [--relay] [--quota KEY=VALUE...]",
		"enrol a partner", ARGUMENT_ONE, partner_command_add,
		{OPTION_ORG, OPTION_TITLE, OPTION_LIVE, OPTION_RELAY, OPTION_QUOTA}},
	{"partner", "set",
		"NAME [--mode test|live] [--title TEXT] [--org DOMAIN...] [--relay yes|no] "
		"[--quota "
		"KEY=VALUE...]",
		"change what is given", ARGUMENT_ONE, partner_command_set,
		{OPTION_MODE, OPTION_TITLE, OPTION_ORG, OPTION_RELAY, OPTION_QUOTA}},
	{"partner", "list", "", "all partners", ARGUMENT_NONE, partner_command_list, {0}},
	{"partner", "show", "NAME", "one partner", ARGUMENT_ONE, partner_command_show, {0}},
	{"partner", "suspend", "NAME", "refuse its requests", ARGUMENT_ONE, partner_command_suspend,
		{0}},
	{"partner", "resume", "NAME", "take them again", ARGUMENT_ONE, partner_command_resume, {0}},
	{"cert", "add", "NAME --cert FILE|--spki HEX [--note TEXT]", "enrol a key for a partner",
		ARGUMENT_ONE, cert_command_add, {OPTION_CERT, OPTION_SPKI, OPTION_NOTE}},
	{"cert", "list", "[NAME]", "enrolled keys", ARGUMENT_MAYBE, cert_command_list, {0}},
	{"cert", "revoke", "HEX|--cert FILE", "refuse a key for ever", ARGUMENT_MAYBE,
		cert_command_revoke, {OPTION_CERT}},
	{"status", NULL, "", "how the daemon is", ARGUMENT_NONE, status_command_show, {0}},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

enum outcome outcome_failed(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fputs("intakectl: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	return OUTCOME_FAILED;
}

static void print_usage(FILE *out)
{
	fputs("usage: intakectl [-c FILE] [--json] COMMAND\n\n", out);
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		const struct command *command = &commands[i];
		char line[160];
		snprintf(line, sizeof(line), "%s %s %s", command->group,
			command->verb == NULL ? "" : command->verb, command->usage);
		if (strlen(line) > 62) {
			fprintf(out, "  %s\n", line);
			line[0] = '\0';
		}
		fprintf(out, "  %-62s %s\n", line, command->purpose);
	}
	fputs("\n  -c FILE    configuration, " DEFAULT_CONF_PATH " without it\n"
	      "  --json     for programs\n"
	      "  -V         version\n"
	      "  --help     this text\n",
		out);
}

static enum outcome usage_fault(const struct command *command, const char *fault)
{
	fprintf(stderr, "intakectl: %s\n", fault);
	if (command != NULL) {
		fprintf(stderr, "usage: intakectl [-c FILE] [--json] %s%s%s %s\n", command->group,
			command->verb == NULL ? "" : " ",
			command->verb == NULL ? "" : command->verb, command->usage);
	} else {
		fputs("\"intakectl --help\" lists the commands\n", stderr);
	}
	return OUTCOME_USAGE;
}

/* The command that the words name, and how many of them it took. */
static const struct command *find_command(char **words, int word_count, int *taken_out)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		const struct command *command = &commands[i];
		*taken_out = command->verb == NULL ? 1 : 2;
		if (word_count >= *taken_out && strcmp(words[0], command->group) == 0 &&
			(command->verb == NULL || strcmp(words[1], command->verb) == 0)) {
			return command;
		}
	}
	return NULL;
}

static bool command_takes(const struct command *command, int code)
{
	for (size_t i = 0; i < sizeof(command->options) / sizeof(command->options[0]); i++) {
		if ((int)command->options[i] == code) {
			return true;
		}
	}
	return code == OPTION_CONF || code == OPTION_JSON;
}

/* What all options of the line are; the request gets their values. */
struct options {
	struct request *request;
	int codes[32]; /* each code that was met, once */
	size_t code_count;
	bool has_asked_help;
	bool has_asked_version;
	bool is_wrong; /* getopt said so already */
};

static void note_code(struct options *options, int code)
{
	for (size_t i = 0; i < options->code_count; i++) {
		if (options->codes[i] == code) {
			return;
		}
	}
	ENSURE(options->code_count < sizeof(options->codes) / sizeof(options->codes[0]));
	options->codes[options->code_count++] = code;
}

static bool is_one_of(const char *text, const char *one, const char *other)
{
	return strcmp(text, one) == 0 || strcmp(text, other) == 0;
}

/* Said without a value too, the value may not only be joined to it but also be the next word. */
static const char *relay_value(char *const *argv)
{
	if (optarg != NULL) {
		return optarg;
	}
	if (argv[optind] != NULL && is_one_of(argv[optind], "yes", "no")) {
		return argv[optind++];
	}
	return "yes";
}

static void take_one_more(
	struct options *options, const char **values, size_t *count, size_t max, const char *value)
{
	if (*count == max) {
		options->is_wrong = true;
	} else {
		values[(*count)++] = value;
	}
}

static void take_option(struct options *options, int code, const char *value)
{
	struct request *request = options->request;
	note_code(options, code);
	switch (code) {
	case OPTION_CONF:
		request->conf_path = value;
		break;
	case OPTION_JSON:
		request->is_json = true;
		break;
	case OPTION_ORG:
		take_one_more(options, request->organisations, &request->organisation_count,
			ORGANISATIONS_MAX, value);
		break;
	case OPTION_QUOTA:
		take_one_more(options, request->quotas, &request->quota_count, QUOTAS_MAX, value);
		break;
	case OPTION_TITLE:
		request->title = value;
		break;
	case OPTION_LIVE:
		request->is_live = true;
		break;
	case OPTION_MODE:
		request->mode = value;
		break;
	case OPTION_RELAY:
		request->relay = value;
		break;
	case OPTION_CERT:
		request->certificate = value;
		break;
	case OPTION_SPKI:
		request->spki = value;
		break;
	case OPTION_NOTE:
		request->note = value;
		break;
	case OPTION_HELP:
		options->has_asked_help = true;
		break;
	case OPTION_VERSION:
		options->has_asked_version = true;
		break;
	default:
		options->is_wrong = true;
	}
}

static bool changes_nothing(const struct request *request)
{
	return request->mode == NULL && request->title == NULL && request->relay == NULL &&
		request->organisation_count == 0 && request->quota_count == 0;
}

/* What the command needs beside its words; NULL when it has it. */
static const char *find_lack(const struct command *command, const struct request *request)
{
	if (request->mode != NULL && !is_one_of(request->mode, "test", "live")) {
		return "--mode is test or live";
	}
	if (request->relay != NULL && !is_one_of(request->relay, "yes", "no")) {
		return "--relay is yes or no";
	}
	if (command->run == partner_command_set && changes_nothing(request)) {
		return "an option has to say what to change";
	}
	if (command->run == partner_command_add && request->organisation_count == 0) {
		return "a partner needs at least one --org, the domain it reports for";
	}
	if (command->run == cert_command_add &&
		(request->certificate == NULL) == (request->spki == NULL)) {
		return "either --cert or --spki says which key";
	}
	if (command->run == cert_command_revoke &&
		(request->certificate == NULL) == (request->argument == NULL)) {
		return "either the key's SHA-256 or --cert says which key";
	}
	return NULL;
}

static enum outcome check_line(
	const struct command *command, const struct options *options, char **words, int word_count)
{
	for (size_t i = 0; i < options->code_count; i++) {
		if (!command_takes(command, options->codes[i])) {
			return usage_fault(command, "an option does not belong to this command");
		}
	}
	if (word_count > 1 || (word_count > 0 && command->argument_rule == ARGUMENT_NONE)) {
		return usage_fault(command, "there are too many words");
	}
	if (word_count == 0 && command->argument_rule == ARGUMENT_ONE) {
		return usage_fault(command, "NAME is missing");
	}
	options->request->argument = word_count == 1 ? words[0] : NULL;
	const char *lack = find_lack(command, options->request);
	return lack == NULL ? OUTCOME_DONE : usage_fault(command, lack);
}

static void on_conf_fault(void *ctx, const char *sentence)
{
	(void)ctx;
	outcome_failed("%s", sentence);
}

static enum outcome run_command(const struct command *command, struct request *request)
{
	struct conf *conf = conf_load(request->conf_path, on_conf_fault, NULL);
	if (conf == NULL) {
		return OUTCOME_FAILED;
	}
	request->conf = conf;
	enum outcome outcome = command->run(request);
	conf_unref(&conf);
	if (fflush(stdout) != 0) {
		return outcome_failed("standard output cannot be written");
	}
	return outcome;
}

static enum outcome run_line(int argc, char **argv)
{
	static struct request request = {.conf_path = DEFAULT_CONF_PATH};
	struct options options = {.request = &request};
	int code = 0;
	while ((code = getopt_long(argc, argv, "c:V", long_options, NULL)) != -1) {
		take_option(&options, code, code == OPTION_RELAY ? relay_value(argv) : optarg);
	}
	char **words = argv + optind;
	int word_count = argc - optind;
	if (options.is_wrong) {
		return usage_fault(NULL, "the command line is wrong");
	}
	if (options.has_asked_version) {
		puts("intakectl " INTAKED_VERSION);
		return OUTCOME_DONE;
	}
	if (options.has_asked_help) {
		print_usage(stdout);
		return OUTCOME_DONE;
	}
	int taken = 0;
	const struct command *command = find_command(words, word_count, &taken);
	if (command == NULL) {
		return usage_fault(NULL,
			word_count == 0 ? "a command is missing" : "there is no such command");
	}
	enum outcome outcome = check_line(command, &options, words + taken, word_count - taken);
	return outcome == OUTCOME_DONE ? run_command(command, &request) : outcome;
}

int main(int argc, char **argv)
{
	return (int)run_line(argc, argv);
}
