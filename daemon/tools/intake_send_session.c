// SPDX-License-Identifier: Apache-2.0
/*
 * The story of a run.
 *
 * First the server is asked who we are. That shows at once whether it can be reached, trusts us and
 * is one that takes reports, and it tells whose receipts in the result file count: those of another
 * partner, or of the time in test mode, say nothing about what is stored for this one.
 *
 * Then each lane fills a batch from the sources, sends it, and keeps it until every report of it is
 * answered: what is answered is written to the result file and leaves the batch, what is not goes
 * again with the lane's next request, after a wait. Only then the lane takes new reports. So what
 * is in memory is a batch a lane, however long an outage lasts.
 *
 * A report's way ends with its line in the result file. A crash before that leaves it unknown here
 * whether the server has it, so it is sent again, and the server, which knows, answers with the
 * first receipt. Nothing is taken for stored that no receipt says is.
 *
 * A signal, or what trying again cannot heal, stops the filling. What is on its way is given a
 * little time to come to its end.
 */
#include "intake_send_session_int.h"

#include "base/clock.h"
#include "intake_send_signal_int.h"
#include "intake_send_text_int.h"

#include <stdlib.h>

#define TURN_MS 250
#define FAREWELL_MS 5000
#define SYNC_EVERY_MS 1000
/* Between two looks at the connections, when everything is skipped. */
#define SKIPPED_A_TURN 10000

/* --- the end of a run --- */

/* The first reason counts; it may hold the server's own words. */
void session_end(struct session *session, enum outcome outcome, const char *sentence)
{
	if (session->is_ended) {
		return;
	}
	session->is_ended = true;
	session->outcome = outcome;
	session->farewell_ms = clock_monotonic_ms() + FAREWELL_MS;
	text_copy_clean(session->err->text, sizeof(session->err->text), sentence);
}

static bool has_lane_in(const struct session *session, enum lane_state state)
{
	for (unsigned i = 0; i < session->options->connections; i++) {
		if (session->lanes[i].state == state) {
			return true;
		}
	}
	return false;
}

/* Whether a report, or the first question, waits for its answer. */
static bool is_busy(const struct session *session)
{
	for (unsigned i = 0; i < session->options->connections; i++) {
		const struct lane *lane = &session->lanes[i];
		if (lane->state != LANE_FREE || lane->batch.count > 0) {
			return true;
		}
	}
	return false;
}

static bool is_over(const struct session *session)
{
	if (session->is_ended) {
		return !has_lane_in(session, LANE_SENDING) ||
			clock_monotonic_ms() >= session->farewell_ms || signal_is_repeated();
	}
	return session->is_known && session->has_all && !is_busy(session);
}

static void end_interrupted(struct session *session)
{
	struct err err;
	const char *reason = session->trouble;
	if (reason[0] == '\0' && !session->is_known) {
		reason = "the server does not answer";
	}
	err_set(&err, "interrupted%s%s", reason[0] != '\0' ? " while waiting: " : "", reason);
	session_end(session, OUTCOME_INTERRUPTED, err.text);
}

static void look_for_end(struct session *session, int64_t now_ms)
{
	int64_t patience_s = session->options->give_up_after_s;
	if (!is_busy(session)) {
		/* Waiting for a pipe is no lack of progress. */
		session->progress_at_ms = now_ms;
	}
	if (signal_has_come()) {
		end_interrupted(session);
	} else if (patience_s >= 0 && now_ms - session->progress_at_ms >= patience_s * 1000) {
		struct err err;
		err_set(&err, "given up after %lld s without progress: %s", (long long)patience_s,
			session->trouble[0] != '\0' ? session->trouble
						    : "the server does not answer");
		session_end(session, OUTCOME_GAVE_UP, err.text);
	}
}

bool session_write_result(struct session *session, const struct result *result)
{
	struct err err;
	if (session->results == NULL) {
		return true;
	}
	if (session->has_torn_result) {
		return false;
	}
	if (!results_append(session->results, result, &err)) {
		session->has_torn_result = true;
		session_end(session, OUTCOME_LOCAL, err.text);
	}
	return !session->has_torn_result;
}

