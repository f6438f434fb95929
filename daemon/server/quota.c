// SPDX-License-Identifier: Apache-2.0
/*
 * Buckets count in millionths: a rate a second then is a whole number of millionths a microsecond,
 * and nothing is ever rounded. They hold what is missing, not when it will be back, so that a
 * change of limits needs no conversion.
 *
 * Filling is two steps without a lock: whoever moves filled_at_us forward owns the time between,
 * and alone takes from missing what it brought, at most what was missing before. Others may look in
 * between and find more missing than there is: for that moment the bucket is stricter, never laxer.
 */
#include "server/quota.h"

#include <sys/mman.h>

#define MILLIONTHS 1000000
#define US_PER_MS 1000

struct quota_table {
	struct quota slots[QUOTA_PARTNER_SLOTS];
};

struct bucket_limit {
	int64_t rate;  /* a second, so in millionths a microsecond; 0: no limit */
	int64_t burst; /* in millionths */
};

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static struct bucket_limit bucket_limit(int64_t per_s, int64_t burst)
{
	ENSURE(per_s >= 0 && per_s <= QUOTA_MAX && burst >= 0 && burst <= QUOTA_MAX);
	return (struct bucket_limit){per_s, (burst > 0 ? burst : per_s) * MILLIONTHS};
}

static int64_t bucket_amount(int64_t demand)
{
	ENSURE(demand >= 0);
	return smaller(demand, QUOTA_MAX) * MILLIONTHS;
}

/* What a time brings to a bucket that lacks so much. */
static int64_t bucket_gain(int64_t missing, int64_t rate, int64_t time_us)
{
	return time_us > missing / rate ? missing : rate * time_us;
}

static void bucket_add(struct quota_bucket *bucket, int64_t amount)
{
	int64_t missing = atomic_load(&bucket->missing);

	while (!atomic_compare_exchange_weak(
		&bucket->missing, &missing, missing - smaller(missing, amount))) {
	}
}

/* Workers' clocks differ by a loop turn: one that is behind finds the time already used. */
static void bucket_fill(struct quota_bucket *bucket, int64_t rate, int64_t now_us)
{
	int64_t filled_at_us = atomic_load(&bucket->filled_at_us);

	while (filled_at_us < now_us) {
		int64_t missing = atomic_load(&bucket->missing);
		int64_t gain = bucket_gain(missing, rate, now_us - filled_at_us);
		if (atomic_compare_exchange_weak(&bucket->filled_at_us, &filled_at_us, now_us)) {
			bucket_add(bucket, gain);
			return;
		}
	}
}

/* How long until amount is there; 0 when it is. */
static int64_t bucket_wait_us(int64_t missing, struct bucket_limit limit, int64_t amount)
{
	int64_t lacking = missing + smaller(amount, limit.burst) - limit.burst;

	return lacking <= 0 ? 0 : (lacking - 1) / limit.rate + 1;
}

/* Microseconds to wait, or 0: taken. */
static int64_t bucket_take(
	struct quota_bucket *bucket, struct bucket_limit limit, int64_t now_us, int64_t amount)
{
	if (limit.rate == 0 || amount == 0) {
		return 0;
	}
	bucket_fill(bucket, limit.rate, now_us);
	int64_t missing = atomic_load(&bucket->missing);
	do {
		int64_t wait_us = bucket_wait_us(missing, limit, amount);
		if (wait_us > 0) {
			/* A clock that is behind has that to wait as well. */
			return wait_us + atomic_load(&bucket->filled_at_us) - now_us;
		}
	} while (!atomic_compare_exchange_weak(&bucket->missing, &missing, missing + amount));
	return 0;
}

static void bucket_give_back(struct quota_bucket *bucket, int64_t per_s, int64_t unused)
{
	if (per_s > 0) {
		bucket_add(bucket, bucket_amount(unused));
	}
}

static int64_t bucket_left(struct quota_bucket *bucket, struct bucket_limit limit, int64_t now_us)
{
	if (limit.rate == 0) {
		return QUOTA_UNLIMITED;
	}
	bucket_fill(bucket, limit.rate, now_us);
	int64_t left = limit.burst - atomic_load(&bucket->missing);
	return left > 0 ? left / MILLIONTHS : 0;
}

bool quota_take(struct quota *quota, const struct quota_limits *limits, int64_t now_us,
	struct quota_demand demand, int64_t *retry_ms_out)
{
	struct bucket_limit reports = bucket_limit(limits->reports_per_s, limits->reports_burst);
	struct bucket_limit bytes = bucket_limit(limits->bytes_per_s, limits->bytes_burst);
	int64_t reports_wait_us =
		bucket_take(&quota->reports, reports, now_us, bucket_amount(demand.reports));
	int64_t bytes_wait_us =
		bucket_take(&quota->bytes, bytes, now_us, bucket_amount(demand.bytes));

