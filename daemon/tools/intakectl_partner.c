// SPDX-License-Identifier: Apache-2.0
/*
 * Partners: who may report, for which organisations, and whether they may just now. The database's
 * functions do the work and keep the rules; daemons learn of a change by themselves.
 */
#include "intakectl_partner_int.h"

#include "base/buf.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Digits of a quota, so that it fits the database's numbers. */
#define QUOTA_MAX_DIGITS 18
#define ORGANISATIONS_MAX_BYTES 1048576

#define LIST_COLUMNS                                                           \
	"name, CASE WHEN is_live THEN 'live' ELSE 'test' END AS mode,"         \
	" CASE WHEN is_suspended THEN 'suspended' ELSE 'active' END AS state," \
	" CASE WHEN may_relay THEN 'yes' ELSE 'no' END AS relay, active_keys AS keys,"

/* As --quota takes it. */
#define QUOTA_COLUMN(key)                                                              \
	" CASE " key " WHEN 0 THEN 'none' ELSE coalesce(" key "::text, 'default') END" \
	" AS quota_" key ","

#define QUOTA_COLUMNS                     \
	QUOTA_COLUMN("connections")       \
	QUOTA_COLUMN("reports_in_flight") \
	QUOTA_COLUMN("reports_per_s")     \
	QUOTA_COLUMN("reports_burst")     \
	QUOTA_COLUMN("bytes_per_s")       \
	QUOTA_COLUMN("bytes_burst")

#define WITH_QUOTAS                                                              \
	"(SELECT p.*, to_jsonb(q) - 'name' AS quota FROM intake.partners() AS p" \
	" JOIN intake.partner_quotas() AS q ON q.name = p.name) AS p"

static const char list_sql[] =
	"SELECT " LIST_COLUMNS " organisations[1] || CASE WHEN cardinality(organisations) > 1"
	" THEN ' +' || cardinality(organisations) - 1 ELSE '' END AS organisations, title"
	" FROM intake.partners()";
static const char list_json_sql[] =
	"SELECT coalesce(json_agg(row_to_json(p) ORDER BY name), '[]') FROM " WITH_QUOTAS;
static const char show_sql[] =
	"SELECT " LIST_COLUMNS
	" array_to_string(organisations, ', ') AS organisations, title," QUOTA_COLUMNS
	" created_at::timestamptz(0) AS created,"
	" changed_at::timestamptz(0) AS changed"
	" FROM intake.partners() JOIN intake.partner_quotas() USING (name) WHERE name = $1";
static const char show_json_sql[] = "SELECT row_to_json(p) FROM " WITH_QUOTAS " WHERE name = $1";

static bool print_list(struct database *database, const struct request *request, struct err *err)
{
	PGresult *rows =
		database_query(database, request->is_json ? list_json_sql : list_sql, NULL, 0, err);
	if (rows == NULL) {
		return false;
	}
	if (request->is_json) {
		puts(PQgetvalue(rows, 0, 0));
	} else {
		table_print(rows);
	}
	PQclear(rows);
	return true;
}

static bool print_partner(struct database *database, const struct request *request, struct err *err)
{
	PGresult *rows = database_query(
		database, request->is_json ? show_json_sql : show_sql, &request->argument, 1, err);
	if (rows == NULL) {
		return false;
	}
	bool is_there = PQntuples(rows) == 1;
	if (!is_there) {
		err_set(err,
			"there is no partner \"%s\"; \"intakectl partner list\" shows those that "
			"there are",
			request->argument);
	} else if (request->is_json) {
		puts(PQgetvalue(rows, 0, 0));
	} else {
		table_print_row(rows, 0);
	}
	PQclear(rows);
	return is_there;
}

typedef bool partner_action(struct database *, const struct request *, struct err *);

static enum outcome run_action(const struct request *request, partner_action *action)
{
	struct err err;
	struct database database;
	bool is_done = database_open(&database, DATABASE_OPERATOR, request, &err) &&
		action(&database, request, &err);
	database_close(&database);
	return is_done ? OUTCOME_DONE : outcome_failed("%s", err.text);
}

enum outcome partner_command_list(const struct request *request)
{
	return run_action(request, print_list);
}

enum outcome partner_command_show(const struct request *request)
{
	return run_action(request, print_partner);
}

static bool is_among(const char *text, const char *const *texts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(texts[i], text) == 0) {
			return true;
		}
	}
	return false;
}

/* An array literal of PostgreSQL with each text once. False when they are too long. */
static bool array_literal(struct buf *out, const char *const *texts, size_t count)
{
	bool fits = buf_append(out, "{", 1);
	for (size_t i = 0; i < count && fits; i++) {
		if (is_among(texts[i], texts, i)) {
			continue;
		}
		fits = buf_append_str(out, i == 0 ? STR("\"") : STR(",\""));
		for (const char *c = texts[i]; *c != '\0' && fits; c++) {
			fits = (strchr("\"\\", *c) == NULL || buf_append(out, "\\", 1)) &&
				buf_append(out, c, 1);
		}
		fits = fits && buf_append(out, "\"", 1);
	}
	return fits && buf_append(out, "}", 2);
}

static bool organisations_literal(struct buf *out, const struct request *request, struct err *err)
{
	return array_literal(out, request->organisations.items, request->organisations.count) ||
		err_set(err, "the organisations are too long; use fewer");
}

/* NULL when the value is none that a quota can have. */
static json_t *quota_value(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	if (strcmp(text, "default") == 0) {
		return json_null();
	}
	if (strcmp(text, "none") == 0) {
		return json_integer(0);
	}
	if (digits == 0 || digits > QUOTA_MAX_DIGITS || text[digits] != '\0') {
		return NULL;
	}
	long long number = strtoll(text, NULL, 10);
	return number > 0 ? json_integer(number) : NULL;
}

