// SPDX-License-Identifier: Apache-2.0
/*
 * Reports that wait for the link, in one lane a partner, and which of them go next. While one
 * partner sends alone its batches go as they were filled. Where several do, each transaction takes
 * an equal number of each lane and few in all: whoever sends one report waits for little, however
 * much somebody else has waiting. Part of a store; same thread.
 *
 * Batches that were in flight and go again come before all others, in their order.
 */
#pragma once

#include "base/attr.h"
#include "base/list.h"
#include "batch_int.h"
#include "conf/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* By partner number modulo this: partners that meet share a lane. */
#define LANES_COUNT 256
/* Reports of a transaction while several partners send. */
#define LANES_SHARED_REPORTS 64

struct lane {
	struct list link;    /* among the lanes with something to send */
	struct list batches; /* oldest first, the last one is open */
	uint32_t pending;    /* without an answer, in flight or not */
};

struct lanes {
	struct lane lanes[LANES_COUNT];
	struct list active; /* in the order of their turns */
	struct list again;  /* batches */
	struct list idle;   /* batches for reuse */
	size_t idle_count;
	int32_t last_partner_id;
	int64_t shared_until_ms; /* several partners have sent lately */
};

void lanes_init(struct lanes *lanes);
void lanes_fini(struct lanes *lanes);

/* The batch to append a report of about so many bytes to; NULL when memory is short. */
MUST_CHECK struct batch *lanes_open(struct lanes *lanes, const struct conf *conf,
	int32_t partner_id, size_t more_bytes, int64_t now_ms);
/* A batch of one partner that goes as a whole. */
void lanes_put_whole(struct lanes *lanes, int32_t partner_id, struct batch *batch);
/* Reports of a partner came, or were answered. */
void lanes_count(struct lanes *lanes, int32_t partner_id, int32_t change);
bool lanes_is_empty(const struct lanes *lanes);
/* The caller's; NULL when nothing waits, or memory is short. */
MUST_CHECK struct batch *lanes_next(struct lanes *lanes, const struct conf *conf, int64_t now_ms);
/* To be the next one, unless nobody waits for it any more. */
void lanes_take_back(struct lanes *lanes, const struct conf *conf, struct batch *batch);
void lanes_recycle(struct lanes *lanes, const struct conf *conf, struct batch *batch);
/* Calls each for every batch that waits; those that nobody waits for any more are dropped. */
void lanes_each(struct lanes *lanes, const struct conf *conf,
	void (*each)(void *ctx, struct batch *batch), void *ctx);
/* True when several partners have sent lately and more than half of so many reports are this one's.
 */
bool lanes_is_dominated_by(
	const struct lanes *lanes, int32_t partner_id, size_t pending, int64_t now_ms);
