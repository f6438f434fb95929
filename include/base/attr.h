// SPDX-License-Identifier: Apache-2.0
/*
 * Attributes and the one assertion of the project.
 */
#pragma once

#include <stdlib.h>

/* A result that a caller may not drop: it says whether the thing was done. */
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Prints where and what, then aborts. */
__attribute__((noreturn)) void ensure_failed(const char *file, int line, const char *condition);

/*
 * What cannot be false unless this program is wrong. On in production: dying before the
 * acknowledgement is safe, since what was not acknowledged is sent again. Never to be reached by
 * anything a peer sends.
 */
#define ENSURE(condition)                                              \
	do {                                                           \
		if (!(condition))                                      \
			ensure_failed(__FILE__, __LINE__, #condition); \
	} while (0)
