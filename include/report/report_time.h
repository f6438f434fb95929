// SPDX-License-Identifier: Apache-2.0
/*
 * RFC 3339 as the partner interface takes it: capital T and Z, an offset, at most six digits of
 * fraction, no leap second, real dates of the years 1970 to 2199.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether the text has the form; the date may still not exist. */
bool report_time_has_form(struct str text);
/* Microseconds since 1970 UTC; false when the form or the date is wrong. */
bool report_time_parse(struct str text, int64_t *time_us_out);
