// SPDX-License-Identifier: Apache-2.0
/*
 * The schema of the database. Each file of sql/ opens and commits a transaction of its own and
 * records itself in it, so a failure leaves the files before it applied and nothing of itself. A
 * lock keeps two of these programs from migrating one database at a time.
 *
 * The digest of a file is noted after it, so what is noted is what was applied. Where another one
 * is, or none, the database may have what an earlier form of the file made of it: that file is
 * applied again, and those after it, since they replace what it defines.
 */
#include "intakectl_int.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOCK_NOT_AVAILABLE "55P03"
#define DEADLOCK_DETECTED "40P01"
/*
 * Who waits for a lock holds up whoever wants one after it, reports among them. So it is given up
 * before a daemon answers 503, also where several are waited for one after another, and before
 * anybody else becomes the victim of a deadlock (deadlock_timeout, by default 1 s); and tried
 * again.
 */
#define LOCK_WAIT "500ms"

/* What the database has had; applied is NULL when it has no record yet. */
struct schema_state {
	PGresult *applied;
};

enum { COLUMN_VERSION, COLUMN_APPLIED, COLUMN_NAME, COLUMN_APPLIED_JSON, COLUMN_SHA256 };

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

static bool is_pending(const struct schema_state *state, const struct migration *migration)
{
	return applied_at(state, migration->version) == NULL;
}

/* It was applied, but who knows in which form. */
static bool is_other(const struct schema_state *state, const struct migration *migration)
{
	const char *sha256 = applied_value(state, migration->version, COLUMN_SHA256);
	return sha256 != NULL && strcmp(sha256, migration->sha256) != 0;
}

static size_t count_of(const struct schema_state *state,
	bool (*is_so)(const struct schema_state *, const struct migration *))
{
	size_t count = 0;
	for (size_t i = 0; i < migration_count; i++) {
		count += is_so(state, &migrations[i]);
	}
	return count;
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
		"SELECT version, applied_at::timestamptz(0), name, to_json(applied_at) #>> '{}',"
		/* An earlier form of the table has no digests. */
		" coalesce(substr(to_jsonb(m) ->> 'sha256', 3), '')"
		" FROM intake.migration AS m ORDER BY version",
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

/* For which other commands are told to run this one. */
static bool is_something_missing(const char *sqlstate)
{
	return strcmp(sqlstate, "3F000") == 0 || strcmp(sqlstate, "42P01") == 0 ||
		strcmp(sqlstate, "42883") == 0;
}

/* The first file makes the roles that others ask for. */
static void explain_fault(const struct database *database, const struct migration *migration,
	const PGresult *result, struct err *err)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	database_explain(database, result, err);
	if (sqlstate != NULL && is_something_missing(sqlstate)) {
		err_set(err, "the database refused: %s (SQLSTATE %s)",
			PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY), sqlstate);
	}
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

/* Locked out when somebody has a lock that it needs; like whatever fails, nothing of it is done. */
static bool apply_sql(struct database *database, const struct migration *migration, const char *sql,
	bool *is_locked_out, struct err *err)
{
	char place[32] = "";
	PGresult *result = PQexec(database->link, sql);
	if (PQresultStatus(result) == PGRES_COMMAND_OK ||
		PQresultStatus(result) == PGRES_TUPLES_OK) {
		PQclear(result);
		return true;
	}
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	*is_locked_out = sqlstate != NULL &&
		(strcmp(sqlstate, LOCK_NOT_AVAILABLE) == 0 ||
			strcmp(sqlstate, DEADLOCK_DETECTED) == 0);
	int line = fault_line(result, sql);
	if (line > 0) {
		snprintf(place, sizeof(place), ", line %d", line);
	}
	explain_fault(database, migration, result, err);
	err_prefix(err, "%s.sql%s was not applied", migration->name, place);
	PQclear(result);
	PQclear(PQexec(database->link, "ROLLBACK"));
	return false;
}

static bool note_digest(
	struct database *database, const struct migration *migration, struct err *err)
{
	char version[16];
	const char *parameters[] = {version, migration->sha256};
	snprintf(version, sizeof(version), "%d", migration->version);
	PGresult *done = database_query(database,
		"UPDATE intake.migration SET sha256 = decode($2, 'hex') WHERE version = $1",
		parameters, 2, err);
	bool is_noted = done != NULL &&
		(strcmp(PQcmdTuples(done), "1") == 0 ||
			err_set(err, "%s.sql ran but did not record itself; report this",
				migration->name));
	PQclear(done);
	return is_noted;
}

/* The file without its transaction, every line where it was; NULL without memory. */
static char *without_transaction(const char *sql)
{
	static const char begin[] = "\nBEGIN;";
	static const char commit[] = "\nCOMMIT;\n";
	char *copy = strdup(sql);
	if (copy == NULL) {
		return NULL;
	}
	char *first = strstr(copy, begin);
	char *last = copy + strlen(copy) - strlen(commit);
	ENSURE(first != NULL && strcmp(last, commit) == 0);
	memset(first + 1, ' ', strlen(begin) - 1);
	memset(last + 1, ' ', strlen(commit) - 2);
	return copy;
}

