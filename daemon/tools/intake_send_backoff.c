// SPDX-License-Identifier: Apache-2.0
#include "intake_send_backoff_int.h"

/* random, brought into the range from 0 to below width. */
static int64_t spread(int64_t width, uint32_t random)
{
	return (int64_t)(((uint64_t)width * random) >> 32);
}

int64_t backoff_delay_ms(unsigned failures, int64_t retry_after_s, uint32_t random)
{
	int64_t longest = BACKOFF_FIRST_MS;
	for (unsigned i = 1; i < failures && longest < BACKOFF_LONGEST_MS; i++) {
		longest *= 2;
	}
	if (longest > BACKOFF_LONGEST_MS) {
		longest = BACKOFF_LONGEST_MS;
	}
	int64_t asked_s = retry_after_s < BACKOFF_ASKED_MAX_S ? retry_after_s : BACKOFF_ASKED_MAX_S;
	int64_t asked_ms = asked_s > 0 ? asked_s * 1000 : 0;
	if (asked_ms >= longest) {
		/* What was asked for is a least: the jitter comes on top. */
		return asked_ms + spread(asked_ms / 10, random);
	}
	int64_t delay = longest / 2 + spread(longest / 2, random);
	return delay > asked_ms ? delay : asked_ms + spread(longest - asked_ms, random);
}
