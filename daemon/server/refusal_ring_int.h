// SPDX-License-Identifier: Apache-2.0
/*
 * A worker's latest refusals, for people who look: who was refused what and why, without content.
 * The worker writes and the main thread reads, with no lock between them: each entry is atomic
 * words under a sequence number that is odd while they change, so that a reader sees an entry
 * whole or passes it over.
 *
 * A refusal like the one before it only raises that one's count: a partner that is over its quota
 * a thousand times does not push everything else out.
 */
#pragma once

#include "base/attr.h"
#include "report/reject.h"
#include "report/report_check.h"
#include "server/metrics.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REFUSAL_RING_SIZE 64
#define REFUSAL_CODES 4
#define REFUSAL_WORDS 3

/* The first different codes of a refused report: enum report_code plus one, 0 for none. */
struct refusal_codes {
	uint8_t first[REFUSAL_CODES];
};

struct recent_refusal {
	int64_t at_us;      /* wall clock, of the last time */
	int32_t partner_id; /* 0: nobody that is known */
	uint32_t count;     /* times in a row */
	enum route route;
	enum reject reject;
	struct refusal_codes codes;
};

struct refusal_entry {
	_Atomic uint64_t sequence; /* 0: never written */
	_Atomic uint64_t words[REFUSAL_WORDS];
};

struct refusal_ring {
	struct recent_refusal newest; /* the writer's */
	uint64_t written;             /* the writer's */
	struct refusal_entry entries[REFUSAL_RING_SIZE];
};

struct refusal_codes refusal_codes_of(const struct report_result *result);
/* For the worker. The count of what is given is ignored. */
void refusal_ring_note(struct refusal_ring *ring, const struct recent_refusal *refusal);
/* For any thread: what is there, in no order. Returns how many. */
size_t refusal_ring_read(
	const struct refusal_ring *ring, struct recent_refusal out[REFUSAL_RING_SIZE]);
