// SPDX-License-Identifier: Apache-2.0
/*
 * The results of a batch's lines, in the order of the lines: pending until the store has answered,
 * then ready, and gone when written. They are kept in few bytes and rendered when they are written,
 * so that a client which sends all before it reads costs little.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "refusal_ring_int.h"
#include "report/receipt.h"
#include "report/reject.h"
#include "report/report_check.h"
#include "report/taxonomy.h"

#include <stdbool.h>
#include <stdint.h>

/* Results are named to the store by the last bits of their number: so many may be pending. */
#define RESULTS_NUMBER_BITS 12
#define RESULTS_MAX_PENDING 1024

enum result_kind {
	RESULT_RECEIPT,          /* status and receipt */
	RESULT_PROBLEM,          /* the problem, and detail where there is one */
	RESULT_PROBLEM_FINDINGS, /* with errors */
	RESULT_PROBLEM_TEXT,     /* with a detail of its own */
	RESULT_PROBLEM_RECEIPT,  /* with the receipt of what is stored */
	RESULT_UNSAYABLE         /* memory was short: nothing can be said of it */
};

struct result {
	uint64_t line;
	enum result_kind kind;
	enum reject reject; /* of a problem */
	int status;
	int retry_after_s; /* 0: none */
	bool is_pending;
	struct refusal_codes codes; /* of a problem with findings */
	const char *detail;         /* static, or NULL */
	char *packed;               /* by kind */
	uint32_t packed_len;
	uint32_t taken_bytes; /* from the partner's quota */
};

struct results {
	struct result *ring;
	uint32_t capacity; /* a power of two, or 0 */
	uint64_t first;    /* number of the oldest one kept */
	uint64_t next;     /* number of the next one added */
	uint64_t settled;  /* all before this number are ready */
	uint32_t pending;
	size_t bytes; /* held for results */
	struct buf scratch;
};

void results_init(struct results *results);
void results_fini(struct results *results);

/* True while one more may be pending. */
bool results_may_wait(const struct results *results);
/* A new pending result; NULL without memory. Valid until the next one is added. */
MUST_CHECK struct result *results_add(struct results *results, uint64_t line);
/* The bits by which the newest one is named, and back: NULL when it is not pending any more. */
uint32_t results_newest_name(const struct results *results);
struct result *results_find(struct results *results, uint32_t name);

/* What it becomes if it is not changed before it is settled. False without memory: unsayable. */
MUST_CHECK bool result_set_receipt(struct results *results, struct result *result, int status,
	const struct receipt *receipt, const struct report_result *warnings);
MUST_CHECK bool result_set_findings(struct results *results, struct result *result,
	enum reject reject, const struct report_result *errors);
MUST_CHECK bool result_set_text(
	struct results *results, struct result *result, enum reject reject, const char *text);
MUST_CHECK bool result_set_conflict(struct results *results, struct result *result,
	enum reject reject, const struct receipt *receipt);
/* detail: static, or NULL. Cannot fail. */
void result_set_problem(struct results *results, struct result *result, enum reject reject,
	const char *detail, int retry_after_s);
/* The digest in a receipt; NULL: it is none. */
const uint8_t *result_sha256(const struct result *result);
/* It can be written. */
void result_settle(struct results *results, struct result *result);
/* The oldest one, or NULL: none is kept. */
struct result *results_oldest(struct results *results);
/* Those from number on, oldest first: number may be first up to next - 1. */
struct result *results_at(struct results *results, uint64_t number);

/*
 * Appends the oldest ready results as lines until out holds about limit bytes, and drops them.
 * False without memory, and when the oldest is one of which nothing can be said.
 */
MUST_CHECK bool results_render(struct results *results, struct buf *out, size_t limit,
	struct str partner, const struct taxonomy *taxonomy);
