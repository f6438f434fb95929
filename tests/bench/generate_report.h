// SPDX-License-Identifier: Apache-2.0
/*
 * Reports as partners might send them. All of a report follows from the seed and its number. Every
 * fiftieth is a newer revision of an earlier one, every two hundredth is to be retracted later.
 */
#pragma once

#include "base/buf.h"
#include "report/taxonomy.h"

#include <stdint.h>

enum { REPORT_PARTNERS = 40, REPORT_CATEGORIES_MAX = 256 };

struct report_plan {
	uint64_t seed;
	uint64_t reports;
	uint64_t revision_after; /* reports that lie between a revision and the next */
	int64_t starts_at_us;
	int64_t ends_at_us;
	const struct taxonomy *taxonomy;
	const struct taxonomy_category
		*categories[REPORT_CATEGORIES_MAX]; /* the most frequent first */
	uint32_t category_count;
};

/* What a report and its revisions have in common, and which of them this one is. */
struct report_identity {
	uint64_t number; /* of the first revision */
	uint32_t revision;
	uint32_t partner; /* 0 to REPORT_PARTNERS - 1, the busiest first */
};

void report_plan_categories(struct report_plan *plan, const struct taxonomy *taxonomy);
/* Rises with the number; there are twice as many a day at the end as at the start. */
int64_t report_received_at_us(const struct report_plan *plan, uint64_t number);
struct report_identity report_identity(const struct report_plan *plan, uint64_t number);
bool report_is_retracted(const struct report_plan *plan, uint64_t number);
/* The id that the partner gave it. */
void report_append_id(struct buf *out, const struct report_identity *identity);
/* The partners that are not live: their reports are tests. */
bool report_partner_is_live(uint32_t partner);
/* Appends the report, JSON. */
void report_append(struct buf *out, const struct report_plan *plan, uint64_t number);
