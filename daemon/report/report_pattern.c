// SPDX-License-Identifier: Apache-2.0
/*
 * Matchers step through the text with a cursor: each take_ function moves it over what it accepts
 * and says how much that was.
 */
#include "report_pattern_int.h"

#include "report/report_time.h"

#include <stdint.h>

enum char_class {
	DIGIT = 1,
	UPPER = 2,
	LOWER = 4,
	HYPHEN = 8,
	DOT = 16,
	PLUS = 32,
	ID_MARK = 64,    /* _ and : */
	PHONE_MARK = 128 /* space and parentheses */
};

static const uint8_t char_classes[256] = {
	['0' ... '9'] = DIGIT,
	['A' ... 'Z'] = UPPER,
	['a' ... 'z'] = LOWER,
	['-'] = HYPHEN,
	['.'] = DOT,
	['+'] = PLUS,
	['_'] = ID_MARK,
	[':'] = ID_MARK,
	[' '] = PHONE_MARK,
	['('] = PHONE_MARK,
	[')'] = PHONE_MARK,
};

static bool is_class(char c, unsigned classes)
{
	return (char_classes[(unsigned char)c] & classes) != 0;
}

/* Moves the cursor over at most max characters of the classes. */
static size_t take(struct str *rest, unsigned classes, size_t max)
{
	size_t len = 0;
	while (len < rest->len && len < max && is_class(rest->data[len], classes)) {
		len++;
	}
	rest->data += len;
	rest->len -= len;
	return len;
}

static bool take_char(struct str *rest, char c)
{
	if (rest->len == 0 || rest->data[0] != c) {
		return false;
	}
	rest->data++;
	rest->len--;
	return true;
}

static bool take_word(struct str *rest, struct str word)
{
	if (rest->len < word.len || memcmp(rest->data, word.data, word.len) != 0) {
		return false;
	}
	rest->data += word.len;
	rest->len -= word.len;
	return true;
}

static bool is_all(struct str text, unsigned classes)
{
	return take(&text, classes, SIZE_MAX) > 0 && text.len == 0;
}

static bool take_version_number(struct str *rest)
{
	return take_char(rest, '0') ||
		(rest->len > 0 && rest->data[0] != '0' && take(rest, DIGIT, 5) > 0);
}

static bool matches_version(struct str text)
{
	return take_version_number(&text) && take_char(&text, '.') && take_version_number(&text) &&
		take_char(&text, '.') && take_version_number(&text) && text.len == 0;
}

static bool matches_report_id(struct str text)
{
	return text.len <= 128 && take(&text, DIGIT | UPPER | LOWER, 1) == 1 &&
		(text.len == 0 || is_all(text, DIGIT | UPPER | LOWER | HYPHEN | DOT | ID_MARK));
}

/* Labels of 1 to 63 characters without a hyphen at either end; the last of 2 or more. */
static bool matches_organisation(struct str text)
{
	size_t labels = 0;
	for (;;) {
		const char *label = text.data;
		size_t len = take(&text, DIGIT | LOWER | HYPHEN, 64);
		if (len == 0 || len > 63 || label[0] == '-' || label[len - 1] == '-') {
			return false;
		}
		labels++;
		if (text.len == 0) {
			return labels >= 2 && len >= 2 && is_class(label[0], LOWER);
		}
		if (!take_char(&text, '.')) {
			return false;
		}
	}
}

static bool matches_email(struct str text)
{
	size_t at_sign = 0;
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.data[i] <= 0x20) {
			return false;
		}
		if (text.data[i] == '@') {
			if (at_sign != 0 || i == 0) {
				return false;
			}
			at_sign = i;
		}
	}
	return at_sign != 0 && at_sign + 1 < text.len;
}

static bool matches_phone(struct str text)
{
	take_char(&text, '+');
	return is_all(text, DIGIT | HYPHEN | PHONE_MARK);
}

static bool matches_language(struct str text)
{
	if (take(&text, UPPER | LOWER, 8) < 2) {
		return false;
	}
	while (take_char(&text, '-')) {
		if (take(&text, DIGIT | UPPER | LOWER, 8) == 0) {
			return false;
		}
	}
	return text.len == 0;
}

static bool matches_country(struct str text)
{
	return text.len == 2 && is_all(text, UPPER);
}

static bool matches_currency(struct str text)
{
	return text.len == 3 && is_all(text, UPPER);
}

static bool matches_amount(struct str text)
{
	if (take(&text, DIGIT, 15) == 0) {
		return false;
	}
	if (take_char(&text, '.') && take(&text, DIGIT, 2) == 0) {
		return false;
	}
	return text.len == 0;
}

static bool matches_protocol(struct str text)
{
	return is_all(text, DIGIT | LOWER | HYPHEN | DOT);
}

