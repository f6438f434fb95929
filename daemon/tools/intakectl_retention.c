// SPDX-License-Identifier: Apache-2.0
/*
 * How long reports are kept, and the run that erases what is older. A run is many short
 * transactions, with a rest after each as long as it took: intake goes on beside it, and it may be
 * ended at any time. The database knows the policy and the holds; here is only the loop.
 */
#include "intakectl_bar_int.h"
#include "intakectl_int.h"
#include "intakectl_retention_int.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Some tens of milliseconds. */
#define STEP_REPORTS "200"

static bool list_policies(struct database *database, const struct request *request, struct err *err)
{
	return database_print(database, request,
		"SELECT coalesce(tlp, 'any') AS tlp, coalesce(category, 'any') AS category,"
		" coalesce(keep::text, 'forever') AS keep, set_at::timestamptz(0) AS set, set_by "
		"AS by"
		" FROM intake.retention_policies()",
		"SELECT coalesce(json_agg(row_to_json(p)), '[]')"
		" FROM (SELECT tlp, category, keep::text, set_at, set_by"
		" FROM intake.retention_policies()) AS p",
		err);
}

enum outcome retention_command_list(const struct request *request)
{
	return database_act(request, list_policies);
}

/* Nothing that could be read as seconds. */
bool retention_is_period(const char *text)
{
	static const char *const units[] = {
		"day", "days", "week", "weeks", "month", "months", "year", "years"};
	size_t digits = strspn(text, "0123456789");
	const char *unit = text + digits;
	if (digits == 0 || digits > 5) {
		return strcmp(text, "forever") == 0;
	}
	unit += *unit == ' ';
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i]) == 0) {
			return true;
		}
	}
	return false;
}

static bool set_policy(struct database *database, const struct request *request, struct err *err)
{
	bool is_forever = strcmp(request->argument, "forever") == 0;
	const char *parameters[] = {
		request->tlp, request->category, is_forever ? NULL : request->argument};
	if (!database_run(database, "SELECT intake.retention_set($1, $2, $3::interval)", parameters,
		    3, err)) {
		return false;
	}
	return list_policies(database, request, err);
}

enum outcome retention_command_set(const struct request *request)
{
	return database_act(request, set_policy);
}

static bool remove_policy(struct database *database, const struct request *request, struct err *err)
{
	const char *parameters[] = {request->tlp, request->category};
	return database_run(
		       database, "SELECT intake.retention_remove($1, $2)", parameters, 2, err) &&
		list_policies(database, request, err);
}

enum outcome retention_command_remove(const struct request *request)
{
	return database_act(request, remove_policy);
}

/* What a run would erase; the number of reports, or -1. And of how many a hold keeps it. */
static long long preview(struct database *database, const struct request *request,
	long long *held_out, struct err *err)
{
	PGresult *rows = database_query(database,
		"SELECT tlp, category, reports, held, oldest::timestamptz(0), "
		"newest::timestamptz(0)"
		" FROM intake.retention_preview()",
		NULL, 0, err);
	if (rows == NULL) {
		return -1;
	}
	long long total = 0;
	*held_out = 0;
	for (int row = 0; row < PQntuples(rows); row++) {
		total += strtoll(PQgetvalue(rows, row, 2), NULL, 10);
		*held_out += strtoll(PQgetvalue(rows, row, 3), NULL, 10);
	}
	if (!request->is_json && PQntuples(rows) > 0) {
		table_print(rows);
	}
	PQclear(rows);
	return total;
}

static bool print_preview(struct database *database, const struct request *request, struct err *err)
{
	if (request->is_json) {
		return database_print(database, request, NULL,
			"SELECT coalesce(json_agg(row_to_json(p)), '[]')"
			" FROM intake.retention_preview() AS p",
			err);
	}
	long long held = 0;
	long long total = preview(database, request, &held, err);
	if (total >= 0) {
		printf("%lld reports would be erased now\n", total);
	}
	return total >= 0;
}

