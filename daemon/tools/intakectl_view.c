// SPDX-License-Identifier: Apache-2.0
#include "intakectl_view_int.h"

#include "intakectl_instant_int.h"
#include "intakectl_int.h"
#include "intakectl_view_tables_int.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define LABEL_WIDTH 14
#define DAY_S 86400
#define MIB (1024.0 * 1024.0)
/* Renewing takes people, and people take weekends. */
#define EXPIRY_WARNING_DAYS 30

static void print_label(FILE *out, const char *label)
{
	table_print_cell(out, label, LABEL_WIDTH);
}

/* A line of what somebody has to look after. */
static void print_warning(FILE *out, const char *text)
{
	print_label(out, "");
	fputs("! ", out);
	table_print_cell(out, text, 0);
	fputc('\n', out);
}

static int64_t now_of(const struct view *view)
{
	int64_t now_s = 0;
	return instant_parse(json_string_value(json_object_get(view->status, "now")), &now_s)
		? now_s
		: (int64_t)time(NULL);
}

/* "2026-11-09 06:05:12 UTC (5 s ago)" */
static void print_past(const struct view *view, FILE *out, int64_t at_s)
{
	char at[INSTANT_TEXT_SIZE];
	char age[DURATION_TEXT_SIZE];
	fprintf(out, "%s (%s ago)", instant_format(at_s, at),
		duration_format(now_of(view) - at_s, age));
}

static void print_state(const struct view *view, FILE *out)
{
	const char *reason = json_string_value(json_object_get(view->status, "reason"));
	const json_t *is_ready = json_object_get(view->status, "ready");
	int64_t started_s = 0;
	char age[DURATION_TEXT_SIZE];
	char at[INSTANT_TEXT_SIZE];
	if (json_is_boolean(is_ready)) {
		print_label(out, "state");
		fputs(json_is_true(is_ready) ? "ready" : "! not ready", out);
		if (!json_is_true(is_ready) && reason != NULL) {
			fputs(": ", out);
			table_print_cell(out, reason, 0);
		}
		fputc('\n', out);
	}
	if (instant_parse(
		    json_string_value(json_object_get(view->status, "started_at")), &started_s)) {
		print_label(out, "up since");
		fprintf(out, "%s (%s)\n", instant_format(started_s, at),
			duration_format(now_of(view) - started_s, age));
	}
}

static void print_program(const struct view *view, FILE *out)
{
	const char *version = json_string_value(json_object_get(view->status, "version"));
	const char *taxonomy = json_string_value(json_object_get(view->status, "taxonomy"));
	const json_t *workers = json_object_get(view->status, "workers");
	if (version == NULL) {
		return;
	}
	print_label(out, "version");
	table_print_cell(out, version, 0);
	if (json_is_integer(workers)) {
		fprintf(out, ", %" JSON_INTEGER_FORMAT " workers", json_integer_value(workers));
	}
	if (taxonomy != NULL) {
		fputs(", taxonomy ", out);
		table_print_cell(out, taxonomy, 0);
	}
	fputc('\n', out);
}

static void print_connections(const struct view *view, FILE *out)
{
	const json_t *connections = json_object_get(view->status, "connections");
	const json_t *open =
		json_is_integer(connections) ? connections : json_object_get(connections, "open");
	const char *phase;
	json_t *count;
	const char *sign = ": ";
	if (!json_is_integer(open)) {
		return;
	}
	print_label(out, "connections");
	fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(open));
	json_object_foreach((json_t *)connections, phase, count)
	{
		if (count != open && json_integer_value(count) > 0) {
			fprintf(out, "%s%" JSON_INTEGER_FORMAT " ", sign,
				json_integer_value(count));
			table_print_cell(out, phase, 0);
			sign = ", ";
		}
	}
	fputc('\n', out);
}

/* Numbers that there are, with what separates each from the one before. */
static void print_real(FILE *out, const char **separator, const json_t *number, const char *before,
	const char *unit)
{
	if (json_is_number(number)) {
		fprintf(out, "%s%s%.1f %s", *separator, before, json_number_value(number), unit);
		*separator = ", ";
	}
}

