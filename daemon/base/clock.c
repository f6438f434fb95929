// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <string.h>
#include <time.h>

static int64_t read_us(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_monotonic_ms(void)
{
	return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_monotonic_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(void)
{
	return read_us(CLOCK_REALTIME);
}

int64_t clock_wall_s(void)
{
	return time(NULL);
}

int64_t clock_wall_of_monotonic(int64_t monotonic_us)
{
	return clock_wall_us() - (clock_monotonic_us() - monotonic_us);
}

static void put_digits(char *out, int digits, int64_t value)
{
	for (int i = digits - 1; i >= 0; i--) {
		out[i] = (char)('0' + value % 10);
		value /= 10;
	}
}

void clock_format_rfc3339(int64_t wall_us, char out[CLOCK_RFC3339_SIZE])
{
	int64_t seconds = wall_us / 1000000;
	int64_t days = seconds / 86400;
	int64_t second_of_day = seconds % 86400;
	/* Civil date from a day count, eras of 400 years that start on 1 March. */
	int64_t shifted = days + 719468;
	int64_t era = shifted / 146097;
	int64_t day_of_era = shifted - era * 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month_index = (5 * day_of_year + 2) / 153;
	int64_t day = day_of_year - (153 * month_index + 2) / 5 + 1;
	int64_t month = month_index < 10 ? month_index + 3 : month_index - 9;
	int64_t year = year_of_era + era * 400 + (month <= 2);

	put_digits(out, 4, year);
	out[4] = '-';
	put_digits(out + 5, 2, month);
	out[7] = '-';
	put_digits(out + 8, 2, day);
	out[10] = 'T';
	put_digits(out + 11, 2, second_of_day / 3600);
	out[13] = ':';
	put_digits(out + 14, 2, second_of_day / 60 % 60);
	out[16] = ':';
	put_digits(out + 17, 2, second_of_day % 60);
	out[19] = '.';
	put_digits(out + 20, 6, wall_us % 1000000);
	out[26] = 'Z';
	out[27] = '\0';
}

void clock_format_http_date(int64_t unix_s, char out[CLOCK_HTTP_DATE_SIZE])
{
	static const char weekdays[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char rfc3339[CLOCK_RFC3339_SIZE];
	clock_format_rfc3339(unix_s * 1000000, rfc3339);
	size_t month = (size_t)((rfc3339[5] - '0') * 10 + rfc3339[6] - '0');
	memcpy(out, "www, dd mmm yyyy hh:mm:ss GMT", CLOCK_HTTP_DATE_SIZE);
	memcpy(out, weekdays + 3 * ((unix_s / 86400 + 4) % 7), 3);
	memcpy(out + 5, rfc3339 + 8, 2);
	memcpy(out + 8, months + 3 * (month - 1), 3);
	memcpy(out + 12, rfc3339, 4);
	memcpy(out + 17, rfc3339 + 11, 8);
}

bool clock_days_from_date(int year, int month, int day, int64_t *days_out)
{
	static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	if (year < 1 || month < 1 || month > 12 || day < 1 ||
		day > month_days[month - 1] + (month == 2 && leap)) {
		return false;
	}
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = y / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	*days_out = era * 146097 + day_of_era - 719468;
	return true;
}
