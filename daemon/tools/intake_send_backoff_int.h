// SPDX-License-Identifier: Apache-2.0
/*
 * How long to wait before trying again: twice as long after each failure, within bounds, and never
 * twice the same, so that many clients do not come back in one moment. Pure.
 */
#pragma once

#include <stdint.h>

#define BACKOFF_FIRST_MS 500
#define BACKOFF_LONGEST_MS 60000
/* Who asks for longer is mistaken, or will say so again. */
#define BACKOFF_ASKED_MAX_S 86400

/*
 * failures: in a row, from 1. retry_after_s: what the server asked for, 0 without; the answer is
 * never below it, up to the most that is heeded. random: any number, evenly spread.
 */
int64_t backoff_delay_ms(unsigned failures, int64_t retry_after_s, uint32_t random);