static void sync_results(struct session *session, int64_t now_ms)
{
	struct err err;
	if (session->results != NULL && now_ms - session->synced_at_ms >= SYNC_EVERY_MS) {
		session->synced_at_ms = now_ms;
		if (!results_sync(session->results, &err)) {
			session_end(session, OUTCOME_LOCAL, err.text);
		}
	}
}

/* --- requests --- */

static void start(struct session *session, unsigned number)
{
	struct lane *lane = &session->lanes[number];
	bool is_document = lane->batch.is_document;
	struct batch_limits limits = session->limits;
	struct transfer_request request = {.path = "/v1/whoami"};
	if (lane->reports_max < limits.reports) {
		limits.reports = lane->reports_max;
	}
	if (session->is_known) {
		request.path =
			session->options->is_validation ? "/v1/reports/validate" : "/v1/reports";
		request.content_type = is_document ? "application/json" : "application/x-ndjson";
		request.body = batch_offer(&lane->batch, &limits);
		request.wants_lines = !is_document;
	}
	lane->state = LANE_SENDING;
	lane->is_too_large = false;
	lane->retry_after_s = 0;
	transfer_start(session->transfer, number, &request);
}

static const char *fault_sentence(enum scan_fault fault)
{
	switch (fault) {
	case SCAN_FAULT_LINE_END:
		return "a line ends inside a string, which is no JSON";
	case SCAN_FAULT_EMPTY:
		return "an element of the array is missing before this comma or bracket";
	default:
		return "it is longer than 16 MiB";
	}
}

static void refuse_unsendable(struct session *session, const struct source_report *report)
{
	const char *reason = fault_sentence(report->cut.fault);
	int status = report->cut.fault == SCAN_FAULT_TOO_LONG ? 413 : 400;
	struct summary_place place = {report->file, report->cut.line, report->cut.index};
	json_t *problem = settle_make_problem(status, reason);
	struct result result = {.url = session->options->url,
		.file = report->file,
		.line = report->cut.line,
		.index = report->cut.index,
		.status = status,
		.member = "problem",
		.content = problem};
	bool is_written = session_write_result(session, &result);
	json_decref(problem);
	if (!is_written) {
		return;
	}
	summary_add_unsendable(session->summary, &place, reason);
	session->done_bytes += report->cut.span_bytes;
}

/* Whether the report needs no sending. */
static bool pass_over(struct session *session, const struct source_report *report)
{
	if (report->cut.fault != SCAN_FAULT_NONE) {
		refuse_unsendable(session, report);
		return true;
	}
	if (digests_has(&session->digests, &report->digest)) {
		session->summary->skipped++;
		session->done_bytes += report->cut.span_bytes;
		return true;
	}
	return false;
}

/* Reads on until the batch is full or the sources give no more. */
static void fill(struct session *session, struct lane *lane, unsigned *passed_over)
{
	const struct source_report *report = NULL;
	while (*passed_over < SKIPPED_A_TURN && !session->is_ended) {
		enum source_step step = source_peek(session->source, &report);
		session->is_starved = step == SOURCE_WAIT;
		session->has_all = step == SOURCE_END;
		if (step != SOURCE_REPORT) {
			return;
		}
		if (pass_over(session, report)) {
			(*passed_over)++;
		} else if (batch_has_room(&lane->batch, report, &session->limits)) {
			batch_add(&lane->batch, report);
		} else {
			return;
		}
		source_take(session->source);
	}
}

/* Gives every lane that can work something to do. False: it would have gone on. */
static bool fill_lanes(struct session *session, int64_t now_ms)
{
	unsigned passed_over = 0;
	for (unsigned i = 0; i < session->options->connections && !session->is_ended; i++) {
		struct lane *lane = &session->lanes[i];
		if (lane->state == LANE_WAITING && now_ms >= lane->wait_until_ms) {
			lane->state = LANE_FREE;
		}
		if (lane->state != LANE_FREE || (!session->is_known && i > 0)) {
			continue;
		}
		if (session->is_known && lane->batch.count == 0) {
			fill(session, lane, &passed_over);
		}
		if (!session->is_known || lane->batch.count > 0) {
			start(session, i);
		}
	}
	return passed_over < SKIPPED_A_TURN;
}

