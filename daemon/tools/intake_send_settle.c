// SPDX-License-Identifier: Apache-2.0
/*
 * What an answer does to a run: reports come to their end, in the result file first and in the
 * summary then, or stay in the lane's batch to be sent again. An answer that makes no sense changes
 * nothing but that it is tried again.
 */
#include "intake_send_session_int.h"

#include "base/clock.h"
#include "intake_send_backoff_int.h"
#include "intake_send_identity_int.h"
#include "intake_send_signal_int.h"
#include "intake_send_text_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *member_of(const struct answer *answer)
{
	switch (answer->kind) {
	case ANSWER_STORED:
	case ANSWER_REPEATED:
		return "receipt";
	case ANSWER_VALID:
		return "verdict";
	default:
		return "problem";
	}
}

json_t *settle_make_problem(int status, const char *title)
{
	json_t *problem =
		json_pack("{s:s,s:s,s:i}", "type", "about:blank", "title", title, "status", status);
	ENSURE(problem != NULL);
	return problem;
}

static bool record(struct session *session, const struct batch_report *report,
	const char *report_id, const struct answer *answer)
{
	json_t *content = answer->kind == ANSWER_REFUSED ? answer->problem : answer->receipt;
	json_t *made =
		content == NULL ? settle_make_problem(answer->status, answer_title(answer)) : NULL;
	struct result result = {.url = session->options->url,
		.file = report->file,
		.line = report->line,
		.index = report->index,
		.digest = &report->digest,
		.report_id = report_id,
		.status = answer->status,
		.member = member_of(answer),
		.content = content != NULL ? content : made};
	bool is_written = session_write_result(session, &result);
	json_decref(made);
	return is_written;
}

static void count(struct session *session, const struct batch_report *report, const char *report_id,
	const struct answer *answer)
{
	struct summary_place place = {report->file, report->line, report->index};
	switch (answer->kind) {
	case ANSWER_STORED:
		session->summary->stored++;
		break;
	case ANSWER_REPEATED:
		session->summary->repeated++;
		break;
	case ANSWER_VALID:
		session->summary->valid++;
		break;
	default:
		summary_add_refusal(session->summary, &place, report_id, answer);
	}
}

static void note_progress(struct session *session)
{
	session->progress_at_ms = clock_monotonic_ms();
	session->trouble[0] = '\0';
}

/* The first question was answered for another mode, and by that receipts were passed over. */
static void note_mode(struct session *session, const struct answer *answer)
{
	bool is_test = json_is_true(json_object_get(answer->receipt, "test"));
	if (answer->kind == ANSWER_REFUSED || answer->kind == ANSWER_VALID ||
		is_test == session->summary->is_test || session->summary->has_mode_changed) {
		return;
	}
	session->summary->has_mode_changed = true;
	summary_add_fault(session->summary,
		is_test ? "the partner was live and is in test mode now: what is stored since then "
			  "does not count"
			: "the partner was in test mode and is live now: what was stored before is "
			  "sent again by the same command");
}

/* The end of a report's way. False when the answer cannot be this report's. */
static bool settle(struct session *session, struct lane *lane, struct batch_report *report,
	const struct answer *answer)
{
	struct str bytes = batch_report_bytes(&lane->batch, report);
	bool is_verdict = answer->kind == ANSWER_VALID;
	if (answer->kind != ANSWER_REFUSED &&
		(is_verdict != session->options->is_validation ||
			!answer_is_about(answer, &report->digest, bytes))) {
		return false;
	}
	const char *said = json_string_value(json_object_get(answer->receipt, "report_id"));
	char *read = said == NULL ? identity_report_id(bytes) : NULL;
	const char *report_id = said != NULL ? said : read;
	if (record(session, report, report_id, answer)) {
		count(session, report, report_id, answer);
		note_mode(session, answer);
		report->is_answered = true;
		session->done_bytes += report->span_bytes;
		note_progress(session);
	}
	free(read);
	return true;
}

/*
 * What may be the server's own words. Where the first question is not answered the fault is most
 * likely here, in the address, and who waits for a bar or for the next line has to know.
 */
static void note_trouble(struct session *session, const char *what)
{
	text_copy_clean(session->trouble, sizeof(session->trouble), what);
	if (!session->is_known && !session->has_told_trouble) {
		struct err err;
		session->has_told_trouble = true;
		err_set(&err, "%s; trying again", session->trouble);
		progress_say(&session->progress, err.text);
	}
}

static void note_later(struct session *session, struct lane *lane, int64_t retry_after_s,
	const struct answer *answer)
{
	if (retry_after_s > lane->retry_after_s) {
		lane->retry_after_s = retry_after_s;
	}
	struct err err;
	err_set(&err, "%s (%d)", answer_title(answer), answer->status);
	note_trouble(session, err.text);
}

static void deny(struct session *session, const struct answer *answer)
{
	struct err err;
	if (answer->problem_name[0] != '\0') {
		err_set(&err, "the server takes nothing: %s (%d %s)", answer_title(answer),
			answer->status, answer->problem_name);
	} else {
		err_set(&err,
			"%s does not answer as intaked does (status %d): --url is most likely not "
			"its address",
			session->options->url, answer->status);
	}
	session_end(session, OUTCOME_DENIED, err.text);
}

/* --- answers --- */

static void lower(size_t *limit, size_t value)
{
	*limit = value < *limit ? value : *limit;
}