struct run {
	long long reports;
	long long revisions;
	long long held;
	char erasure[24];
	char last_at[64];
	char last_id[40];
	bool is_done;
};

static long long number_at(const PGresult *rows, int column)
{
	return strtoll(PQgetvalue(rows, 0, column), NULL, 10);
}

static bool step(struct database *database, struct run *run, struct err *err)
{
	const char *parameters[] = {
		run->erasure[0] != '\0' ? run->erasure : NULL, run->last_at, run->last_id};
	PGresult *rows = database_query(database,
		"SELECT erasure, last_at, last_id, erased_reports, erased_revisions, held_reports,"
		" is_done FROM intake.retention_step(" STEP_REPORTS ", $1, $2, $3)",
		parameters, 3, err);
	if (rows == NULL) {
		return false;
	}
	snprintf(run->erasure, sizeof(run->erasure), "%s", PQgetvalue(rows, 0, 0));
	snprintf(run->last_at, sizeof(run->last_at), "%s", PQgetvalue(rows, 0, 1));
	snprintf(run->last_id, sizeof(run->last_id), "%s", PQgetvalue(rows, 0, 2));
	run->reports += number_at(rows, 3);
	run->revisions += number_at(rows, 4);
	run->held += number_at(rows, 5);
	run->is_done = PQgetvalue(rows, 0, 6)[0] == 't';
	PQclear(rows);
	return true;
}

static void rest(int64_t ms)
{
	const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
	nanosleep(&pause, NULL);
}

/* What earlier runs have emptied is found faster afterwards; it is no matter when it is not done.
 */
static bool tidy(struct database *database, struct err *err)
{
	for (bool is_done = false; !is_done;) {
		int64_t began_ms = clock_monotonic_ms();
		PGresult *rows =
			database_query(database, "SELECT intake.retention_tidy(100)", NULL, 0, err);
		if (rows == NULL) {
			return false;
		}
		is_done = number_at(rows, 0) == 0;
		PQclear(rows);
		rest(clock_monotonic_ms() - began_ms);
	}
	return true;
}

static bool run_steps(struct database *database, struct run *run, long long total, struct err *err)
{
	struct bar bar;
	bool is_good = true;
	bar_init(&bar, "reports", total);
	while (is_good && !run->is_done) {
		int64_t began_ms = clock_monotonic_ms();
		is_good = step(database, run, err);
		bar_show(&bar, run->reports);
		if (!run->is_done) {
			rest(clock_monotonic_ms() - began_ms);
		}
	}
	bar_end(&bar);
	return is_good;
}

static bool run_retention(struct database *database, const struct request *request, struct err *err)
{
	struct run run = {
		.last_at = "-infinity", .last_id = "00000000-0000-0000-0000-000000000000"};
	if (request->is_dry_run) {
		return print_preview(database, request, err);
	}
	long long held = 0;
	long long total = preview(database, request, &held, err);
	if (total < 0) {
		return false;
	}
	/* Steps count what they meet; without any it is what was found. */
	run.is_done = total == 0;
	run.held = run.is_done ? held : 0;
	if (!tidy(database, err)) {
		return false;
	}
	if (!run_steps(database, &run, total, err)) {
		if (run.reports > 0) {
			err_prefix(err, "%lld reports were erased before this", run.reports);
		}
		return false;
	}
	if (request->is_json) {
		printf("{\"erasure\":%s,\"reports\":%lld,\"revisions\":%lld,\"held\":%lld}\n",
			run.erasure[0] != '\0' ? run.erasure : "null", run.reports, run.revisions,
			run.held);
	} else {
		printf("%lld reports were erased, %lld revisions of them; legal holds keep %lld\n",
			run.reports, run.revisions, run.held);
	}
	return true;
}

enum outcome retention_command_run(const struct request *request)
{
	return database_act(request, run_retention);
}
