// SPDX-License-Identifier: Apache-2.0
/*
 * Connection strings and what comes of them, for all that connect to the database.
 */
#pragma once

#include "intakectl_int.h"

/* The parts of a string, for PQconninfoFree; NULL, with a sentence in err, of none. */
MUST_CHECK PQconninfoOption *connection_parse(const char *text, const char *place, struct err *err);
/* The value of a part, NULL where the string does not have it. */
const char *connection_part(const PQconninfoOption *parts, const char *keyword);

/*
 * How every session is: times in UTC and ISO form; what was committed while a statement waited for
 * a lock, such as a legal hold, seen by the next one; and its end noticed while it waits, so that
 * it does not keep its locks when this program is killed.
 */
#define SESSION_SQL                                                                   \
	"SELECT set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO'," \
	" false), set_config('default_transaction_isolation', 'read committed',"      \
	" false), (SELECT set_config(name, '5s', false) FROM pg_settings"             \
	" WHERE name = 'client_connection_check_interval')"

/* All lines of a message of libpq as one, in out, which is returned. */
const char *connection_join_lines(const char *message, char *out, size_t size);
/* Why there is no connection, as a sentence that ends in what to do; place names the string. */
bool connection_explain(const PGconn *link, const char *place, struct err *err);