static bool matches_vulnerability(struct str text)
{
	return take_word(&text, STR("CVE-")) && take(&text, DIGIT, 4) == 4 &&
		take_char(&text, '-') && take(&text, DIGIT, 19) >= 4 && text.len == 0;
}

static bool matches_technique(struct str text)
{
	if (!take_char(&text, 'T') || take(&text, DIGIT, 4) != 4) {
		return false;
	}
	if (take_char(&text, '.') && take(&text, DIGIT, 3) != 3) {
		return false;
	}
	return text.len == 0;
}

static bool matches_offence(struct str text)
{
	return (take_word(&text, STR("budapest:")) || take_word(&text, STR("uncc:"))) &&
		is_all(text, DIGIT | UPPER);
}

static bool matches_media_type(struct str text)
{
	unsigned classes = DIGIT | LOWER | DOT | PLUS | HYPHEN;
	return take(&text, classes, SIZE_MAX) > 0 && take_char(&text, '/') && is_all(text, classes);
}

bool report_pattern_is_hex(struct str text, size_t len)
{
	if (text.len != len) {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		char c = text.data[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
			return false;
		}
	}
	return true;
}

static bool matches_sha256(struct str text)
{
	return report_pattern_is_hex(text, 64);
}

const struct report_pattern report_pattern_version = {
	"^(0|[1-9][0-9]{0,4})(\\.(0|[1-9][0-9]{0,4})){2}$",
	"MAJOR.MINOR.PATCH is expected, without leading zeros",
	matches_version,
};
const struct report_pattern report_pattern_report_id = {
	"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$",
	"a letter or digit is expected, then letters, digits and . _ : -",
	matches_report_id,
};
const struct report_pattern report_pattern_organisation = {
	"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$",
	"a fully qualified domain name in lower case is expected",
	matches_organisation,
};
const struct report_pattern report_pattern_email = {
	"^[^@\\u0000-\\u0020]+@[^@\\u0000-\\u0020]+$",
	"an address with one @ and no space is expected",
	matches_email,
};
const struct report_pattern report_pattern_phone = {
	"^\\+?[0-9 ()-]+$",
	"digits, spaces, parentheses and hyphens are expected, + only in front",
	matches_phone,
};
const struct report_pattern report_pattern_language = {
	"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$",
	"a language tag of BCP 47 is expected",
	matches_language,
};
const struct report_pattern report_pattern_time = {
	"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-"
	"9]"
	"(\\.[0-9]{1,6})?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])$",
	"a time such as 2026-11-22T09:15:00Z or 2026-11-22T10:15:00.123456+01:00 is expected",
	report_time_has_form,
};
const struct report_pattern report_pattern_country = {
	"^[A-Z]{2}$",
	"a country code of two capital letters is expected",
	matches_country,
};
const struct report_pattern report_pattern_currency = {
	"^[A-Z]{3}$",
	"a currency code of three capital letters is expected",
	matches_currency,
};
const struct report_pattern report_pattern_amount = {
	"^[0-9]{1,15}(\\.[0-9]{1,2})?$",
	"1 to 15 digits are expected, then at most two decimals",
	matches_amount,
};
const struct report_pattern report_pattern_protocol = {
	"^[a-z0-9.-]+$",
	"lower-case letters, digits, dots and hyphens are expected",
	matches_protocol,
};
const struct report_pattern report_pattern_vulnerability = {
	"^CVE-[0-9]{4}-[0-9]{4,19}$",
	"CVE-YEAR-NUMBER is expected",
	matches_vulnerability,
};
const struct report_pattern report_pattern_technique = {
	"^T[0-9]{4}(\\.[0-9]{3})?$",
	"an ATT&CK technique such as T1133 or T1567.002 is expected",
	matches_technique,
};
const struct report_pattern report_pattern_offence = {
	"^(budapest|uncc):[A-Z0-9]+$",
	"budapest:ARTICLE or uncc:ARTICLE is expected",
	matches_offence,
};
const struct report_pattern report_pattern_media_type = {
	"^[a-z0-9.+-]+/[a-z0-9.+-]+$",
	"a media type in lower case without parameters is expected",
	matches_media_type,
};
const struct report_pattern report_pattern_sha256 = {
	"^[0-9a-f]{64}$",
	"64 lower-case hexadecimal digits are expected",
	matches_sha256,
};

const struct report_pattern *const report_patterns[] = {
	&report_pattern_version,
	&report_pattern_report_id,
	&report_pattern_organisation,
	&report_pattern_email,
	&report_pattern_phone,
	&report_pattern_language,
	&report_pattern_time,
	&report_pattern_country,
	&report_pattern_currency,
	&report_pattern_amount,
	&report_pattern_protocol,
	&report_pattern_vulnerability,
	&report_pattern_technique,
	&report_pattern_offence,
	&report_pattern_media_type,
	&report_pattern_sha256,
};
const size_t report_pattern_count = sizeof(report_patterns) / sizeof(report_patterns[0]);
