// SPDX-License-Identifier: Apache-2.0
/*
 * What the bytes of a report say of which report it is. Pure.
 */
#pragma once

#include "base/attr.h"
#include "base/str.h"

#include <stdint.h>

/* The report_id, for free(); NULL: it cannot be read. */
char *identity_report_id(struct str bytes);
/* 1 where none is named or it cannot be read. */
int64_t identity_revision(struct str bytes);
