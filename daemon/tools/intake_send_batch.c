// SPDX-License-Identifier: Apache-2.0
#include "intake_send_batch_int.h"

#include "intake_send_identity_int.h"

#include <stdlib.h>
#include <string.h>

void batch_init(struct batch *batch, size_t bytes_max)
{
	*batch = (struct batch){.count = 0};
	/* One report past the limit fits: the first is taken whatever its size. */
	buf_init(&batch->bytes, bytes_max + SCAN_REPORT_BYTES_MAX + 1);
}

void batch_fini(struct batch *batch)
{
	buf_fini(&batch->bytes);
	free(batch->reports);
	batch->reports = NULL;
}

bool batch_has_room(const struct batch *batch, const struct source_report *report,
	const struct batch_limits *limits)
{
	if (batch->count == 0) {
		return true;
	}
	if (batch->is_document || report->is_document || batch->count >= limits->reports ||
		batch->bytes.len + report->cut.bytes.len + 1 > limits->bytes) {
		return false;
	}
	return !limits->keeps_order || identity_revision(report->cut.bytes) == 1;
}

void batch_add(struct batch *batch, const struct source_report *report)
{
	struct str bytes = report->cut.bytes;
	if (batch->count == batch->cap) {
		batch->cap = batch->cap == 0 ? 16 : batch->cap * 2;
		batch->reports = reallocarray(batch->reports, batch->cap, sizeof(*batch->reports));
		ENSURE(batch->reports != NULL);
	}
	batch->reports[batch->count++] = (struct batch_report){
		.file = report->file,
		.line = report->cut.line,
		.index = report->cut.index,
		.span_bytes = report->cut.span_bytes,
		.digest = report->digest,
		.at = batch->bytes.len,
		.len = bytes.len,
	};
	batch->is_document = report->is_document;
	bool is_added = buf_append_str(&batch->bytes, bytes) &&
		(report->is_document || buf_append_str(&batch->bytes, STR("\n")));
	ENSURE(is_added);
}

static size_t end_of(const struct batch *batch, const struct batch_report *report)
{
	return report->at + report->len + (batch->is_document ? 0 : 1);
}

struct str batch_offer(struct batch *batch, const struct batch_limits *limits)
{
	ENSURE(batch->count > 0);
	batch->offered = 1;
	while (batch->offered < batch->count && batch->offered < limits->reports &&
		end_of(batch, &batch->reports[batch->offered]) <= limits->bytes) {
		batch->offered++;
	}
	return (struct str){batch->bytes.data, end_of(batch, &batch->reports[batch->offered - 1])};
}

struct batch_report *batch_find(struct batch *batch, uint64_t line)
{
	if (line < 1 || line > batch->offered || batch->reports[line - 1].is_answered) {
		return NULL;
	}
	return &batch->reports[line - 1];
}

struct str batch_report_bytes(const struct batch *batch, const struct batch_report *report)
{
	return (struct str){batch->bytes.data + report->at, report->len};
}

size_t batch_settle(struct batch *batch)
{
	size_t kept = 0;
	size_t kept_bytes = 0;
	for (size_t i = 0; i < batch->count; i++) {
		struct batch_report report = batch->reports[i];
		if (report.is_answered) {
			continue;
		}
		size_t len = end_of(batch, &report) - report.at;
		memmove(batch->bytes.data + kept_bytes, batch->bytes.data + report.at, len);
		report.at = kept_bytes;
		batch->reports[kept++] = report;
		kept_bytes += len;
	}
	size_t answered = batch->count - kept;
	batch->count = kept;
	batch->bytes.len = kept_bytes;
	batch->offered = 0;
	return answered;
}
