// SPDX-License-Identifier: Apache-2.0
/*
 * Printable ASCII is stepped over eight bytes at a time; nearly every text is nothing else.
 */
#include "report_text_int.h"

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* Bytes from the start that are surely 0x20 to 0x7e, in steps of eight. */
static size_t printable_prefix(const char *data, size_t len)
{
	size_t at = 0;
	for (; len - at >= 8; at += 8) {
		uint64_t word;
		memcpy(&word, data + at, 8);
		uint64_t odd =
			word | (word - EACH_BYTE(0x20)) | ((word ^ EACH_BYTE(0x7f)) - EACH_BYTE(1));
		if ((odd & EACH_BYTE(0x80)) != 0) {
			break;
		}
	}
	return at;
}

static uint32_t decode(const unsigned char *at, size_t *len_out)
{
	if (at[0] < 0x80) {
		*len_out = 1;
		return at[0];
	}
	if (at[0] < 0xe0) {
		*len_out = 2;
		return ((at[0] & 0x1fU) << 6) | (at[1] & 0x3fU);
	}
	if (at[0] < 0xf0) {
		*len_out = 3;
		return ((at[0] & 0xfU) << 12) | ((at[1] & 0x3fU) << 6) | (at[2] & 0x3fU);
	}
	*len_out = 4;
	return ((at[0] & 7U) << 18) | ((at[1] & 0x3fU) << 12) | ((at[2] & 0x3fU) << 6) |
		(at[3] & 0x3fU);
}

static uint8_t kind_of(uint32_t point, bool before_lf)
{
	if (point == '\t' || point == '\n' || (point == '\r' && before_lf)) {
		return REPORT_TEXT_LINES;
	}
	if (point < 0x20 || (point >= 0x7f && point <= 0x9f) ||
		(point >= 0xfdd0 && point <= 0xfdef) || (point & 0xfffe) == 0xfffe) {
		return REPORT_TEXT_FORBIDDEN;
	}
	return point == 0x202d || point == 0x202e ? REPORT_TEXT_OVERRIDE : 0;
}

size_t report_text_scan(struct str text, uint8_t *kinds_out)
{
	const char *data = text.data;
	size_t at = printable_prefix(data, text.len);
	size_t points = at;
	uint8_t kinds = 0;

	while (at < text.len) {
		size_t len;
		uint32_t point = decode((const unsigned char *)data + at, &len);
		at += len;
		points++;
		if (point < 0x20 || point > 0x7e) {
			kinds |= kind_of(point, at < text.len && data[at] == '\n');
			size_t plain = printable_prefix(data + at, text.len - at);
			at += plain;
			points += plain;
		}
	}
	*kinds_out = kinds;
	return points;
}

struct str report_text_cut(struct str text, size_t max)
{
	size_t points = 0;
	for (size_t at = 0; at < text.len; at++) {
		bool starts = ((unsigned char)text.data[at] & 0xc0) != 0x80;
		if (starts && points++ == max) {
			return (struct str){text.data, at};
		}
	}
	return text;
}