	if (reports_wait_us == 0 && bytes_wait_us == 0) {
		*retry_ms_out = 0;
		return true;
	}
	if (reports_wait_us == 0) {
		bucket_give_back(&quota->reports, reports.rate, demand.reports);
	}
	if (bytes_wait_us == 0) {
		bucket_give_back(&quota->bytes, bytes.rate, demand.bytes);
	}
	int64_t wait_us = reports_wait_us > bytes_wait_us ? reports_wait_us : bytes_wait_us;
	*retry_ms_out = (wait_us - 1) / US_PER_MS + 1;
	return false;
}

static bool bucket_can_hold(struct bucket_limit limit, int64_t demand)
{
	return limit.rate == 0 || bucket_amount(demand) <= limit.burst;
}

bool quota_can_hold(const struct quota_limits *limits, struct quota_demand demand)
{
	return bucket_can_hold(bucket_limit(limits->reports_per_s, limits->reports_burst),
		       demand.reports) &&
		bucket_can_hold(
			bucket_limit(limits->bytes_per_s, limits->bytes_burst), demand.bytes);
}

void quota_give_back(
	struct quota *quota, const struct quota_limits *limits, struct quota_demand unused)
{
	bucket_give_back(&quota->reports, limits->reports_per_s, unused.reports);
	bucket_give_back(&quota->bytes, limits->bytes_per_s, unused.bytes);
}

static bool counter_enter(_Atomic int64_t *counter, int64_t limit)
{
	int64_t count = atomic_load(counter);

	do {
		if (limit > 0 && count >= limit) {
			return false;
		}
	} while (!atomic_compare_exchange_weak(counter, &count, count + 1));
	return true;
}

static void counter_leave(_Atomic int64_t *counter)
{
	ENSURE(atomic_fetch_sub(counter, 1) > 0);
}

static int64_t counter_left(const _Atomic int64_t *counter, int64_t limit)
{
	int64_t count = atomic_load(counter);

	if (limit == 0) {
		return QUOTA_UNLIMITED;
	}
	return count < limit ? limit - count : 0;
}

bool quota_enter_connection(struct quota *quota, const struct quota_limits *limits)
{
	return counter_enter(&quota->connections, limits->connections);
}

void quota_leave_connection(struct quota *quota)
{
	counter_leave(&quota->connections);
}

bool quota_enter_report(struct quota *quota, const struct quota_limits *limits)
{
	return counter_enter(&quota->reports_in_flight, limits->reports_in_flight);
}

void quota_leave_report(struct quota *quota)
{
	counter_leave(&quota->reports_in_flight);
}

bool quota_may_trace(struct quota *quota, int64_t now_us, int32_t *not_traced_out)
{
	int64_t second = now_us / 1000000;
	int64_t traces = atomic_load(&quota->traces);
	int64_t kept;
	do {
		bool is_new = traces >> QUOTA_TRACE_BITS != second;
		kept = is_new ? 0 : traces & ((1 << QUOTA_TRACE_BITS) - 1);
		if (kept >= QUOTA_TRACES_A_SECOND) {
			atomic_fetch_add(&quota->not_traced, 1);
			return false;
		}
	} while (!atomic_compare_exchange_weak(
		&quota->traces, &traces, second << QUOTA_TRACE_BITS | (kept + 1)));
	*not_traced_out = (int32_t)smaller(atomic_exchange(&quota->not_traced, 0), INT32_MAX);
	return true;
}

struct quota_left quota_left(struct quota *quota, const struct quota_limits *limits, int64_t now_us)
{
	return (struct quota_left){
		.connections = counter_left(&quota->connections, limits->connections),
		.reports_in_flight =
			counter_left(&quota->reports_in_flight, limits->reports_in_flight),
		.reports = bucket_left(&quota->reports,
			bucket_limit(limits->reports_per_s, limits->reports_burst), now_us),
		.bytes = bucket_left(&quota->bytes,
			bucket_limit(limits->bytes_per_s, limits->bytes_burst), now_us),
	};
}

static int64_t merge_limit(int64_t own, int64_t common)
{
	return own < 0 ? common : smaller(own, QUOTA_MAX);
}

struct quota_limits quota_limits_merge(
	const struct conf *conf, const struct partner_quota *overrides)
{
#define MERGED(name) .name = merge_limit(overrides->name, conf->quota_##name)
	return (struct quota_limits){
		MERGED(connections),
		MERGED(reports_in_flight),
		MERGED(reports_per_s),
		MERGED(reports_burst),
		MERGED(bytes_per_s),
		MERGED(bytes_burst),
	};
#undef MERGED
}

struct quota_table *quota_table_new(void)
{
	/* Not calloc: it may hand out memory that it must touch to clear. */
	void *table = mmap(NULL, sizeof(struct quota_table), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return table == MAP_FAILED ? NULL : table;
}

void quota_table_free(struct quota_table **table)
{
	if (*table != NULL) {
		ENSURE(munmap(*table, sizeof(**table)) == 0);
		*table = NULL;
	}
}

struct quota *quota_table_find(struct quota_table *table, int32_t partner_id)
{
	return &table->slots[(uint32_t)partner_id % QUOTA_PARTNER_SLOTS];
}
