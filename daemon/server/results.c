// SPDX-License-Identifier: Apache-2.0
/*
 * A ring of fixed entries, each with at most one piece of memory of its own.
 */
#include "results_int.h"

#include "base/uuid.h"

#include <stdlib.h>
#include <string.h>

#define RING_FIRST 16
/* An empty ring that is not larger is kept for what comes next. */
#define RING_KEPT 256
#define NUMBER_MASK (((uint64_t)1 << RESULTS_NUMBER_BITS) - 1)
#define SCRATCH_MAX_BYTES ((size_t)8 << 20)
#define AREAS_MAX 8

void results_init(struct results *results)
{
	*results = (struct results){0};
	buf_init(&results->scratch, SCRATCH_MAX_BYTES);
}

static void drop_packed(struct results *results, struct result *result)
{
	if (result->packed != NULL) {
		explicit_bzero(result->packed, result->packed_len);
		free(result->packed);
		results->bytes -= result->packed_len;
		result->packed = NULL;
		result->packed_len = 0;
	}
}

void results_fini(struct results *results)
{
	for (uint64_t number = results->first; number < results->next; number++) {
		drop_packed(results, results_at(results, number));
	}
	free(results->ring);
	buf_fini(&results->scratch);
	results_init(results);
}

struct result *results_at(struct results *results, uint64_t number)
{
	ENSURE(number >= results->first && number < results->next);
	return &results->ring[number & (results->capacity - 1)];
}

struct result *results_oldest(struct results *results)
{
	return results->first < results->next ? results_at(results, results->first) : NULL;
}

/* The window of what is pending must fit the names. */
bool results_may_wait(const struct results *results)
{
	return results->pending < RESULTS_MAX_PENDING &&
		results->next - results->settled <= NUMBER_MASK;
}

static bool grow(struct results *results)
{
	uint32_t capacity = results->capacity == 0 ? RING_FIRST : results->capacity * 2;
	struct result *ring = calloc(capacity, sizeof(*ring));
	if (ring == NULL) {
		return false;
	}
	for (uint64_t number = results->first; number < results->next; number++) {
		ring[number & (capacity - 1)] = *results_at(results, number);
	}
	results->bytes += (size_t)(capacity - results->capacity) * sizeof(*ring);
	free(results->ring);
	results->ring = ring;
	results->capacity = capacity;
	return true;
}

/* It counts in bytes: a large one that stayed could alone be all that may be held. */
static void drop_large_ring(struct results *results)
{
	if (results->first < results->next || results->capacity <= RING_KEPT) {
		return;
	}
	results->bytes -= (size_t)results->capacity * sizeof(*results->ring);
	free(results->ring);
	results->ring = NULL;
	results->capacity = 0;
}

struct result *results_add(struct results *results, uint64_t line)
{
	if (results->next - results->first == results->capacity && !grow(results)) {
		return NULL;
	}
	struct result *result = &results->ring[results->next++ & (results->capacity - 1)];
	*result = (struct result){.line = line, .is_pending = true};
	results->pending++;
	return result;
}

uint32_t results_newest_name(const struct results *results)
{
	return (uint32_t)((results->next - 1) & NUMBER_MASK);
}

struct result *results_find(struct results *results, uint32_t name)
{
	uint64_t newest = results->next - 1;
	uint64_t age = (newest - name) & NUMBER_MASK;
	if (results->next == 0 || age > newest || newest - age < results->settled) {
		return NULL;
	}
	struct result *result = results_at(results, newest - age);
	return result->is_pending ? result : NULL;
}

void result_settle(struct results *results, struct result *result)
{
	ENSURE(result->is_pending);
	result->is_pending = false;
	results->pending--;
	while (results->settled < results->next &&
		!results_at(results, results->settled)->is_pending) {
		results->settled++;
	}
}

/* ---- Packing. ---- */

/* Takes what scratch holds, if that is whole. Else no word of what it was before stays either. */
static bool keep_scratch(struct results *results, struct result *result, bool is_whole)
{
	struct buf *scratch = &results->scratch;
	drop_packed(results, result);
	result->packed = is_whole ? malloc(scratch->len) : NULL;
	if (result->packed == NULL) {
		result->kind = RESULT_UNSAYABLE;
		return false;
	}
	memcpy(result->packed, scratch->data, scratch->len);
	result->packed_len = (uint32_t)scratch->len;
	results->bytes += scratch->len;
	return true;
}

