// SPDX-License-Identifier: Apache-2.0
/*
 * Rows of intake.receipt, as intake.store(), intake.find() and intake.retract() return them in
 * binary.
 */
#pragma once

#include "store/store.h"

#include <libpq-fe.h>
#include <stdint.h>

/* At most the four areas of the strategy. */
#define ANSWER_MAX_AREAS 8

struct answer {
	uint32_t place; /* from 0 */
	struct store_result result;
	struct str areas[ANSWER_MAX_AREAS];
	const char *sqlstate; /* why it is unstorable; NULL for any other outcome */
};

/* Takes what became of the request with this ticket. */
typedef void answer_fn(void *ctx, uint64_t ticket, const struct store_result *result);

/* Borrows from the result; answer_out must stay where it is while it is used. */
void answer_read(const PGresult *result, int row, struct answer *answer_out);
