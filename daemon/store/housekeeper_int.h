// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/housekeeper.h"

/* So many usual changes take some tens of milliseconds. */
#define HOUSEKEEPER_MOST_CHANGES 200

/* What a step took, and what came meanwhile. */
struct housekeeper_step {
	int64_t took_ms;
	uint64_t most;         /* changes of the record that it might have taken, and */
	uint64_t changes;      /* that it has taken */
	uint64_t stored;       /* reports of this process since the end of the last step, */
	int64_t since_last_ms; /* so long ago */
};

/*
 * How long to rest after a step, interval_ms at most. After a full one as long as it took, and
 * longer where more is stored than is taken with such rests. Otherwise the longer the emptier it
 * was, so that the next is nearly full.
 */
int64_t housekeeper_rest_ms(const struct housekeeper_step *step, int64_t interval_ms);
/*
 * How many changes the next step takes at most, after one of so many: half where that has failed,
 * since the largest reports take too long for the server's patience, and twice where it was quick.
 */
int32_t housekeeper_next_most(int32_t most, bool has_failed, int64_t took_ms);
