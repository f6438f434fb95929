// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes in, verdict out: parse, schema and rules of one report, or of the body that retracts one.
 * Pure: no clock, no I/O, no log; the time and the partner's permissions are passed in.
 */
#pragma once

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "report/report.h"
#include "report/taxonomy.h"

#define REPORT_MAX_ERRORS 100
/* Of the body of a retraction: a reason at its limit, every character escaped, is 12,000 bytes. */
#define REPORT_RETRACTION_MAX_BYTES 16384

/* What the verdict depends on besides the bytes. */
struct report_rules {
	const struct taxonomy *taxonomy;
	int64_t now_us;                  /* wall clock */
	const struct str *organisations; /* that the partner may report for */
	size_t organisation_count;
	bool may_relay; /* any organisation */
	int max_depth;  /* 16 */
	int max_values; /* 32,768 */
};

/* Error and warning codes of the partner interface; one table in report_codes.h. */
enum report_code {
#define REPORT_CODE(id, text, sentence) REPORT_CODE_##id,
#include "report/report_codes.h"
#undef REPORT_CODE
	REPORT_CODE_COUNT
};

const char *report_code_text(enum report_code code);
/* What is said where a finding says nothing more exact. */
const char *report_code_sentence(enum report_code code);

struct report_vocabulary;

/* One error or warning. Strings borrow from the arena, the report or static memory. */
struct report_finding {
	struct str pointer; /* RFC 6901, as sent, tokens cut at 64 code points */
	enum report_code code;
	struct str detail;
	struct str member; /* of member-missing; data NULL otherwise */
	struct str_list allowed;
	const struct report_vocabulary *vocabulary; /* whose codes allowed are; NULL: of none */
	struct str did_you_mean;
};

enum report_verdict {
	REPORT_VALID,
	REPORT_INVALID,  /* 422: see errors */
	REPORT_NOT_JSON, /* 400: see detail */
	REPORT_OVERLOAD  /* the arena's maximum was met: 503 */
};

struct report_result {
	enum report_verdict verdict;
	struct report report; /* complete when valid */
	/*
	 * Set whenever it could be read, valid or not, so that a refused report can be looked up
	 * by its key: report_id has data NULL when it could not.
	 */
	struct str key_report_id;
	int32_t key_revision;
	const struct report_finding *errors; /* document order, at most REPORT_MAX_ERRORS */
	size_t error_count;
	const struct report_finding *warnings;
	size_t warning_count;
	char detail[160]; /* of REPORT_NOT_JSON: what was expected, at which byte */
};

struct report_retraction {
	int32_t revision;
	struct str reason;
};

/*
 * Must be called once before threads start: seeds jansson's hash tables and gives it arenas to
 * allocate from.
 */
void report_check_init(void);

/*
 * Judges len bytes. Everything in the result lives in the arena (and the taxonomy), nothing needs
 * to be freed but the arena. The body itself is not kept.
 */
void report_check(struct arena *arena, const struct report_rules *rules, struct str body,
	struct report_result *result_out);

/*
 * Judges the body of a retraction in the same way; result_out has no report, no key and no
 * warnings. retraction_out is complete when it is valid.
 */
void report_check_retraction(struct arena *arena, const struct report_rules *rules, struct str body,
	struct report_result *result_out, struct report_retraction *retraction_out);

/* Appends findings as a JSON array: pointer, code, detail, member, allowed, did_you_mean. */
MUST_CHECK bool report_findings_render(
	struct buf *out, const struct report_finding *findings, size_t count);
/* Appends findings in few bytes, and renders such bytes; the taxonomy is that of the verdict. */
MUST_CHECK bool report_findings_pack(
	struct buf *out, const struct report_finding *findings, size_t count);
MUST_CHECK bool report_findings_render_packed(
	struct buf *out, struct str packed, const struct taxonomy *taxonomy);
