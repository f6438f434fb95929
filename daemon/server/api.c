// SPDX-License-Identifier: Apache-2.0
#include "api_int.h"

#define R(id) (UINT64_C(1) << REJECT_##id)

_Static_assert(REJECT_COUNT <= 64, "the refusals of an operation are the bits of one number");

/* Of every request, before it is known what it asks for or while it is read. */
#define ANY                                                                                       \
	(R(FRAMING_INVALID) | R(PARTNER_UNKNOWN) | R(PARTNER_SUSPENDED) | R(METHOD_NOT_ALLOWED) | \
		R(METHOD_UNKNOWN) | R(TIMEOUT) | R(BODY_TOO_LARGE) | R(TARGET_TOO_LONG) |         \
		R(EXPECTATION) | R(HEADERS_TOO_LARGE) | R(QUOTA) | R(UNAVAILABLE))
/* Of every body. */
#define BODY (R(JSON_INVALID) | R(LENGTH_REQUIRED) | R(MEDIA_TYPE) | R(CONTENT_ENCODING))

#define JSON "application/json"
#define LINES "application/x-ndjson"

/* Two answers that several operations have. */
#define ANSWER_RECEIPT                                      \
	{                                                   \
		200, "The receipt", {JSON, "Receipt"}, NULL \
	}
#define ANSWER_UNCHANGED                                                            \
	{                                                                           \
		304, "It is the one that If-None-Match names", {NULL, NULL}, "ETag" \
	}

