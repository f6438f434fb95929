// SPDX-License-Identifier: Apache-2.0
#include "report/report_time.h"

#include "base/clock.h"

#define TIME_MIN_LEN 20 /* 2026-11-09T06:05:12Z */
#define TIME_YEAR_MIN 1970
#define TIME_YEAR_MAX 2199

/* The digits at data as a number, or -1. */
static int read_digits(const char *data, int count)
{
	int value = 0;
	for (int i = 0; i < count; i++) {
		if (data[i] < '0' || data[i] > '9') {
			return -1;
		}
		value = value * 10 + (data[i] - '0');
	}
	return value;
}

static bool read_pair(const char *data, int min, int max, int *value_out)
{
	*value_out = read_digits(data, 2);
	return *value_out >= min && *value_out <= max;
}

struct time_parts {
	int year;
	int month;
	int day;
	int hour;
	int minute;
	int second;
	int fraction_us;
	int offset_minutes;
};

/* Z or an offset of at most 14:59 hours. */
static bool read_offset(const char *data, size_t len, int *minutes_out)
{
	int hours;
	int minutes;
	if (len == 1 && data[0] == 'Z') {
		*minutes_out = 0;
		return true;
	}
	if (len != 6 || (data[0] != '+' && data[0] != '-') || data[3] != ':' ||
		!read_pair(data + 1, 0, 14, &hours) || !read_pair(data + 4, 0, 59, &minutes)) {
		return false;
	}
	*minutes_out = (hours * 60 + minutes) * (data[0] == '-' ? -1 : 1);
	return true;
}

/* One to six digits behind the point; returns the bytes read, 0 when there are none or too many. */
static size_t read_fraction(const char *data, size_t len, int *fraction_us_out)
{
	size_t digits = 0;
	int value = 0;
	while (digits < len && data[digits] >= '0' && data[digits] <= '9') {
		if (digits == 6) {
			return 0;
		}
		value = value * 10 + (data[digits++] - '0');
	}
	for (size_t i = digits; i < 6; i++) {
		value *= 10;
	}
	*fraction_us_out = value;
	return digits;
}

static bool read_parts(struct str text, struct time_parts *parts)
{
	const char *data = text.data;
	if (text.len < TIME_MIN_LEN || data[4] != '-' || data[7] != '-' || data[10] != 'T' ||
		data[13] != ':' || data[16] != ':') {
		return false;
	}
	parts->year = read_digits(data, 4);
	if (parts->year < 0 || !read_pair(data + 5, 1, 12, &parts->month) ||
		!read_pair(data + 8, 1, 31, &parts->day) ||
		!read_pair(data + 11, 0, 23, &parts->hour) ||
		!read_pair(data + 14, 0, 59, &parts->minute) ||
		!read_pair(data + 17, 0, 59, &parts->second)) {
		return false;
	}
	size_t at = 19;
	parts->fraction_us = 0;
	if (data[at] == '.') {
		size_t digits =
			read_fraction(data + at + 1, text.len - at - 1, &parts->fraction_us);
		if (digits == 0) {
			return false;
		}
		at += 1 + digits;
	}
	return read_offset(data + at, text.len - at, &parts->offset_minutes);
}

bool report_time_has_form(struct str text)
{
	struct time_parts parts;
	return read_parts(text, &parts);
}

bool report_time_parse(struct str text, int64_t *time_us_out)
{
	struct time_parts parts;
	int64_t days;
	if (!read_parts(text, &parts) || parts.year < TIME_YEAR_MIN || parts.year > TIME_YEAR_MAX ||
		!clock_days_from_date(parts.year, parts.month, parts.day, &days)) {
		return false;
	}
	int64_t minutes =
		days * 1440 + (int64_t)parts.hour * 60 + parts.minute - parts.offset_minutes;
	*time_us_out = (minutes * 60 + parts.second) * 1000000 + parts.fraction_us;
	return true;
}
