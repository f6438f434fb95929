// SPDX-License-Identifier: Apache-2.0
/*
 * Indicators of a report. One in five reports belongs to a campaign: some forty are under way at a
 * time, by Zipf's law, each with a dozen indicators of its own. A fifth of the other indicators are
 * those that everybody sees, the rest are new.
 */
#pragma once

#include "base/buf.h"
#include "generate_random.h"

#include <stdint.h>

struct indicator_source {
	uint64_t seed;
	uint64_t number; /* of the report */
	int64_t received_at_s;
	uint32_t tlp; /* the report's */
};

/* Appends the member "indicators", a comma in front; none where the report has none. */
void indicators_append(struct buf *out, struct random *r, const struct indicator_source *source);
