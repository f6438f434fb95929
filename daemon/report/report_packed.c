// SPDX-License-Identifier: Apache-2.0
/*
 * Findings in few bytes, for who keeps thousands of them until they can be written: about a tenth
 * of their JSON where a vocabulary is quoted. The form is of this process only: it holds addresses
 * of the table of fields.
 */
#include "report_finding_int.h"

#include <string.h>

enum packed_part {
	PART_DETAIL = 1,
	PART_MEMBER = 2,
	PART_ALLOWED = 4,
	PART_VOCABULARY = 8,
	PART_DID_YOU_MEAN = 16
};

/* The areas, the labels of TLP or one constant: what is allowed apart from a vocabulary. */
#define ALLOWED_MAX_APART 64

static bool put_text(struct buf *out, struct str text)
{
	uint16_t len = (uint16_t)(text.len < UINT16_MAX ? text.len : UINT16_MAX);
	return buf_append(out, &len, sizeof(len)) && buf_append(out, text.data, len);
}

static uint8_t parts_of(const struct report_finding *finding)
{
	unsigned parts = 0;
	if (finding->detail.data != report_code_sentence(finding->code)) {
		parts |= PART_DETAIL;
	}
	if (finding->member.data != NULL) {
		parts |= PART_MEMBER;
	}
	if (finding->vocabulary != NULL) {
		parts |= PART_VOCABULARY;
	} else if (finding->allowed.count > 0) {
		parts |= PART_ALLOWED;
	}
	if (finding->did_you_mean.len > 0) {
		parts |= PART_DID_YOU_MEAN;
	}
	return (uint8_t)parts;
}

static bool put_allowed(struct buf *out, struct str_list allowed)
{
	uint8_t count =
		(uint8_t)(allowed.count < ALLOWED_MAX_APART ? allowed.count : ALLOWED_MAX_APART);
	bool done = buf_append(out, &count, sizeof(count));
	for (size_t i = 0; done && i < count; i++) {
		done = put_text(out, allowed.items[i]);
	}
	return done;
}

/* In a structure of its own, so that its size is what is meant. */
struct vocabulary_place {
	const struct report_vocabulary *vocabulary;
};

static bool put_vocabulary(struct buf *out, const struct report_vocabulary *vocabulary)
{
	struct vocabulary_place place = {vocabulary};
	return buf_append(out, &place, sizeof(place));
}

static bool put_finding(struct buf *out, const struct report_finding *finding)
{
	uint8_t head[2] = {(uint8_t)finding->code, parts_of(finding)};
	unsigned parts = head[1];
	return buf_append(out, head, sizeof(head)) && put_text(out, finding->pointer) &&
		((parts & PART_DETAIL) == 0 || put_text(out, finding->detail)) &&
		((parts & PART_MEMBER) == 0 || put_text(out, finding->member)) &&
		((parts & PART_ALLOWED) == 0 || put_allowed(out, finding->allowed)) &&
		((parts & PART_VOCABULARY) == 0 || put_vocabulary(out, finding->vocabulary)) &&
		((parts & PART_DID_YOU_MEAN) == 0 || put_text(out, finding->did_you_mean));
}

bool report_findings_pack(struct buf *out, const struct report_finding *findings, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!put_finding(out, &findings[i])) {
			return false;
		}
	}
	return true;
}

/* Takes size bytes off the front. */
static const char *take(struct str *packed, size_t size)
{
	const char *at = packed->data;
	ENSURE(size <= packed->len);
	packed->data += size;
	packed->len -= size;
	return at;
}

static struct str take_text(struct str *packed)
{
	uint16_t len;
	memcpy(&len, take(packed, sizeof(len)), sizeof(len));
	return (struct str){take(packed, len), len};
}

static size_t take_allowed(struct str *packed, struct str items[ALLOWED_MAX_APART])
{
	size_t count = (uint8_t)*take(packed, 1);
	for (size_t i = 0; i < count; i++) {
		items[i] = take_text(packed);
	}
	return count;
}

static size_t expand_vocabulary(
	struct str *packed, const struct taxonomy *taxonomy, struct str items[ALLOWED_MAX_APART])
{
	struct vocabulary_place place;
	memcpy(&place, take(packed, sizeof(place)), sizeof(place));
	size_t count = report_vocabulary_count(place.vocabulary, taxonomy);
	ENSURE(count <= ALLOWED_MAX_APART);
	for (size_t i = 0; i < count; i++) {
		items[i] = report_vocabulary_code(place.vocabulary, taxonomy, i);
	}
	return count;
}

static bool render_next(struct buf *out, struct str *packed, const struct taxonomy *taxonomy)
{
	struct str allowed[ALLOWED_MAX_APART];
	const uint8_t *head = (const uint8_t *)take(packed, 2);
	unsigned parts = head[1];
	struct report_finding finding = {.code = (enum report_code)head[0]};
	finding.pointer = take_text(packed);
	finding.detail = str_from(report_code_sentence(finding.code));
	if ((parts & PART_DETAIL) != 0) {
		finding.detail = take_text(packed);
	}
	if ((parts & PART_MEMBER) != 0) {
		finding.member = take_text(packed);
	}
	if ((parts & PART_ALLOWED) != 0) {
		finding.allowed = (struct str_list){allowed, take_allowed(packed, allowed)};
	}
	if ((parts & PART_VOCABULARY) != 0) {
		size_t count = expand_vocabulary(packed, taxonomy, allowed);
		finding.allowed = (struct str_list){allowed, count};
	}
	if ((parts & PART_DID_YOU_MEAN) != 0) {
		finding.did_you_mean = take_text(packed);
	}
	return report_finding_render(out, &finding);
}

bool report_findings_render_packed(
	struct buf *out, struct str packed, const struct taxonomy *taxonomy)
{
	bool done = buf_append_str(out, STR("["));
	for (bool is_first = true; done && packed.len > 0; is_first = false) {
		done = (is_first || buf_append_str(out, STR(","))) &&
			render_next(out, &packed, taxonomy);
	}
	return done && buf_append_str(out, STR("]"));
}
