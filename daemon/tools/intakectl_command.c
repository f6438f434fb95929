// SPDX-License-Identifier: Apache-2.0
#include "intakectl_command_int.h"

#include "intakectl_instant_int.h"
#include "intakectl_key_int.h"
#include "intakectl_partner_int.h"
#include "intakectl_report_key_int.h"
#include "intakectl_retention_int.h"

#include <string.h>

#define HELP_COLUMN 64 /* where purposes begin */
#define HELP_INDENT 6  /* of what does not fit on a command's first line */
#define HELP_WIDTH 96

#define FIELD(name) offsetof(struct request, name)
#define A_TIME \
	.is_value = instant_is_time, .expected = "a time such as 2027-03-01 or 2027-03-01T12:00:00Z"
#define LABELS "TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"

const struct option_row option_rows[OPTION_COUNT] = {
	[OPTION_CONF] = {"conf", 'c', VALUE_FILE, FIELD(conf_path)},
	[OPTION_JSON] = {"json", 0, VALUE_NONE, FIELD(is_json)},
	[OPTION_HELP] = {"help", 0, VALUE_NONE, FIELD(wants_help)},
	[OPTION_VERSION] = {"version", 'V', VALUE_NONE, FIELD(wants_version)},
	[OPTION_ORG] = {"org", 0, VALUE_TEXTS, FIELD(organisations)},
	[OPTION_TITLE] = {"title", 0, VALUE_TEXT, FIELD(title)},
	[OPTION_LIVE] = {"live", 0, VALUE_NONE, FIELD(is_live)},
	[OPTION_MODE] = {"mode", 0, VALUE_CHOICE, FIELD(mode), .choices = {"test", "live"}},
	[OPTION_RELAY] = {"relay", 0, VALUE_PERHAPS, FIELD(relay), .choices = {"yes", "no"}},
	[OPTION_QUOTA] = {"quota", 0, VALUE_TEXTS, FIELD(quotas), .is_value = partner_is_quota,
		.expected = "KEY=VALUE with a number from 1, none or default as VALUE"},
	[OPTION_CERT] = {"cert", 0, VALUE_FILE, FIELD(certificate)},
	[OPTION_SPKI] = {"spki", 0, VALUE_TEXT, FIELD(spki), .is_value = key_is_digest,
		.expected = "the SHA-256 of a public key; expected 64 hex digits"},
	[OPTION_EXPIRES] = {"expires", 0, VALUE_TEXT, FIELD(expires), A_TIME},
	[OPTION_NOTE] = {"note", 0, VALUE_TEXT, FIELD(note)},
	[OPTION_EXPIRING] = {"expiring", 0, VALUE_NUMBER, FIELD(expiring_days), .max = 36500},
	[OPTION_CSR] = {"csr", 0, VALUE_FILE, FIELD(csr)},
	[OPTION_CA] = {"ca", 0, VALUE_FILE, FIELD(ca)},
	[OPTION_CA_KEY] = {"ca-key", 0, VALUE_FILE, FIELD(ca_key)},
	[OPTION_CA_PASSWORD_FILE] = {"ca-password-file", 0, VALUE_FILE, FIELD(ca_password_file)},
	[OPTION_SERVER_CA] = {"server-ca", 0, VALUE_FILE, FIELD(server_ca)},
	[OPTION_OUT] = {"out", 0, VALUE_FOLDER, FIELD(out)},
	[OPTION_DAYS] = {"days", 0, VALUE_NUMBER, FIELD(days), .max = 3650},
	[OPTION_INTERVAL] = {"interval", 0, VALUE_NUMBER, FIELD(interval_s), .max = 3600},
	[OPTION_REPORT] = {"report", 0, VALUE_TEXTS, FIELD(reports)},
	[OPTION_REVISION] = {"revision", 0, VALUE_NUMBER, FIELD(revision), .max = 1000000},
	[OPTION_TEST] = {"test", 0, VALUE_NONE, FIELD(is_test)},
	[OPTION_PERSON] = {"person", 0, VALUE_TEXT, FIELD(person)},
	[OPTION_ASKED_BY] = {"asked-by", 0, VALUE_TEXT, FIELD(asked_by)},
	[OPTION_REASON] = {"reason", 0, VALUE_TEXT, FIELD(reason)},
	[OPTION_YES] = {"yes", 0, VALUE_NONE, FIELD(is_agreed)},
	[OPTION_DRY_RUN] = {"dry-run", 0, VALUE_NONE, FIELD(is_dry_run)},
	[OPTION_PARTNER] = {"partner", 0, VALUE_PARTNER, FIELD(partner)},
	[OPTION_CATEGORY] = {"category", 0, VALUE_TEXT, FIELD(category)},
	[OPTION_AREA] = {"area", 0, VALUE_CHOICE, FIELD(area),
		.choices = {"AA1", "AA2", "AA3", "AA4"}},
	[OPTION_SINCE] = {"since", 0, VALUE_TEXT, FIELD(since), A_TIME},
	[OPTION_UNTIL] = {"until", 0, VALUE_TEXT, FIELD(until), A_TIME},
	[OPTION_ENDS] = {"ends", 0, VALUE_TEXT, FIELD(ends), A_TIME},
	[OPTION_TLP] = {"tlp", 0, VALUE_CHOICE, FIELD(tlp), .choices = {LABELS}},
	[OPTION_TLP_MAX] = {"tlp-max", 0, VALUE_CHOICE, FIELD(tlp_max), .choices = {LABELS}},
	[OPTION_FORMAT] = {"format", 0, VALUE_CHOICE, FIELD(format),
		.choices = {"ndjson", "csv", "stix"}},
	[OPTION_WHERE] = {"where", 0, VALUE_TEXT, FIELD(where)},
	[OPTION_CONNECTION] = {"connection", 0, VALUE_TEXT, FIELD(connection)},
};

