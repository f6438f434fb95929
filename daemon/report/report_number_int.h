// SPDX-License-Identifier: Apache-2.0
/*
 * Number tokens of JSON, judged by their text.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

/* Shorter tokens without an exponent are always held as they are. */
#define REPORT_NUMBER_PLAIN_LEN 18

enum report_number_kind {
	NUMBER_HELD,        /* the parser holds it well enough, or refuses it rightly */
	NUMBER_BIG_INTEGER, /* beyond int64 */
	NUMBER_BAD_REAL,    /* more than 40 characters, or an exponent beyond 300 */
	NUMBER_ODD_REAL     /* acceptable, but beyond double, or reads as the bad one */
};

enum report_number_kind report_number_judge(struct str token);
/* Overwrites the token with its replacement and spaces behind. */
void report_number_replace(char *token, size_t len, enum report_number_kind kind);
