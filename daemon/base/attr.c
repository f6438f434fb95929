// SPDX-License-Identifier: Apache-2.0
#include "base/attr.h"

#include <stdio.h>

void ensure_failed(const char *file, int line, const char *condition)
{
	fprintf(stderr, "severity=fatal event=broken-invariant at=%s:%d condition=\"%s\"\n", file,
		line, condition);
	abort();
}
