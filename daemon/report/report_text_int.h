// SPDX-License-Identifier: Apache-2.0
/*
 * What a text consists of: its code points counted, and the kinds of character that the text rules
 * speak of. The text must be UTF-8.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum report_text_kind {
	REPORT_TEXT_LINES = 1,     /* tab, LF, or CR directly before LF */
	REPORT_TEXT_FORBIDDEN = 2, /* another control character, a non-character */
	REPORT_TEXT_OVERRIDE = 4   /* U+202D or U+202E */
};

/* Returns the number of code points; kinds_out gets every report_text_kind that occurs. */
size_t report_text_scan(struct str text, uint8_t *kinds_out);
/* The longest start of text with at most max code points. */
struct str report_text_cut(struct str text, size_t max);
