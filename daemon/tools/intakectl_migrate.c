// SPDX-License-Identifier: Apache-2.0
/*
 * The schema of the database. Each file of sql/ opens and commits a transaction of its own and
 * records itself in it, so a failure leaves the files before it applied and nothing of itself. A
 * lock keeps two of these programs from migrating one database at a time.
 */
#include "intakectl_int.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What the database has had; applied is NULL when it has no record yet. */
struct schema_state {
	PGresult *applied;
};

enum { COLUMN_VERSION, COLUMN_APPLIED, COLUMN_NAME, COLUMN_APPLIED_JSON };

static const char *applied_value(const struct schema_state *state, int version, int column)
{
	int rows = state->applied == NULL ? 0 : PQntuples(state->applied);
	for (int row = 0; row < rows; row++) {
		if (strtol(PQgetvalue(state->applied, row, COLUMN_VERSION), NULL, 10) == version) {
			return PQgetvalue(state->applied, row, column);
		}
	}
	return NULL;
}

static const char *applied_at(const struct schema_state *state, int version)
{
	return applied_value(state, version, COLUMN_APPLIED);
}

static void schema_state_clear(struct schema_state *state)
{
	PQclear(state->applied);
	state->applied = NULL;
}

static bool schema_state_read(
	struct schema_state *state, struct database *database, struct err *err)
{
	schema_state_clear(state);
	PGresult *found = database_query(
		database, "SELECT to_regclass('intake.migration') IS NOT NULL", NULL, 0, err);
	if (found == NULL) {
		return false;
	}
	bool is_there = strcmp(PQgetvalue(found, 0, 0), "t") == 0;
	PQclear(found);
	if (!is_there) {
		return true;
	}
	state->applied = database_query(database,
		"SELECT version, applied_at::timestamptz(0), name, to_json(applied_at) #>> '{}'"
		" FROM intake.migration ORDER BY version",
		NULL, 0, err);
	return state->applied != NULL;
}

/* A database that is ahead of the program must not be touched by it. */
static bool schema_is_known(const struct schema_state *state, struct err *err)
{
	int rows = state->applied == NULL ? 0 : PQntuples(state->applied);
	int newest = migrations[migration_count - 1].version;
	if (rows == 0 ||
		strtol(PQgetvalue(state->applied, rows - 1, COLUMN_VERSION), NULL, 10) <= newest) {
		return true;
	}
	return err_set(err,
		"the database has migration %s, this program knows them up to %d; use an intakectl "
		"that is as new as the database",
		PQgetvalue(state->applied, rows - 1, COLUMN_NAME), newest);
}

/* The line of the file at which the database stumbled; 0 when it does not say. */
static int fault_line(const PGresult *result, const char *sql)
{
	const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
	long characters = position == NULL ? 0 : strtol(position, NULL, 10);
	int line = characters > 0;
	for (; characters > 1 && *sql != '\0'; sql++) {
		line += *sql == '\n';
		characters -= ((unsigned char)sql[1] & 0xc0) != 0x80;
	}
	return line;
}

/* The first file makes the roles that others ask for. */
static void explain_fault(const struct database *database, const struct migration *migration,
	const PGresult *result, struct err *err)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	database_explain(database, result, err);
	if (migration == migrations && sqlstate != NULL && strcmp(sqlstate, "42501") == 0) {
		err_set(err,
			"the database user \"%s\" may not do that: %s; the first migration makes "
			"roles and schemas, for which it takes a superuser such as postgres, or "
			"the "
			"owner of the database with CREATEROLE",
			PQuser(database->link),
			PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
	}
}

static bool apply_file(
	struct database *database, const struct migration *migration, struct err *err)
{
	char place[32] = "";
	PGresult *result = PQexec(database->link, migration->sql);
	if (PQresultStatus(result) == PGRES_COMMAND_OK ||
		PQresultStatus(result) == PGRES_TUPLES_OK) {
		PQclear(result);
		return true;
	}
	int line = fault_line(result, migration->sql);
	if (line > 0) {
		snprintf(place, sizeof(place), ", line %d", line);
	}
	explain_fault(database, migration, result, err);
	err_prefix(err, "%s.sql%s was not applied", migration->name, place);
	PQclear(result);
	PQclear(PQexec(database->link, "ROLLBACK"));
	return false;
}

static bool apply_pending(struct database *database, const struct request *request,
	struct schema_state *state, json_t *applied, struct err *err)
{
	for (size_t i = 0; i < migration_count; i++) {
		const struct migration *migration = &migrations[i];
		if (applied_at(state, migration->version) != NULL) {
			continue;
		}
		if (!apply_file(database, migration, err) ||
			!schema_state_read(state, database, err)) {
			return false;
		}
		if (applied_at(state, migration->version) == NULL) {
			return err_set(err, "%s.sql ran but did not record itself; report this",
				migration->name);
		}
		json_array_append_new(applied, json_string(migration->name));
		if (!request->is_json) {
			printf("%s applied\n", migration->name);
			fflush(stdout);
		}
	}
	return true;
}

