// SPDX-License-Identifier: Apache-2.0
/*
 * The forms of text that the schema gives as regular expressions. Each has the expression, which is
 * what partners see, and a hand-written matcher, which is what runs; a test holds them equal.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct report_pattern {
	const char *expression;
	const char *expects; /* for details: what the text should be */
	bool (*matches)(struct str text);
};

extern const struct report_pattern report_pattern_version;
extern const struct report_pattern report_pattern_report_id;
extern const struct report_pattern report_pattern_organisation;
extern const struct report_pattern report_pattern_email;
extern const struct report_pattern report_pattern_phone;
extern const struct report_pattern report_pattern_language;
extern const struct report_pattern report_pattern_time;
extern const struct report_pattern report_pattern_country;
extern const struct report_pattern report_pattern_currency;
extern const struct report_pattern report_pattern_amount;
extern const struct report_pattern report_pattern_protocol;
extern const struct report_pattern report_pattern_vulnerability;
extern const struct report_pattern report_pattern_technique;
extern const struct report_pattern report_pattern_offence;
extern const struct report_pattern report_pattern_media_type;
extern const struct report_pattern report_pattern_sha256;

/* All of the above, for tests. */
extern const struct report_pattern *const report_patterns[];
extern const size_t report_pattern_count;

/* Whether the text is exactly len lower-case hexadecimal digits. */
bool report_pattern_is_hex(struct str text, size_t len);
