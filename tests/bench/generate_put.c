// SPDX-License-Identifier: Apache-2.0
#include "generate_put.h"

#include <time.h>

void put_time(struct buf *out, int64_t unix_s)
{
	time_t at = (time_t)unix_s;
	struct tm tm;
	gmtime_r(&at, &tm);
	put(out, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		tm.tm_hour, tm.tm_min, tm.tm_sec);
}
