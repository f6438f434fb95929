// SPDX-License-Identifier: Apache-2.0
/*
 * A batch as its three parts share it: intake_batch.c takes lines out of the body,
 * intake_batch_line.c makes a result of each, intake_batch_answer.c writes the results.
 */
#pragma once

#include "base/buf.h"
#include "http/http_gunzip.h"
#include "http/http_lines.h"
#include "intake_batch_int.h"
#include "results_int.h"
#include "server/generation.h"

/* What a client waits before it sends again what there was no room for. */
#define INTAKE_BATCH_RETRY_AFTER_S 1

enum atomic_phase { ATOMIC_GATHERS, ATOMIC_COMMITS, ATOMIC_DECIDED };

struct intake_batch {
	struct generation *generation;
	char partner[PEER_NAME_SIZE];
	bool is_dry_run;
	bool is_atomic;
	enum atomic_phase phase;
	struct store_atomic *atomic; /* the reports gathered */
	struct http_lines lines;
	struct results results;
	uint64_t reports;
	uint64_t bytes;             /* of lines taken */
	struct quota *quota;        /* the partner's */
	uint32_t in_flight;         /* reports counted there */
	struct quota_demand demand; /* of all lines, those over quota too */
	struct http_gunzip *gunzip;
	struct buf plain;   /* unzipped, not taken yet */
	bool may_hold_more; /* the decoder, for which there was no room */
	bool has_all_lines; /* no further line is taken */
	bool is_broken;     /* the answer stays without its end */
	bool closes;        /* the rest of the body is left unread */
	bool has_begun;     /* the answer's head is in the output, or was */
	bool has_ended;     /* so is its end */
	int status;         /* of the answer as a whole */
	int retry_after_s;  /* likewise; 0: none */
};

/* A line's report is judged, and handed over if it holds. */
void intake_batch_take_report(struct conn *conn, struct str line);
/* A line over the limit of a report, of which nothing is kept. */
void intake_batch_take_too_long(struct conn *conn);
/* The line of this number is refused, and no further one is taken; an atomic batch as a whole. */
void intake_batch_end_with(struct conn *conn, uint64_t number, enum reject reject);
/* Whether the store has room for more; when not, the connection is woken once it may have. */
bool intake_batch_finds_room(struct conn *conn);
/* Counts the result, which is not pending any more and may be written. */
void intake_batch_settle(struct conn *conn, struct result *result);
/* Counts no more reports as in flight than wait for the store. */
void intake_batch_leave_unused(struct intake_batch *batch);