bool partner_is_quota(const char *text)
{
	const char *sign = strchr(text, '=');
	json_t *value = sign == NULL ? NULL : quota_value(sign + 1);
	json_decref(value);
	return value != NULL;
}

static bool add_quota(json_t *quotas, const char *text, struct err *err)
{
	const char *sign = strchr(text, '=');
	ENSURE(sign != NULL);
	return json_object_setn_new(quotas, text, (size_t)(sign - text), quota_value(sign + 1)) ==
		0 ||
		err_set(err, "the key of --quota %s is not text in UTF-8", text);
}

/* The options as intake.partner_set() takes them, for free(); which keys there are it knows. */
static char *quotas_json(const struct request *request, struct err *err)
{
	json_t *quotas = json_object();
	bool is_good = true;
	for (size_t i = 0; i < request->quotas.count && is_good; i++) {
		is_good = add_quota(quotas, request->quotas.items[i], err);
	}
	char *text = is_good ? json_dumps(quotas, JSON_COMPACT) : NULL;
	if (is_good && text == NULL) {
		err_set(err, "there is no memory left");
	}
	json_decref(quotas);
	return text;
}

/* Changes what the request gives. */
static bool change_partner(
	struct database *database, const struct request *request, struct err *err)
{
	struct buf organisations;
	buf_init(&organisations, ORGANISATIONS_MAX_BYTES);
	char *quotas = quotas_json(request, err);
	bool is_done = quotas != NULL && organisations_literal(&organisations, request, err);
	if (is_done) {
		const char *parameters[] = {request->argument, request->title,
			request->organisations.count == 0 ? NULL : organisations.data,
			request->relay, request->mode, quotas};
		is_done = database_run(database,
			"SELECT intake.partner_set($1, $2, $3::text[], $4::boolean,"
			" $5::text = 'live', $6::jsonb)",
			parameters, 6, err);
	}
	buf_fini(&organisations);
	free(quotas);
	return is_done;
}

static bool insert_row(struct database *database, const struct request *request, struct err *err)
{
	struct buf organisations;
	buf_init(&organisations, ORGANISATIONS_MAX_BYTES);
	bool is_done = organisations_literal(&organisations, request, err);
	if (is_done) {
		const char *parameters[] = {request->argument,
			request->title == NULL ? "" : request->title, organisations.data,
			request->relay == NULL ? "no" : request->relay,
			request->is_live ? "yes" : "no"};
		is_done = database_run(database,
			"SELECT intake.partner_add($1, $2, $3::text[], $4::boolean, $5::boolean)",
			parameters, 5, err);
	}
	buf_fini(&organisations);
	return is_done;
}

bool partner_insert(struct database *database, const struct request *request, struct err *err)
{
	return insert_row(database, request, err) && change_partner(database, request, err);
}

bool partner_find_mode(
	struct database *database, const char *name, char mode_out[8], struct err *err)
{
	PGresult *rows = database_query(database,
		"SELECT CASE WHEN is_live THEN 'live' ELSE 'test' END FROM intake.partners()"
		" WHERE name = $1",
		&name, 1, err);
	snprintf(mode_out, 8, "%s",
		rows != NULL && PQntuples(rows) == 1 ? PQgetvalue(rows, 0, 0) : "");
	PQclear(rows);
	return rows != NULL;
}

static bool add_partner(struct database *database, const struct request *request, struct err *err)
{
	/* Its quotas are a second step; closing the connection undoes the first. */
	if (!database_run(database, "BEGIN", NULL, 0, err) ||
		!partner_insert(database, request, err) ||
		!database_run(database, "COMMIT", NULL, 0, err)) {
		return false;
	}
	if (request->is_json) {
		return print_partner(database, request, err);
	}
	printf("partner %s is enrolled, in %s\n", request->argument,
		request->is_live ? "live mode"
				 : "test mode: its reports are kept apart from those of others");
	return true;
}

enum outcome partner_command_add(const struct request *request)
{
	return run_action(request, add_partner);
}

static bool set_partner(struct database *database, const struct request *request, struct err *err)
{
	if (!change_partner(database, request, err)) {
		return false;
	}
	if (request->is_json) {
		return print_partner(database, request, err);
	}
	printf("partner %s is changed: within 5 seconds it is in force\n", request->argument);
	return true;
}

enum outcome partner_command_set(const struct request *request)
{
	return run_action(request, set_partner);
}

static bool set_suspended(struct database *database, const struct request *request,
	const char *suspended, struct err *err)
{
	const char *parameters[] = {request->argument, suspended};
	return database_run(database, "SELECT intake.partner_set_suspended($1, $2::boolean)",
		       parameters, 2, err) &&
		(!request->is_json || print_partner(database, request, err));
}

static bool suspend_partner(
	struct database *database, const struct request *request, struct err *err)
{
	if (!set_suspended(database, request, "t", err)) {
		return false;
	}
	if (!request->is_json) {
		printf("partner %s is suspended: within 5 seconds its requests are refused\n",
			request->argument);
	}
	return true;
}

static bool resume_partner(
	struct database *database, const struct request *request, struct err *err)
{
	if (!set_suspended(database, request, "f", err)) {
		return false;
	}
	if (!request->is_json) {
		printf("partner %s is active: within 5 seconds its requests are taken\n",
			request->argument);
	}
	return true;
}

enum outcome partner_command_suspend(const struct request *request)
{
	return run_action(request, suspend_partner);
}

enum outcome partner_command_resume(const struct request *request)
{
	return run_action(request, resume_partner);
}
