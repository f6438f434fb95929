// SPDX-License-Identifier: Apache-2.0
/*
 * The reports that one request carries, from the moment they are read until each is answered.
 * Those that are not stay, and go again with the next request. Their bytes lie as a body needs
 * them: a line each, or one document.
 */
#pragma once

#include "base/buf.h"
#include "intake_send_source_int.h"

/* What the server takes of a batch by default is ten times as many. */
#define BATCH_REPORTS_MAX 1000

struct batch_report {
	const char *file;
	uint64_t line;
	int64_t index;
	uint64_t span_bytes;
	struct digest digest;
	size_t at; /* in the batch's bytes */
	size_t len;
	bool is_answered;
};

struct batch_limits {
	size_t reports; /* at least 1 */
	size_t bytes;   /* one report alone may be larger */
	/*
	 * A later revision only begins a batch, so that all before it are answered. In one request
	 * it could be stored while the one before it has to go again, which is superseded then.
	 */
	bool keeps_order;
};

struct batch {
	struct buf bytes;
	struct batch_report *reports;
	size_t count;
	size_t cap;
	size_t offered; /* the first so many are in the present request */
	bool is_document;
};

void batch_init(struct batch *batch, size_t bytes_max);
void batch_fini(struct batch *batch);
/* Whether it may be added: the first always. */
bool batch_has_room(const struct batch *batch, const struct source_report *report,
	const struct batch_limits *limits);
void batch_add(struct batch *batch, const struct source_report *report);
/* The body of a request with as many of its reports as the limits allow. Not of an empty batch. */
struct str batch_offer(struct batch *batch, const struct batch_limits *limits);
/* Line from 1 of the body that was offered; NULL: there is none, or it is answered already. */
struct batch_report *batch_find(struct batch *batch, uint64_t line);
struct str batch_report_bytes(const struct batch *batch, const struct batch_report *report);
/* Takes the answered ones out, and says how many. Drops what batch_find gave. */
size_t batch_settle(struct batch *batch);
