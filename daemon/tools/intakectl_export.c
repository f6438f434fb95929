// SPDX-License-Identifier: Apache-2.0
/*
 * Reports for others, as far as the one who runs this may read them and the label allows: the
 * database decides on both. One transaction, one row in memory at a time.
 */
#include "intakectl_export_int.h"

#include "intakectl_bar_int.h"
#include "intakectl_connection_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SQL_MAX_BYTES ((size_t)1 << 20)
#define DEFAULT_DATABASE "intaked"

static const struct export_form *const forms[] = {&export_ndjson, &export_csv, &export_stix};

/* Parameters of every statement. */
enum { PARAMETER_COUNT = 7 };

static const struct export_form *find_form(const char *name)
{
	for (size_t i = 0; name != NULL && i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (strcmp(forms[i]->name, name) == 0) {
			return forms[i];
		}
	}
	return forms[0];
}

/* The labels up to one, as an array literal. */
static const char *labels_up_to(const char *label)
{
	static const struct {
		const char *label;
		const char *up_to;
	} rows[] = {
		{"TLP:CLEAR", "{TLP:CLEAR}"},
		{"TLP:GREEN", "{TLP:CLEAR,TLP:GREEN}"},
		{"TLP:AMBER", "{TLP:CLEAR,TLP:GREEN,TLP:AMBER}"},
		{"TLP:AMBER+STRICT", "{TLP:CLEAR,TLP:GREEN,TLP:AMBER,TLP:AMBER+STRICT}"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].label, label) == 0) {
			return rows[i].up_to;
		}
	}
	return "{TLP:CLEAR,TLP:GREEN,TLP:AMBER,TLP:AMBER+STRICT,TLP:RED}";
}

/* --- the database --- */

static bool explain(PGconn *link, const PGresult *result, struct err *err)
{
	const char *sqlstate = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message =
		result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	if (sqlstate == NULL || message == NULL) {
		char line[360];
		return err_set(err, "the connection to the database was lost: %s",
			connection_join_lines(PQerrorMessage(link), line, sizeof(line)));
	}
	if (strcmp(sqlstate, "42501") == 0) {
		return err_set(err,
			"the database user \"%s\" may not do that: %s; an export is for members of "
			"the role intake_analyst",
			PQuser(link), message);
	}
	if (strcmp(sqlstate, "42P01") == 0 || strcmp(sqlstate, "42883") == 0 ||
		strcmp(sqlstate, "3F000") == 0) {
		return err_set(err,
			"the database has no reports that this program can read (%s); check which "
			"database it is, and that its schema is as new as this program",
			message);
	}
	return err_set(err, "the database refused: %s (SQLSTATE %s)", message, sqlstate);
}

static bool run(PGconn *link, const char *sql, struct err *err)
{
	PGresult *result = PQexec(link, sql);
	bool is_done = PQresultStatus(result) == PGRES_COMMAND_OK ||
		PQresultStatus(result) == PGRES_TUPLES_OK;
	if (!is_done) {
		explain(link, result, err);
	}
	PQclear(result);
	return is_done;
}

/* Where nobody says which database it is; libpq would take one of the user's name. NULL: it is
 * said. */
static const char *default_database(const PQconninfoOption *parts)
{
	bool is_said = connection_part(parts, "dbname") != NULL ||
		connection_part(parts, "service") != NULL || getenv("PGDATABASE") != NULL ||
		getenv("PGSERVICE") != NULL;
	return is_said ? NULL : DEFAULT_DATABASE;
}

