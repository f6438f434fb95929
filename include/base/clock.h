// SPDX-License-Identifier: Apache-2.0
/*
 * Time. Deadlines use the monotonic clock in milliseconds, receipts the wall clock in microseconds
 * since 1970 UTC. A worker reads the monotonic clock once a loop turn and passes it on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 2026-11-09T06:05:12.482913Z and the terminating NUL. */
#define CLOCK_RFC3339_SIZE 28
/* Mon, 09 Nov 2026 06:05:12 GMT and the terminating NUL. */
#define CLOCK_HTTP_DATE_SIZE 30

int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);
int64_t clock_wall_us(void);
/* Unix seconds as time(2) has them, and OpenSSL with it: when one begins, later by up to a tick. */
int64_t clock_wall_s(void);
/* When that was by the wall clock as it goes now: its age is right although that clock was set. */
int64_t clock_wall_of_monotonic(int64_t monotonic_us);
/* RFC 3339 in UTC with six digits of fraction; years 1970 to 9999. */
void clock_format_rfc3339(int64_t wall_us, char out[CLOCK_RFC3339_SIZE]);
/* A date as HTTP has it (RFC 9110 5.6.7); years 1970 to 9999. */
void clock_format_http_date(int64_t unix_s, char out[CLOCK_HTTP_DATE_SIZE]);
/* Days since 1970-01-01 of a date of the Gregorian calendar; false when there is no such day. */
bool clock_days_from_date(int year, int month, int day, int64_t *days_out);
