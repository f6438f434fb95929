// SPDX-License-Identifier: Apache-2.0
/*
 * The database for commands that wait for each answer. What goes wrong is told as a sentence with
 * what to do about it: libpq's own words are part of it, never all of it.
 */
#include "intakectl_connection_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct role_info {
	const char *setting;
	const char *role;
};

static const struct role_info roles[] = {
	[DATABASE_OPERATOR] = {"database.operator_connection", "intake_operator"},
	[DATABASE_OWNER] = {"database.owner_connection", "intake_owner"},
};

/* A refusal that the operator can do something about. */
struct advice {
	const char *sqlstate;
	const char *constraint; /* NULL: any */
	const char *sentence;
};

static const struct advice advices[] = {
	{"23505", "partner_name_key",
		"there is a partner of that name already; \"intakectl partner show NAME\" shows "
		"it"},
	{"23505", "partner_key_pkey",
		"that key is enrolled already, or was revoked, which is for ever; \"intakectl cert "
		"list\" shows it, and a new certificate wants a new key"},
	{"23514", "partner_name_check",
		"that is not a partner's name; it has up to 63 lower-case letters, digits and "
		"hyphens and begins with a letter or digit"},
	{"23514", "partner_title_check", "the title is too long; it has at most 200 characters"},
	{"22007", NULL, "that is not a time; write it as 2027-03-01 or 2027-03-01T12:00:00Z"},
	{"22008", NULL, "there is no such time; write it as 2027-03-01 or 2027-03-01T12:00:00Z"},
	{"23514", "partner_key_expires_at_check",
		"a key expires at a time; write it as 2027-03-01 or 2027-03-01T12:00:00Z"},
	{"23514", "partner_key_note_check", "the note is too long; it has at most 200 characters"},
	{"23514", "legal_hold_is_on_something",
		"a hold needs something to be on: --report, --partner, --category, --since or "
		"--until"},
	{"23514", "legal_hold_reason_check", "a reason has 1 to 1,000 characters"},
	{"23514", "erasure_reason_check", "a reason has 1 to 1,000 characters"},
	{"23514", "erasure_asked_by_check", "who asked has 1 to 200 characters"},
	{"23514", "retention_policy_keep_check",
		"reports are kept for at least a day and at most 1,000 years, or \"forever\""},
	{"23503", "legal_hold_category_fkey",
		"there is no such category; \"intakectl taxonomy load\" makes them known"},
	{"23503", "retention_policy_category_fkey",
		"there is no such category; \"intakectl taxonomy load\" makes them known"},
	{"25006", NULL,
		"this server takes no changes: it is a standby, or default_transaction_read_only "
		"is on; let the connection string name the primary, or all servers with "
		"target_session_attrs=read-write"},
	{"3F000", NULL, "the database has no intaked schema; run \"intakectl db migrate\""},
	{"42P01", NULL,
		"the database lacks a table that this program needs; run \"intakectl db migrate\""},
	{"42883", NULL,
		"the database lacks a function that this program needs; run \"intakectl db "
		"migrate\""},
};

static const struct advice *find_advice(const char *sqlstate, const char *constraint)
{
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		bool is_meant = advices[i].constraint == NULL ||
			(constraint != NULL && strcmp(advices[i].constraint, constraint) == 0);
		if (is_meant && strcmp(advices[i].sqlstate, sqlstate) == 0) {
			return &advices[i];
		}
	}
	return NULL;
}

void database_explain(const struct database *database, const PGresult *result, struct err *err)
{
	char line[360];
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	if (sqlstate == NULL || message == NULL) {
		err_set(err,
			"the connection to the database was lost: %s; whether the change was made "
			"is not known, look before you repeat it",
			connection_join_lines(PQerrorMessage(database->link), line, sizeof(line)));
		return;
	}
	connection_join_lines(message, line, sizeof(line));
	const struct advice *advice =
		find_advice(sqlstate, PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME));
	if (advice != NULL) {
		err_set(err, "%s (%s)", advice->sentence, line);
	} else if (strcmp(sqlstate, "42501") == 0) {
		err_set(err,
			"the database user \"%s\" may not do that: %s; use a member of the role "
			"%s in %s of %s",
			PQuser(database->link), line, roles[database->role].role,
			roles[database->role].setting, database->conf_path);
	} else if (strcmp(sqlstate, "P0002") == 0 || strcmp(sqlstate, "22023") == 0) {
		err_set(err, "%s", line);
	} else {
		err_set(err,
			"the database refused: %s (SQLSTATE %s); its log may say more, and nothing "
			"was changed",
			line, sqlstate);
	}
}

