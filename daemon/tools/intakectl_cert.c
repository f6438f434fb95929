// SPDX-License-Identifier: Apache-2.0
/*
 * The commands for partners' keys.
 */
#include "intakectl_key_int.h"

#include <string.h>

#define KEYS "(SELECT * FROM intake.keys($1) JOIN intake.key_expiries() USING (spki_sha256)) AS k"

/* Keys that are in force and whose certificate is known to expire so soon. */
#define EXPIRING                                             \
	" WHERE ($2::int IS NULL OR (revoked_at IS NULL AND" \
	" expires_at < now() + $2::int * interval '1 day'))"

#define KEY_JSON                                                            \
	"(SELECT partner, encode(spki_sha256, 'hex') AS spki_sha256, note," \
	" added_at, expires_at, revoked_at FROM " KEYS

static const char list_sql[] =
	"SELECT partner, encode(spki_sha256, 'hex') AS spki_sha256,"
	" added_at::timestamptz(0) AS added, expires_at::timestamptz(0) AS expires,"
	" CASE WHEN revoked_at IS NOT NULL THEN ''"
	" WHEN expires_at <= now() THEN 'expired'"
	" ELSE floor(extract(epoch FROM expires_at - now()) / 86400)::text || ' d' END AS left,"
	" revoked_at::timestamptz(0) AS revoked, note FROM " KEYS EXPIRING
	" ORDER BY CASE WHEN $2::int IS NOT NULL THEN expires_at END, partner, added_at";
static const char list_json_sql[] =
	"SELECT coalesce(json_agg(row_to_json(j)), '[]') FROM " KEY_JSON EXPIRING
	" ORDER BY CASE WHEN $2::int IS NOT NULL THEN expires_at END, partner, added_at) AS j";
static const char show_json_sql[] =
	"SELECT row_to_json(j) FROM " KEY_JSON ") AS j WHERE j.spki_sha256 = $2";

static const char expiry_sql[] =
	"SELECT expires_at::timestamptz(0) FROM " KEYS " WHERE encode(spki_sha256, 'hex') = $2";

static bool key_from_request(
	const struct request *request, const char *hex, struct key *key_out, struct err *err)
{
	if (request->certificate != NULL) {
		return key_from_file(request->certificate, key_out, err);
	}
	return key_from_hex(hex, key_out, err);
}

static bool print_key(struct database *database, const struct key *key, struct err *err)
{
	const char *parameters[] = {NULL, key->hex};
	PGresult *rows = database_query(database, show_json_sql, parameters, 2, err);
	if (rows != NULL && PQntuples(rows) == 1) {
		puts(PQgetvalue(rows, 0, 0));
	}
	PQclear(rows);
	return rows != NULL;
}

/* What is kept, which may be later than what was said now. */
static bool print_known_key(
	struct database *database, const char *partner, const struct key *key, struct err *err)
{
	const char *parameters[] = {NULL, key->hex};
	PGresult *rows = database_query(database, expiry_sql, parameters, 2, err);
	if (rows != NULL) {
		printf("key %s was enrolled for partner %s already: its certificate expires at "
		       "%s\n",
			key->hex, partner, PQgetvalue(rows, 0, 0));
	}
	PQclear(rows);
	return rows != NULL;
}

static bool add_key(struct database *database, const struct request *request, const struct key *key,
	struct err *err)
{
	const char *note = request->note != NULL ? request->note : key->subject;
	const char *expires_at = key->expires_at[0] != '\0' ? key->expires_at : request->expires;
	bool is_new = false;
	if (!key_enrol(database, request->argument, key, note, expires_at, &is_new, err)) {
		return false;
	}
	if (request->is_json) {
		return print_key(database, key, err);
	}
	if (is_new) {
		printf("key %s is enrolled for partner %s: only enrolled keys are taken of it "
		       "now\n",
			key->hex, request->argument);
	} else {
		return print_known_key(database, request->argument, key, err);
	}
	return true;
}

static bool revoke_key(struct database *database, const struct request *request,
	const struct key *key, struct err *err)
{
	const char *parameters[] = {key->hex};
	if (!database_run(
		    database, "SELECT intake.key_revoke(decode($1, 'hex'))", parameters, 1, err)) {
		return false;
	}
	if (request->is_json) {
		return print_key(database, key, err);
	}
	printf("key %s is revoked: within 5 seconds it is refused, for ever\n", key->hex);
	return true;
}

enum outcome cert_command_add(const struct request *request)
{
	struct err err;
	struct key key;
	struct database database = {.link = NULL};
	bool is_done = key_from_request(request, request->spki, &key, &err) &&
		database_open(&database, DATABASE_OPERATOR, request, &err) &&
		add_key(&database, request, &key, &err);
	database_close(&database);
	return is_done ? OUTCOME_DONE : outcome_failed("%s", err.text);
}

enum outcome cert_command_revoke(const struct request *request)
{
	struct err err;
	struct key key;
	struct database database = {.link = NULL};
	bool is_done = key_from_request(request, request->argument, &key, &err) &&
		database_open(&database, DATABASE_OPERATOR, request, &err) &&
		revoke_key(&database, request, &key, &err);
	database_close(&database);
	return is_done ? OUTCOME_DONE : outcome_failed("%s", err.text);
}

/* Prints the rows; whether there were any. */
static bool print_list(const PGresult *rows, bool is_json)
{
	if (!is_json) {
		table_print(rows);
		return PQntuples(rows) > 0;
	}
	puts(PQgetvalue(rows, 0, 0));
	return strcmp(PQgetvalue(rows, 0, 0), "[]") != 0;
}

enum outcome cert_command_list(const struct request *request)
{
	struct err err;
	struct database database;
	char days[16];
	PGresult *rows = NULL;
	snprintf(days, sizeof(days), "%d", request->expiring_days);
	const char *parameters[] = {request->argument, request->expiring_days == 0 ? NULL : days};
	if (database_open(&database, DATABASE_OPERATOR, request, &err)) {
		rows = database_query(&database, request->is_json ? list_json_sql : list_sql,
			parameters, 2, &err);
	}
	bool is_done = rows != NULL;
	bool has_rows = is_done && print_list(rows, request->is_json);
	PQclear(rows);
	database_close(&database);
	if (!is_done) {
		return outcome_failed("%s", err.text);
	}
	return has_rows && request->expiring_days > 0 ? OUTCOME_ATTENTION : OUTCOME_DONE;
}
