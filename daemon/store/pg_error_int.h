// SPDX-License-Identifier: Apache-2.0
/*
 * What an SQLSTATE of a batch means for the reports in it, decided here and nowhere else, and what
 * libpq says, in one line.
 */
#pragma once

#define PG_SENTENCE_BYTES 384

enum pg_error {
	PG_ERROR_RETRY, /* nothing is wrong with the batch: send it again at once */
	PG_ERROR_AWAY,  /* the database cannot take reports now: connect anew, then send again */
	PG_ERROR_ROW,   /* a row of the batch is at fault: find it by halving */
	PG_ERROR_ODD    /* as ROW, but a row found alone is refused for now, not for good */
};

/* NULL counts as a lost connection. */
enum pg_error pg_error_class(const char *sqlstate);
/*
 * What a message of several lines says of the server that was tried last, in one: those before tell
 * of other servers, those that are indented of what it may mean.
 */
void pg_error_sentence(char sentence_out[static PG_SENTENCE_BYTES], const char *message);
