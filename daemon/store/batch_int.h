// SPDX-License-Identifier: Apache-2.0
/*
 * A group of reports that is committed in one transaction.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "base/list.h"
#include "pg_link_int.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch_entry {
	uint64_t ticket;
	int64_t queued_at_ms;
	int32_t partner_id;
	struct uuid id;
	uint32_t report_start; /* of its row in reports */
	uint32_t report_len;
	uint32_t indicator_start;
	uint32_t indicator_len;
	uint32_t indicator_count;
	bool is_answered; /* its client was told 503, or it is in another batch: not sent again */
};

struct batch {
	struct list link;
	struct buf reports;    /* array of intake.report, binary */
	struct buf indicators; /* array of intake.indicator, binary */
	struct batch_entry *entries;
	uint32_t count;
	uint32_t capacity;
	uint32_t indicator_count;
	uint32_t unanswered;
	uint32_t moved; /* so many entries from the first on are in other batches, or answered */
	bool is_atomic; /* all of it is stored, or nothing */
};

/* capacity: entries at most. NULL when memory is short. */
MUST_CHECK struct batch *batch_new(uint32_t capacity);
void batch_free(struct batch **batch);
/* Empties it for the next use. False when memory is short. */
MUST_CHECK bool batch_reset(struct batch *batch);
size_t batch_bytes(const struct batch *batch);

/* False, and the batch as it was, when memory is short or an array would pass libpq's limit. */
MUST_CHECK bool batch_append(
	struct batch *batch, const struct submission *submission, uint64_t ticket, int64_t now_ms);
/* Copies an entry with its rows to the end of another batch; the ticket goes with it. */
MUST_CHECK bool batch_copy_entry(struct batch *to, const struct batch *from, uint32_t index);
/*
 * Copies what is unanswered of from[first, first + count) into a new batch; NULL when memory is
 * short.
 */
MUST_CHECK struct batch *batch_slice(const struct batch *from, uint32_t first, uint32_t count);
/* Hands the batch to the link as one call of intake.store(). */
MUST_CHECK bool batch_send(struct batch *batch, struct pg_link *link, int kind, const char *name);
