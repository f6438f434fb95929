// SPDX-License-Identifier: Apache-2.0
/*
 * Preloaded: time(2) begins each second half of one late. By itself it is late by up to a tick.
 */
#include <stddef.h>
#include <time.h>

#define LATE_NS 500000000

time_t time(time_t *out)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	time_t late_s = now.tv_nsec < LATE_NS ? now.tv_sec - 1 : now.tv_sec;
	if (out != NULL) {
		*out = late_s;
	}
	return late_s;
}
