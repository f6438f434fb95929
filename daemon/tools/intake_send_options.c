// SPDX-License-Identifier: Apache-2.0
/*
 * One table holds the options: getopt_long(3) and the help are fed from it. Secrets come from
 * files, since everybody on a machine can read its command lines.
 */
#include "intake_send_options_int.h"

#include "base/err.h"
#include "intake_send_outcome_int.h"

#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_code {
	OPTION_VERSION = 'V',
	OPTION_HELP = 256,
	OPTION_URL,
	OPTION_CA,
	OPTION_CERT,
	OPTION_KEY,
	OPTION_PKCS12,
	OPTION_PASSPHRASE_FILE,
	OPTION_RESULTS,
	OPTION_VALIDATE_ONLY,
	OPTION_BATCH_BYTES,
	OPTION_CONNECTIONS,
	OPTION_GIVE_UP_AFTER,
	OPTION_QUIET,
	OPTION_JSON,
};

static const struct option_row {
	const char *name;
	enum option_code code;
	const char *argument; /* NULL: takes none */
	const char *help;
} rows[] = {
	{"url", OPTION_URL, "URL", "where the server is, as https://intake.example:8443"},
	{"ca", OPTION_CA, "FILE", "authorities that may vouch for it; without: the system's"},
	{"cert", OPTION_CERT, "FILE|URI", "the partner's certificate"},
	{"key", OPTION_KEY, "FILE|URI", "its key; without: in the same place"},
	{"pkcs12", OPTION_PKCS12, "FILE", "certificate and key in one file"},
	{"passphrase-file", OPTION_PASSPHRASE_FILE, "FILE", "its first line opens the key"},
	{"results", OPTION_RESULTS, "FILE", "receipts and refusals; what has a receipt is skipped"},
	{"validate-only", OPTION_VALIDATE_ONLY, NULL, "let the server judge, and store nothing"},
	{"batch-bytes", OPTION_BATCH_BYTES, "N", "most bytes of a request; 1048576 without"},
	{"connections", OPTION_CONNECTIONS, "N", "requests at a time; 4 without"},
	{"give-up-after", OPTION_GIVE_UP_AFTER, "SECONDS", "without progress; without: never"},
	{"quiet", OPTION_QUIET, NULL, "no progress and no summary"},
	{"json", OPTION_JSON, NULL, "the summary for programs"},
	{"version", OPTION_VERSION, NULL, "print the version (-V)"},
	{"help", OPTION_HELP, NULL, "print this text"},
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

struct line {
	struct options *options;
	const char *url;
	const char *pkcs12;
	bool has_asked_help;
	bool has_asked_version;
};

static void print_usage(void)
{
	fputs("usage: intake-send --url URL --cert FILE [--key FILE] [OPTION...] SOURCE...\n\n"
	      "Sends the reports of files, folders and standard input (-).\n\n",
		stdout);
	for (size_t i = 0; i < ROW_COUNT; i++) {
		char name[40];
		snprintf(name, sizeof(name), "--%s%s%s", rows[i].name,
			rows[i].argument == NULL ? "" : " ",
			rows[i].argument == NULL ? "" : rows[i].argument);
		printf("  %-24s %s\n", name, rows[i].help);
	}
	fputs("\nExit status:\n", stdout);
	for (enum outcome outcome = 0; outcome < OUTCOME_COUNT; outcome++) {
		printf("  %-3d %s\n", outcome_status(outcome), outcome_sentence(outcome));
	}
}

static bool parse_number(const char *name, const char *text, int64_t least, int64_t most,
	int64_t *number_out, struct err *err)
{
	char *end = NULL;
	errno = 0;
	long long number = strtoll(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number < least ||
		number > most) {
		return err_set(err, "--%s is \"%s\"; expected a number from %lld to %lld", name,
			text, (long long)least, (long long)most);
	}
	*number_out = number;
	return true;
}

static bool take_number(struct options *options, int code, const char *value, struct err *err)
{
	int64_t number = 0;
	switch (code) {
	case OPTION_BATCH_BYTES:
		if (!parse_number("batch-bytes", value, 1, OPTIONS_BATCH_BYTES_MAX, &number, err)) {
			return false;
		}
		options->batch_bytes = (size_t)number;
		return true;
	case OPTION_CONNECTIONS:
		if (!parse_number("connections", value, 1, OPTIONS_CONNECTIONS_MAX, &number, err)) {
			return false;
		}
		options->connections = (unsigned)number;
		return true;
	default:
		return parse_number(
			"give-up-after", value, 1, 1000000000, &options->give_up_after_s, err);
	}
}

static bool take_option(struct line *line, int code, const char *value, struct err *err)
{
	struct options *options = line->options;
	switch (code) {
	case OPTION_URL:
		line->url = value;
		break;
	case OPTION_CA:
		options->ca = value;
		break;
	case OPTION_CERT:
		options->certificate = value;
		break;
	case OPTION_KEY:
		options->key = value;
		break;
	case OPTION_PKCS12:
		line->pkcs12 = value;
		break;
	case OPTION_PASSPHRASE_FILE:
		options->passphrase_file = value;
		break;
	case OPTION_RESULTS:
		options->results = value;
		break;
	case OPTION_VALIDATE_ONLY:
		options->is_validation = true;
		break;
	case OPTION_QUIET:
		options->is_quiet = true;
		break;
	case OPTION_JSON:
		options->is_json = true;
		break;
	case OPTION_VERSION:
		line->has_asked_version = true;
		break;
	case OPTION_HELP:
		line->has_asked_help = true;
		break;
	case '?':
		return err_set(err, "the command line is wrong");
	default:
		return take_number(options, code, value, err);
	}
	return true;
}

/* Whether there is nothing in the URL but scheme, host and port; those are put into url_out. */
static bool url_is_bare(CURLU *parsed, char **url_out)
{
	static const CURLUPart others[] = {
		CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT};
	char *path = NULL;
	bool is_bare = curl_url_get(parsed, CURLUPART_PATH, &path, 0) == CURLUE_OK &&
		strcmp(path, "/") == 0;
	curl_free(path);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		char *part = NULL;
		is_bare = curl_url_get(parsed, others[i], &part, 0) != CURLUE_OK && is_bare;
		curl_free(part);
	}
	char *url = NULL;
	if (!is_bare || curl_url_get(parsed, CURLUPART_URL, &url, 0) != CURLUE_OK) {
		return false;
	}
	/* The one slash of the path is last. */
	*url_out = strndup(url, strlen(url) - 1);
	ENSURE(*url_out != NULL);
	curl_free(url);
	return true;
}

