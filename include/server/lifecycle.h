// SPDX-License-Identifier: Apache-2.0
/*
 * The process: start, serve, reload, drain, stop.
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>

/* Serves with the configuration of path until told to stop. Returns the exit status. */
MUST_CHECK int lifecycle_run(const char *path);
/*
 * Checks what -t checks, the database too if asked, and says so on standard output and error.
 * Returns the exit status.
 */
MUST_CHECK int lifecycle_check(const char *path, bool with_database);
