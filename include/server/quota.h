// SPDX-License-Identifier: Apache-2.0
/*
 * What one partner may take of this process, over all its workers: connections and reports in
 * flight are counted, reports and bytes come out of a bucket each. Atomics only, no lock; time is
 * the caller's, and limits are given anew with each call, so that a reload is in force at once and
 * workers may differ while it goes round.
 *
 * A bucket holds burst (0: what the rate brings in a second) and is filled at its rate. More than
 * burst is given when the bucket is full, and leaves it in debt: else a large report could never
 * pass. Over any time from the start, no more is given than burst, or that one larger demand, and
 * what the rate brought.
 */
#pragma once

#include "base/attr.h"
#include "conf/conf.h"
#include "store/registry.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* No limit and no demand is larger. */
#define QUOTA_MAX INT64_C(1000000000000)
/*
 * Partners are kept by number modulo this; two that meet share their quota. Numbers are given in
 * sequence and never again, so that takes as many enrolments between the two. 1 MiB of addresses,
 * of which the pages of partners that were seen become memory.
 */
#define QUOTA_PARTNER_SLOTS 16384
/* Refusals of a partner that are kept in a second. */
#define QUOTA_TRACES_A_SECOND 10
#define QUOTA_TRACE_BITS 8
/* In struct quota_left. */
#define QUOTA_UNLIMITED (-1)

/* 0: no limit. A burst without a rate means nothing. */
struct quota_limits {
	int64_t connections;
	int64_t reports_in_flight;
	int64_t reports_per_s;
	int64_t reports_burst;
	int64_t bytes_per_s;
	int64_t bytes_burst;
};

struct quota_bucket {
	_Atomic int64_t missing;      /* from full, in millionths of a report or byte */
	_Atomic int64_t filled_at_us; /* up to when the rate was added */
};

/* One partner's. All zero is a new one. */
struct quota {
	alignas(64) struct quota_bucket reports; /* a cache line each */
	struct quota_bucket bytes;
	_Atomic int64_t connections;
	_Atomic int64_t reports_in_flight;
	_Atomic int64_t traces;     /* second << QUOTA_TRACE_BITS | refusals of it that are kept */
	_Atomic int64_t not_traced; /* since the last one that is */
};

struct quota_demand {
	int64_t reports;
	int64_t bytes;
};

/* What could be taken now, or QUOTA_UNLIMITED. */
struct quota_left {
	int64_t connections;
	int64_t reports_in_flight;
	int64_t reports;
	int64_t bytes;
};

/* The configuration's limits where the partner has none of its own (-1); 0 there: no limit. */
struct quota_limits quota_limits_merge(
	const struct conf *conf, const struct partner_quota *overrides);

/*
 * Takes all of the demand and says 0, or nothing and says in how many milliseconds, rounded up and
 * so at least 1, it will be there when nobody takes any meanwhile.
 */
MUST_CHECK bool quota_take(struct quota *quota, const struct quota_limits *limits, int64_t now_us,
	struct quota_demand demand, int64_t *retry_ms_out);
/* False when so much is never there at once, since it is more than a burst. */
bool quota_can_hold(const struct quota_limits *limits, struct quota_demand demand);
/* Of what was taken and led to nothing. Never fills a bucket above its burst. */
void quota_give_back(
	struct quota *quota, const struct quota_limits *limits, struct quota_demand unused);

/* Counts one more, unless the limit is reached. True wants a leave, whatever limits do meanwhile.
 */
MUST_CHECK bool quota_enter_connection(struct quota *quota, const struct quota_limits *limits);
void quota_leave_connection(struct quota *quota);
MUST_CHECK bool quota_enter_report(struct quota *quota, const struct quota_limits *limits);
void quota_leave_report(struct quota *quota);

/*
 * Whether a refusal is kept; counted if not. True: not_traced_out is how many were not since the
 * last one that was. now_us: wall clock, as in the trace.
 */
MUST_CHECK bool quota_may_trace(struct quota *quota, int64_t now_us, int32_t *not_traced_out);

struct quota_left quota_left(
	struct quota *quota, const struct quota_limits *limits, int64_t now_us);

struct quota_table;

/* NULL when memory is short. */
MUST_CHECK struct quota_table *quota_table_new(void);
void quota_table_free(struct quota_table **table);
struct quota *quota_table_find(struct quota_table *table, int32_t partner_id);