/* What the daemon measured over its own window. */
static void print_rate(const struct view *view, FILE *out)
{
	const json_t *rate = json_object_get(view->status, "rate");
	const json_t *window = json_object_get(rate, "window_s");
	const char *separator = "";
	if (!json_is_object(rate)) {
		return;
	}
	print_label(out, "rate");
	print_real(out, &separator, json_object_get(rate, "reports_per_s"), "", "reports/s");
	print_real(out, &separator, json_object_get(rate, "refused_per_s"), "", "refused/s");
	print_real(out, &separator, json_object_get(rate, "commit_p50_ms"), "commit p50 ", "ms");
	print_real(out, &separator, json_object_get(rate, "commit_p99_ms"), "p99 ", "ms");
	if (separator[0] == '\0') {
		fputs(json_integer_value(window) > 0 ? "nothing" : "not known yet", out);
	}
	/* A daemon that has just begun has no window yet. */
	if (json_integer_value(window) > 0) {
		fprintf(out, " in the last %" JSON_INTEGER_FORMAT " s", json_integer_value(window));
	}
	fputc('\n', out);
}

static void print_rates_now(const struct view *view, FILE *out)
{
	static const char *const kinds[] = {"stored", "duplicate", "refused"};
	const char *sign = "";
	if (view->before == NULL || json_object_get(view->status, "reports") == NULL) {
		return;
	}
	print_label(out, "now");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		double per_s = view_rate(json_object_get(view->status, "reports"),
			json_object_get(view->before, "reports"), kinds[i], view->elapsed_s);
		fprintf(out, "%s%.1f %s/s", sign, per_s, kinds[i]);
		sign = ", ";
	}
	fputc('\n', out);
}

static void print_reports(const struct view *view, FILE *out)
{
	const json_t *reports = json_object_get(view->status, "reports");
	int64_t at_s = 0;
	if (!json_is_object(reports)) {
		return;
	}
	print_label(out, "reports");
	fprintf(out,
		"%" JSON_INTEGER_FORMAT " stored, %" JSON_INTEGER_FORMAT
		" duplicate, %" JSON_INTEGER_FORMAT " refused\n",
		json_integer_value(json_object_get(reports, "stored")),
		json_integer_value(json_object_get(reports, "duplicate")),
		json_integer_value(json_object_get(reports, "refused")));
	print_label(out, "last commit");
	if (instant_parse(json_string_value(json_object_get(reports, "last_commit_at")), &at_s)) {
		print_past(view, out, at_s);
	} else {
		fputs("none yet", out);
	}
	fputc('\n', out);
}

static void print_queue(const struct view *view, FILE *out)
{
	const json_t *queue = json_object_get(view->status, "queue");
	const json_t *limit = json_object_get(queue, "limit");
	const json_t *limit_bytes = json_object_get(queue, "limit_bytes");
	if (!json_is_object(queue)) {
		return;
	}
	print_label(out, "queue");
	fprintf(out, "%" JSON_INTEGER_FORMAT,
		json_integer_value(json_object_get(queue, "reports")));
	if (json_is_integer(limit)) {
		fprintf(out, " of %" JSON_INTEGER_FORMAT, json_integer_value(limit));
	}
	fputs(" reports", out);
	if (json_is_integer(limit_bytes)) {
		fprintf(out, ", %.1f of %.1f MiB",
			json_number_value(json_object_get(queue, "bytes")) / MIB,
			json_number_value(limit_bytes) / MIB);
	}
	fputc('\n', out);
}

static void print_database(const struct view *view, FILE *out)
{
	const json_t *database = json_object_get(view->status, "database");
	const char *state = json_string_value(json_object_get(database, "state"));
	const char *reason = json_string_value(json_object_get(database, "reason"));
	json_int_t away = json_integer_value(json_object_get(database, "links_away"));
	int64_t since_s = 0;
	if (state == NULL) {
		return;
	}
	print_label(out, "database");
	fputs(strcmp(state, "ready") == 0 ? "" : "! ", out);
	table_print_cell(out, state, 0);
	if (instant_parse(json_string_value(json_object_get(database, "away_since")), &since_s)) {
		fputs(" since ", out);
		print_past(view, out, since_s);
	}
	fprintf(out, ", %" JSON_INTEGER_FORMAT " links",
		json_integer_value(json_object_get(database, "links")));
	if (away > 0) {
		fprintf(out, ", %" JSON_INTEGER_FORMAT " of them away", away);
	}
	fputc('\n', out);
	if (reason != NULL) {
		print_warning(out, reason);
	}
}