static bool open_link(PGconn **link_out, const struct request *request, struct err *err)
{
	const char *connection = request->connection != NULL ? request->connection : "";
	PQconninfoOption *parts = connection_parse(connection, "--connection", err);
	if (parts == NULL) {
		return false;
	}
	/* What stands behind the string has the last word; NULL is nothing said. */
	const char *const names[] = {
		"fallback_application_name", "dbname", "dbname", "client_encoding", NULL};
	const char *const values[] = {
		"intakectl export", connection, default_database(parts), "UTF8", NULL};
	*link_out = PQconnectdbParams(names, values, 1);
	PQconninfoFree(parts);
	if (PQstatus(*link_out) != CONNECTION_OK) {
		return connection_explain(*link_out,
			"--connection or PostgreSQL's environment variables, which say which "
			"database it is",
			err);
	}
	/* What is read changes nothing, and is as of one moment. */
	return run(*link_out, SESSION_SQL, err) &&
		run(*link_out, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
}

/* --- what is asked for --- */

/* A name that nothing is called would be an export of nothing. */
static bool check_name(
	PGconn *link, const char *sql, const char *kind, const char *name, struct err *err)
{
	if (name == NULL) {
		return true;
	}
	PGresult *found = PQexecParams(link, sql, 1, NULL, &name, NULL, NULL, 0);
	bool is_good = PQresultStatus(found) == PGRES_TUPLES_OK
		? PQntuples(found) > 0 || err_set(err, "there is no %s \"%s\"", kind, name)
		: explain(link, found, err);
	PQclear(found);
	return is_good;
}

/*
 * The condition is to be one by itself: with parentheses of its own that close those around it, it
 * would take what comes before it apart, and with it label and embargo.
 */
static bool check_condition(PGconn *link, const char *condition, struct err *err)
{
	struct buf sql;
	if (condition == NULL) {
		return true;
	}
	buf_init(&sql, SQL_MAX_BYTES);
	if (!buf_printf(&sql, "SELECT FROM analysis.report WHERE %s\n", condition) ||
		!buf_append(&sql, "", 1)) {
		buf_fini(&sql);
		return err_set(err, "the condition is too long");
	}
	PGresult *result = PQprepare(link, "", sql.data, 0, NULL);
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	bool is_good = PQresultStatus(result) == PGRES_COMMAND_OK;
	/* Class 42: a syntax error, or a name or type that does not fit; but also something
	 * forbidden, and a table that is not there, since it is another database. */
	if (!is_good && sqlstate != NULL && strncmp(sqlstate, "42", 2) == 0 &&
		strcmp(sqlstate, "42501") != 0 && strcmp(sqlstate, "42P01") != 0) {
		err_set(err,
			"--where is no condition: %s; it is what can stand behind WHERE, over the "
			"columns of analysis.report, such as \"severity >= 4 AND 'XB' = ANY "
			"(countries)\"",
			PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
	} else if (!is_good) {
		explain(link, result, err);
	}
	PQclear(result);
	buf_fini(&sql);
	return is_good;
}

static bool check_request(PGconn *link, const struct request *request, struct err *err)
{
	return check_name(link, "SELECT FROM analysis.category WHERE code = $1", "category",
		       request->category, err) &&
		check_name(link, "SELECT FROM analysis.partner WHERE name = $1", "partner",
			request->partner, err) &&
		check_condition(link, request->where, err);
}

/* --- the statement --- */

/* A comment at the end of the condition, which was checked, must not reach what follows it. */
static bool append_filter(struct buf *sql, const struct request *request)
{
	return buf_printf(sql,
		" FROM (SELECT * FROM analysis.report WHERE tlp = ANY ($2::text[])"
		" AND (embargo_until IS NULL OR embargo_until <= now())"
		" AND ($1::text IS NOT NULL)"
		" AND ($3::text IS NULL OR primary_area = $3::text)"
		" AND ($4::text IS NULL OR category = $4::text)"
		" AND ($5::text IS NULL OR partner = $5::text)"
		" AND ($6::timestamptz IS NULL OR received_at >= $6::timestamptz)"
		" AND ($7::timestamptz IS NULL OR received_at < $7::timestamptz)"
		" AND (%s\n)) AS r",
		request->where != NULL ? request->where : "true");
}

static bool append_statement(struct buf *sql, const struct request *request,
	const struct export_form *form, const PGresult *of_report)
{
	return buf_append_str(sql, STR("SELECT ")) && form->append_columns(sql, of_report) &&
		append_filter(sql, request) && buf_append(sql, "", 1);
}

/* Of what is withheld the reporter is, too. */
static bool append_reporters(struct buf *sql, const struct request *request)
{
	return buf_append_str(sql, STR("SELECT DISTINCT r.reporter_org")) &&
		append_filter(sql, request) &&
		buf_append_str(
			sql, STR(" WHERE analysis.export_payload(r.id, $1::text) IS NOT NULL")) &&
		buf_append(sql, "", 1);
}

/* --- rows --- */

typedef bool row_fn(struct export *export, const struct export_form *form, const PGresult *row,
	struct err *err);

static bool write_reporter(
	struct export *export, const struct export_form *form, const PGresult *row, struct err *err)
{
	(void)err;
	form->write_reporter(export, PQgetvalue(row, 0, 0));
	return true;
}

static bool write_report(
	struct export *export, const struct export_form *form, const PGresult *row, struct err *err)
{
	return form->write(export, row, err);
}

/* Reads on to the end of a statement, so that the link can be closed in order. */
static void drop_rest(PGconn *link)
{
	PGresult *result = NULL;
	while ((result = PQgetResult(link)) != NULL) {
		PQclear(result);
	}
}

/* The last result has no rows, but the columns. */
static bool take_result(struct export *export, const struct export_form *form,
	const PGresult *result, row_fn *take, bool *has_heading, struct err *err)
{
	if (!*has_heading && form->write_heading != NULL && take == write_report) {
		form->write_heading(export, result);
	}
	*has_heading = true;
	bool is_good = PQntuples(result) == 0 || take(export, form, result, err);
	if (is_good && ferror(export->out)) {
		return err_set(
			err, "standard output cannot be written; the export is not complete");
	}
	return is_good;
}

static bool stream(PGconn *link, struct export *export, const struct export_form *form,
	const char *sql, const char *const *parameters, row_fn *take, struct err *err)
{
	struct bar bar;
	PGresult *result = NULL;
	bool is_good = true;
	bool has_heading = false;
	if (!PQsendQueryParams(link, sql, PARAMETER_COUNT, NULL, parameters, NULL, NULL,
		    form->is_binary ? 1 : 0) ||
		!PQsetSingleRowMode(link)) {
		return explain(link, NULL, err);
	}
	bar_init(&bar, "reports", 0);
	bar.is_terminal = bar.is_terminal && isatty(fileno(export->out)) != 1;
	while (is_good && (result = PQgetResult(link)) != NULL) {
		ExecStatusType status = PQresultStatus(result);
		is_good = status == PGRES_SINGLE_TUPLE || status == PGRES_TUPLES_OK
			? take_result(export, form, result, take, &has_heading, err)
			: explain(link, result, err);
		bar_show(&bar, export->reports);
		PQclear(result);
	}
	bar_end(&bar);
	if (!is_good) {
		drop_rest(link);
	}
	return is_good;
}

static bool write_all(PGconn *link, struct export *export, const struct export_form *form,
	const struct request *request, struct err *err)
{
	const char *max = request->tlp_max != NULL ? request->tlp_max : "TLP:RED";
	const char *const parameters[PARAMETER_COUNT] = {max, labels_up_to(max), request->area,
		request->category, request->partner, request->since, request->until};
	struct buf reporters;
	struct buf reports;
	buf_init(&reporters, SQL_MAX_BYTES);
	buf_init(&reports, SQL_MAX_BYTES);
	PGresult *of_report = PQexec(link, "SELECT * FROM analysis.report LIMIT 0");
	bool is_good =
		PQresultStatus(of_report) == PGRES_TUPLES_OK || explain(link, of_report, err);
	is_good = is_good &&
		((append_reporters(&reporters, request) &&
			 append_statement(&reports, request, form, of_report)) ||
			err_set(err, "the condition is too long"));
	if (is_good && form->begin != NULL) {
		form->begin(export);
	}
	is_good = is_good &&
		(form->write_reporter == NULL ||
			stream(link, export, form, reporters.data, parameters, write_reporter,
				err)) &&
		stream(link, export, form, reports.data, parameters, write_report, err);
	if (is_good && form->end != NULL) {
		form->end(export);
	}
	PQclear(of_report);
	buf_fini(&reporters);
	buf_fini(&reports);
	return is_good;
}

static void say_what_differs(const struct export *export)
{
	if (export->withheld > 0) {
		outcome_failed("%lld reports are without their content, or left out: it is "
			       "stricter than the "
			       "label or your clearance",
			export->withheld);
	}
	if (export->rewritten > 0) {
		outcome_failed("of %lld reports line breaks were made spaces: these do not hash to "
			       "their SHA-256",
			export->rewritten);
	}
}

enum outcome export_command_run(const struct request *request)
{
	struct err err;
	PGconn *link = NULL;
	struct export export = {.out = stdout};
	bool is_done = open_link(&link, request, &err) && check_request(link, request, &err) &&
		write_all(link, &export, find_form(request->format), request, &err);
	PQfinish(link);
	if (is_done) {
		say_what_differs(&export);
	}
	return is_done ? OUTCOME_DONE : outcome_failed("%s", err.text);
}