static const char *set_fault(const struct request *request)
{
	bool changes_nothing = request->mode == NULL && request->title == NULL &&
		request->relay == NULL && request->organisations.count == 0 &&
		request->quotas.count == 0;
	return changes_nothing ? "an option has to say what to change" : NULL;
}

static const char *add_fault(const struct request *request)
{
	return request->organisations.count == 0
		? "a partner needs at least one --org, the domain it reports for"
		: NULL;
}

static const char *enrol_fault(const struct request *request)
{
	return request->csr == NULL || request->ca == NULL || request->ca_key == NULL
		? "--csr, --ca and --ca-key say what is signed and by whom"
		: NULL;
}

static const char *cert_add_fault(const struct request *request)
{
	if ((request->certificate == NULL) == (request->spki == NULL)) {
		return "either --cert or --spki says which key";
	}
	return request->certificate != NULL && request->expires != NULL
		? "--expires goes with --spki: a certificate says itself when it expires"
		: NULL;
}

static const char *cert_revoke_fault(const struct request *request)
{
	if (request->argument != NULL && !key_is_digest(request->argument)) {
		return "a key is named by the SHA-256 of it; expected 64 hex digits";
	}
	return (request->certificate == NULL) == (request->argument == NULL)
		? "either the key's SHA-256 or --cert says which key"
		: NULL;
}

static const char *hold_fault(const struct request *request)
{
	if (request->reports.count > 1) {
		return "a hold is on one --report; add one for each";
	}
	return request->reason == NULL ? "--reason says why" : NULL;
}

static const char *hold_remove_fault(const struct request *request)
{
	return report_key_is_number(request->argument)
		? NULL
		: "that is no number of a hold; \"intakectl hold list\" has them";
}

static const char *retention_set_fault(const struct request *request)
{
	return retention_is_period(request->argument)
		? NULL
		: "that is no period; it is like \"90 days\", \"18 months\" or \"5 years\", or "
		  "forever";
}

static const char *erasure_show_fault(const struct request *request)
{
	return report_key_is_number(request->argument)
		? NULL
		: "that is no number of an erasure; \"intakectl erasure list\" has them";
}

static const char *erase_fault(const struct request *request)
{
	if ((request->person == NULL) == (request->reports.count == 0)) {
		return "either --report or --person says what is erased";
	}
	if (request->revision != 0 && request->reports.count != 1) {
		return "--revision goes with one --report";
	}
	if (request->is_test && request->person != NULL) {
		return "--test goes with --report: a person is looked for in tests too";
	}
	return request->reason == NULL || request->asked_by == NULL
		? "--reason and --asked-by say why and for whom, for the log"
		: NULL;
}

