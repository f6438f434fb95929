// SPDX-License-Identifier: Apache-2.0
/*
 * What an SQLSTATE of a batch means for the reports in it. Decided here and nowhere else.
 */
#pragma once

enum pg_error {
	PG_ERROR_RETRY, /* nothing is wrong with the batch: send it again at once */
	PG_ERROR_AWAY,  /* the database cannot take reports now: connect anew, then send again */
	PG_ERROR_ROW,   /* a row of the batch is at fault: find it by halving */
	PG_ERROR_ODD    /* as ROW, but a row found alone is refused for now, not for good */
};

/* NULL counts as a lost connection. */
enum pg_error pg_error_class(const char *sqlstate);
