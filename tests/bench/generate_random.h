// SPDX-License-Identifier: Apache-2.0
/*
 * Numbers that look random and follow from a seed: splitmix64. A source costs nothing to start, so
 * each report and each value has one of its own, whichever thread makes it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

/* A source of its own for each pair. */
struct random random_start(uint64_t seed, uint64_t stream);
uint64_t random_next(struct random *r);
/* 0 to count - 1, all as likely. */
uint32_t random_below(struct random *r, uint32_t count);
bool random_chance(struct random *r, uint32_t per_thousand);
/* 0 to count - 1 by Zipf's law: the second half as often as the first, the third a third as often.
 */
uint32_t random_rank(struct random *r, uint32_t count);
/* The same, less steep: the exponent is 0.7. */
uint32_t random_rank_flat(struct random *r, uint32_t count);
/* The first index whose weight, in parts of a thousand, is not used up. */
uint32_t random_weighted(struct random *r, const uint16_t *weights, uint32_t count);
