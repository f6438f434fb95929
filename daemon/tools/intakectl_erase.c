// SPDX-License-Identifier: Apache-2.0
/*
 * Erasure on request. First the keys of what is meant are found and shown, then somebody agrees. A
 * report is erased as a whole: a revision that comes while the question waits goes with it, for it
 * says what was to be forgotten. Of a person, and of one revision, what was shown is what is
 * erased. Content never leaves the database.
 */
#include "intakectl_report_key_int.h"

#include "base/buf.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Revisions in a transaction. */
#define CHUNK 200
#define KEYS_MAX_BYTES ((size_t)64 << 20)

/* Both kinds of search give the same columns. */
#define KEY_COLUMNS                                            \
	"id, partner || '/' || own_id AS report, revision,"    \
	" CASE WHEN test THEN 'test' ELSE 'live' END AS mode," \
	" received_at::timestamptz(0) AS received,"
enum { COLUMN_ID, COLUMN_REPORT, COLUMN_REVISION, COLUMN_MODE, COLUMN_RECEIVED, COLUMN_STATE };

static const char report_sql[] =
	"SELECT " KEY_COLUMNS
	" CASE WHEN leaves_open AND hold IS NULL AND $5::int IS NULL THEN 'erased, open'"
	" WHEN erased_at IS NOT NULL THEN 'erased before'"
	" WHEN hold IS NOT NULL THEN 'hold ' || hold ELSE 'stored' END AS state"
	" FROM intake.revisions_of($1, $2, $3, $4) WHERE $5::int IS NULL OR revision = $5::int";
static const char person_sql[] =
	"SELECT " KEY_COLUMNS
	" CASE WHEN hold IS NOT NULL THEN 'hold ' || hold ELSE 'stored' END AS state,"
	" array_to_string(found_in, ' ') AS found_in"
	" FROM intake.find_person($1, $2, $3)";

static PGresult *find_one(
	struct database *database, const struct request *request, const char *text, struct err *err)
{
	struct report_key key;
	char revision[16];
	if (!report_key_read(&key, text, NULL, err)) {
		return NULL;
	}
	snprintf(revision, sizeof(revision), "%d", request->revision);
	const char *parameters[] = {key.id, key.id == NULL ? key.partner : NULL, key.report_id,
		request->is_test ? "t" : "f", request->revision != 0 ? revision : NULL};
	PGresult *rows = database_query(database, report_sql, parameters, 5, err);
	if (rows != NULL && PQntuples(rows) == 0) {
		err_set(err, "there is no report %s%s%s%s", text,
			request->revision != 0 ? " of revision " : "",
			request->revision != 0 ? revision : "",
			request->is_test ? " among the tests" : "");
		PQclear(rows);
		return NULL;
	}
	return rows;
}

/* Appends the rows of more; false without memory. */
static bool add_rows(PGresult *rows, const PGresult *more)
{
	int row_count = PQntuples(rows);
	for (int row = 0; row < PQntuples(more); row++) {
		for (int column = 0; column < PQnfields(more); column++) {
			if (!PQsetvalue(rows, row_count + row, column,
				    PQgetvalue(more, row, column),
				    PQgetlength(more, row, column))) {
				return false;
			}
		}
	}
	return true;
}

/* The keys of everything that is meant, for PQclear. */
static PGresult *find_keys(
	struct database *database, const struct request *request, struct err *err)
{
	if (request->person != NULL) {
		const char *parameters[] = {request->person, request->asked_by, request->reason};
		return database_query(database, person_sql, parameters, 3, err);
	}
	PGresult *found = NULL;
	for (size_t i = 0; i < request->reports.count; i++) {
		PGresult *rows = find_one(database, request, request->reports.items[i], err);
		if (rows == NULL) {
			PQclear(found);
			return NULL;
		}
		if (found == NULL) {
			found = rows;
			continue;
		}
		bool is_added = add_rows(found, rows);
		PQclear(rows);
		if (!is_added) {
			err_set(err, "there is no memory left");
			PQclear(found);
			return NULL;
		}
	}
	return found;
}

static const char state_stored[] = "stored";
static const char state_held[] = "hold ";
/* The newest of a report that is meant as a whole: erased alone, so that newer ones are taken. */
static const char state_open[] = "erased, open";

static bool is_in_state(const PGresult *keys, int row, const char *state)
{
	return strncmp(PQgetvalue(keys, row, COLUMN_STATE), state, strlen(state)) == 0;
}

/* Of a report all revisions are, and they come one after the other. */
static int count_held(const PGresult *keys)
{
	int count = 0;
	for (int row = 0; row < PQntuples(keys); row++) {
		bool is_same = row > 0 && is_in_state(keys, row - 1, state_held) &&
			strcmp(PQgetvalue(keys, row, COLUMN_REPORT),
				PQgetvalue(keys, row - 1, COLUMN_REPORT)) == 0 &&
			strcmp(PQgetvalue(keys, row, COLUMN_MODE),
				PQgetvalue(keys, row - 1, COLUMN_MODE)) == 0;
		count += is_in_state(keys, row, state_held) && !is_same;
	}
	return count;
}

