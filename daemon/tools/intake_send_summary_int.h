// SPDX-License-Identifier: Apache-2.0
/*
 * What became of the reports: counted as it happens, told at the end, for people or for programs.
 * Refusals are quoted, the first of them in full. What servers and files say reaches a terminal
 * without control characters.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "intake_send_answer_int.h"
#include "intake_send_options_int.h"
#include "intake_send_outcome_int.h"

#include <stdio.h>

struct summary {
	uint64_t stored;     /* by this run */
	uint64_t repeated;   /* the server had it before */
	uint64_t valid;      /* nothing was asked but that */
	uint64_t skipped;    /* its receipt was in the result file */
	uint64_t refused;    /* by the server */
	uint64_t unsendable; /* seen here already */
	uint64_t faults;     /* files that were not read to their end, a change of mode */
	struct buf refusal_text;
	size_t refusals_quoted;
	struct buf fault_text;
	char partner[128];     /* as whom it was sent; "" while the server was not asked */
	bool is_test;          /* when it began */
	bool has_mode_changed; /* since then */
};

/* Where a report is from. */
struct summary_place {
	const char *file;
	uint64_t line; /* 0: the file is the report */
	int64_t index; /* -1: no element of an array */
};

void summary_init(struct summary *summary);
void summary_fini(struct summary *summary);
/* Counts and quotes; report_id NULL: unknown. */
void summary_add_refusal(struct summary *summary, const struct summary_place *place,
	const char *report_id, const struct answer *answer);
/* The same for what was not sent. */
void summary_add_unsendable(
	struct summary *summary, const struct summary_place *place, const char *reason);
void summary_add_fault(struct summary *summary, const char *sentence);
/* Reports that came to their end, in whatever way. */
uint64_t summary_reports(const struct summary *summary);
bool summary_has_refusals(const struct summary *summary);
/* sentence: what ended the run early; NULL: nothing did. False: standard output takes it not. */
MUST_CHECK bool summary_print(const struct summary *summary, const struct options *options,
	enum outcome outcome, const char *sentence);
