// SPDX-License-Identifier: Apache-2.0
/*
 * What the lines of a batch mean, and what is answered to each. The connection's state machine
 * (conn_batch.c) brings bytes and takes the answer away; nothing is read or written here.
 */
#pragma once

#include "base/attr.h"
#include "conn_int.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>

struct intake_batch;

enum intake_lines {
	INTAKE_LINES_MORE,   /* there may be more of them: call again, after others had a turn */
	INTAKE_LINES_INPUT,  /* more of the body is needed */
	INTAKE_LINES_PAUSED, /* the store, or what is unread, must become less first */
	INTAKE_LINES_ENDED   /* no further line is taken */
};

/* For the request whose head was accepted. NULL when memory is short. */
MUST_CHECK struct intake_batch *intake_batch_new(struct conn *conn);
void intake_batch_free(struct intake_batch **batch);
/* Its reports that the store has and that count in the partner's quota; now they are the caller's.
 */
uint32_t intake_batch_take_in_flight(struct intake_batch *batch);
/* Memory held for it. */
size_t intake_batch_bytes(const struct intake_batch *batch);

/* It is atomic: what is read of it is held to its end. */
bool intake_batch_gathers(const struct intake_batch *batch);

/* Takes some lines out of what has arrived of the body. */
enum intake_lines intake_batch_take_lines(struct conn *conn);
/* The store's answer to one of its reports. */
void intake_batch_result(struct conn *conn, uint32_t name, const struct store_result *result);
/* Appends to the connection's output what can be said now. False without memory. */
MUST_CHECK bool intake_batch_render(struct conn *conn);
/* Everything was said, or nothing more can be. */
bool intake_batch_is_over(const struct conn *conn);
/* The answer stays without its end: the client must not take it for whole. */
bool intake_batch_is_broken(const struct intake_batch *batch);
/* Nothing of the answer was sent yet, and no line handed over: a plain refusal is possible. */
bool intake_batch_may_be_refused(const struct intake_batch *batch);
/* Something of the answer was sent, or is about to be. */
bool intake_batch_has_begun(const struct intake_batch *batch);
/* No further line is taken; what was taken is answered, and the answer left without its end. */
void intake_batch_break(struct intake_batch *batch);
/* Results wait for the store. */
bool intake_batch_waits_for_store(const struct intake_batch *batch);
