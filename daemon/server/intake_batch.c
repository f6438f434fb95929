// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a batch.
 *
 * Each line is judged as soon as it is whole, while the body still arrives, and its report goes to
 * the store like one that came alone. Its place in the answer is kept in a ring: pending until the
 * store has spoken, then ready, and written when all before it are. A bad line is an entry like any
 * other and touches no neighbour.
 *
 * What bounds memory: one line and a read's worth of the body; so many reports pending; so many
 * bytes of results that the client has not taken, fewer while memory for requests is short. At any
 * of these no further line is taken, and so nothing is read. Whoever waits for room in the store's
 * queue is woken when the store has answered somebody.
 *
 * An atomic batch is gathered: its reports go to one transaction of their own, which is sent when
 * every line was found good, and the answer begins when its end is known. A dry run asks the store
 * nothing.
 *
 * The generation that was in force when it began judges all of it: the answer's codes and the
 * receipts' taxonomy are of one version.
 */
#include "intake_batch_parts_int.h"

#include "intake_int.h"
#include "reply_int.h"
#include "worker_int.h"

#include <stdio.h>
#include <stdlib.h>

/* Lines judged before others get their turn. */
#define STEP_LINES 4
#define UNZIP_BYTES ((size_t)32 * 1024)
/* Held for results, however little memory is left. */
#define RESULTS_ALWAYS_BYTES ((size_t)64 * 1024)

/* --- life --- */

struct intake_batch *intake_batch_new(struct conn *conn)
{
	const struct conf *conf = worker_conf(conn->worker);
	struct intake_batch *batch = calloc(1, sizeof(*batch));
	if (batch == NULL) {
		return NULL;
	}
	batch->generation = generation_ref(conn->worker->generation);
	snprintf(batch->partner, sizeof(batch->partner), "%.*s", STR_ARG(conn->partner->name));
	batch->quota = conn->quota;
	batch->is_dry_run = conn->route == ROUTE_VALIDATE;
	batch->is_atomic = intake_is_atomic(conn);
	batch->status = 200;
	http_lines_init(&batch->lines, (size_t)conf->limits_report_bytes);
	results_init(&batch->results);
	buf_init(&batch->plain, (size_t)conf->limits_report_bytes + 2 * UNZIP_BYTES);
	bool done = true;
	if (conn->is_gzip) {
		batch->gunzip = http_gunzip_new();
		done = batch->gunzip != NULL;
	}
	if (done && batch->is_atomic && !batch->is_dry_run) {
		batch->atomic = store_atomic_new((uint32_t)conf->limits_max_atomic_reports);
		done = batch->atomic != NULL;
	}
	if (!done) {
		intake_batch_free(&batch);
	}
	return batch;
}

void intake_batch_free(struct intake_batch **batch_ptr)
{
	struct intake_batch *batch = *batch_ptr;
	if (batch == NULL) {
		return;
	}
	for (; batch->in_flight > 0; batch->in_flight--) {
		quota_leave_report(batch->quota);
	}
	store_atomic_free(&batch->atomic);
	results_fini(&batch->results);
	buf_fini(&batch->plain);
	http_gunzip_free(&batch->gunzip);
	generation_unref(&batch->generation);
	free(batch);
	*batch_ptr = NULL;
}

uint32_t intake_batch_take_in_flight(struct intake_batch *batch)
{
	intake_batch_leave_unused(batch);
	uint32_t in_flight = batch->in_flight;
	batch->in_flight = 0;
	return in_flight;
}

size_t intake_batch_bytes(const struct intake_batch *batch)
{
	size_t gathered = batch->atomic != NULL ? store_atomic_bytes(batch->atomic) : 0;
	return batch->results.bytes + batch->plain.cap + gathered;
}

bool intake_batch_gathers(const struct intake_batch *batch)
{
	return batch->atomic != NULL;
}

bool intake_batch_is_broken(const struct intake_batch *batch)
{
	return batch->is_broken;
}

bool intake_batch_has_begun(const struct intake_batch *batch)
{
	return batch->has_begun;
}

bool intake_batch_may_be_refused(const struct intake_batch *batch)
{
	if (batch->is_atomic) {
		return !batch->has_begun && batch->phase == ATOMIC_GATHERS;
	}
	return !batch->has_begun && batch->reports == 0 && batch->results.next == 0;
}

bool intake_batch_waits_for_store(const struct intake_batch *batch)
{
	return batch->results.pending > 0;
}