static int count_in_state(const PGresult *keys, const char *state)
{
	int count = 0;
	for (int row = 0; row < PQntuples(keys); row++) {
		count += is_in_state(keys, row, state);
	}
	return count;
}

/* --- the question --- */

static void ask(int revisions, int open)
{
	if (revisions > 0) {
		fprintf(stderr,
			"Erase %d revisions? Nobody can bring them back. Type yes to erase them: ",
			revisions);
	} else {
		fprintf(stderr,
			"Close %d reports? No revision of them is taken any more. Type yes to "
			"close them: ",
			open);
	}
}

static bool is_agreed(const struct request *request, int revisions, int open, struct err *err)
{
	char answer[8];
	if (request->is_agreed) {
		return true;
	}
	if (isatty(STDIN_FILENO) != 1) {
		return err_set(err,
			"nothing was erased: a person has to agree at a terminal, or --yes to be "
			"said");
	}
	ask(revisions, open);
	if (fgets(answer, sizeof(answer), stdin) == NULL || strcmp(answer, "yes\n") != 0) {
		return err_set(err, "nothing was erased");
	}
	return true;
}

/* --- the deed --- */

struct deed {
	char erasure[24];
	long long reports;
	long long revisions;
	long long indicators;
	long long held;
	long long closed;
};

static bool erase_chunk(struct database *database, const struct request *request, const char *ids,
	struct deed *deed, struct err *err)
{
	bool is_whole = request->person == NULL && request->revision == 0;
	const char *parameters[] = {ids, is_whole ? "t" : "f",
		request->person != NULL ? "person" : "report", request->asked_by, request->reason,
		deed->erasure[0] != '\0' ? deed->erasure : NULL};
	PGresult *rows = database_query(database,
		"SELECT erasure, erased_reports, erased_revisions, erased_indicators, held_reports,"
		" closed_reports FROM intake.erase($1::uuid[], $2, $3, $4, $5, $6)",
		parameters, 6, err);
	if (rows == NULL) {
		return false;
	}
	snprintf(deed->erasure, sizeof(deed->erasure), "%s", PQgetvalue(rows, 0, 0));
	deed->reports += strtoll(PQgetvalue(rows, 0, 1), NULL, 10);
	deed->revisions += strtoll(PQgetvalue(rows, 0, 2), NULL, 10);
	deed->indicators += strtoll(PQgetvalue(rows, 0, 3), NULL, 10);
	deed->held += strtoll(PQgetvalue(rows, 0, 4), NULL, 10);
	deed->closed += strtoll(PQgetvalue(rows, 0, 5), NULL, 10);
	PQclear(rows);
	return true;
}

/* The next ids as an array literal; where the ones after them begin. */
static int next_ids(struct buf *ids, const PGresult *keys, int row, bool *done_out)
{
	int count = 0;
	buf_clear(ids);
	*done_out = buf_append_str(ids, STR("{"));
	for (; row < PQntuples(keys) && count < CHUNK; row++) {
		if (is_in_state(keys, row, state_stored) || is_in_state(keys, row, state_open)) {
			*done_out = *done_out &&
				buf_printf(ids, "%s%s", count == 0 ? "" : ",",
					PQgetvalue(keys, row, COLUMN_ID));
			count++;
		}
	}
	*done_out = *done_out && buf_append(ids, "}", 2);
	return row;
}

static bool erase_all(struct database *database, const struct request *request,
	const PGresult *keys, struct deed *deed, struct err *err)
{
	struct buf ids;
	bool is_good = true;
	buf_init(&ids, KEYS_MAX_BYTES);
	for (int row = 0; is_good && row < PQntuples(keys);) {
		bool has_memory = false;
		row = next_ids(&ids, keys, row, &has_memory);
		is_good = (has_memory || err_set(err, "there is no memory left")) &&
			erase_chunk(database, request, ids.data, deed, err);
	}
	buf_fini(&ids);
	if (!is_good && deed->revisions > 0) {
		err_prefix(err, "%lld revisions were erased before this", deed->revisions);
	}
	return is_good;
}

/* --- what is said --- */

/* "2026-11-09 06:05:12+00", as every session has it, in RFC 3339. */
static json_t *time_json(const char *text)
{
	size_t len = strcspn(text, " ");
	return text[len] == '\0' ? json_string(text)
				 : json_sprintf("%.*sT%s:00", (int)len, text, text + len + 1);
}

static json_t *value_json(const PGresult *keys, int row, int column)
{
	const char *text = PQgetvalue(keys, row, column);
	switch (column) {
	case COLUMN_REVISION:
		return json_integer(strtoll(text, NULL, 10));
	case COLUMN_RECEIVED:
		return time_json(text);
	default:
		return json_string(text);
	}
}

static json_t *keys_json(const PGresult *keys)
{
	json_t *list = json_array();
	for (int row = 0; row < PQntuples(keys); row++) {
		json_t *key = json_object();
		for (int column = 0; column < PQnfields(keys); column++) {
			json_object_set_new(
				key, PQfname(keys, column), value_json(keys, row, column));
		}
		json_array_append_new(list, key);
	}
	return list;
}