struct receipt_head {
	struct uuid id;
	int64_t received_at_us;
	int64_t retracted_at_us;
	uint8_t sha256[32];
	int32_t revision;
	uint8_t status;
	bool is_test;
	bool has_packed_warnings;
	uint8_t area_count;
};

static bool put_text(struct buf *out, struct str text)
{
	uint32_t len = (uint32_t)text.len;
	return buf_append(out, &len, sizeof(len)) && buf_append(out, text.data, text.len);
}

/* warnings NULL: those of the receipt, JSON already. */
static bool pack_receipt(
	struct buf *out, const struct receipt *receipt, const struct report_result *warnings)
{
	struct receipt_head head = {
		.id = receipt->id,
		.received_at_us = receipt->received_at_us,
		.retracted_at_us = receipt->retracted_at_us,
		.revision = receipt->revision,
		.status = (uint8_t)receipt->status,
		.is_test = receipt->is_test,
		.has_packed_warnings = warnings != NULL && warnings->warning_count > 0,
		.area_count = (uint8_t)(receipt->action_areas.count < AREAS_MAX
				? receipt->action_areas.count
				: AREAS_MAX),
	};
	memcpy(head.sha256, receipt->sha256, sizeof(head.sha256));
	buf_clear(out);
	bool done = buf_append(out, &head, sizeof(head)) && put_text(out, receipt->report_id) &&
		put_text(out, receipt->taxonomy) && put_text(out, receipt->category) &&
		put_text(out, receipt->primary_area) && put_text(out, receipt->reason);
	for (size_t i = 0; done && i < head.area_count; i++) {
		done = put_text(out, receipt->action_areas.items[i]);
	}
	if (head.has_packed_warnings) {
		return done &&
			report_findings_pack(out, warnings->warnings, warnings->warning_count);
	}
	return done && put_text(out, receipt->warnings);
}

bool result_set_receipt(struct results *results, struct result *result, int status,
	const struct receipt *receipt, const struct report_result *warnings)
{
	result->kind = RESULT_RECEIPT;
	result->status = status;
	return keep_scratch(results, result, pack_receipt(&results->scratch, receipt, warnings));
}

const uint8_t *result_sha256(const struct result *result)
{
	bool is_receipt = result->kind == RESULT_RECEIPT && result->packed != NULL;
	return is_receipt ? (const uint8_t *)result->packed + offsetof(struct receipt_head, sha256)
			  : NULL;
}

static void become_problem(struct result *result, enum result_kind kind, enum reject reject)
{
	result->kind = kind;
	result->reject = reject;
	result->status = reject_info(reject)->status;
	result->codes = (struct refusal_codes){{0}};
	result->detail = NULL;
	result->retry_after_s = 0;
}

bool result_set_findings(struct results *results, struct result *result, enum reject reject,
	const struct report_result *errors)
{
	become_problem(result, RESULT_PROBLEM_FINDINGS, reject);
	result->codes = refusal_codes_of(errors);
	buf_clear(&results->scratch);
	return keep_scratch(results, result,
		report_findings_pack(&results->scratch, errors->errors, errors->error_count));
}

bool result_set_text(
	struct results *results, struct result *result, enum reject reject, const char *text)
{
	become_problem(result, RESULT_PROBLEM_TEXT, reject);
	buf_clear(&results->scratch);
	return keep_scratch(results, result, buf_append(&results->scratch, text, strlen(text) + 1));
}

bool result_set_conflict(struct results *results, struct result *result, enum reject reject,
	const struct receipt *receipt)
{
	become_problem(result, RESULT_PROBLEM_RECEIPT, reject);
	return keep_scratch(results, result, pack_receipt(&results->scratch, receipt, NULL));
}

void result_set_problem(struct results *results, struct result *result, enum reject reject,
	const char *detail, int retry_after_s)
{
	drop_packed(results, result);
	become_problem(result, RESULT_PROBLEM, reject);
	result->detail = detail;
	result->retry_after_s = retry_after_s;
}