void intake_batch_break(struct intake_batch *batch)
{
	batch->has_all_lines = true;
	batch->is_broken = true;
}

/* --- lines --- */

static bool has_more_to_unzip(const struct conn *conn)
{
	return conn->batch->gunzip != NULL && (conn->body_len > 0 || conn->batch->may_hold_more);
}

/* The bytes of lines that wait, and whether none will follow them. */
static struct str waiting_bytes(const struct conn *conn, bool *is_end_out)
{
	const struct intake_batch *batch = conn->batch;
	if (batch->gunzip == NULL) {
		*is_end_out = conn->body_is_ended;
		return (struct str){conn->in.data, conn->body_len};
	}
	*is_end_out = conn->body_is_ended && !has_more_to_unzip(conn);
	return buf_str(&batch->plain);
}

static void drop_bytes(struct conn *conn, size_t len)
{
	conn->batch->bytes += len;
	if (conn->batch->gunzip == NULL) {
		conn_consume_body(conn, len);
	} else {
		buf_consume(&conn->batch->plain, len);
	}
}

/* With len bytes more. */
static bool is_over_limit(const struct conn *conn, size_t len)
{
	const struct conf *conf = conn->batch->generation->conf;
	int64_t max_bytes = conn->batch->is_atomic ? conf->limits_max_atomic_bytes
						   : conf->limits_max_batch_bytes;
	return conn->batch->bytes + len > (uint64_t)max_bytes;
}

/*
 * Counts the next report in the partner's quota. Where that is used up the batch waits for its own
 * reports; when it has none, one may fly beyond the quota, or it would wait for ever.
 */
static bool may_fly(struct conn *conn)
{
	struct intake_batch *batch = conn->batch;
	struct quota_limits limits = conn_quota_limits(conn);
	if (batch->in_flight > batch->results.pending) {
		return true;
	}
	if (quota_enter_report(batch->quota, &limits)) {
		batch->in_flight++;
		return true;
	}
	return batch->results.pending == 0;
}

static bool is_full_of_results(const struct intake_batch *batch)
{
	return batch->results.bytes >= (size_t)batch->generation->conf->limits_max_unread_bytes;
}

/* Results that nobody takes leave room in the pool for the requests of others. */
static bool holds_too_much(const struct conn *conn)
{
	const struct worker *worker = conn->worker;
	return conn->batch->results.bytes > RESULTS_ALWAYS_BYTES &&
		worker->input_bytes > conn_input_share(worker) / 4 * 3;
}

bool intake_batch_finds_room(struct conn *conn)
{
	if (store_has_room(conn->worker->store)) {
		return true;
	}
	list_remove(&conn->room_link);
	list_append(&conn->worker->room, &conn->room_link);
	return false;
}

/* No line is taken for which there is no room: what is refused for want of room must be rare. */
static bool has_room(struct conn *conn)
{
	struct intake_batch *batch = conn->batch;
	if (!results_may_wait(&batch->results) || is_full_of_results(batch) ||
		(!batch->is_atomic && holds_too_much(conn))) {
		return false;
	}
	if (batch->is_dry_run || batch->is_atomic) {
		return true;
	}
	return may_fly(conn) && intake_batch_finds_room(conn);
}

/* One line, if one is whole. */
static enum intake_lines take_line(struct conn *conn)
{
	struct str line;
	size_t used;
	bool is_end;
	struct str waiting = waiting_bytes(conn, &is_end);
	enum http_line told = http_lines_next(
		&conn->batch->lines, waiting.data, waiting.len, is_end, &line, &used);
	if (is_over_limit(conn, used)) {
		/* What was passed over has no answer, or had its own. */
		uint64_t number = conn->batch->lines.number + (told == HTTP_LINE_MORE ? 1 : 0);
		intake_batch_end_with(conn, number, REJECT_BODY_TOO_LARGE);
		return INTAKE_LINES_ENDED;
	}
	if (told == HTTP_LINE_TEXT) {
		intake_batch_take_report(conn, line);
	} else if (told == HTTP_LINE_TOO_LONG) {
		intake_batch_take_too_long(conn);
	}
	if (conn->state != CONN_BATCH) {
		return INTAKE_LINES_ENDED; /* it was refused as a whole */
	}
	drop_bytes(conn, used);
	if (told != HTTP_LINE_MORE) {
		return INTAKE_LINES_MORE;
	}
	conn->batch->has_all_lines = conn->batch->has_all_lines || is_end;
	if (is_end) {
		return INTAKE_LINES_ENDED;
	}
	return has_more_to_unzip(conn) ? INTAKE_LINES_MORE : INTAKE_LINES_INPUT;
}

