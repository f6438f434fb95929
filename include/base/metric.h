// SPDX-License-Identifier: Apache-2.0
/*
 * Counters that one thread writes and others read. Relaxed atomics: a reader sees each value whole,
 * not all of them at one instant.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define metric_counter _Atomic uint64_t

/* Only the owning thread adds, so that a plain load and store suffice. */
static inline void metric_add(metric_counter *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
		memory_order_relaxed);
}

static inline void metric_set(metric_counter *counter, uint64_t value)
{
	atomic_store_explicit(counter, value, memory_order_relaxed);
}

static inline uint64_t metric_get(const metric_counter *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Microseconds up to 8 seconds. */
#define METRIC_BUCKETS 24

/* Bucket i counts values up to 2^i of the histogram's unit, the last one all that are larger. */
struct metric_histogram {
	metric_counter buckets[METRIC_BUCKETS + 1];
	metric_counter sum;
};

static inline void metric_observe(struct metric_histogram *histogram, uint64_t value)
{
	size_t bucket = 0;
	while (bucket < METRIC_BUCKETS && value > (uint64_t)1 << bucket) {
		bucket++;
	}
	metric_add(&histogram->buckets[bucket], 1);
	metric_add(&histogram->sum, value);
}
