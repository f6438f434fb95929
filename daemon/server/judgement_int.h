// SPDX-License-Identifier: Apache-2.0
/*
 * The judgement of one report, alone in its request or one of a batch, and what is made of it: a
 * submission for the store and the receipt that is sent once it is committed. Everything lives in
 * the worker's arena until that is reset.
 */
#pragma once

#include "base/attr.h"
#include "conn_int.h"
#include "report/receipt.h"
#include "report/report_check.h"
#include "server/generation.h"
#include "store/store.h"

struct judgement {
	struct report_result result;
	struct str payload;
	uint8_t sha256[32];
	int64_t received_at_us;
};

/*
 * By the rules of the generation and of the connection's partner, who must be there. Without memory
 * for the digest the verdict is REPORT_OVERLOAD.
 */
void judgement_make(struct conn *conn, const struct generation *generation, struct str payload,
	struct judgement *judgement_out);
/*
 * Of a valid report, with a new id. The warnings are rendered into a buffer of the caller's, which
 * the submission refers to. False without memory.
 */
MUST_CHECK bool judgement_submission(struct conn *conn, const struct generation *generation,
	const struct judgement *judgement, struct buf *warnings, struct submission *submission_out);
/* The receipt as it will stand in the database. */
struct receipt judgement_receipt(const struct conn *conn, const struct submission *submission);
/* The key of a refused report, which may be stored already; false where it could not be read. */
bool judgement_key(
	const struct conn *conn, const struct judgement *judgement, struct store_key *key_out);
/* Counts the errors of a refused body and keeps a trace of it. */
void judgement_note_refusal(struct conn *conn, enum reject reject,
	const struct report_result *result, const uint8_t sha256[32], size_t size);
/* False without memory, of which OpenSSL needs a little for each digest. */
MUST_CHECK bool judgement_digest(struct worker *worker, struct str payload, uint8_t sha256_out[32]);
