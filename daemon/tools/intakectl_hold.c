// SPDX-License-Identifier: Apache-2.0
/*
 * Legal holds: what neither the retention nor an erasure takes away. The database enforces them.
 */
#include "intakectl_report_key_int.h"

#include <stdio.h>

/* Whether it could be on anything: nobody is to rely on a hold that is not. */
static bool has_sound_times(
	struct database *database, const struct request *request, struct err *err)
{
	const char *parameters[] = {request->ends, request->since, request->until};
	PGresult *rows = database_query(database,
		"SELECT $1::timestamptz <= now(), $2::timestamptz >= $3::timestamptz", parameters,
		3, err);
	if (rows == NULL) {
		return false;
	}
	bool is_over = PQgetvalue(rows, 0, 0)[0] == 't';
	bool is_empty = PQgetvalue(rows, 0, 1)[0] == 't';
	PQclear(rows);
	if (is_over) {
		return err_set(err,
			"no hold was placed: it would be over already, --ends %s is in the past",
			request->ends);
	}
	if (is_empty) {
		return err_set(err,
			"no hold was placed: it would be on nothing, --since %s is not before "
			"--until %s",
			request->since, request->until);
	}
	return true;
}

/* The report may be one that is yet to come, or misspelt. */
static bool print_named(
	struct database *database, const struct request *request, const char *hold, struct err *err)
{
	PGresult *rows = database_query(database, "SELECT intake.hold_reports($1)", &hold, 1, err);
	if (rows == NULL) {
		err_prefix(err, "hold %s is in force", hold);
		return false;
	}
	printf(request->is_json ? "{\"hold\":%s,\"reports\":%s}\n"
				: "hold %s is in force: nothing that it is on is erased; it is on "
				  "%s reports now\n",
		hold, PQgetvalue(rows, 0, 0));
	PQclear(rows);
	return true;
}

static bool print_hold(const struct request *request, const char *hold)
{
	printf(request->is_json ? "{\"hold\":%s,\"reports\":null}\n"
				: "hold %s is in force: nothing that it is on is erased\n",
		hold);
	return true;
}

static bool add_hold(struct database *database, const struct request *request, struct err *err)
{
	struct report_key key = {0};
	if (request->reports.count == 1 &&
		!report_key_read(&key, request->reports.items[0], request->partner, err)) {
		return false;
	}
	if (key.id != NULL) {
		return err_set(err,
			"a hold is on a report by its partner's id: --report PARTNER/REPORT_ID, "
			"not by a UUID");
	}
	if (!has_sound_times(database, request, err)) {
		return false;
	}
	const char *parameters[] = {key.report_id,
		key.report_id != NULL ? key.partner : request->partner, request->category,
		request->since, request->until, request->ends, request->reason};
	PGresult *rows = database_query(database,
		"SELECT intake.hold_add($1, $2, $3, $4::timestamptz, $5::timestamptz,"
		" $6::timestamptz, $7)",
		parameters, 7, err);
	if (rows == NULL) {
		return false;
	}
	bool is_done = key.report_id != NULL
		? print_named(database, request, PQgetvalue(rows, 0, 0), err)
		: print_hold(request, PQgetvalue(rows, 0, 0));
	PQclear(rows);
	return is_done;
}

enum outcome hold_command_add(const struct request *request)
{
	return database_act(request, add_hold);
}

static bool list_holds(struct database *database, const struct request *request, struct err *err)
{
	return database_print(database, request,
		"SELECT id AS hold, CASE WHEN is_in_force THEN 'in force' WHEN removed_at IS NOT "
		"NULL"
		" THEN 'removed' ELSE 'ended' END AS state, report_id AS report, partner, category,"
		" received_from::timestamptz(0) AS since, received_before::timestamptz(0) AS until,"
		" placed_at::timestamptz(0) AS placed, placed_by AS by,"
		" coalesce(removed_at, ends_at)::timestamptz(0) AS ends, reason FROM "
		"intake.holds()",
		"SELECT coalesce(json_agg(row_to_json(h) ORDER BY id), '[]') FROM intake.holds() "
		"AS h",
		err);
}

enum outcome hold_command_list(const struct request *request)
{
	return database_act(request, list_holds);
}

static bool remove_hold(struct database *database, const struct request *request, struct err *err)
{
	if (!database_run(database, "SELECT intake.hold_remove($1)", &request->argument, 1, err)) {
		return false;
	}
	printf(request->is_json ? "{\"removed\":%s}\n" : "hold %s is over\n", request->argument);
	return true;
}

enum outcome hold_command_remove(const struct request *request)
{
	return database_act(request, remove_hold);
}
