// SPDX-License-Identifier: Apache-2.0
/*
 * The linker sends the program's calls of the clocks here (--wrap); what formats a time is real.
 */
#include "replay.h"

/* 2026-11-20T12:00:00Z. */
static int64_t wall_us = INT64_C(1795176000000000);
/* Not 0, which stands for "never" in some places. */
static int64_t monotonic_us = INT64_C(1000000000);

int64_t __wrap_clock_monotonic_us(void);
int64_t __wrap_clock_monotonic_ms(void);
int64_t __wrap_clock_wall_us(void);
int64_t __wrap_clock_wall_s(void);

int64_t __wrap_clock_monotonic_us(void)
{
	return monotonic_us;
}

int64_t __wrap_clock_monotonic_ms(void)
{
	return monotonic_us / 1000;
}

int64_t __wrap_clock_wall_us(void)
{
	return wall_us;
}

int64_t __wrap_clock_wall_s(void)
{
	return wall_us / 1000000;
}

void fake_clock_advance_us(int64_t us)
{
	monotonic_us += us;
	wall_us += us;
}

void fake_clock_jump_us(int64_t us)
{
	wall_us += us;
}