// clang-format off
static const struct api_operation operations[] = {
	{
		.route = ROUTE_REPORTS,
		.method = HTTP_POST,
		.name = "Reports",
		.summary = "Send a report, or a batch of reports",
		.description = "A receipt means that the report is stored durably. Without one it may "
			"always be sent again: equal content is answered with the first receipt.",
		.parameters = {"Atomic"},
		.takes = {{JSON, "Report"}, {LINES, "Report"}},
		.answers = {
			{200, "A repeat: the receipt of the first copy", {JSON, "Receipt"}, NULL},
			{200, "A batch: a result for each line, whatever became of it",
				{LINES, "Result"}, NULL},
			{201, "Stored", {JSON, "Receipt"}, "Location"},
			{201, "An atomic batch was stored", {LINES, "Result"}, NULL},
			{409, "An atomic batch was not stored", {LINES, "Result"}, NULL},
			{422, "An atomic batch was not stored", {LINES, "Result"}, NULL},
			{429, "An atomic batch was not stored", {LINES, "Result"}, NULL},
			{500, "An atomic batch was not stored", {LINES, "Result"}, NULL},
			{503, "An atomic batch was not stored, as far as is known",
				{LINES, "Result"}, NULL},
		},
		.rejects = ANY | BODY | R(REPORT_INVALID) | R(REPORT_CONFLICT) |
			R(REVISION_SUPERSEDED) | R(REPORT_ERASED) | R(UNSTORABLE) |
			R(TOO_MANY_REPORTS) | R(NOT_FOUND),
	},
	{
		.route = ROUTE_VALIDATE,
		.method = HTTP_POST,
		.name = "Validation",
		.summary = "Judge a report, or a batch of reports, and store nothing",
		.parameters = {"Atomic"},
		.takes = {{JSON, "Report"}, {LINES, "Report"}},
		.answers = {
			{200, "The report holds", {JSON, "Verdict"}, NULL},
			{200, "A batch: a result for each line, whatever was found",
				{LINES, "Result"}, NULL},
			{422, "An atomic batch does not hold", {LINES, "Result"}, NULL},
			{429, "An atomic batch was not judged", {LINES, "Result"}, NULL},
		},
		.rejects = ANY | BODY | R(REPORT_INVALID) | R(TOO_MANY_REPORTS) | R(NOT_FOUND),
	},
	{
		.route = ROUTE_VALIDATE,
		.method = HTTP_GET,
		.name = "ReceiptOfValidate",
		.summary = "The receipt of a report whose id is validate",
		.parameters = {"Revision"},
		.answers = {ANSWER_RECEIPT},
		.rejects = ANY | R(NOT_FOUND),
	},
	{
		.route = ROUTE_REPORT,
		.method = HTTP_GET,
		.name = "Receipt",
		.summary = "The receipt of a report",
		.parameters = {"Revision"},
		.answers = {ANSWER_RECEIPT},
		.rejects = ANY | R(NOT_FOUND),
	},
	{
		.route = ROUTE_RETRACTION,
		.method = HTTP_POST,
		.name = "Retraction",
		.summary = "Take a report back",
		.description = "The revision has to be the newest. A new revision makes the report "
			"current again.",
		.takes = {{JSON, "Retraction"}},
		.answers = {
			{200, "A repeat: it was retracted for this reason", {JSON, "Receipt"}, NULL},
			{201, "Retracted", {JSON, "Receipt"}, NULL},
		},
		.rejects = ANY | BODY | R(NOT_FOUND) | R(RETRACTION_INVALID) | R(RETRACTION_CONFLICT) |
			R(REVISION_SUPERSEDED) | R(REPORT_ERASED) | R(UNSTORABLE),
	},
	{
		.route = ROUTE_WHOAMI,
		.method = HTTP_GET,
		.name = "Whoami",
		.summary = "Who the partner is, by its certificate",
		.answers = {{200, "The partner", {JSON, "Whoami"}, NULL}},
		.rejects = ANY,
	},
	{
		.route = ROUTE_TAXONOMY,
		.method = HTTP_GET,
		.name = "Taxonomy",
		.summary = "The taxonomy in force",
		.answers = {{200, "The taxonomy", {JSON, "Taxonomy"}, "ETag"}, ANSWER_UNCHANGED},
		.rejects = ANY,
	},
	{
		.route = ROUTE_SCHEMA,
		.method = HTTP_GET,
		.name = "Schema",
		.summary = "The JSON Schema of a report",
		.answers = {
			{200, "The schema", {"application/schema+json", NULL}, "ETag"},
			ANSWER_UNCHANGED,
		},
		.rejects = ANY,
	},
	{
		.route = ROUTE_OPENAPI,
		.method = HTTP_GET,
		.name = "Openapi",
		.summary = "This document",
		.answers = {{200, "The document", {JSON, NULL}, "ETag"}, ANSWER_UNCHANGED},
		.rejects = ANY,
	},
	{
		.route = ROUTE_SECURITY_TXT,
		.method = HTTP_GET,
		.name = "SecurityTxt",
		.summary = "Whom to tell of a weakness of this server (RFC 9116)",
		.answers = {
			{200, "The contact", {"text/plain; charset=utf-8", NULL}, "ETag"},
			ANSWER_UNCHANGED,
		},
		.rejects = ANY | R(NOT_FOUND),
	},
};
// clang-format on

size_t api_operation_count(void)
{
	return sizeof(operations) / sizeof(operations[0]);
}

const struct api_operation *api_operation(size_t index)
{
	ENSURE(index < api_operation_count());
	return &operations[index];
}

bool api_has_method(enum route route, enum http_method method)
{
	enum http_method listed = method == HTTP_HEAD ? HTTP_GET : method;
	for (size_t i = 0; i < api_operation_count(); i++) {
		if (operations[i].route == route && operations[i].method == listed) {
			return true;
		}
	}
	return false;
}

bool api_has_route(enum route route)
{
	return api_has_method(route, HTTP_GET) || api_has_method(route, HTTP_POST);
}

const char *api_allow(enum route route)
{
	if (!api_has_method(route, HTTP_GET)) {
		return "POST";
	}
	return api_has_method(route, HTTP_POST) ? "GET, HEAD, POST" : "GET, HEAD";
}

bool api_has_reject(const struct api_operation *operation, enum reject reject)
{
	return (operation->rejects >> reject & 1) != 0;
}