static bool set_url(struct options *options, const char *text, struct err *err)
{
	CURLU *parsed = curl_url();
	ENSURE(parsed != NULL);
	bool is_good = strncmp(text, "https://", 8) == 0 &&
		curl_url_set(parsed, CURLUPART_URL, text, 0) == CURLUE_OK &&
		url_is_bare(parsed, &options->url);
	curl_url_cleanup(parsed);
	return is_good ||
		err_set(err,
			"--url is \"%s\"; expected https, a host and perhaps a port, as "
			"https://intake.example:8443",
			text);
}

static bool check_line(struct line *line, struct err *err)
{
	struct options *options = line->options;
	if (line->url == NULL) {
		return err_set(err, "--url is missing: it says where the server is");
	}
	if ((line->pkcs12 == NULL) == (options->certificate == NULL)) {
		return err_set(err, "either --cert or --pkcs12 says who the partner is");
	}
	if (line->pkcs12 != NULL && options->key != NULL) {
		return err_set(err, "--key does not go with --pkcs12, which holds the key");
	}
	if (options->source_count == 0) {
		return err_set(err, "there is nothing to send: name files, folders or -");
	}
	if (line->pkcs12 != NULL) {
		options->certificate = line->pkcs12;
	}
	if (options->key == NULL) {
		options->key = options->certificate;
	}
	if (options->results == NULL && !options->is_validation) {
		options->results = OPTIONS_RESULTS_DEFAULT;
	}
	return set_url(options, line->url, err);
}

static bool read_line(int argc, char **argv, struct line *line, struct err *err)
{
	struct option known[ROW_COUNT + 1] = {{NULL, 0, NULL, 0}};
	for (size_t i = 0; i < ROW_COUNT; i++) {
		known[i] = (struct option){.name = rows[i].name,
			.has_arg = rows[i].argument == NULL ? no_argument : required_argument,
			.val = rows[i].code};
	}
	int code = 0;
	while ((code = getopt_long(argc, argv, "V", known, NULL)) != -1) {
		if (!take_option(line, code, optarg, err)) {
			return false;
		}
	}
	line->options->sources = argv + optind;
	line->options->source_count = argc - optind;
	return line->has_asked_help || line->has_asked_version || check_line(line, err);
}

enum options_step options_parse(int argc, char **argv, struct options *options_out)
{
	struct err err;
	struct line line = {.options = options_out};
	*options_out = (struct options){.batch_bytes = OPTIONS_BATCH_BYTES_DEFAULT,
		.connections = OPTIONS_CONNECTIONS_DEFAULT,
		.give_up_after_s = -1};
	if (!read_line(argc, argv, &line, &err)) {
		fprintf(stderr, "intake-send: %s\n\"intake-send --help\" lists the options\n",
			err.text);
		return OPTIONS_WRONG;
	}
	if (line.has_asked_version) {
		puts("intake-send " INTAKED_VERSION);
		return OPTIONS_DONE;
	}
	if (line.has_asked_help) {
		print_usage();
		return OPTIONS_DONE;
	}
	return OPTIONS_RUN;
}

void options_fini(struct options *options)
{
	free(options->url);
	options->url = NULL;
}
