// SPDX-License-Identifier: Apache-2.0
#include "statements_int.h"

const struct pg_statement store_statements[] = {
	{STATEMENT_STORE, "SELECT * FROM intake.store($1, $2)"},
	{STATEMENT_STORE_ATOMIC, "SELECT * FROM intake.store_atomic($1, $2)"},
	{STATEMENT_FIND, "SELECT * FROM intake.find($1, $2, $3, $4, $5)"},
	{STATEMENT_RETRACT, "SELECT * FROM intake.retract($1, $2, $3, $4, $5, $6, $7)"},
	{STATEMENT_NOTE_REFUSALS, "SELECT intake.note_refusals($1)"},
};
const size_t store_statement_count = sizeof(store_statements) / sizeof(store_statements[0]);

const struct pg_statement registry_statements[] = {
	{STATEMENT_REGISTRY,
		"SELECT r.*, q.connections, q.reports_in_flight, q.reports_per_s, q.reports_burst,"
		" q.bytes_per_s, q.bytes_burst FROM intake.registry() AS r"
		" JOIN intake.partner_quotas() AS q ON q.name = r.name ORDER BY r.id"},
};
const size_t registry_statement_count =
	sizeof(registry_statements) / sizeof(registry_statements[0]);

const struct pg_statement housekeeping_statements[] = {
	{STATEMENT_HOUSEKEEP, "SELECT intake.housekeep($1)"},
};
const size_t housekeeping_statement_count =
	sizeof(housekeeping_statements) / sizeof(housekeeping_statements[0]);