static void on_notice(void *ctx, const char *message)
{
	char line[360];
	(void)ctx;
	fprintf(stderr, "intakectl: the database says: %s\n",
		connection_join_lines(message, line, sizeof(line)));
}

/*
 * The connection string alone says which database it is, as for the daemon: what a shell happens
 * to have exported must not enrol a partner elsewhere. What proves who the operator is stays.
 */
static bool forget_libpq_environment(void)
{
	PQconninfoOption *options = PQconninfoParse("", NULL);
	for (const PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++) {
		if (o->envvar != NULL && strcmp(o->keyword, "password") != 0 &&
			strcmp(o->keyword, "passfile") != 0) {
			unsetenv(o->envvar);
		}
	}
	PQconninfoFree(options);
	return options != NULL;
}

static PGconn *connect_database(const char *connection, int timeout_s)
{
	char timeout[16];
	snprintf(timeout, sizeof(timeout), "%d", timeout_s);
	/* What stands behind dbname has the last word, what stands before it does not. */
	const char *const names[] = {
		"connect_timeout", "fallback_application_name", "dbname", "client_encoding", NULL};
	const char *const values[] = {timeout, "intakectl", connection, "UTF8", NULL};
	return PQconnectdbParams(names, values, 1);
}

bool database_open(struct database *database, enum database_role role,
	const struct request *request, struct err *err)
{
	char place[320];
	const struct conf *conf = request->conf;
	const char *connection = role == DATABASE_OWNER ? conf->database_owner_connection
							: conf->database_operator_connection;
	*database = (struct database){.role = role, .conf_path = request->conf_path};
	snprintf(place, sizeof(place), "%s in %s", roles[role].setting, request->conf_path);
	if (!forget_libpq_environment()) {
		return err_set(err, "there is no memory left");
	}
	database->link = connect_database(
		connection, (int)((conf->database_connect_timeout_ms + 999) / 1000));
	if (PQstatus(database->link) != CONNECTION_OK) {
		return connection_explain(database->link, place, err);
	}
	PQsetNoticeProcessor(database->link, on_notice, NULL);
	/* What others may create in a schema such as public must not run with these rights. */
	return database_run(database, "SET search_path = pg_catalog", NULL, 0, err) &&
		database_run(database, SESSION_SQL, NULL, 0, err);
}

void database_close(struct database *database)
{
	PQfinish(database->link);
	database->link = NULL;
}

PGresult *database_query(struct database *database, const char *sql, const char *const *parameters,
	int parameter_count, struct err *err)
{
	PGresult *result =
		PQexecParams(database->link, sql, parameter_count, NULL, parameters, NULL, NULL, 0);
	ExecStatusType status = PQresultStatus(result);
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
		return result;
	}
	database_explain(database, result, err);
	PQclear(result);
	return NULL;
}

bool database_run(struct database *database, const char *sql, const char *const *parameters,
	int parameter_count, struct err *err)
{
	PGresult *done = database_query(database, sql, parameters, parameter_count, err);
	PQclear(done);
	return done != NULL;
}

enum outcome database_act(const struct request *request, database_action *action)
{
	struct err err;
	struct database database;
	bool is_done = database_open(&database, DATABASE_OPERATOR, request, &err) &&
		action(&database, request, &err);
	database_close(&database);
	return is_done ? OUTCOME_DONE : outcome_failed("%s", err.text);
}

bool database_print(struct database *database, const struct request *request, const char *sql,
	const char *json_sql, struct err *err)
{
	PGresult *rows = database_query(database, request->is_json ? json_sql : sql, NULL, 0, err);
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