static void print_expiry(const struct view *view, FILE *out, const char *member, const char *name)
{
	char at[INSTANT_TEXT_SIZE];
	const json_t *certificates = json_object_get(view->status, "certificates");
	int64_t at_s = 0;
	if (!instant_parse(json_string_value(json_object_get(certificates, member)), &at_s)) {
		return;
	}
	int64_t left_s = at_s - now_of(view);
	print_label(out, name);
	instant_format(at_s, at);
	if (left_s <= 0) {
		fprintf(out, "! expired %s\n", at);
	} else {
		bool is_soon = left_s < (int64_t)EXPIRY_WARNING_DAYS * DAY_S;
		fprintf(out, "%sexpires %s, %" PRId64 " d left\n", is_soon ? "! " : "", at,
			left_s / DAY_S);
	}
}

/* A list is renewed every few days, so the mark is for the last day, as on the page. */
static void print_crl(const struct view *view, FILE *out)
{
	char at[INSTANT_TEXT_SIZE];
	const json_t *certificates = json_object_get(view->status, "certificates");
	int64_t at_s = 0;
	if (!instant_parse(json_string_value(json_object_get(certificates, "crl_next_update_at")),
		    &at_s)) {
		return;
	}
	int64_t left_s = at_s - now_of(view);
	char left[DURATION_TEXT_SIZE];
	print_label(out, "revocation");
	instant_format(at_s, at);
	if (left_s <= 0) {
		fprintf(out, "! the list ran out %s\n", at);
	} else {
		fprintf(out, "%snext list by %s, in %s\n", left_s < DAY_S ? "! " : "", at,
			duration_format(left_s, left));
	}
}

static void print_warnings(FILE *out, const json_t *texts, const char *ending)
{
	for (size_t i = 0; i < json_array_size(texts); i++) {
		char line[512];
		const char *text = json_string_value(json_array_get(texts, i));
		snprintf(line, sizeof(line), "%s%s", text == NULL ? "?" : text, ending);
		print_warning(out, line);
	}
}

static void print_reloads(const struct view *view, FILE *out)
{
	const json_t *reload = json_object_get(view->status, "reload");
	const char *result = json_string_value(json_object_get(reload, "last_result"));
	int64_t at_s = 0;
	if (!json_is_object(reload)) {
		return;
	}
	print_label(out, "reloads");
	fprintf(out, "%" JSON_INTEGER_FORMAT " taken, %" JSON_INTEGER_FORMAT " refused",
		json_integer_value(json_object_get(reload, "taken")),
		json_integer_value(json_object_get(reload, "refused")));
	if (result != NULL &&
		instant_parse(json_string_value(json_object_get(reload, "last_at")), &at_s)) {
		fputs(", the last ", out);
		table_print_cell(out, result, 0);
		fputc(' ', out);
		print_past(view, out, at_s);
	}
	fputc('\n', out);
	print_warnings(out, json_object_get(reload, "faults"), "");
	print_warnings(out, json_object_get(reload, "needs_restart"),
		" was changed, which takes a restart");
}

void view_print(const struct view *view, FILE *out)
{
	print_state(view, out);
	print_program(view, out);
	print_connections(view, out);
	print_rate(view, out);
	print_rates_now(view, out);
	print_reports(view, out);
	print_queue(view, out);
	print_database(view, out);
	print_expiry(view, out, "server_expires_at", "certificate");
	print_expiry(view, out, "partner_ca_expires_at", "partner CA");
	print_crl(view, out);
	print_reloads(view, out);
	view_print_tables(view, out);
}