static bool apply_within(struct database *database, const struct migration *migration,
	bool *is_locked_out, struct err *err)
{
	char *sql = without_transaction(migration->sql);
	bool is_done = sql != NULL ? apply_sql(database, migration, sql, is_locked_out, err)
				   : err_set(err, "there is no memory left");
	free(sql);
	return is_done && note_digest(database, migration, err);
}

static bool apply_together(
	struct database *database, size_t first, bool *is_locked_out, struct err *err)
{
	bool is_done = database_run(database, "BEGIN", NULL, 0, err);
	for (size_t i = first; is_done && i < migration_count; i++) {
		is_done = apply_within(database, &migrations[i], is_locked_out, err);
	}
	return is_done && database_run(database, "COMMIT", NULL, 0, err);
}

static bool apply_alone(struct database *database, const struct migration *migration,
	bool *is_locked_out, struct err *err)
{
	return apply_sql(database, migration, migration->sql, is_locked_out, err) &&
		note_digest(database, migration, err);
}

static void note_applied(
	const struct request *request, const struct migration *migration, json_t *applied)
{
	json_array_append_new(applied, json_string(migration->name));
	if (!request->is_json) {
		printf("%s applied\n", migration->name);
		fflush(stdout);
	}
}

/* The first that the database has not, or not as it is here. */
static size_t first_to_apply(const struct schema_state *state)
{
	size_t i = 0;
	while (i < migration_count && !is_pending(state, &migrations[i]) &&
		!is_other(state, &migrations[i])) {
		i++;
	}
	return i;
}

static bool any_is_applied(const struct schema_state *state, size_t from)
{
	for (size_t i = from; i < migration_count; i++) {
		if (!is_pending(state, &migrations[i])) {
			return true;
		}
	}
	return false;
}

/* A question that takes long, or a session that was left open. Not every user is shown it. */
static void say_who_is_in_the_way(struct database *database)
{
	struct err ignored;
	PGresult *oldest = database_query(database,
		"SELECT a.pid, coalesce(a.usename, '?') FROM pg_stat_activity AS a"
		" WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()"
		" AND a.xact_start IS NOT NULL ORDER BY a.xact_start LIMIT 1",
		NULL, 0, &ignored);
	if (oldest != NULL && PQntuples(oldest) > 0) {
		outcome_failed("waiting for a transaction to end that uses what is to be changed; "
			       "the oldest is that of the session with pid %s of user \"%s\", "
			       "which pg_terminate_backend(%s) ends",
			PQgetvalue(oldest, 0, 0), PQgetvalue(oldest, 0, 1),
			PQgetvalue(oldest, 0, 0));
	} else {
		outcome_failed("waiting for a transaction to end that uses what is to be changed; "
			       "a superuser finds it in pg_stat_activity");
	}
	PQclear(oldest);
}

static void wait_for_lock(struct database *database, bool *has_said)
{
	static const struct timespec pause = {1, 0};
	if (!*has_said) {
		say_who_is_in_the_way(database);
	}
	*has_said = true;
	nanosleep(&pause, NULL);
}

static bool apply_what_differs(struct database *database, const struct request *request,
	const struct schema_state *state, json_t *applied, struct err *err)
{
	size_t next = first_to_apply(state);
	bool is_again = any_is_applied(state, next);
	bool has_said = false;
	bool is_good = database_run(database, "SET lock_timeout = '" LOCK_WAIT "'", NULL, 0, err);
	while (is_good && next < migration_count) {
		bool is_locked_out = false;
		size_t end = is_again ? migration_count : next + 1;
		is_good = is_again ? apply_together(database, next, &is_locked_out, err)
				   : apply_alone(database, &migrations[next], &is_locked_out, err);
		for (; is_good && next < end; next++) {
			note_applied(request, &migrations[next], applied);
		}
		if (is_locked_out) {
			wait_for_lock(database, &has_said);
			is_good = true;
		}
	}
	return is_good;
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
		apply_what_differs(&database, request, &state, applied, &err);
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
		printf("%s%s%s\n", at == NULL ? "pending" : "applied ", at == NULL ? "" : at,
			is_other(state, &migrations[i]) ? " in another form" : "");
	}
}

static void print_state_json(const struct schema_state *state)
{
	json_t *rows = json_array();
	for (size_t i = 0; i < migration_count; i++) {
		const char *at = applied_value(state, migrations[i].version, COLUMN_APPLIED_JSON);
		json_array_append_new(rows,
			json_pack("{s:i,s:s,s:s?,s:b}", "version", migrations[i].version, "name",
				migrations[i].name, "applied_at", at, "is_other_form",
				is_other(state, &migrations[i])));
	}
	json_dumpf(rows, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(rows);
}

static bool schema_is_current(const struct schema_state *state, struct err *err)
{
	size_t pending = count_of(state, is_pending);
	size_t other = count_of(state, is_other);
	if (pending > 0) {
		return err_set(
			err, "%zu migrations are pending; run \"intakectl db migrate\"", pending);
	}
	if (other > 0) {
		return err_set(err,
			"%zu migrations were applied in another form than this program has, or "
			"not by intakectl; run \"intakectl db migrate\"",
			other);
	}
	return true;
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
		is_done = schema_is_known(&state, &err) && schema_is_current(&state, &err);
	}
	schema_state_clear(&state);
	database_close(&database);
	return is_done ? OUTCOME_DONE : outcome_failed("%s", err.text);
}
