// SPDX-License-Identifier: Apache-2.0
/*
 * What the commands of intakectl share. A command writes its result to standard output; when it
 * fails it says why in one sentence, with what to do about it, and its exit status is 1.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "conf/conf.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TEXTS_MAX 1000

/* Exit statuses. */
enum outcome {
	OUTCOME_DONE = 0,
	OUTCOME_FAILED = 1,
	OUTCOME_USAGE = 2,
	/* What was asked for is done, and found what somebody has to act on. */
	OUTCOME_ATTENTION = 3
};

/* What an option brings each time it is said. */
struct texts {
	const char *items[TEXTS_MAX];
	size_t count;
};

/* The command line, taken apart; texts belong to it. What was not given is NULL, false or 0. */
struct request {
	const char *conf_path;
	const struct conf *conf; /* NULL: of a command that needs none */
	bool is_json;
	bool is_live;
	bool wants_help;
	bool wants_version;
	const char *mode;
	const char *relay; /* "yes" or "no" */
	const char *title;
	const char *note;
	const char *certificate; /* path of a PEM file */
	const char *spki;        /* hex */
	const char *expires;     /* a time, as the database reads it */
	struct texts organisations;
	struct texts quotas; /* KEY=VALUE */
	int expiring_days;
	const char *csr; /* paths of PEM files */
	const char *ca;
	const char *ca_key;
	const char *ca_password_file;
	const char *server_ca;
	const char *out; /* a folder */
	int days;
	int interval_s;
	struct texts reports; /* UUID, PARTNER/REPORT_ID or, with partner, REPORT_ID */
	int revision;
	bool is_test;
	const char *person;
	const char *asked_by;
	const char *reason;
	bool is_agreed;
	bool is_dry_run;
	const char *partner;
	const char *category;
	const char *area;
	const char *since; /* times, as the database reads them */
	const char *until;
	const char *ends;
	const char *tlp;
	const char *tlp_max;
	const char *format;
	const char *where; /* a condition in SQL */
	const char *connection;
	const char *argument; /* behind the command's words */
};

enum outcome migrate_command_apply(const struct request *request);
enum outcome migrate_command_status(const struct request *request);
enum outcome partner_command_add(const struct request *request);
enum outcome partner_command_list(const struct request *request);
enum outcome partner_command_set(const struct request *request);
enum outcome partner_command_show(const struct request *request);
enum outcome partner_command_suspend(const struct request *request);
enum outcome partner_command_resume(const struct request *request);
enum outcome enrol_command_run(const struct request *request);
enum outcome cert_command_add(const struct request *request);
enum outcome cert_command_list(const struct request *request);
enum outcome cert_command_revoke(const struct request *request);
enum outcome taxonomy_command_load(const struct request *request);
enum outcome config_command_show(const struct request *request);
enum outcome reload_command_run(const struct request *request);
enum outcome status_command_show(const struct request *request);
enum outcome top_command_run(const struct request *request);
enum outcome hold_command_add(const struct request *request);
enum outcome hold_command_list(const struct request *request);
enum outcome hold_command_remove(const struct request *request);
enum outcome retention_command_list(const struct request *request);
enum outcome retention_command_set(const struct request *request);
enum outcome retention_command_remove(const struct request *request);
enum outcome retention_command_run(const struct request *request);
enum outcome erase_command_run(const struct request *request);
enum outcome erasure_command_list(const struct request *request);
enum outcome erasure_command_show(const struct request *request);
enum outcome export_command_run(const struct request *request);
enum outcome completion_command_print(const struct request *request);

/* "intakectl: SENTENCE" on standard error. */
enum outcome outcome_failed(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Which of the configuration's connections a command needs. */
enum database_role { DATABASE_OPERATOR, DATABASE_OWNER };

struct database {
	PGconn *link;
	enum database_role role;
	const char *conf_path;
};

/* err is a sentence that ends in what to do. Close it either way. */
MUST_CHECK bool database_open(struct database *database, enum database_role role,
	const struct request *request, struct err *err);
void database_close(struct database *database);
/* Rows, for PQclear; NULL with a sentence in err. Parameters are $1 and so on, as text. */
MUST_CHECK PGresult *database_query(struct database *database, const char *sql,
	const char *const *parameters, int parameter_count, struct err *err);
/* The same without rows to look at. */
MUST_CHECK bool database_run(struct database *database, const char *sql,
	const char *const *parameters, int parameter_count, struct err *err);
/* Opens the operator's database, acts, closes it; says why where that fails. */
typedef bool database_action(
	struct database *database, const struct request *request, struct err *err);
enum outcome database_act(const struct request *request, database_action *action);
/* Prints rows, or the one JSON value of the other statement, as the request wants it. */
MUST_CHECK bool database_print(struct database *database, const struct request *request,
	const char *sql, const char *json_sql, struct err *err);
/* What went wrong with a statement, as a sentence that ends in what to do. */
void database_explain(const struct database *database, const PGresult *result, struct err *err);

/* Prints rows as an aligned table under the names of their columns. */
void table_print(const PGresult *rows);
/* Prints one row as a list of names and values. */
void table_print_row(const PGresult *rows, int row);
/* Prints text, control characters replaced, and fills up to width characters. */
void table_print_cell(FILE *out, const char *text, int width);
int table_cell_width(const char *text);

/* A file of sql/, part of the program. */
struct migration {
	int version;
	const char *name; /* "0001_roles" */
	const char *sql;
	const char *sha256; /* of the file, 64 hex digits */
};

extern const struct migration migrations[];
extern const size_t migration_count;
