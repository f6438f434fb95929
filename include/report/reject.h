// SPDX-License-Identifier: Apache-2.0
/*
 * Every reason for refusing a request, once: problem type, HTTP status, title, whether the
 * connection closes. Answers, metrics, the manual and the tests go over this table.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"

#include <stdbool.h>

/*      id                     urn's last part        status close  title */
#define REJECT_TABLE(X)                                                                            \
	X(JSON_INVALID, "json-invalid", 400, false, "The body is not I-JSON")                      \
	X(FRAMING_INVALID, "framing-invalid", 400, true, "The HTTP framing is broken")             \
	X(PARTNER_UNKNOWN, "partner-unknown", 403, true, "The certificate belongs to no partner")  \
	X(PARTNER_SUSPENDED, "partner-suspended", 403, true, "The partner is suspended")           \
	X(NOT_FOUND, "not-found", 404, false, "There is no such resource")                         \
	X(METHOD_NOT_ALLOWED, "method-not-allowed", 405, true, "The resource has no such method")  \
	X(METHOD_UNKNOWN, "method-unknown", 501, true, "The method is not known")                  \
	X(TIMEOUT, "timeout", 408, true, "The request was not whole in time")                      \
	X(REPORT_CONFLICT, "report-conflict", 409, false,                                          \
		"This report id and revision hold other content")                                  \
	X(REVISION_SUPERSEDED, "revision-superseded", 409, false, "A newer revision is stored")    \
	X(REPORT_ERASED, "report-erased", 409, false, "The report was erased")                     \
	X(RETRACTION_CONFLICT, "retraction-conflict", 409, false,                                  \
		"The report was retracted for another reason")                                     \
	X(LENGTH_REQUIRED, "length-required", 411, true, "A body needs a declared length")         \
	X(BODY_TOO_LARGE, "body-too-large", 413, true, "The body is too large")                    \
	X(LINE_TOO_LONG, "line-too-long", 413, false, "The line is too long for a report")         \
	X(TOO_MANY_REPORTS, "too-many-reports", 413, true, "The batch has too many reports")       \
	X(TARGET_TOO_LONG, "target-too-long", 414, true, "The request target is too long")         \
	X(MEDIA_TYPE, "media-type", 415, true, "The media type is not accepted here")              \
	X(CONTENT_ENCODING, "content-encoding", 415, true, "The content encoding is not accepted") \
	X(EXPECTATION, "expectation", 417, true, "The expectation is not known")                   \
	X(REPORT_INVALID, "report-invalid", 422, false,                                            \
		"The report breaks the schema or the taxonomy")                                    \
	X(RETRACTION_INVALID, "retraction-invalid", 422, false,                                    \
		"The retraction breaks the schema")                                                \
	X(BATCH_ROLLED_BACK, "batch-rolled-back", 424, false,                                      \
		"Another report of the batch was refused, so this one was not stored")             \
	X(QUOTA, "quota", 429, false, "The partner's quota is used up")                            \
	X(HEADERS_TOO_LARGE, "headers-too-large", 431, true, "The header section is too large")    \
	X(UNSTORABLE, "unstorable", 500, false, "The database refuses this report for good")       \
	X(UNAVAILABLE, "unavailable", 503, false, "Reports cannot be stored at the moment")

enum reject {
#define X(id, urn, status, closes, title) REJECT_##id,
	REJECT_TABLE(X)
#undef X
		REJECT_COUNT
};

struct reject_info {
	const char *urn; /* urn:intaked:problem:report-invalid */
	const char *name;
	int status;
	bool closes; /* the connection: what follows on it cannot be trusted or would be in the way
		      */
	const char *title;
};

const struct reject_info *reject_info(enum reject reject);

/*
 * Appends the start of an RFC 9457 problem: {"type":..,"title":..,"status":.. and a detail when
 * there is one. The caller appends more members and the closing brace.
 */
MUST_CHECK bool reject_render_open(struct buf *out, enum reject reject, const char *detail);