static void print_applied(const struct request *request, const json_t *applied)
{
	if (request->is_json) {
		json_dumpf(applied, stdout, JSON_COMPACT);
		putchar('\n');
	} else if (json_array_size(applied) == 0) {
		printf("nothing to apply: the schema is at %s\n",
			migrations[migration_count - 1].name);
	}
}

#define LOCK "hashtext('intaked migrations')"

/* Its holder is as a rule another of these programs, but any user of the database can have it. */
static void say_who_is_waited_for(struct database *database)
{
	struct err ignored;
	PGresult *holder = database_query(database,
		"SELECT l.pid, coalesce(a.usename, '?') FROM pg_locks AS l"
		" LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid"
		" WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
		" AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
		" AND (l.classid::bigint << 32 | l.objid::bigint) = " LOCK,
		NULL, 0, &ignored);
	if (holder != NULL && PQntuples(holder) > 0) {
		outcome_failed("waiting for the lock of migrations, which the session with pid %s "
			       "of user \"%s\" has; another \"intakectl db migrate\" is under way, "
			       "or pg_terminate_backend(%s) ends what it is",
			PQgetvalue(holder, 0, 0), PQgetvalue(holder, 0, 1),
			PQgetvalue(holder, 0, 0));
	}
	PQclear(holder);
}

static bool try_lock(struct database *database, bool *has_lock_out, struct err *err)
{
	PGresult *done =
		database_query(database, "SELECT pg_try_advisory_lock(" LOCK ")", NULL, 0, err);
	*has_lock_out = done != NULL && PQgetvalue(done, 0, 0)[0] == 't';
	PQclear(done);
	return done != NULL;
}

/* Waits as long as it takes, and after a second says for whom. */
static bool lock_migrations(struct database *database, struct err *err)
{
	static const struct timespec pause = {0, 100000000};
	bool has_lock = false;
	for (int tries = 0; tries < 10 && !has_lock; tries++) {
		if (!try_lock(database, &has_lock, err)) {
			return false;
		}
		if (!has_lock) {
			nanosleep(&pause, NULL);
		}
	}
	if (has_lock) {
		return true;
	}
	say_who_is_waited_for(database);
	return database_run(database, "SELECT pg_advisory_lock(" LOCK ")", NULL, 0, err);
}

enum outcome migrate_command_apply(const struct request *request)
{
	struct err err;
	struct database database;
	struct schema_state state = {.applied = NULL};
	json_t *applied = json_array();
	bool is_done = database_open(&database, DATABASE_OWNER, request, &err) &&
		lock_migrations(&database, &err) && schema_state_read(&state, &database, &err) &&
		schema_is_known(&state, &err) &&
		apply_pending(&database, request, &state, applied, &err);
	if (is_done) {
		print_applied(request, applied);
	}
	json_decref(applied);
	schema_state_clear(&state);
	database_close(&database);
	return is_done ? OUTCOME_DONE : outcome_failed("%s", err.text);
}

static void print_state(const struct schema_state *state)
{
	for (size_t i = 0; i < migration_count; i++) {
		const char *at = applied_at(state, migrations[i].version);
		table_print_cell(stdout, migrations[i].name, 24);
		printf("%s%s\n", at == NULL ? "pending" : "applied ", at == NULL ? "" : at);
	}
}

static void print_state_json(const struct schema_state *state)
{
	json_t *rows = json_array();
	for (size_t i = 0; i < migration_count; i++) {
		const char *at = applied_value(state, migrations[i].version, COLUMN_APPLIED_JSON);
		json_array_append_new(rows,
			json_pack("{s:i,s:s,s:s?}", "version", migrations[i].version, "name",
				migrations[i].name, "applied_at", at));
	}
	json_dumpf(rows, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(rows);
}

static size_t count_pending(const struct schema_state *state)
{
	size_t pending = 0;
	for (size_t i = 0; i < migration_count; i++) {
		pending += applied_at(state, migrations[i].version) == NULL;
	}
	return pending;
}

enum outcome migrate_command_status(const struct request *request)
{
	struct err err;
	struct database database;
	struct schema_state state = {.applied = NULL};
	bool is_done = database_open(&database, DATABASE_OWNER, request, &err) &&
		schema_state_read(&state, &database, &err);
	if (is_done) {
		if (request->is_json) {
			print_state_json(&state);
		} else {
			print_state(&state);
		}
		is_done = schema_is_known(&state, &err);
	}
	size_t pending = count_pending(&state);
	schema_state_clear(&state);
	database_close(&database);
	if (is_done && pending > 0) {
		is_done = err_set(
			&err, "%zu migrations are pending; run \"intakectl db migrate\"", pending);
	}
	return is_done ? OUTCOME_DONE : outcome_failed("%s", err.text);
}
