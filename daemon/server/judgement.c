// SPDX-License-Identifier: Apache-2.0
#include "judgement_int.h"

#include "base/clock.h"
#include "reply_int.h"
#include "worker_int.h"

#include <string.h>

#include <openssl/err.h>

bool judgement_digest(struct worker *worker, struct str payload, uint8_t sha256_out[32])
{
	bool done = EVP_DigestInit_ex2(worker->digest, worker->sha256, NULL) == 1 &&
		EVP_DigestUpdate(worker->digest, payload.data, payload.len) == 1 &&
		EVP_DigestFinal_ex(worker->digest, sha256_out, NULL) == 1;
	if (!done) {
		ERR_clear_error();
	}
	return done;
}

void judgement_make(struct conn *conn, const struct generation *generation, struct str payload,
	struct judgement *judgement_out)
{
	struct worker *worker = conn->worker;
	const struct partner *partner = conn->partner;
	int64_t now_us = clock_wall_us();
	struct report_rules rules = {
		.taxonomy = generation->taxonomy,
		.now_us = now_us,
		.organisations = partner->organisations,
		.organisation_count = partner->organisation_count,
		.may_relay = partner->may_relay,
		.max_depth = (int)generation->conf->limits_report_depth,
		.max_values = (int)generation->conf->limits_report_values,
	};
	judgement_out->payload = payload;
	judgement_out->received_at_us = now_us;
	report_check(&worker->arena, &rules, payload, &judgement_out->result);
	if (!judgement_digest(worker, payload, judgement_out->sha256)) {
		judgement_out->result.verdict = REPORT_OVERLOAD;
	}
}

bool judgement_submission(struct conn *conn, const struct generation *generation,
	const struct judgement *judgement, struct buf *warnings, struct submission *submission_out)
{
	const struct report_result *result = &judgement->result;
	struct metrics *metrics = &conn->worker->metrics;
	buf_clear(warnings);
	if (result->warning_count > 0 &&
		!report_findings_render(warnings, result->warnings, result->warning_count)) {
		return false;
	}
	for (size_t i = 0; i < result->warning_count; i++) {
		metric_add(&metrics->report_warnings[result->warnings[i].code], 1);
	}
	*submission_out = (struct submission){
		.report = &result->report,
		.id = uuid_v7(&conn->worker->uuids, judgement->received_at_us),
		.partner_id = conn->partner->id,
		.is_test = !conn->partner->is_live,
		.received_at_us = judgement->received_at_us,
		.sha256 = judgement->sha256,
		.taxonomy = buf_str(&generation->taxonomy_label),
		.warnings = buf_str(warnings),
		.payload = judgement->payload,
	};
	return true;
}

struct receipt judgement_receipt(const struct conn *conn, const struct submission *submission)
{
	const struct report *report = submission->report;
	struct receipt receipt = {
		.status = RECEIPT_STORED,
		.id = submission->id,
		.partner = conn->partner->name,
		.report_id = report->report_id,
		.revision = report->revision,
		.received_at_us = submission->received_at_us,
		.taxonomy = submission->taxonomy,
		.category = report->category->code,
		.action_areas = report->action_areas,
		.primary_area = report->category->primary_area,
		.is_test = submission->is_test,
		.warnings = submission->warnings,
	};
	memcpy(receipt.sha256, submission->sha256, sizeof(receipt.sha256));
	return receipt;
}

bool judgement_key(
	const struct conn *conn, const struct judgement *judgement, struct store_key *key_out)
{
	const struct report_result *result = &judgement->result;
	if (result->verdict != REPORT_INVALID || result->key_report_id.data == NULL) {
		return false;
	}
	*key_out = (struct store_key){
		.partner_id = conn->partner->id,
		.is_test = !conn->partner->is_live,
		.report_id = result->key_report_id,
		.revision = result->key_revision,
		.sha256 = judgement->sha256,
	};
	return true;
}

void judgement_note_refusal(struct conn *conn, enum reject reject,
	const struct report_result *result, const uint8_t sha256[32], size_t size)
{
	struct str codes[REPORT_MAX_ERRORS];
	struct str pointers[REPORT_MAX_ERRORS];
	for (size_t i = 0; i < result->error_count; i++) {
		metric_add(&conn->worker->metrics.report_errors[result->errors[i].code], 1);
		codes[i] = str_from(report_code_text(result->errors[i].code));
		pointers[i] = result->errors[i].pointer;
	}
	reply_trace(conn, reject, (struct str_list){codes, result->error_count},
		(struct str_list){pointers, result->error_count}, sha256, size);
}
