// SPDX-License-Identifier: Apache-2.0
/*
 * Makes the database know a taxonomy: what its file has is added or brought up to date, and nothing
 * is ever removed, since a stored report keeps its category. A daemon takes the file itself at its
 * next reload, and refuses it while the database lacks a category of it.
 */
#include "intakectl_int.h"

#include "report/report_check.h"
#include "report/taxonomy.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A row that is new was made by this transaction alone: it has no xmax. */
#define OUTCOME_OF_ROW "code, CASE WHEN k.xmax = 0 THEN 'added' ELSE 'changed' END AS outcome"

static const char areas_sql[] =
	"INSERT INTO intake.action_area AS k (code, title)"
	" SELECT code, title FROM jsonb_to_recordset($1::jsonb) AS f (code text, title text)"
	" ON CONFLICT (code) DO UPDATE SET title = excluded.title"
	" WHERE k.title <> excluded.title RETURNING " OUTCOME_OF_ROW;

#define CATEGORY_COLUMNS \
	"code, title, primary_area, min_tlp, is_critical, is_countable, protects_victim"

static const char categories_sql[] =
	"INSERT INTO intake.category AS k (" CATEGORY_COLUMNS ")"
	" SELECT " CATEGORY_COLUMNS " FROM jsonb_to_recordset($1::jsonb) AS f (code text,"
	" title text, primary_area text, min_tlp smallint, is_critical boolean,"
	" is_countable boolean, protects_victim boolean)"
	" ON CONFLICT (code) DO UPDATE SET title = excluded.title,"
	" primary_area = excluded.primary_area, min_tlp = excluded.min_tlp,"
	" is_critical = excluded.is_critical, is_countable = excluded.is_countable,"
	" protects_victim = excluded.protects_victim"
	" WHERE ROW(k.*) IS DISTINCT FROM ROW(excluded.*) RETURNING " OUTCOME_OF_ROW;

static const char areas_kept_sql[] =
	"SELECT code, 'kept' AS outcome FROM intake.action_area AS k WHERE NOT EXISTS (SELECT"
	" FROM jsonb_to_recordset($1::jsonb) AS f (code text) WHERE f.code = k.code)"
	" ORDER BY code";
static const char categories_kept_sql[] =
	"SELECT code, 'kept' AS outcome FROM intake.category AS k WHERE NOT EXISTS (SELECT"
	" FROM jsonb_to_recordset($1::jsonb) AS f (code text) WHERE f.code = k.code)"
	" ORDER BY code";

/* Codes by what became of them. */
static const char *const outcomes[] = {"added", "changed", "kept"};

#define OUTCOME_COUNT (sizeof(outcomes) / sizeof(outcomes[0]))

static json_t *text_json(struct str text)
{
	return json_stringn(text.data, text.len);
}

static json_t *areas_json(const struct taxonomy *taxonomy)
{
	json_t *rows = json_array();
	for (size_t i = 0; i < taxonomy_area_count(taxonomy); i++) {
		const struct taxonomy_area *area = taxonomy_area(taxonomy, i);
		json_array_append_new(rows,
			json_pack("{s:o,s:o}", "code", text_json(area->code), "title",
				text_json(area->title)));
	}
	return rows;
}

static json_t *categories_json(const struct taxonomy *taxonomy)
{
	json_t *rows = json_array();
	for (size_t i = 0; i < taxonomy_category_count(taxonomy); i++) {
		const struct taxonomy_category *category = taxonomy_category(taxonomy, i);
		json_array_append_new(rows,
			json_pack("{s:o,s:o,s:o,s:i,s:b,s:b,s:b}", "code",
				text_json(category->code), "title", text_json(category->title),
				"primary_area", text_json(category->primary_area), "min_tlp",
				(int)category->min_tlp, "is_critical", (int)category->is_critical,
				"is_countable", (int)category->is_countable, "protects_victim",
				(int)category->protects_victim));
	}
	return rows;
}

