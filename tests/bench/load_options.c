// SPDX-License-Identifier: Apache-2.0
#include "load_options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECTIONS_MAX = 20000, REPORTS_MAX = 10000 };

static const char usage[] =
	"usage: bench_load --to HOST:PORT --ca FILE --cert FILE --key FILE\n"
	"       [--connections 64] [--batch 1] [--new-connections] [--rate REQUESTS_A_SECOND]\n"
	"       [--warm-up SECONDS (1)] [--seconds 5] [--template FILE] [--path /v1/reports]\n"
	"Prints one line of JSON. Exit status 1: a request was refused, lost or not stored.\n";

/* When no template is given. */
static const char default_template[] =
	"{\"schema\":\"intaked-report/"
	"1\",\"taxonomy\":{\"id\":\"digital-solidarity-2024\",\"version\":\"1.0.0\"},\"report_id\":"
	"\"{uuid}\","
	"\"reporter\":{\"org\":\"cert.example.org\"},\"tlp\":\"TLP:AMBER\","
	"\"category\":\"phishing\",\"action_areas\":[\"AA4\"],"
	"\"title\":\"Phishing wave against retail customers, mobile banking lure\","
	"\"narrative\":\"Customers received a text message that pretended to come from their bank, "
	"and opened the linked page. Credentials and a one-time code were entered; two transfers "
	"left the account within eleven minutes. The page was hosted behind a content delivery "
	"network and used a certificate that had been issued the same day. The victim called the "
	"hotline at 10:02 and the account was frozen.\","
	"\"times\":{\"detected\":\"2026-11-22T09:15:00Z\",\"reported\":\"2026-11-22T10:15:00Z\"},"
	"\"severity\":{\"level\":3},\"impact\":{\"people_affected\":{octet}},\"language\":\"en\","
	"\"indicators\":["
	"{\"type\":\"ipv4\",\"value\":\"{octet}.{octet}.{octet}.{octet}\",\"role\":\"source\","
	"\"confidence\":80,\"first_seen\":\"2026-11-22T08:10:00Z\"},"
	"{\"type\":\"domain\",\"value\":\"login-{hex8}.bank-secure.example\",\"role\":\"source\","
	"\"confidence\":75,\"first_seen\":\"2026-11-22T08:11:00Z\"},"
	"{\"type\":\"url\",\"value\":\"https://login-{hex8}.example/session/{hex8}\","
	"\"role\":\"source\",\"confidence\":70,\"first_seen\":\"2026-11-22T08:12:00Z\"},"
	"{\"type\":\"sha256\",\"value\":\"{hex8}{hex8}{hex8}{hex8}{hex8}{hex8}{hex8}{hex8}\","
	"\"role\":\"source\",\"confidence\":60,\"first_seen\":\"2026-11-22T08:13:00Z\"},"
	"{\"type\":\"email\",\"value\":\"helpdesk.{hex8}@mail.example\",\"role\":\"source\","
	"\"confidence\":55,\"first_seen\":\"2026-11-22T08:14:00Z\"}]}";

void load_fail(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(2);
}

static uint32_t whole_number(const char *text, uint32_t min, uint32_t max)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || number < min || number > max) {
		load_fail("%s: expected a number from %u to %u\n%s", text, min, max, usage);
	}
	return (uint32_t)number;
}

static void take_address(struct load_options *options, char *address)
{
	char *colon = strrchr(address, ':');
	if (colon == NULL) {
		load_fail("%s: expected HOST:PORT\n%s", address, usage);
	}
	*colon = '\0';
	options->host = address;
	options->port = colon + 1;
}

static void take_option(struct load_options *options, int option, char *value)
{
	switch (option) {
	case 'a':
		take_address(options, value);
		break;
	case 'C':
		options->ca = value;
		break;
	case 'c':
		options->certificate = value;
		break;
	case 'k':
		options->key = value;
		break;
	case 't':
		options->template_file = value;
		break;
	case 'p':
		options->path = value;
		break;
	case 'n':
		options->connections = whole_number(value, 1, CONNECTIONS_MAX);
		break;
	case 'b':
		options->reports = whole_number(value, 1, REPORTS_MAX);
		break;
	case 'r':
		options->requests_per_s = whole_number(value, 1, 1000000);
		break;
	case 'w':
		options->warm_up_s = whole_number(value, 0, 3600);
		break;
	case 's':
		options->seconds = whole_number(value, 1, 86400);
		break;
	case 'N':
		options->closes_after_answer = true;
		break;
	default:
		load_fail("%s", usage);
	}
}

struct load_options load_options_read(int argc, char **argv)
{
	static const struct option known[] = {{"to", required_argument, NULL, 'a'},
		{"ca", required_argument, NULL, 'C'}, {"cert", required_argument, NULL, 'c'},
		{"key", required_argument, NULL, 'k'}, {"template", required_argument, NULL, 't'},
		{"path", required_argument, NULL, 'p'},
		{"connections", required_argument, NULL, 'n'},
		{"batch", required_argument, NULL, 'b'}, {"rate", required_argument, NULL, 'r'},
		{"warm-up", required_argument, NULL, 'w'},
		{"seconds", required_argument, NULL, 's'},
		{"new-connections", no_argument, NULL, 'N'}, {"help", no_argument, NULL, 'h'}, {0}};
	struct load_options options = {.path = "/v1/reports",
		.connections = 64,
		.reports = 1,
		.warm_up_s = 1,
		.seconds = 5};
	int option;
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		take_option(&options, option, optarg);
	}
	if (options.host == NULL || options.ca == NULL || options.certificate == NULL ||
		options.key == NULL || optind < argc) {
		load_fail("%s", usage);
	}
	return options;
}

void load_options_template(const struct load_options *options, struct buf *out)
{
	if (options->template_file == NULL) {
		ENSURE(buf_append(out, default_template, sizeof(default_template) - 1));
		return;
	}
	FILE *file = fopen(options->template_file, "re");
	if (file == NULL) {
		load_fail("%s: %m", options->template_file);
	}
	char piece[4096];
	for (size_t n; (n = fread(piece, 1, sizeof(piece), file)) > 0;) {
		ENSURE(buf_append(out, piece, n));
	}
	fclose(file);
}
