// SPDX-License-Identifier: Apache-2.0
/*
 * What went wrong, for a human. The caller owns it; whoever decides what happens next logs it once.
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>

struct err {
	char text[512];
};

/* Sets the text; always false, so that a function can end with "return err_set(...)". */
bool err_set(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Puts more in front of the text, and ": " between. Always false. */
bool err_prefix(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
