// SPDX-License-Identifier: Apache-2.0
/*
 * Requests to the server, several at a time over connections that are kept: HTTP/1.1 over TLS 1.3
 * with libcurl. A lane carries one request after the other. It knows nothing of reports; it tells
 * apart what trying again may heal from what it cannot.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "intake_send_credential_int.h"
#include "intake_send_options_int.h"
#include "intake_send_outcome_int.h"

#include <stdint.h>

struct transfer;

struct transfer_request {
	const char *path;
	const char *content_type; /* NULL: a GET */
	struct str body;          /* stays until the end is told */
	bool wants_lines;         /* a body of status 200 is given line by line */
};

enum transfer_result {
	TRANSFER_ANSWERED, /* the answer is whole */
	TRANSFER_LOST,     /* there is none, or a part of one */
	TRANSFER_HOPELESS  /* and there will not be one */
};

struct transfer_end {
	enum transfer_result result;
	enum outcome outcome; /* of the run, when it is hopeless */
	const char *reason;   /* when it was not answered, for people */
	int status;
	int64_t retry_after_s;
	struct str body;
};

/* Called from within transfer_run. */
struct transfer_events {
	/* False: the line makes no sense, and the rest of the answer is not wanted. */
	bool (*on_line)(void *ctx, unsigned lane, struct str line);
	void (*on_end)(void *ctx, unsigned lane, const struct transfer_end *end);
	void *ctx;
};

/* Options and credential are borrowed for its life. */
MUST_CHECK struct transfer *transfer_new(const struct options *options,
	const struct credential *credential, const struct transfer_events *events, struct err *err);
void transfer_free(struct transfer **transfer);
/* On a lane without a request. */
void transfer_start(
	struct transfer *transfer, unsigned lane, const struct transfer_request *request);
/* Drops the lane's request; its end is not told. */
void transfer_drop(struct transfer *transfer, unsigned lane);
/* Moves on what can be moved, then waits for more up to wait_ms, or for wait_fd (-1: none). */
void transfer_run(struct transfer *transfer, int wait_ms, int wait_fd);
