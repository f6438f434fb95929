// SPDX-License-Identifier: Apache-2.0
#include "load_body.h"

#include "base/attr.h"
#include "base/clock.h"

#include <stdio.h>
#include <unistd.h>

enum { MARK_UUID, MARK_HEX8, MARK_OCTET };

static const struct {
	struct str name;
	size_t len;
} kinds[] = {
	[MARK_UUID] = {{"{uuid}", 6}, 36},
	[MARK_HEX8] = {{"{hex8}", 6}, 8},
	[MARK_OCTET] = {{"{octet}", 7}, 3},
};

/* The mark that text begins with, or -1. */
static int mark_at(struct str text)
{
	for (int kind = 0; kind < (int)(sizeof(kinds) / sizeof(kinds[0])); kind++) {
		if (text.len >= kinds[kind].name.len &&
			memcmp(text.data, kinds[kind].name.data, kinds[kind].name.len) == 0) {
			return kind;
		}
	}
	return -1;
}

static bool read_template(struct body *body, struct str template, struct err *err)
{
	static const char filler[36];
	for (size_t i = 0; i < template.len;) {
		int kind = mark_at((struct str){template.data + i, template.len - i});
		if (kind < 0) {
			ENSURE(buf_append(&body->text, template.data + i++, 1));
			continue;
		}
		if (body->mark_count == BODY_MARKS_MAX) {
			return err_set(err, "more than %d marks in the template", BODY_MARKS_MAX);
		}
		body->marks[body->mark_count++] = (struct body_mark){(uint8_t)kind, body->text.len};
		ENSURE(buf_append(&body->text, filler, kinds[kind].len));
		i += kinds[kind].name.len;
	}
	return true;
}

bool body_init(struct body *body, struct str template, uint32_t reports, struct err *err)
{
	while (template.len > 0 && template.data[template.len - 1] == '\n') {
		template.len--;
	}
	*body = (struct body){.reports = reports};
	body->run = (uint64_t)clock_wall_us() << 8 ^ (uint64_t)getpid();
	body->random = random_start(body->run, 0);
	buf_init(&body->text, SIZE_MAX);
	if (!read_template(body, template, err)) {
		return false;
	}
	if (reports > 1) {
		ENSURE(buf_append(&body->text, "\n", 1));
	}
	body->report_len = body->text.len;
	ENSURE(buf_reserve(&body->text, body->report_len * reports));
	for (uint32_t i = 1; i < reports; i++) {
		ENSURE(buf_append(&body->text, body->text.data, body->report_len));
	}
	return true;
}

static void put_hex(char *out, uint64_t number, size_t digits)
{
	for (size_t i = digits; i > 0; i--) {
		out[i - 1] = "0123456789abcdef"[number & 15];
		number >>= 4;
	}
}

/* Of the form of version 4, so that a server that asks for one takes it. */
static void put_uuid(struct body *body, char *out)
{
	put_hex(out, random_next(&body->random), 8);
	out[8] = '-';
	put_hex(out + 9, body->run, 4);
	out[13] = '-';
	put_hex(out + 14, 0x4000 | (body->run >> 16 & 0xfff), 4);
	out[18] = '-';
	put_hex(out + 19, 0x8000 | (body->run >> 28 & 0xfff), 4);
	out[23] = '-';
	put_hex(out + 24, body->run >> 40 << 36 | body->serial++, 12);
}

static void fill(struct body *body, const struct body_mark *mark, char *out)
{
	switch (mark->kind) {
	case MARK_UUID:
		put_uuid(body, out);
		break;
	case MARK_HEX8:
		put_hex(out, random_next(&body->random), 8);
		break;
	case MARK_OCTET: {
		uint32_t octet = 100 + random_below(&body->random, 156);
		out[0] = (char)('0' + octet / 100);
		out[1] = (char)('0' + octet / 10 % 10);
		out[2] = (char)('0' + octet % 10);
		break;
	}
	default:
		break;
	}
}

struct str body_next(struct body *body)
{
	for (uint32_t report = 0; report < body->reports; report++) {
		char *text = body->text.data + report * body->report_len;
		for (uint32_t i = 0; i < body->mark_count; i++) {
			fill(body, &body->marks[i], text + body->marks[i].offset);
		}
	}
	return buf_str(&body->text);
}

void body_fini(struct body *body)
{
	buf_fini(&body->text);
}
