// SPDX-License-Identifier: Apache-2.0
/*
 * Codes are those of PostgreSQL's appendix A; a row matches by its prefix, the first that fits.
 */
#include "pg_error_int.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* How libpq begins with each server; English, since no program here calls setlocale(3). */
#define SERVER_BEGINS "connection to server "

static const struct {
	const char *prefix;
	enum pg_error meaning;
} meanings[] = {
	{"40", PG_ERROR_RETRY},    /* serialisation failure, deadlock */
	{"55P03", PG_ERROR_RETRY}, /* lock_timeout */
	{"57014", PG_ERROR_RETRY}, /* statement_timeout, cancelled by an operator */
	{"08", PG_ERROR_AWAY},     /* connection */
	{"0A", PG_ERROR_AWAY},     /* a migration changed what a prepared statement returns */
	{"25", PG_ERROR_AWAY},     /* read-only: a failover took the primary's role away */
	{"26", PG_ERROR_AWAY},     /* the prepared statement is gone */
	{"28", PG_ERROR_AWAY},     /* authorisation */
	{"3D", PG_ERROR_AWAY},     /* the database is gone */
	{"3F", PG_ERROR_AWAY},     /* the schema is gone */
	{"42", PG_ERROR_AWAY},     /* function, table or privilege is gone */
	{"53", PG_ERROR_AWAY},     /* disk full, no memory, too many connections */
	{"55", PG_ERROR_AWAY},     /* object not in the state it should have */
	{"57", PG_ERROR_AWAY},     /* shutdown, crash, cannot connect now */
	{"58", PG_ERROR_AWAY},     /* the operating system failed the server */
	{"F0", PG_ERROR_AWAY},     /* its configuration file is broken */
	{"XX", PG_ERROR_ODD},      /* internal error, corrupted data or index */
};

enum pg_error pg_error_class(const char *sqlstate)
{
	if (sqlstate == NULL) {
		return PG_ERROR_AWAY;
	}
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (strncmp(sqlstate, meanings[i].prefix, strlen(meanings[i].prefix)) == 0) {
			return meanings[i].meaning;
		}
	}
	return PG_ERROR_ROW;
}

static const char *next_line(const char *line)
{
	line += strcspn(line, "\n");
	return *line == '\n' ? line + 1 : line;
}

void pg_error_sentence(char sentence_out[static PG_SENTENCE_BYTES], const char *message)
{
	const char *begin = message;
	size_t used = 0;
	for (const char *line = message; *line != '\0'; line = next_line(line)) {
		if (strncmp(line, SERVER_BEGINS, strlen(SERVER_BEGINS)) == 0) {
			begin = line;
		}
	}
	snprintf(sentence_out, PG_SENTENCE_BYTES, "no reason given");
	for (const char *line = begin; *line != '\0'; line = next_line(line)) {
		int len = (int)strcspn(line, "\n");
		if (len == 0 || *line == '\t' || *line == ' ' || used >= PG_SENTENCE_BYTES) {
			continue;
		}
		used += (size_t)snprintf(sentence_out + used, PG_SENTENCE_BYTES - used, "%s%.*s",
			used > 0 ? "; " : "", len, line);
	}
}
