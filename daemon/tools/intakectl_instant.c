// SPDX-License-Identifier: Apache-2.0
#include "intakectl_instant_int.h"

#include <ctype.h>
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

/* What follows text that has the form, in which 0 is any digit; else NULL. */
static const char *behind_form(const char *text, const char *form)
{
	for (; *form != '\0'; form++, text++) {
		bool is_met = *form == '0' ? isdigit((unsigned char)*text) != 0 : *text == *form;
		if (!is_met) {
			return NULL;
		}
	}
	return text;
}

/* There is no 30th of February. */
static bool is_day(const char *text)
{
	struct tm at = {.tm_isdst = 0};
	if (strptime(text, "%Y-%m-%d", &at) == NULL) {
		return false;
	}
	int day = at.tm_mday;
	timegm(&at);
	return at.tm_mday == day;
}

static const char *behind_time_of_day(const char *text)
{
	const char *rest = behind_form(text, "00:00");
	const char *seconds = rest == NULL ? NULL : behind_form(rest, ":00");
	rest = seconds != NULL ? seconds : rest;
	if (seconds != NULL && *seconds == '.' && isdigit((unsigned char)seconds[1])) {
		rest += 1 + strspn(seconds + 1, "0123456789");
	}
	return rest;
}

/* Without one it is UTC. What is printed here and by psql(1) is taken, too. */
static bool is_zone(const char *text)
{
	static const char *const forms[] = {"", "Z", " UTC", "+00:00", "-00:00", "+00", "-00"};
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		const char *rest = behind_form(text, forms[i]);
		if (rest != NULL && *rest == '\0') {
			return true;
		}
	}
	return false;
}

bool instant_is_time(const char *text)
{
	const char *rest = behind_form(text, "0000-00-00");
	if (rest == NULL || !is_day(text)) {
		return false;
	}
	if (*rest == '\0') {
		return true;
	}
	rest = *rest == 'T' || *rest == ' ' ? behind_time_of_day(rest + 1) : NULL;
	return rest != NULL && is_zone(rest);
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
