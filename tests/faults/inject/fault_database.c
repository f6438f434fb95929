// SPDX-License-Identifier: Apache-2.0
/*
 * libpq. A result that there was no memory for is an error without a code, whatever it was: a
 * statement may have been committed all the same.
 */
#include "fault_plan.h"

#include <libpq-fe.h>

#define DATABASE(type, function, parameters, arguments, failure) \
	FALLIBLE(FAULT_DATABASE, type, function, parameters, arguments, (void)0, failure)

DATABASE(PGconn *, PQconnectStartParams,
	(const char *const *keywords, const char *const *values, int expands),
	(keywords, values, expands), NULL)
DATABASE(PostgresPollingStatusType, PQconnectPoll, (PGconn * connection), (connection),
	PGRES_POLLING_FAILED)
DATABASE(int, PQsetnonblocking, (PGconn * connection, int is_on), (connection, is_on), -1)
DATABASE(int, PQenterPipelineMode, (PGconn * connection), (connection), 0)
DATABASE(int, PQpipelineSync, (PGconn * connection), (connection), 0)
DATABASE(int, PQsendQueryParams,
	(PGconn * connection, const char *sql, int count, const Oid *types,
		const char *const *values, const int *lengths, const int *formats, int format),
	(connection, sql, count, types, values, lengths, formats, format), 0)
DATABASE(int, PQsendPrepare,
	(PGconn * connection, const char *name, const char *sql, int count, const Oid *types),
	(connection, name, sql, count, types), 0)
DATABASE(int, PQsendQueryPrepared,
	(PGconn * connection, const char *name, int count, const char *const *values,
		const int *lengths, const int *formats, int format),
	(connection, name, count, values, lengths, formats, format), 0)
DATABASE(int, PQflush, (PGconn * connection), (connection), -1)
DATABASE(int, PQconsumeInput, (PGconn * connection), (connection), 0)
DATABASE(PGresult *, PQcopyResult, (const PGresult *result, int flags), (result, flags), NULL)

/*
 * A sync that there was no memory for is lost: libpq reads on, and the statement it belongs to has
 * no end.
 */
PGresult *PQgetResult(PGconn *connection)
{
	NEXT(PQgetResult)
	PGresult *result = next(connection);
	PGresult *(*make)(PGconn *, ExecStatusType);
	void (*clear)(PGresult *);
	ExecStatusType (*status)(const PGresult *);
	if (result == NULL || !fault_is_due(FAULT_DATABASE, "PQgetResult")) {
		return result;
	}
	*(void **)&make = fault_hidden("PQmakeEmptyPGresult");
	*(void **)&clear = fault_hidden("PQclear");
	*(void **)&status = fault_hidden("PQresultStatus");
	bool is_sync = status(result) == PGRES_PIPELINE_SYNC;
	clear(result);
	return is_sync ? NULL : make(connection, PGRES_FATAL_ERROR);
}
