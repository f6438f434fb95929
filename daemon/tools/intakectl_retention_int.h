// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdbool.h>

/* Whether reports can be kept for that, by its form: a number and a unit, or forever. */
bool retention_is_period(const char *text);
