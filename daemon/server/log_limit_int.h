// SPDX-License-Identifier: Apache-2.0
/*
 * The same failure repeated is counted, not repeated: one line, then none for a while, then how
 * many there would have been.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LOG_LIMIT_QUIET_MS 10000

/* Zeroed at first. */
struct log_limit {
	int64_t quiet_until_ms;
	uint64_t suppressed;
};

/* True when the line may be written; suppressed_out says how many were not since the last. */
bool log_limit_pass(struct log_limit *limit, int64_t now_ms, uint64_t *suppressed_out);
