// SPDX-License-Identifier: Apache-2.0
/*
 * The page at GET /, which the build puts together from the files in page/.
 */
#pragma once

#include "base/str.h"

extern const struct str admin_page;
/* The Content-Security-Policy under which it runs, and nothing else does. */
extern const char admin_page_policy[];