static void print_json(const PGresult *keys, const struct deed *deed)
{
	json_t *root = json_pack("{s:o,s:I,s:I,s:I,s:I,s:I}", "found", keys_json(keys), "reports",
		(json_int_t)deed->reports, "revisions", (json_int_t)deed->revisions, "indicators",
		(json_int_t)deed->indicators, "held", (json_int_t)deed->held, "closed",
		(json_int_t)deed->closed);
	json_object_set_new(root, "erasure",
		deed->erasure[0] != '\0' ? json_integer(strtoll(deed->erasure, NULL, 10))
					 : json_null());
	json_dumpf(root, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(root);
}

static void print_plan(const PGresult *keys)
{
	int open = count_in_state(keys, state_open);
	printf("%d revisions would be erased\n", count_in_state(keys, state_stored));
	if (open > 0) {
		printf("%d reports would be closed whose newest revision was erased before\n",
			open);
	}
}

static void print_deed(const struct request *request, const PGresult *keys, const struct deed *deed)
{
	if (request->is_json) {
		print_json(keys, deed);
	} else if (request->is_dry_run) {
		print_plan(keys);
	} else if (deed->erasure[0] == '\0') {
		puts("there is nothing to erase");
	} else {
		printf("%lld revisions of %lld reports were erased, with %lld indicators; the log "
		       "has "
		       "it as number %s\n",
			deed->revisions, deed->reports, deed->indicators, deed->erasure);
		if (deed->closed > 0) {
			printf("%lld reports are closed whose newest revision was erased before: "
			       "no revision of them is taken any more\n",
				deed->closed);
		}
	}
}

static bool erase_keys(struct database *database, const struct request *request,
	const PGresult *keys, struct deed *deed, struct err *err)
{
	int stored = count_in_state(keys, state_stored);
	int open = count_in_state(keys, state_open);
	if (!request->is_json && PQntuples(keys) > 0) {
		table_print(keys);
		fflush(stdout);
	}
	return request->is_dry_run || stored + open == 0 ||
		(is_agreed(request, stored, open, err) &&
			erase_all(database, request, keys, deed, err));
}

enum outcome erase_command_run(const struct request *request)
{
	struct err err;
	struct database database;
	struct deed deed = {.reports = 0};
	PGresult *keys = NULL;
	bool is_done = database_open(&database, DATABASE_OPERATOR, request, &err) &&
		(keys = find_keys(&database, request, &err)) != NULL &&
		erase_keys(&database, request, keys, &deed, &err);
	if (is_done) {
		/* One may have been placed since the keys were shown. */
		deed.held += count_held(keys);
		print_deed(request, keys, &deed);
	}
	PQclear(keys);
	database_close(&database);
	if (!is_done) {
		return outcome_failed("%s", err.text);
	}
	if (deed.held > 0) {
		outcome_failed("legal holds keep some of it; \"intakectl hold list\" says why");
		return OUTCOME_ATTENTION;
	}
	return OUTCOME_DONE;
}

/* --- the log --- */

static bool list_erasures(struct database *database, const struct request *request, struct err *err)
{
	return database_print(database, request,
		"SELECT id AS number, began_at::timestamptz(0) AS at, kind, reports, revisions,"
		" indicators, done_by AS by, asked_by, reason FROM intake.erasures()",
		"SELECT coalesce(json_agg(row_to_json(e) ORDER BY id), '[]')"
		" FROM intake.erasures() AS e",
		err);
}

enum outcome erasure_command_list(const struct request *request)
{
	return database_act(request, list_erasures);
}

static bool print_erased(struct database *database, const struct request *request, struct err *err)
{
	PGresult *rows = database_query(database,
		request->is_json
			? "SELECT coalesce(json_agg(row_to_json(e)), '[]') FROM intake.erased($1) "
			  "AS e"
			: "SELECT partner || '/' || report_id AS report, revision,"
			  " CASE WHEN test THEN 'test' ELSE 'live' END AS mode,"
			  " received_at::timestamptz(0) AS received, erased_at::timestamptz(0) AS"
			  " erased, id, sha256 FROM intake.erased($1)",
		&request->argument, 1, err);
	if (rows != NULL && request->is_json) {
		puts(PQgetvalue(rows, 0, 0));
	} else if (rows != NULL) {
		table_print(rows);
	}
	PQclear(rows);
	return rows != NULL;
}

static bool show_erasure(struct database *database, const struct request *request, struct err *err)
{
	const char *parameters[] = {request->argument};
	PGresult *entry = database_query(
		database, "SELECT FROM intake.erasures() WHERE id = $1", parameters, 1, err);
	bool is_there = entry != NULL && PQntuples(entry) == 1;
	if (entry != NULL && !is_there) {
		err_set(err, "there is no erasure %s; \"intakectl erasure list\" has them",
			request->argument);
	}
	PQclear(entry);
	return is_there && print_erased(database, request, err);
}

enum outcome erasure_command_show(const struct request *request)
{
	return database_act(request, show_erasure);
}