/* Fewer reports, or fewer bytes, from now on and on all lanes. False: it cannot be less. */
static bool shrink(struct session *session, struct lane *lane, const struct answer *answer)
{
	size_t offered = lane->batch.offered;
	if (offered <= 1) {
		return false;
	}
	lane->is_too_large = true;
	if (answer->line > 1) {
		lower(&session->limits.reports, (size_t)answer->line - 1);
	} else {
		const struct batch_report *last = &lane->batch.reports[offered - 1];
		lower(&session->limits.bytes, (last->at + last->len) / 2);
	}
	return true;
}

/* What an answer does, to one report or, report NULL, to all that were offered. */
static bool act(struct session *session, struct lane *lane, struct batch_report *report,
	const struct answer *answer, int64_t retry_after_s)
{
	switch (answer->kind) {
	case ANSWER_STORED:
	case ANSWER_REPEATED:
	case ANSWER_VALID:
	case ANSWER_REFUSED:
		return report != NULL && settle(session, lane, report, answer);
	case ANSWER_LATER:
		note_later(session, lane, retry_after_s, answer);
		return true;
	case ANSWER_SMALLER:
		return shrink(session, lane, answer);
	case ANSWER_DENIED:
		deny(session, answer);
		return true;
	default:
		return false;
	}
}

bool settle_on_line(void *ctx, unsigned number, struct str line)
{
	struct session *session = ctx;
	struct lane *lane = &session->lanes[number];
	struct answer answer;
	answer_read_line(&answer, line);
	struct batch_report *report = batch_find(&lane->batch, answer.line);
	/* Why a batch ends may stand at a line that was not sent yet. */
	bool is_of_ours = report != NULL || answer.kind == ANSWER_DENIED;
	bool is_understood =
		is_of_ours && act(session, lane, report, &answer, answer.retry_after_s);
	answer_fini(&answer);
	return is_understood;
}

static void load_receipts(struct session *session)
{
	struct err err;
	struct results_owner owner = {.url = session->options->url,
		.partner = session->summary->partner,
		.is_test = session->summary->is_test};
	if (session->results != NULL && !session->options->is_validation &&
		!results_load(session->results, &owner, &session->digests, signal_has_come, &err)) {
		session_end(session, OUTCOME_LOCAL, err.text);
	}
}

/* Who we are; false when the answer says something else. */
static bool learn(struct session *session, const json_t *answer)
{
	const char *partner = json_string_value(json_object_get(answer, "partner"));
	const char *mode = json_string_value(json_object_get(answer, "mode"));
	struct summary *summary = session->summary;
	if (partner == NULL || mode == NULL || strlen(partner) >= sizeof(summary->partner)) {
		return false;
	}
	snprintf(summary->partner, sizeof(summary->partner), "%s", partner);
	summary->is_test = strcmp(mode, "live") != 0;
	session->is_known = true;
	note_progress(session);
	load_receipts(session);
	return true;
}

static void on_contact(struct session *session, struct lane *lane, const struct transfer_end *end)
{
	struct answer answer;
	answer_read_body(&answer, end->status, end->body, 1);
	if (answer.kind == ANSWER_LATER) {
		note_later(session, lane, end->retry_after_s, &answer);
	} else if (end->status != 200 || !learn(session, answer.root)) {
		deny(session, &answer);
	}
	answer_fini(&answer);
}

/* An answer that is one piece. */
static void on_body(struct session *session, struct lane *lane, const struct transfer_end *end)
{
	struct answer answer;
	size_t offered = lane->batch.offered;
	struct batch_report *report = offered == 1 ? batch_find(&lane->batch, 1) : NULL;
	answer_read_body(&answer, end->status, end->body, offered);
	if (!act(session, lane, report, &answer, end->retry_after_s)) {
		note_trouble(session, "the answer is not understood");
	}
	answer_fini(&answer);
}

/*
 * Twice as many reports as got through: whatever cut the answer short, a quota most of all, will do
 * so next time, and what is sent beyond that is sent for nothing.
 */
static void set_pace(struct lane *lane, size_t got_through)
{
	size_t most = got_through > 0 ? 2 * got_through : 1;
	lane->reports_max = most < BATCH_REPORTS_MAX ? most : BATCH_REPORTS_MAX;
}

/* Frees the lane, or lets it try again after a wait. */
static void go_on(struct session *session, struct lane *lane)
{
	size_t offered = lane->batch.offered;
	size_t answered = batch_settle(&lane->batch);
	bool is_done = answered == offered && session->is_known;
	lane->failures = answered > 0 ? 0 : lane->failures;
	lane->state = LANE_FREE;
	if (lane->is_too_large) {
		return;
	}
	set_pace(lane, is_done ? lane->reports_max : answered);
	if (!is_done) {
		if (answered == 0 && session->is_known && session->trouble[0] == '\0') {
			note_trouble(session, "the answer is not understood");
		}
		lane->failures++;
		lane->wait_until_ms = clock_monotonic_ms() +
			backoff_delay_ms(lane->failures, lane->retry_after_s, arc4random());
		lane->state = LANE_WAITING;
	}
}

void settle_on_end(void *ctx, unsigned number, const struct transfer_end *end)
{
	struct session *session = ctx;
	struct lane *lane = &session->lanes[number];
	if (end->result == TRANSFER_HOPELESS) {
		session_end(session, end->outcome, end->reason);
	} else if (end->result == TRANSFER_LOST) {
		note_trouble(session, end->reason);
	} else if (!session->is_known) {
		on_contact(session, lane, end);
	} else if (lane->batch.is_document || end->status != 200) {
		on_body(session, lane, end);
	}
	go_on(session, lane);
}