/* ---- Rendering. ---- */

static struct str take_text(struct str *packed)
{
	uint32_t len;
	memcpy(&len, packed->data, sizeof(len));
	struct str text = {packed->data + sizeof(len), len};
	packed->data += sizeof(len) + len;
	packed->len -= sizeof(len) + len;
	return text;
}

static bool render_receipt(struct buf *scratch, struct buf *out, const struct result *result,
	struct str partner, const struct taxonomy *taxonomy)
{
	struct str packed = {result->packed, result->packed_len};
	struct receipt_head head;
	struct str areas[AREAS_MAX];
	memcpy(&head, packed.data, sizeof(head));
	packed = (struct str){packed.data + sizeof(head), packed.len - sizeof(head)};
	struct receipt receipt = {
		.status = (enum receipt_status)head.status,
		.id = head.id,
		.partner = partner,
		.report_id = take_text(&packed),
		.revision = head.revision,
		.received_at_us = head.received_at_us,
		.is_test = head.is_test,
		.retracted_at_us = head.retracted_at_us,
	};
	memcpy(receipt.sha256, head.sha256, sizeof(receipt.sha256));
	receipt.taxonomy = take_text(&packed);
	receipt.category = take_text(&packed);
	receipt.primary_area = take_text(&packed);
	receipt.reason = take_text(&packed);
	for (size_t i = 0; i < head.area_count; i++) {
		areas[i] = take_text(&packed);
	}
	receipt.action_areas = (struct str_list){areas, head.area_count};
	if (!head.has_packed_warnings) {
		receipt.warnings = take_text(&packed);
		return receipt_render(out, &receipt);
	}
	buf_clear(scratch);
	if (!report_findings_render_packed(scratch, packed, taxonomy)) {
		return false;
	}
	receipt.warnings = buf_str(scratch);
	return receipt_render(out, &receipt);
}

static bool render_problem(struct buf *scratch, struct buf *out, const struct result *result,
	struct str partner, const struct taxonomy *taxonomy)
{
	struct str packed = {result->packed, result->packed_len};
	const char *detail = result->kind == RESULT_PROBLEM_TEXT ? result->packed : result->detail;
	bool done = reject_render_open(out, result->reject, detail);
	if (result->kind == RESULT_PROBLEM_FINDINGS) {
		done = done && buf_append_str(out, STR(",\"errors\":")) &&
			report_findings_render_packed(out, packed, taxonomy);
	}
	if (result->kind == RESULT_PROBLEM_RECEIPT) {
		done = done && buf_append_str(out, STR(",\"receipt\":")) &&
			render_receipt(scratch, out, result, partner, taxonomy);
	}
	return done && buf_append_str(out, STR("}"));
}

static bool render_result(struct buf *scratch, struct buf *out, const struct result *result,
	struct str partner, const struct taxonomy *taxonomy)
{
	bool is_receipt = result->kind == RESULT_RECEIPT;
	return buf_printf(out,
		       "{\"line\":%llu,\"status\":%d,\"%s\":", (unsigned long long)result->line,
		       result->status, is_receipt ? "receipt" : "problem") &&
		(is_receipt ? render_receipt(scratch, out, result, partner, taxonomy)
			    : render_problem(scratch, out, result, partner, taxonomy)) &&
		(result->retry_after_s == 0 ||
			buf_printf(out, ",\"retry_after\":%d", result->retry_after_s)) &&
		buf_append_str(out, STR("}\n"));
}

bool results_render(struct results *results, struct buf *out, size_t limit, struct str partner,
	const struct taxonomy *taxonomy)
{
	struct result *result;
	while (out->len < limit && (result = results_oldest(results)) != NULL &&
		!result->is_pending) {
		if (result->kind == RESULT_UNSAYABLE) {
			return out->len > 0; /* what is before it comes first */
		}
		if (!render_result(&results->scratch, out, result, partner, taxonomy)) {
			return false;
		}
		drop_packed(results, result);
		results->first++;
	}
	drop_large_ring(results);
	return true;
}
