// SPDX-License-Identifier: Apache-2.0
#include "intakectl_instant_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

bool instant_parse(const char *text, int64_t *at_s_out)
{
	struct tm at = {.tm_isdst = 0};
	const char *rest = text == NULL ? NULL : strptime(text, "%Y-%m-%dT%H:%M:%S", &at);
	if (rest == NULL || text[strlen(text) - 1] != 'Z') {
		return false;
	}
	*at_s_out = timegm(&at);
	return true;
}

const char *instant_format(int64_t at_s, char out[INSTANT_TEXT_SIZE])
{
	struct tm at;
	time_t seconds = at_s;
	if (gmtime_r(&seconds, &at) == NULL ||
		strftime(out, INSTANT_TEXT_SIZE, "%Y-%m-%d %H:%M:%S UTC", &at) == 0) {
		snprintf(out, INSTANT_TEXT_SIZE, "?");
	}
	return out;
}

const char *duration_format(int64_t seconds, char out[DURATION_TEXT_SIZE])
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
	size_t count = sizeof(units) / sizeof(units[0]);
	size_t unit = 0;
	seconds = seconds < 0 ? 0 : seconds;
	while (unit + 1 < count && seconds < units[unit].seconds) {
		unit++;
	}
	int64_t rest = seconds % units[unit].seconds;
	int len = snprintf(out, DURATION_TEXT_SIZE, "%" PRId64 " %s", seconds / units[unit].seconds,
		units[unit].name);
	if (unit + 1 < count && rest >= units[unit + 1].seconds) {
		snprintf(out + len, (size_t)(DURATION_TEXT_SIZE - len), " %" PRId64 " %s",
			rest / units[unit + 1].seconds, units[unit + 1].name);
	}
	return out;
}
