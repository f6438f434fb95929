// SPDX-License-Identifier: Apache-2.0
/*
 * One run, from the first question to the server to the last answer: what its parts share.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "intake_send_answer_int.h"
#include "intake_send_batch_int.h"
#include "intake_send_credential_int.h"
#include "intake_send_options_int.h"
#include "intake_send_outcome_int.h"
#include "intake_send_progress_int.h"
#include "intake_send_results_int.h"
#include "intake_send_source_int.h"
#include "intake_send_summary_int.h"
#include "intake_send_transfer_int.h"

#include <stdbool.h>
#include <stdint.h>

enum lane_state { LANE_FREE, LANE_SENDING, LANE_WAITING };

struct lane {
	enum lane_state state;
	struct batch batch;
	unsigned failures; /* in a row, without an answered report between */
	int64_t wait_until_ms;
	size_t reports_max; /* of the next request, by what became of those before */
	/* About the present request. */
	bool is_too_large;
	int64_t retry_after_s;
};

struct session {
	const struct options *options;
	struct summary *summary;
	struct err *err;
	struct credential credential;
	struct results *results;
	struct digests digests;
	struct source *source;
	struct transfer *transfer;
	struct progress progress;
	struct lane *lanes;
	struct batch_limits limits;
	bool is_known;   /* the server has said who we are */
	bool has_all;    /* the sources are at their end */
	bool is_starved; /* the sources have nothing at the moment */
	bool is_ended;   /* nothing more is filled; outcome says why */
	enum outcome outcome;
	int64_t farewell_ms; /* until when what is on its way is waited for */
	int64_t progress_at_ms;
	int64_t synced_at_ms;
	uint64_t done_bytes;
	char trouble[256];
	bool has_told_trouble;
	bool has_torn_result; /* nothing is written behind it */
};

/* The sentence in err says what ended it early; it is empty when nothing did. */
enum outcome session_run(const struct options *options, struct summary *summary, struct err *err);

/* Nothing more is sent; the first reason counts. */
void session_end(struct session *session, enum outcome outcome, const char *sentence);
/* Appends it to the result file, if there is one. False: it is not there, and the run ends. */
MUST_CHECK bool session_write_result(struct session *session, const struct result *result);

/* What an answer does: transfer_events of the session. */
bool settle_on_line(void *ctx, unsigned number, struct str line);
void settle_on_end(void *ctx, unsigned number, const struct transfer_end *end);
/* A problem for what has none, so that each result says what it is about; for json_decref(). */
json_t *settle_make_problem(int status, const char *title);
