// SPDX-License-Identifier: Apache-2.0
/*
 * Times by their number, exact to 1 in 64: what is needed for percentiles, in 30 KB.
 */
#pragma once

#include <stdint.h>

enum {
	HISTOGRAM_STEPS_BITS = 6, /* steps of a power of two */
	HISTOGRAM_BUCKETS = (64 - HISTOGRAM_STEPS_BITS) << HISTOGRAM_STEPS_BITS,
};

struct histogram {
	uint64_t count;
	uint64_t max_us;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t us);
/* The time that so many of 100,000 did not exceed; 0 when there are none. */
uint64_t histogram_percentile(const struct histogram *h, uint32_t per_100000);