static bool collect(struct database *database, const char *sql, const char *rows_text,
	json_t *result, struct err *err)
{
	PGresult *rows = database_query(database, sql, &rows_text, 1, err);
	for (int row = 0; rows != NULL && row < PQntuples(rows); row++) {
		json_array_append_new(json_object_get(result, PQgetvalue(rows, row, 1)),
			json_string(PQgetvalue(rows, row, 0)));
	}
	PQclear(rows);
	return rows != NULL;
}

/* Takes rows. The result has the codes of each outcome; NULL on a fault. */
static json_t *load_rows(struct database *database, json_t *rows, const char *load_sql,
	const char *kept_sql, struct err *err)
{
	json_t *result = json_pack("{s:[],s:[],s:[]}", outcomes[0], outcomes[1], outcomes[2]);
	char *text = json_dumps(rows, JSON_COMPACT);
	ENSURE(result != NULL && text != NULL);
	bool is_done = collect(database, load_sql, text, result, err) &&
		collect(database, kept_sql, text, result, err);
	free(text);
	json_decref(rows);
	if (!is_done) {
		json_decref(result);
		return NULL;
	}
	return result;
}

/* Closing the connection undoes what is not committed. */
static json_t *load(struct database *database, const struct taxonomy *taxonomy, struct err *err)
{
	json_t *areas = NULL;
	json_t *categories = NULL;
	if (database_run(database, "BEGIN", NULL, 0, err) &&
		database_run(database, "SET LOCAL ROLE intake_owner", NULL, 0, err)) {
		areas = load_rows(database, areas_json(taxonomy), areas_sql, areas_kept_sql, err);
	}
	if (areas != NULL) {
		categories = load_rows(database, categories_json(taxonomy), categories_sql,
			categories_kept_sql, err);
	}
	if (categories == NULL || !database_run(database, "COMMIT", NULL, 0, err)) {
		json_decref(areas);
		json_decref(categories);
		return NULL;
	}
	return json_pack("{s:o,s:o}", "areas", areas, "categories", categories);
}

static void print_codes(const char *kind, const json_t *result)
{
	for (size_t i = 0; i < OUTCOME_COUNT; i++) {
		const json_t *codes = json_object_get(result, outcomes[i]);
		for (size_t j = 0; j < json_array_size(codes); j++) {
			printf("%-9s%s %s%s\n", outcomes[i], kind,
				json_string_value(json_array_get(codes, j)),
				strcmp(outcomes[i], "kept") == 0 ? ", which the file does not have"
								 : "");
		}
	}
}

static void print_result(const struct request *request, const struct taxonomy *taxonomy,
	const char *path, json_t *result)
{
	struct str id = taxonomy_id(taxonomy);
	struct str version = taxonomy_version(taxonomy);
	if (request->is_json) {
		json_object_set_new(result, "taxonomy",
			json_sprintf("%.*s/%.*s", STR_ARG(id), STR_ARG(version)));
		json_dumpf(result, stdout, JSON_COMPACT);
		putchar('\n');
		return;
	}
	print_codes("area", json_object_get(result, "areas"));
	print_codes("category", json_object_get(result, "categories"));
	printf("the database knows %.*s/%.*s: %zu areas, %zu categories\n", STR_ARG(id),
		STR_ARG(version), taxonomy_area_count(taxonomy), taxonomy_category_count(taxonomy));
	if (strcmp(path, request->conf->taxonomy_file) == 0) {
		puts("a daemon takes the file at its next reload");
	}
}

enum outcome taxonomy_command_load(const struct request *request)
{
	struct err err;
	struct database database = {.link = NULL};
	json_t *result = NULL;
	const char *path =
		request->argument != NULL ? request->argument : request->conf->taxonomy_file;
	report_check_init();
	struct taxonomy *taxonomy = taxonomy_load(path, &err);
	if (taxonomy != NULL && database_open(&database, DATABASE_OWNER, request, &err)) {
		result = load(&database, taxonomy, &err);
	}
	if (result != NULL) {
		print_result(request, taxonomy, path, result);
	}
	bool is_done = result != NULL;
	json_decref(result);
	taxonomy_free(&taxonomy);
	database_close(&database);
	return is_done ? OUTCOME_DONE : outcome_failed("%s", err.text);
}