/* The body cannot be taken to its end. */
static void end_unzipping(struct conn *conn, bool is_for_memory)
{
	if (!intake_batch_may_be_refused(conn->batch)) {
		intake_batch_break(conn->batch);
	} else if (is_for_memory) {
		conn->request.keeps_alive = false;
		reply_refuse(conn, REJECT_UNAVAILABLE, NULL);
	} else {
		reply_refuse_framing(conn, HTTP_FAULT_FRAMING, "the body is no whole gzip stream");
	}
}

/* More of the body unzipped, when all that is there was looked at; false when it cannot go on. */
static bool unzip(struct conn *conn)
{
	struct intake_batch *batch = conn->batch;
	struct buf *plain = &batch->plain;
	size_t used;
	size_t len;
	if (batch->gunzip == NULL || plain->len > batch->lines.scanned) {
		return true;
	}
	/* At once for a long line, as doubling would hold the old half beside the new one. */
	size_t more = plain->len > UNZIP_BYTES ? plain->max - plain->len : UNZIP_BYTES;
	if (!buf_reserve(plain, more)) {
		end_unzipping(conn, true);
		return false;
	}
	size_t room = plain->cap - plain->len;
	enum http_parse parsed = http_gunzip_decode(batch->gunzip, conn->in.data, conn->body_len,
		&used, plain->data + plain->len, room, &len);
	plain->len += len;
	batch->may_hold_more = len == room;
	conn_consume_body(conn, used);
	bool is_cut = conn->body_is_ended && conn->body_len == 0 && !batch->may_hold_more &&
		!http_gunzip_is_complete(batch->gunzip);
	if (parsed == HTTP_BAD || is_cut) {
		end_unzipping(conn, false);
		return false;
	}
	return true;
}

static bool is_shut_out(const struct conn *conn)
{
	return conn->partner == NULL || conn->is_suspended || conn->is_revoked;
}

/*
 * What was taken is finished and answered, and then it is said why nothing further was taken, where
 * there is anything further.
 */
static enum intake_lines shut_out(struct conn *conn)
{
	struct intake_batch *batch = conn->batch;
	bool is_end;
	struct str waiting = waiting_bytes(conn, &is_end);
	if (is_end && waiting.len == 0 && !has_more_to_unzip(conn)) {
		batch->has_all_lines = true;
		return INTAKE_LINES_ENDED;
	}
	enum reject reject =
		conn->partner == NULL ? REJECT_PARTNER_UNKNOWN : REJECT_PARTNER_SUSPENDED;
	if (conn->is_revoked) {
		intake_batch_break(batch);
	} else if (intake_batch_may_be_refused(batch)) {
		reply_refuse(conn, reject, NULL);
	} else if (!results_may_wait(&batch->results)) {
		return INTAKE_LINES_PAUSED;
	} else {
		intake_batch_end_with(conn, batch->lines.number + 1, reject);
	}
	return INTAKE_LINES_ENDED;
}

/* Nobody can make room by taking results before all are there. */
static bool is_too_much_to_say(const struct intake_batch *batch)
{
	return batch->is_atomic && is_full_of_results(batch);
}

static enum intake_lines take_some(struct conn *conn)
{
	enum intake_lines lines = INTAKE_LINES_MORE;
	for (int i = 0; i < STEP_LINES && lines == INTAKE_LINES_MORE; i++) {
		if (conn->batch->has_all_lines) {
			return INTAKE_LINES_ENDED;
		}
		if (is_too_much_to_say(conn->batch)) {
			reply_refuse(conn, REJECT_BODY_TOO_LARGE,
				"the results of its lines take more than max_unread_bytes");
			return INTAKE_LINES_ENDED;
		}
		if (!has_room(conn)) {
			return INTAKE_LINES_PAUSED;
		}
		if (!unzip(conn)) {
			return INTAKE_LINES_ENDED;
		}
		lines = take_line(conn);
	}
	return lines;
}

enum intake_lines intake_batch_take_lines(struct conn *conn)
{
	bool is_in = conn->batch->has_all_lines || !is_shut_out(conn);
	enum intake_lines lines = is_in ? take_some(conn) : shut_out(conn);
	if (conn->batch != NULL) {
		/* A place was taken for a line that has not come. */
		intake_batch_leave_unused(conn->batch);
		conn_charge_input(conn);
	}
	return lines;
}
