// SPDX-License-Identifier: Apache-2.0
/*
 * The result file: one JSON object a line for each report that was answered, the newest last. It is
 * what a run goes on from. Only lines are trusted that are whole; what has none is sent again,
 * which costs a request and changes nothing. So a crash at any moment, of this program or of the
 * machine, loses no report and doubles none.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "intake_send_digests_int.h"

#include <jansson.h>
#include <stdint.h>
#include <sys/stat.h>

struct results;

/* One line. */
struct result {
	const char *url;
	const char *file;
	uint64_t line;               /* 0: left out */
	int64_t index;               /* -1: left out */
	const struct digest *digest; /* NULL: left out */
	const char *report_id;       /* NULL: left out */
	int status;
	const char *member; /* "receipt", "verdict" or "problem" */
	json_t *content;    /* borrowed */
};

/* Whose receipts count: those of another server, partner or mode say nothing about this run. */
struct results_owner {
	const char *url;
	const char *partner;
	bool is_test;
};

/* Creates it where there is none. NULL with a sentence in err; another run in it is one reason. */
MUST_CHECK struct results *results_open(const char *path, struct err *err);
void results_close(struct results **results);
const struct stat *results_stat(const struct results *results);
/* Adds what has a receipt. Stops early, with true, when must_stop returns true. */
MUST_CHECK bool results_load(struct results *results, const struct results_owner *owner,
	struct digests *digests, bool (*must_stop)(void), struct err *err);
/* Writes the line in one piece. */
MUST_CHECK bool results_append(
	struct results *results, const struct result *result, struct err *err);
/* What was appended survives a crash of the machine from here on. */
MUST_CHECK bool results_sync(struct results *results, struct err *err);

/* Whether the line holds a receipt that counts; its report's digest then. Pure. */
bool results_line_digest(
	struct str line, const struct results_owner *owner, struct digest *digest_out);
/* The line, its end included. Pure. False when memory is short. */
MUST_CHECK bool results_render(struct buf *out, const struct result *result);
