// SPDX-License-Identifier: Apache-2.0
#include "log_limit_int.h"

bool log_limit_pass(struct log_limit *limit, int64_t now_ms, uint64_t *suppressed_out)
{
	if (now_ms < limit->quiet_until_ms) {
		limit->suppressed++;
		return false;
	}
	*suppressed_out = limit->suppressed;
	limit->suppressed = 0;
	limit->quiet_until_ms = now_ms + LOG_LIMIT_QUIET_MS;
	return true;
}
