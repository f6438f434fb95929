// SPDX-License-Identifier: Apache-2.0
/*
 * Partners: who may report, for which organisations, and whether they may just now. The database's
 * functions do the work and keep the rules; daemons learn of a change by themselves.
 */
#include "intakectl_int.h"

#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#define LIST_COLUMNS                                                           \
	"name, CASE WHEN is_live THEN 'live' ELSE 'test' END AS mode,"         \
	" CASE WHEN is_suspended THEN 'suspended' ELSE 'active' END AS state," \
	" CASE WHEN may_relay THEN 'yes' ELSE 'no' END AS relay, active_keys AS keys,"

static const char list_sql[] =
	"SELECT " LIST_COLUMNS " organisations[1] || CASE WHEN cardinality(organisations) > 1"
	" THEN ' +' || cardinality(organisations) - 1 ELSE '' END AS organisations, title"
	" FROM intake.partners()";
static const char list_json_sql[] =
	"SELECT coalesce(json_agg(row_to_json(p)), '[]') FROM intake.partners() AS p";
static const char show_sql[] =
	"SELECT " LIST_COLUMNS " array_to_string(organisations, ', ') AS organisations, title,"
	" created_at::timestamptz(0) AS created,"
	" changed_at::timestamptz(0) AS changed"
	" FROM intake.partners() WHERE name = $1";
static const char show_json_sql[] =
	"SELECT row_to_json(p) FROM intake.partners() AS p WHERE name = $1";

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

/* An array literal of PostgreSQL. False when the texts are too long. */
static bool array_literal(struct buf *out, const char *const *texts, size_t count)
{
	bool fits = buf_append(out, "{", 1);
	for (size_t i = 0; i < count && fits; i++) {
		fits = buf_append_str(out, i == 0 ? STR("\"") : STR(",\""));
		for (const char *c = texts[i]; *c != '\0' && fits; c++) {
			fits = (strchr("\"\\", *c) == NULL || buf_append(out, "\\", 1)) &&
				buf_append(out, c, 1);
		}
		fits = fits && buf_append(out, "\"", 1);
	}
	return fits && buf_append(out, "}", 2);
}

static bool add_partner(struct database *database, const struct request *request, struct err *err)
{
	struct buf organisations;
	buf_init(&organisations, 1048576);
	PGresult *done = NULL;
	if (!array_literal(&organisations, request->organisations, request->organisation_count)) {
		err_set(err, "the organisations are too long; use fewer");
	} else {
		const char *parameters[] = {request->argument,
			request->title == NULL ? "" : request->title, organisations.data,
			request->may_relay ? "t" : "f", request->is_live ? "t" : "f"};
		done = database_query(database,
			"SELECT intake.partner_add($1, $2, $3::text[], $4::boolean, $5::boolean)",
			parameters, 5, err);
	}
	buf_fini(&organisations);
	PQclear(done);
	if (done == NULL || request->is_json) {
		return done != NULL && print_partner(database, request, err);
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

static bool set_suspended(struct database *database, const struct request *request,
	const char *suspended, struct err *err)
{
	const char *parameters[] = {request->argument, suspended};
	PGresult *done = database_query(database,
		"SELECT intake.partner_set_suspended($1, $2::boolean)", parameters, 2, err);
	PQclear(done);
	return done != NULL && (!request->is_json || print_partner(database, request, err));
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
