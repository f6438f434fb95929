// SPDX-License-Identifier: Apache-2.0
/*
 * The session check: schema version, numbers of the types that batches are made of, settings that a
 * receipt depends on, and codes of the taxonomy that the database does not know.
 *
 * It also ends the session that was left behind with a commit that waits for a standby. Nothing
 * else does, as such a wait does not look whether its client is still there, and without a standby
 * the server would run out of sessions. It tells nobody anything: what was left is sent again, and
 * its commit waits anew.
 */
#include "schema_int.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

const char SCHEMA_SESSION_SQL[] =
	"SELECT intake.schema_version(), 'intake.report'::regtype::oid,"
	" 'intake.indicator'::regtype::oid, 'intake.refusal'::regtype::oid,"
	" current_setting('fsync'), current_setting('full_page_writes'),"
	" current_setting('synchronous_commit'), pg_is_in_recovery(),"
	" current_setting('transaction_read_only'), current_setting('client_min_messages'),"
	" array_to_string(intake.missing_categories($1::text[]), ', '),"
	" (SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity AS a"
	" WHERE a.pid = $2::int AND a.usename = session_user AND a.wait_event = 'SyncRep')";

enum {
	SESSION_VERSION,
	SESSION_REPORT_OID,
	SESSION_INDICATOR_OID,
	SESSION_REFUSAL_OID,
	SESSION_FSYNC,
	SESSION_FULL_PAGE_WRITES,
	SESSION_SYNCHRONOUS_COMMIT,
	SESSION_IN_RECOVERY,
	SESSION_TRANSACTION_READ_ONLY,
	SESSION_MESSAGES,
	SESSION_MISSING
};

char *schema_codes_literal(const struct taxonomy *taxonomy)
{
	struct buf literal;
	buf_init(&literal, 1 << 20);
	bool done = buf_append_str(&literal, STR("{"));
	for (size_t i = 0; i < taxonomy_category_count(taxonomy); i++) {
		/* Codes are [a-z0-9-]: nothing to quote. */
		struct str code = taxonomy_category(taxonomy, i)->code;
		done = done && (i == 0 || buf_append_str(&literal, STR(","))) &&
			buf_append_str(&literal, code);
	}
	if (!done || !buf_append(&literal, "}", 2)) {
		buf_fini(&literal);
		return NULL;
	}
	return literal.data;
}

static uint32_t oid_at(const PGresult *result, int column)
{
	return (uint32_t)strtoul(PQgetvalue(result, 0, column), NULL, 10);
}

static bool is_off(const PGresult *result, int column)
{
	return strcmp(PQgetvalue(result, 0, column), "off") == 0;
}

enum pg_refusal schema_check_session(const PGresult *result, const struct conf *conf,
	struct pg_session *session_out, struct err *reason)
{
	static const struct {
		int column;
		const char *name;
	} durability[] = {{SESSION_FSYNC, "fsync"}, {SESSION_FULL_PAGE_WRITES, "full_page_writes"},
		{SESSION_SYNCHRONOUS_COMMIT, "synchronous_commit"}};

	if (strcmp(PQgetvalue(result, 0, SESSION_IN_RECOVERY), "t") == 0) {
		err_set(reason, "the server is a standby: it takes no reports");
		return PG_REFUSAL_READ_ONLY;
	}
	if (strcmp(PQgetvalue(result, 0, SESSION_TRANSACTION_READ_ONLY), "on") == 0) {
		err_set(reason,
			"the database has default_transaction_read_only on: it takes no reports");
		return PG_REFUSAL_READ_ONLY;
	}
	long version = strtol(PQgetvalue(result, 0, SESSION_VERSION), NULL, 10);
	if (version != SCHEMA_VERSION) {
		err_set(reason, "the database's schema has version %ld, this program needs %d%s",
			version, SCHEMA_VERSION,
			version < SCHEMA_VERSION ? " (intakectl db migrate)" : "");
		return PG_REFUSAL_SCHEMA;
	}
	if (PQgetlength(result, 0, SESSION_MISSING) > 0) {
		err_set(reason, "the database lacks categories of the taxonomy: %s",
			PQgetvalue(result, 0, SESSION_MISSING));
		return PG_REFUSAL_SCHEMA;
	}
	for (size_t i = 0; i < sizeof(durability) / sizeof(durability[0]); i++) {
		if (is_off(result, durability[i].column) &&
			!conf->database_allow_unsafe_durability) {
			err_set(reason, "the database has %s off: a commit would not be durable",
				durability[i].name);
			return PG_REFUSAL_DURABILITY;
		}
	}
	/* A wait for a standby that was cut short is told by a warning alone. */
	if (strcmp(PQgetvalue(result, 0, SESSION_MESSAGES), "error") == 0) {
		err_set(reason,
			"the session has client_min_messages = error, expected warning or lower: "
			"it would "
			"not be told of a commit that its standby lacks");
		return PG_REFUSAL_DURABILITY;
	}
	session_out->report_oid = oid_at(result, SESSION_REPORT_OID);
	session_out->indicator_oid = oid_at(result, SESSION_INDICATOR_OID);
	session_out->refusal_oid = oid_at(result, SESSION_REFUSAL_OID);
	return PG_REFUSAL_NONE;
}

bool schema_error_is_schema(const char *sqlstate)
{
	/* Undefined function, table, object, schema, column; wrong type of a row's column. */
	static const char *const states[] = {"42883", "42P01", "42704", "3F000", "42703", "42804"};
	for (size_t i = 0; sqlstate != NULL && i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(sqlstate, states[i]) == 0) {
			return true;
		}
	}
	return false;
}
