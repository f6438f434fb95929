// SPDX-License-Identifier: Apache-2.0
#include "load_histogram.h"

enum { STEPS = 1 << HISTOGRAM_STEPS_BITS };

/* Below STEPS a bucket is a microsecond, above a STEPS-th of a power of two. */
static uint32_t bucket_of(uint64_t us)
{
	if (us < STEPS) {
		return (uint32_t)us;
	}
	uint32_t shift = 63 - (uint32_t)__builtin_clzll(us) - HISTOGRAM_STEPS_BITS;
	return ((shift + 1) << HISTOGRAM_STEPS_BITS) + (uint32_t)((us >> shift) - STEPS);
}

/* The greatest time that falls into it. */
static uint64_t end_of(uint32_t bucket)
{
	if (bucket < STEPS) {
		return bucket;
	}
	uint32_t shift = (bucket >> HISTOGRAM_STEPS_BITS) - 1;
	return ((uint64_t)((bucket & (STEPS - 1)) + STEPS + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t us)
{
	h->count++;
	h->max_us = us > h->max_us ? us : h->max_us;
	h->buckets[bucket_of(us)]++;
}

uint64_t histogram_percentile(const struct histogram *h, uint32_t per_100000)
{
	/* Rounded up: of three times, the middle one is the median. */
	uint64_t wanted = (h->count * per_100000 + 99999) / 100000;
	uint64_t seen = 0;
	for (uint32_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
		seen += h->buckets[bucket];
		if (seen >= wanted && seen > 0) {
			uint64_t end_us = end_of(bucket);
			return end_us < h->max_us ? end_us : h->max_us;
		}
	}
	return h->max_us;
}