static int wait_ms(const struct session *session, int64_t now_ms)
{
	int64_t wait = TURN_MS;
	for (unsigned i = 0; i < session->options->connections; i++) {
		const struct lane *lane = &session->lanes[i];
		if (lane->state == LANE_WAITING && lane->wait_until_ms - now_ms < wait) {
			wait = lane->wait_until_ms - now_ms;
		}
	}
	return wait > 0 ? (int)wait : 0;
}

/* A pipe is waited for only by a lane that has nothing else to do. */
static int wait_fd(const struct session *session)
{
	if (!session->is_starved || session->is_ended) {
		return -1;
	}
	return has_lane_in(session, LANE_FREE) ? source_wait_fd(session->source) : -1;
}

static void show_progress(struct session *session, int64_t now_ms)
{
	struct progress_count done = {
		.reports = summary_reports(session->summary),
		.refused = session->summary->refused + session->summary->unsendable,
		.bytes = session->done_bytes,
		.total_bytes = source_total_bytes(session->source),
	};
	progress_tick(&session->progress, now_ms, &done, session->trouble);
}

static void run(struct session *session)
{
	while (!is_over(session)) {
		int64_t now_ms = clock_monotonic_ms();
		look_for_end(session, now_ms);
		bool is_idle = fill_lanes(session, now_ms);
		transfer_run(session->transfer, is_idle ? wait_ms(session, now_ms) : 0,
			wait_fd(session));
		now_ms = clock_monotonic_ms();
		sync_results(session, now_ms);
		show_progress(session, now_ms);
	}
	progress_end(&session->progress);
}

/* --- life --- */

static void on_fault(void *ctx, const char *sentence)
{
	struct session *session = ctx;
	summary_add_fault(session->summary, sentence);
}

static bool set_up(struct session *session)
{
	const struct options *options = session->options;
	struct transfer_events events = {
		.on_line = settle_on_line, .on_end = settle_on_end, .ctx = session};
	if (!credential_load(options, &session->credential, session->err)) {
		return false;
	}
	if (options->results != NULL) {
		session->results = results_open(options->results, session->err);
		if (session->results == NULL) {
			return false;
		}
	}
	session->transfer = transfer_new(options, &session->credential, &events, session->err);
	if (session->transfer == NULL) {
		return false;
	}
	session->source = source_new(options->sources, options->source_count,
		session->results != NULL ? results_stat(session->results) : NULL, on_fault,
		session);
	session->lanes = calloc(options->connections, sizeof(*session->lanes));
	ENSURE(session->lanes != NULL);
	for (unsigned i = 0; i < options->connections; i++) {
		batch_init(&session->lanes[i].batch, options->batch_bytes);
		session->lanes[i].reports_max = BATCH_REPORTS_MAX;
	}
	return true;
}

static void tear_down(struct session *session)
{
	transfer_free(&session->transfer);
	for (unsigned i = 0; session->lanes != NULL && i < session->options->connections; i++) {
		batch_fini(&session->lanes[i].batch);
	}
	free(session->lanes);
	source_free(&session->source);
	results_close(&session->results);
	digests_fini(&session->digests);
	credential_fini(&session->credential);
}

static enum outcome outcome_of(struct session *session)
{
	struct err err;
	if (session->results != NULL && !results_sync(session->results, &err)) {
		session_end(session, OUTCOME_LOCAL, err.text);
	}
	if (session->is_ended) {
		return session->outcome;
	}
	return summary_has_refusals(session->summary) ? OUTCOME_REFUSED : OUTCOME_STORED;
}

enum outcome session_run(const struct options *options, struct summary *summary, struct err *err)
{
	int64_t now_ms = clock_monotonic_ms();
	struct session session = {.options = options,
		.summary = summary,
		.err = err,
		.limits = {.reports = BATCH_REPORTS_MAX,
			.bytes = options->batch_bytes,
			.keeps_order = options->connections == 1},
		.progress_at_ms = now_ms,
		.synced_at_ms = now_ms};
	enum outcome outcome = OUTCOME_LOCAL;
	err_set(err, "%s", "");
	digests_init(&session.digests);
	signal_catch();
	if (set_up(&session)) {
		progress_init(&session.progress, options->is_quiet, now_ms);
		run(&session);
		outcome = outcome_of(&session);
	}
	tear_down(&session);
	return outcome;
}