const struct command commands[] = {
	{"db", "migrate", "", "apply pending migrations", .run = migrate_command_apply},
	{"db", "status", "", "applied and pending migrations", .run = migrate_command_status},
	{"partner", "add",
		"NAME --org DOMAIN... [--title TEXT] [--live] [--relay] [--quota KEY=VALUE...]",
		"let a partner report", .operand = VALUE_TEXT, .run = partner_command_add,
		.find_fault = add_fault,
		.options = {OPTION_ORG, OPTION_TITLE, OPTION_LIVE, OPTION_RELAY, OPTION_QUOTA}},
	{"partner", "enrol",
		"NAME --csr FILE --ca FILE --ca-key FILE [--ca-password-file FILE] [--days N] "
		"[--server-ca FILE] [--out FOLDER] [--note TEXT] [--org DOMAIN...] [--title TEXT] "
		"[--live] [--relay] [--quota KEY=VALUE...]",
		"the same, with a certificate", .operand = VALUE_PARTNER, .run = enrol_command_run,
		.find_fault = enrol_fault,
		.options = {OPTION_CSR, OPTION_CA, OPTION_CA_KEY, OPTION_CA_PASSWORD_FILE,
			OPTION_DAYS, OPTION_SERVER_CA, OPTION_OUT, OPTION_NOTE, OPTION_ORG,
			OPTION_TITLE, OPTION_LIVE, OPTION_RELAY, OPTION_QUOTA}},
	{"partner", "set",
		"NAME [--mode test|live] [--title TEXT] [--org DOMAIN...] [--relay yes|no] "
		"[--quota KEY=VALUE...]",
		"change what is given", .operand = VALUE_PARTNER, .run = partner_command_set,
		.find_fault = set_fault,
		.options = {OPTION_MODE, OPTION_TITLE, OPTION_ORG, OPTION_RELAY, OPTION_QUOTA}},
	{"partner", "list", "", "all partners", .run = partner_command_list},
	{"partner", "show", "NAME", "one partner", .operand = VALUE_PARTNER,
		.run = partner_command_show},
	{"partner", "suspend", "NAME", "refuse its requests", .operand = VALUE_PARTNER,
		.run = partner_command_suspend},
	{"partner", "resume", "NAME", "take them again", .operand = VALUE_PARTNER,
		.run = partner_command_resume},
	{"cert", "add", "NAME --cert FILE|--spki HEX [--expires TIME] [--note TEXT]",
		"enrol a key for a partner", .operand = VALUE_PARTNER, .run = cert_command_add,
		.find_fault = cert_add_fault,
		.options = {OPTION_CERT, OPTION_SPKI, OPTION_EXPIRES, OPTION_NOTE}},
	{"cert", "list", "[NAME] [--expiring DAYS]", "enrolled keys", .operand = VALUE_PARTNER,
		.operand_is_optional = true, .run = cert_command_list,
		.options = {OPTION_EXPIRING}},
	{"cert", "revoke", "HEX|--cert FILE", "refuse a key for ever", .operand = VALUE_KEY,
		.operand_is_optional = true, .run = cert_command_revoke,
		.find_fault = cert_revoke_fault, .options = {OPTION_CERT}},
	{"taxonomy", "load", "[FILE]", "let the database know a taxonomy", .operand = VALUE_FILE,
		.operand_is_optional = true, .run = taxonomy_command_load},
	{"config", "show", "", "every setting with its value", .run = config_command_show},
	{"reload", NULL, "", "have the daemon read everything again", .run = reload_command_run,
		.conf_need = CONF_IN_PART},
	{"status", NULL, "", "how the daemon is", .run = status_command_show,
		.conf_need = CONF_IN_PART},
	{"top", NULL, "[--interval SECONDS]", "the same, again and again", .run = top_command_run,
		.conf_need = CONF_IN_PART, .options = {OPTION_INTERVAL}},
	{"hold", "add",
		"[--report PARTNER/REPORT_ID] [--partner NAME] [--category CODE] [--since TIME] "
		"[--until TIME] [--ends TIME] --reason TEXT",
		"nothing of this is erased", .run = hold_command_add, .find_fault = hold_fault,
		.options = {OPTION_REPORT, OPTION_PARTNER, OPTION_CATEGORY, OPTION_SINCE,
			OPTION_UNTIL, OPTION_ENDS, OPTION_REASON}},
	{"hold", "list", "", "all legal holds", .run = hold_command_list},
	{"hold", "remove", "NUMBER", "end one", .operand = VALUE_TEXT, .run = hold_command_remove,
		.find_fault = hold_remove_fault},
	{"retention", "list", "", "how long reports are kept", .run = retention_command_list},
	{"retention", "set", "PERIOD [--tlp LABEL] [--category CODE]", "change that",
		.operand = VALUE_TEXT, .run = retention_command_set,
		.find_fault = retention_set_fault, .options = {OPTION_TLP, OPTION_CATEGORY}},
	{"retention", "remove", "[--tlp LABEL] [--category CODE]", "take it away",
		.run = retention_command_remove, .options = {OPTION_TLP, OPTION_CATEGORY}},
	{"retention", "run", "[--dry-run]", "erase what is too old", .is_default = true,
		.run = retention_command_run, .options = {OPTION_DRY_RUN}},
	{"erase", NULL,
		"--report KEY... [--revision N] [--test]|--person TEXT --asked-by WHO "
		"--reason TEXT [--dry-run] [--yes]",
		"erase reports, or a person", .run = erase_command_run, .find_fault = erase_fault,
		.options = {OPTION_REPORT, OPTION_REVISION, OPTION_TEST, OPTION_PERSON,
			OPTION_ASKED_BY, OPTION_REASON, OPTION_DRY_RUN, OPTION_YES}},
	{"erasure", "list", "", "the log of erasures", .run = erasure_command_list},
	{"erasure", "show", "NUMBER", "what one erased", .operand = VALUE_TEXT,
		.run = erasure_command_show, .find_fault = erasure_show_fault},
	{"export", NULL,
		"[--format ndjson|csv|stix] [--tlp-max LABEL] [--area CODE] [--category CODE] "
		"[--partner NAME] [--since TIME] [--until TIME] [--where SQL] [--connection TEXT]",
		"reports for others", .run = export_command_run, .conf_need = CONF_NONE,
		.options = {OPTION_FORMAT, OPTION_TLP_MAX, OPTION_AREA, OPTION_CATEGORY,
			OPTION_PARTNER, OPTION_SINCE, OPTION_UNTIL, OPTION_WHERE,
			OPTION_CONNECTION}},
	{"completion", NULL, "bash", "a script for the shell", .operand = VALUE_CHOICE,
		.operand_choice = "bash", .run = completion_command_print, .conf_need = CONF_NONE},
};

