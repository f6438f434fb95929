// SPDX-License-Identifier: Apache-2.0
/*
 * Times of the daemon's answers, for people.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INSTANT_TEXT_SIZE 32
#define DURATION_TEXT_SIZE 24

/* RFC 3339 in UTC as the daemon writes it, to seconds since 1970. False when text is none or NULL.
 */
bool instant_parse(const char *text, int64_t *at_s_out);
/* Whether a person may write a time so, for the database: RFC 3339, from the day alone on. */
bool instant_is_time(const char *text);
/* "2026-11-09 06:05:12 UTC"; out is returned, as by the next. */
const char *instant_format(int64_t at_s, char out[INSTANT_TEXT_SIZE]);
/* The two largest units: "3 d 4 h", "5 min 2 s", "7 s". Less than nothing is nothing. */
const char *duration_format(int64_t seconds, char out[DURATION_TEXT_SIZE]);
