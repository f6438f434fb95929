// SPDX-License-Identifier: Apache-2.0
#include "generate_random.h"

#include <math.h>

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

struct random random_start(uint64_t seed, uint64_t stream)
{
	return (struct random){mix(mix(seed + 1) + stream)};
}

uint64_t random_next(struct random *r)
{
	r->state += UINT64_C(0x9e3779b97f4a7c15);
	return mix(r->state);
}

uint32_t random_below(struct random *r, uint32_t count)
{
	return (uint32_t)(((random_next(r) >> 32) * count) >> 32);
}

bool random_chance(struct random *r, uint32_t per_thousand)
{
	return random_below(r, 1000) < per_thousand;
}

static double unit(struct random *r)
{
	return (double)(random_next(r) >> 11) * 0x1p-53;
}

static uint32_t rank_of(double place, uint32_t count)
{
	uint32_t rank = (uint32_t)place - 1;
	return rank < count ? rank : count - 1;
}

/* The inverse of the integral of 1 / x, and so of its steps nearly. */
uint32_t random_rank(struct random *r, uint32_t count)
{
	return rank_of(exp(unit(r) * log((double)count + 1)), count);
}

uint32_t random_rank_flat(struct random *r, uint32_t count)
{
	const double rest = 1 - 0.7;
	double top = pow((double)count + 1, rest) - 1;
	return rank_of(pow(1 + unit(r) * top, 1 / rest), count);
}

uint32_t random_weighted(struct random *r, const uint16_t *weights, uint32_t count)
{
	uint32_t left = random_below(r, 1000);
	for (uint32_t i = 0; i + 1 < count; i++) {
		if (left < weights[i]) {
			return i;
		}
		left -= weights[i];
	}
	return count - 1;
}