const size_t command_count = sizeof(commands) / sizeof(commands[0]);

const struct command *command_find(char *const *words, int word_count, int *taken_out)
{
	for (size_t i = 0; i < command_count; i++) {
		const struct command *command = &commands[i];
		*taken_out = command->verb == NULL ? 1 : 2;
		if (word_count >= *taken_out && strcmp(words[0], command->group) == 0 &&
			(command->verb == NULL || strcmp(words[1], command->verb) == 0)) {
			return command;
		}
	}
	*taken_out = 1;
	for (size_t i = 0; i < command_count && word_count == 1; i++) {
		if (commands[i].is_default && strcmp(words[0], commands[i].group) == 0) {
			return &commands[i];
		}
	}
	return NULL;
}

bool option_is_common(enum option_id option)
{
	return option == OPTION_CONF || option == OPTION_JSON || option == OPTION_HELP ||
		option == OPTION_VERSION;
}

bool command_takes(const struct command *command, enum option_id option)
{
	for (size_t i = 0; command->options[i] != OPTION_NONE; i++) {
		if (command->options[i] == option) {
			return true;
		}
	}
	return option_is_common(option);
}

const char *command_name(const struct command *command, char *out, size_t size)
{
	snprintf(out, size, "%s%s%s", command->group, command->verb == NULL ? "" : " ",
		command->verb == NULL ? "" : command->verb);
	return out;
}

/* Where the part of a usage that begins at text ends: at a space outside of brackets. */
static size_t part_len(const char *text)
{
	size_t len = 0;
	for (int depth = 0; text[len] != '\0' && (depth > 0 || text[len] != ' '); len++) {
		depth += (text[len] == '[') - (text[len] == ']');
	}
	return len;
}

/* Prints a command's usage over as many lines as it takes; the column it ends in. */
static int print_usage(FILE *out, const struct command *command, const char *before)
{
	char name[32];
	int column = fprintf(out, "%s%s", before, command_name(command, name, sizeof(name)));
	for (const char *part = command->usage; *part != '\0';) {
		int len = (int)part_len(part);
		if (column + 1 + len > HELP_WIDTH) {
			fprintf(out, "\n%*s", HELP_INDENT, "");
			column = HELP_INDENT;
		} else {
			fputc(' ', out);
			column++;
		}
		fprintf(out, "%.*s", len, part);
		column += len;
		part += len + (part[len] == ' ');
	}
	return column;
}

void command_print_help(FILE *out)
{
	fputs("usage: intakectl [-c FILE] [--json] COMMAND\n\n", out);
	for (size_t i = 0; i < command_count; i++) {
		int column = print_usage(out, &commands[i], "  ");
		if (column >= HELP_COLUMN) {
			fputc('\n', out);
			column = 0;
		}
		fprintf(out, "%*s%s\n", HELP_COLUMN - column, "", commands[i].purpose);
	}
	fputs("\n  -c FILE    configuration, /etc/intaked/intaked.conf without it\n"
	      "  --json     for programs\n"
	      "  -V         version\n"
	      "  --help     this text\n",
		out);
}

enum outcome command_usage_fault(const struct command *command, const char *fault)
{
	fprintf(stderr, "intakectl: %s\n", fault);
	if (command != NULL) {
		print_usage(stderr, command, "usage: intakectl [-c FILE] [--json] ");
		fputc('\n', stderr);
	} else {
		fputs("\"intakectl --help\" lists the commands\n", stderr);
	}
	return OUTCOME_USAGE;
}
