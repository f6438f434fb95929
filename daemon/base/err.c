// SPDX-License-Identifier: Apache-2.0
/*
 * Texts are put together aside, so that the present one may be among the arguments. What does not
 * fit is cut off.
 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool err_set(struct err *e, const char *fmt, ...)
{
	struct err made = {.text = ""};
	va_list args;
	va_start(args, fmt);
	vsnprintf(made.text, sizeof(made.text), fmt, args);
	va_end(args);
	*e = made;
	return false;
}

static void err_append(struct err *e, const char *text)
{
	size_t used = strlen(e->text);
	size_t len = strnlen(text, sizeof(e->text) - 1 - used);
	memcpy(e->text + used, text, len);
	e->text[used + len] = '\0';
}

bool err_prefix(struct err *e, const char *fmt, ...)
{
	struct err made = {.text = ""};
	va_list args;
	va_start(args, fmt);
	vsnprintf(made.text, sizeof(made.text), fmt, args);
	va_end(args);
	err_append(&made, ": ");
	err_append(&made, e->text);
	*e = made;
	return false;
}
