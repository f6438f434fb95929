// SPDX-License-Identifier: Apache-2.0
/*
 * Why a receipt can be relied on.
 *
 * 1. A report is acknowledged in one place only: when the answer to its batch has come and the sync
 *    after it, which PostgreSQL sends once the transaction is over. The batch is one call of
 *    intake.store(), one implicit transaction; with fsync, full_page_writes and synchronous_commit
 *    on its end is told after the WAL was flushed. The session check refuses anything else, and
 *    intake.store() looks at each call, since the settings may change under a session.
 *
 * 2. If the connection goes in between, nobody knows whether the transaction committed: a server
 *    killed after the flush and before the answer has committed it. So nobody is told anything. The
 *    batch is kept and sent again as it was, on a new connection, with the same ids. intake.store()
 *    finds its own ids stored, and answers stored: the first news of a commit made earlier. What
 * was not stored is stored now. A report can therefore be lost in no gap between the two, and the
 *    unique key keeps it from being stored twice.
 *
 * 3. A client that waited for store_wait is told 503, which says: not acknowledged. Its report may
 * be stored all the same, by a commit whose answer came too late; when it is sent again, the key
 *    finds it and the answer is 200 with the receipt. An entry that was told 503 is taken out
 * before its batch is sent again, so that the database is not filled with what nobody waits for.
 *
 * 4. With synchronous replication, a wait for the standby that is cut short ends in success with a
 *    warning. The link reports the doubt, and the batch is sent again instead of acknowledged: each
 *    of its reports then locks its key's row, and the commit of that waits for the standby anew,
 *    behind the first one.
 *    What only reads the record (a look-up, a retraction of what is not there) waits at its commit
 *    all the same: a primary that its standby has left behind tells nobody anything.
 *
 * 5. A row that the database refuses for good would take its neighbours with it. The batch is
 *    halved until the row stands alone, log2(n) times at most for one such row; it is answered
 *    unstorable, the others are stored. Deadlocks and serialisation failures say nothing of the
 *    rows: the batch goes again whole.
 *
 * Group commit is natural: while one batch is in flight the next one fills, and goes when the
 * answer has come. No timer decides, so a lone report waits for nothing, and under load batches
 * grow until the cost of a commit is shared by all that arrived during the one before.
 */
#include "batch_int.h"

#include "row_int.h"

#include <stdlib.h>
#include <string.h>

/* libpq takes lengths as int; PostgreSQL refuses a value above 1 GiB. */
#define ARRAY_MAX_BYTES ((size_t)512 << 20)
/* Buffers that grew beyond this are given back after use. */
#define KEEP_BYTES ((size_t)4 << 20)

struct batch *batch_new(uint32_t capacity)
{
	struct batch *batch = calloc(1, sizeof(*batch));
	if (batch == NULL) {
		return NULL;
	}
	list_init(&batch->link);
	buf_init(&batch->reports, ARRAY_MAX_BYTES);
	buf_init(&batch->indicators, ARRAY_MAX_BYTES);
	batch->capacity = capacity;
	batch->entries = calloc(capacity, sizeof(*batch->entries));
	if (batch->entries == NULL || !batch_reset(batch)) {
		batch_free(&batch);
	}
	return batch;
}

void batch_free(struct batch **batch)
{
	if (*batch == NULL) {
		return;
	}
	buf_fini(&(*batch)->reports);
	buf_fini(&(*batch)->indicators);
	free((*batch)->entries);
	free(*batch);
	*batch = NULL;
}

static bool array_reset(struct buf *array)
{
	if (array->cap > KEEP_BYTES) {
		buf_fini(array);
	}
	return row_array_begin(array);
}

bool batch_reset(struct batch *batch)
{
	batch->count = 0;
	batch->indicator_count = 0;
	batch->unanswered = 0;
	batch->moved = 0;
	batch->is_atomic = false;
	return array_reset(&batch->reports) && array_reset(&batch->indicators);
}

size_t batch_bytes(const struct batch *batch)
{
	return batch->reports.len + batch->indicators.len;
}

/* Claims the next entry for what stands in the arrays behind the given starts. */
static struct batch_entry *close_entry(
	struct batch *batch, size_t report_start, size_t indicator_start)
{
	struct batch_entry *entry = &batch->entries[batch->count++];
	*entry = (struct batch_entry){
		.report_start = (uint32_t)report_start,
		.report_len = (uint32_t)(batch->reports.len - report_start),
		.indicator_start = (uint32_t)indicator_start,
		.indicator_len = (uint32_t)(batch->indicators.len - indicator_start),
	};
	batch->unanswered++;
	return entry;
}

bool batch_append(
	struct batch *batch, const struct submission *submission, uint64_t ticket, int64_t now_ms)
{
	const struct report *report = submission->report;
	size_t report_start = batch->reports.len;
	size_t indicator_start = batch->indicators.len;

	ENSURE(batch->count < batch->capacity);
	bool done = row_append_report(&batch->reports, submission);
	for (size_t i = 0; done && i < report->indicator_count; i++) {
		done = row_append_indicator(
			&batch->indicators, &submission->id, &report->indicators[i]);
	}
	if (!done) {
		batch->reports.len = report_start;
		batch->indicators.len = indicator_start;
		return false;
	}
	struct batch_entry *entry = close_entry(batch, report_start, indicator_start);
	entry->ticket = ticket;
	entry->queued_at_ms = now_ms;
	entry->partner_id = submission->partner_id;
	entry->id = submission->id;
	entry->indicator_count = (uint32_t)report->indicator_count;
	batch->indicator_count += entry->indicator_count;
	return true;
}

bool batch_copy_entry(struct batch *to, const struct batch *from, uint32_t index)
{
	const struct batch_entry *source = &from->entries[index];
	size_t report_start = to->reports.len;
	size_t indicator_start = to->indicators.len;

	ENSURE(to->count < to->capacity);
	if (!buf_append(
		    &to->reports, from->reports.data + source->report_start, source->report_len) ||
		!buf_append(&to->indicators, from->indicators.data + source->indicator_start,
			source->indicator_len)) {
		to->reports.len = report_start;
		return false;
	}
	struct batch_entry *entry = close_entry(to, report_start, indicator_start);
	entry->ticket = source->ticket;
	entry->queued_at_ms = source->queued_at_ms;
	entry->partner_id = source->partner_id;
	entry->id = source->id;
	entry->indicator_count = source->indicator_count;
	to->indicator_count += entry->indicator_count;
	return true;
}

struct batch *batch_slice(const struct batch *from, uint32_t first, uint32_t count)
{
	struct batch *slice = batch_new(from->capacity);
	for (uint32_t i = first; slice != NULL && i < first + count; i++) {
		if (!from->entries[i].is_answered && !batch_copy_entry(slice, from, i)) {
			batch_free(&slice);
		}
	}
	return slice;
}

bool batch_send(struct batch *batch, struct pg_link *link, int kind, const char *name)
{
	const struct pg_session *session = pg_link_session(link);
	row_array_end(&batch->reports, session->report_oid, batch->count);
	row_array_end(&batch->indicators, session->indicator_oid, batch->indicator_count);
	const char *values[] = {batch->reports.data, batch->indicators.data};
	const int lengths[] = {(int)batch->reports.len, (int)batch->indicators.len};
	return pg_link_send(link, kind, name, 2, values, lengths, false);
}
