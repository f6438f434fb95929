// SPDX-License-Identifier: Apache-2.0
/*
 * A receipt: what a partner can rely on once it was sent. The same function renders the first one
 * and every later one, so a receipt comes back unchanged but for its status and, while that says
 * retracted, the retraction behind it.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "base/uuid.h"
#include "report/report.h"

enum receipt_status {
	RECEIPT_STORED,
	RECEIPT_DUPLICATE,
	RECEIPT_RETRACTED,
	RECEIPT_ERASED,
	RECEIPT_VALID /* of a dry run: it has no id and no time, since nothing was stored */
};

struct receipt {
	enum receipt_status status;
	struct uuid id;
	struct str partner;
	struct str report_id;
	int32_t revision;
	int64_t received_at_us;
	uint8_t sha256[32];
	struct str taxonomy; /* digital-solidarity-2024/1.0.0 */
	struct str category;
	struct str_list action_areas;
	struct str primary_area;
	bool is_test;
	struct str warnings; /* JSON array as text; empty means [] */
	int64_t retracted_at_us;
	struct str reason; /* of the retraction */
};

/* Appends one JSON object, members in the order of the partner interface, no line ending. */
MUST_CHECK bool receipt_render(struct buf *out, const struct receipt *receipt);
