// SPDX-License-Identifier: Apache-2.0
/*
 * Rows in PostgreSQL's binary format (array_send, record_send), appended to a buffer that becomes
 * one array parameter. The order of columns is that of the tables in sql/0004_record.sql.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "store/store.h"

#include <stddef.h>
#include <stdint.h>

/* What stands in front of an array's elements. */
#define ROW_ARRAY_HEADER_BYTES 20

/* Clears the buffer and leaves room for the header. */
MUST_CHECK bool row_array_begin(struct buf *array);
/* Fills the header in. */
void row_array_end(struct buf *array, uint32_t element_oid, uint32_t count);

MUST_CHECK bool row_append_report(struct buf *array, const struct submission *submission);
MUST_CHECK bool row_append_indicator(
	struct buf *array, const struct uuid *report, const struct report_indicator *indicator);
MUST_CHECK bool row_append_refusal(struct buf *array, const struct refusal *refusal);

/* Elements of arrays of plain types; the array's header goes before as with rows. */
MUST_CHECK bool row_append_int4(struct buf *array, int32_t value);
MUST_CHECK bool row_append_bool(struct buf *array, bool value);
MUST_CHECK bool row_append_text(struct buf *array, struct str value);
MUST_CHECK bool row_append_null(struct buf *array);

enum { ROW_OID_BOOL = 16, ROW_OID_BYTEA = 17, ROW_OID_INT4 = 23, ROW_OID_TEXT = 25 };

/* Microseconds between the Unix epoch and PostgreSQL's of 2000-01-01. */
#define ROW_EPOCH_US INT64_C(946684800000000)
