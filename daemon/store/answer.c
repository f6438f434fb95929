// SPDX-License-Identifier: Apache-2.0
#include "answer_int.h"

#include "base/attr.h"
#include "row_int.h"

#include <endian.h>
#include <string.h>

/* Columns of intake.receipt (sql/0005_store.sql, 0007_retraction.sql, 0015_keeping.sql). */
enum {
	ANSWER_PLACE,
	ANSWER_OUTCOME,
	ANSWER_ID,
	ANSWER_RECEIVED_AT,
	ANSWER_REPORT_ID,
	ANSWER_REVISION,
	ANSWER_IS_TEST,
	ANSWER_SHA256,
	ANSWER_TAXONOMY,
	ANSWER_CATEGORY,
	ANSWER_PRIMARY_AREA,
	ANSWER_ACTION_AREAS,
	ANSWER_WARNINGS,
	ANSWER_RETRACTED_AT,
	ANSWER_REASON,
	ANSWER_ERASED_AT
};

static struct str text_at(const PGresult *result, int row, int column)
{
	return (struct str){
		PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column)};
}

static uint32_t uint32_at(const PGresult *result, int row, int column)
{
	uint32_t network;
	ENSURE(PQgetlength(result, row, column) == 4);
	memcpy(&network, PQgetvalue(result, row, column), 4);
	return be32toh(network);
}

static int64_t time_at(const PGresult *result, int row, int column)
{
	uint64_t network;
	ENSURE(PQgetlength(result, row, column) == sizeof(network));
	memcpy(&network, PQgetvalue(result, row, column), sizeof(network));
	return (int64_t)be64toh(network) + ROW_EPOCH_US;
}

static enum store_outcome outcome_from(struct str text)
{
	static const struct {
		const char *text;
		enum store_outcome outcome;
	} outcomes[] = {{"stored", STORE_STORED}, {"duplicate", STORE_DUPLICATE},
		{"conflict", STORE_CONFLICT}, {"superseded", STORE_SUPERSEDED},
		{"erased", STORE_ERASED}, {"rolled-back", STORE_ROLLED_BACK},
		{"unstorable", STORE_UNSTORABLE}, {"retracted", STORE_RETRACTED},
		{"not found", STORE_NOT_FOUND}};
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
		if (str_equal(text, str_from(outcomes[i].text))) {
			return outcomes[i].outcome;
		}
	}
	return STORE_UNAVAILABLE;
}

/* Areas are separated by spaces. */
static void split_areas(struct answer *answer, struct str areas)
{
	struct str_list *list = &answer->result.receipt.action_areas;
	list->items = answer->areas;
	while (areas.len > 0 && list->count < ANSWER_MAX_AREAS) {
		const char *space = memchr(areas.data, ' ', areas.len);
		size_t len = space != NULL ? (size_t)(space - areas.data) : areas.len;
		answer->areas[list->count++] = (struct str){areas.data, len};
		size_t skip = space != NULL ? len + 1 : len;
		areas.data += skip;
		areas.len -= skip;
	}
}

void answer_read(const PGresult *result, int row, struct answer *answer_out)
{
	*answer_out = (struct answer){.place = uint32_at(result, row, ANSWER_PLACE) - 1};
	answer_out->result.outcome = outcome_from(text_at(result, row, ANSWER_OUTCOME));
	if (PQgetisnull(result, row, ANSWER_ID)) {
		if (answer_out->result.outcome == STORE_UNSTORABLE) {
			answer_out->sqlstate = PQgetvalue(result, row, ANSWER_REASON);
		}
		return;
	}
	struct receipt *receipt = &answer_out->result.receipt;
	answer_out->result.has_receipt = true;
	memcpy(receipt->id.bytes, PQgetvalue(result, row, ANSWER_ID), sizeof(receipt->id.bytes));
	receipt->received_at_us = time_at(result, row, ANSWER_RECEIVED_AT);
	receipt->report_id = text_at(result, row, ANSWER_REPORT_ID);
	receipt->revision = (int32_t)uint32_at(result, row, ANSWER_REVISION);
	receipt->is_test = *PQgetvalue(result, row, ANSWER_IS_TEST) != 0;
	memcpy(receipt->sha256, PQgetvalue(result, row, ANSWER_SHA256), sizeof(receipt->sha256));
	receipt->taxonomy = text_at(result, row, ANSWER_TAXONOMY);
	receipt->category = text_at(result, row, ANSWER_CATEGORY);
	receipt->primary_area = text_at(result, row, ANSWER_PRIMARY_AREA);
	split_areas(answer_out, text_at(result, row, ANSWER_ACTION_AREAS));
	receipt->warnings = text_at(result, row, ANSWER_WARNINGS);
	receipt->status = RECEIPT_STORED;
	if (!PQgetisnull(result, row, ANSWER_RETRACTED_AT)) {
		receipt->status = RECEIPT_RETRACTED;
		receipt->retracted_at_us = time_at(result, row, ANSWER_RETRACTED_AT);
		receipt->reason = text_at(result, row, ANSWER_REASON);
	}
	if (!PQgetisnull(result, row, ANSWER_ERASED_AT)) {
		receipt->status = RECEIPT_ERASED;
	}
}
