// SPDX-License-Identifier: Apache-2.0
/*
 * Document order is the order of paths compared by positions, a container before what is in it.
 */
#include "report_finding_int.h"

#include "report_text_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FINDINGS_KEPT REPORT_MAX_ERRORS
#define FINDINGS_GATHERED ((size_t)2 * FINDINGS_KEPT)
#define POINTER_TOKEN_POINTS 64
#define ALLOWED_MAX 60
#define SUGGESTION_MAX_LEN 64
#define SUGGESTION_MAX_EDITS 2

static const char *const code_texts[REPORT_CODE_COUNT] = {
#define REPORT_CODE(id, text, sentence) [REPORT_CODE_##id] = (text),
#include "report/report_codes.h"
#undef REPORT_CODE
};

static const char *const code_sentences[REPORT_CODE_COUNT] = {
#define REPORT_CODE(id, text, sentence) [REPORT_CODE_##id] = (sentence),
#include "report/report_codes.h"
#undef REPORT_CODE
};

const char *report_code_text(enum report_code code)
{
	ENSURE((unsigned)code < REPORT_CODE_COUNT);
	return code_texts[code];
}

const char *report_code_sentence(enum report_code code)
{
	ENSURE((unsigned)code < REPORT_CODE_COUNT);
	return code_sentences[code];
}

static int compare_paths(const struct report_draft *a, const struct report_draft *b)
{
	unsigned depth = a->depth < b->depth ? a->depth : b->depth;
	for (unsigned i = 0; i < depth; i++) {
		if (a->steps[i].position != b->steps[i].position) {
			return a->steps[i].position < b->steps[i].position ? -1 : 1;
		}
	}
	return (a->depth > b->depth) - (a->depth < b->depth);
}

static int compare_drafts(const void *left, const void *right)
{
	const struct report_draft *a = left;
	const struct report_draft *b = right;
	int order = compare_paths(a, b);
	if (order == 0) {
		order = b->is_missing - a->is_missing;
	}
	return order != 0 ? order : (a->serial > b->serial) - (a->serial < b->serial);
}

static void keep_first(struct report_findings *findings)
{
	qsort(findings->drafts, findings->count, sizeof(*findings->drafts), compare_drafts);
	if (findings->count > FINDINGS_KEPT) {
		findings->count = FINDINGS_KEPT;
		findings->is_cut = true;
	}
}

static bool grow(struct report_findings *findings)
{
	size_t capacity = findings->capacity == 0 ? 8 : findings->capacity * 2;
	if (capacity > FINDINGS_GATHERED) {
		capacity = FINDINGS_GATHERED;
	}
	struct report_draft *drafts = arena_alloc(findings->arena, capacity * sizeof(*drafts));
	if (drafts == NULL) {
		findings->is_out_of_memory = true;
		return false;
	}
	if (findings->count > 0) {
		memcpy(drafts, findings->drafts, findings->count * sizeof(*drafts));
	}
	findings->drafts = drafts;
	findings->capacity = capacity;
	return true;
}

/* Whether the place is behind the last one that would be kept anyway. */
static bool is_beyond(const struct report_findings *findings, const struct report_draft *draft)
{
	return findings->is_cut && compare_paths(draft, &findings->drafts[FINDINGS_KEPT - 1]) > 0;
}

struct report_draft *report_findings_add(
	struct report_findings *findings, const struct report_path *path, enum report_code code)
{
	struct report_draft draft = {
		.steps = path->steps,
		.depth = path->depth,
		.serial = findings->serial++,
		.code = code,
	};
	if (findings->count == FINDINGS_GATHERED) {
		keep_first(findings);
	}
	if (is_beyond(findings, &draft)) {
		return &findings->spare;
	}
	size_t steps_size = path->depth * sizeof(*path->steps);
	struct report_step *steps = arena_alloc(findings->arena, steps_size);
	if (steps == NULL) {
		findings->is_out_of_memory = true;
		return &findings->spare;
	}
	memcpy(steps, path->steps, steps_size);
	draft.steps = steps;
	if (findings->count == findings->capacity && !grow(findings)) {
		return &findings->spare;
	}
	findings->drafts[findings->count] = draft;
	return &findings->drafts[findings->count++];
}

/* ---- What is said of a finding that is kept. ---- */

struct writer {
	char *data; /* NULL while only counting */
	size_t len;
};

static void put(struct writer *writer, const char *data, size_t len)
{
	if (writer->data != NULL) {
		memcpy(writer->data + writer->len, data, len);
	}
	writer->len += len;
}

static void put_token(struct writer *writer, const struct report_step *step)
{
	if (step->key == NULL) {
		char digits[12];
		int len = snprintf(digits, sizeof(digits), "/%" PRIu32, step->position);
		put(writer, digits, (size_t)len);
		return;
	}
	struct str token =
		report_text_cut((struct str){step->key, step->key_len}, POINTER_TOKEN_POINTS);
	put(writer, "/", 1);
	for (size_t i = 0; i < token.len; i++) {
		if (token.data[i] == '~') {
			put(writer, "~0", 2);
		} else if (token.data[i] == '/') {
			put(writer, "~1", 2);
		} else {
			put(writer, &token.data[i], 1);
		}
	}
}

static struct str make_pointer(struct report_findings *findings, const struct report_draft *draft)
{
	struct writer writer = {0};
	for (unsigned i = 0; i < draft->depth; i++) {
		put_token(&writer, &draft->steps[i]);
	}
	writer.data = arena_alloc(findings->arena, writer.len);
	if (writer.data == NULL) {
		findings->is_out_of_memory = true;
		return (struct str){0};
	}
	writer.len = 0;
	for (unsigned i = 0; i < draft->depth; i++) {
		put_token(&writer, &draft->steps[i]);
	}
	return (struct str){writer.data, writer.len};
}

/* The sentence of a limit, with a place for its number; NULL for other codes. */
static const char *limit_sentence(enum report_code code, int64_t limit)
{
	switch (code) {
	case REPORT_CODE_TOO_SHORT:
		return limit == 1 ? "at least one character is expected"
				  : "at least %" PRId64 " characters are expected";
	case REPORT_CODE_TOO_LONG:
		return "at most %" PRId64 " characters are expected";
	case REPORT_CODE_TOO_FEW:
		return limit == 1 ? "at least one element is expected"
				  : "at least %" PRId64 " elements are expected";
	case REPORT_CODE_TOO_MANY:
		return "at most %" PRId64 " elements are expected";
	case REPORT_CODE_TOO_SMALL:
		return "at least %" PRId64 " is expected";
	case REPORT_CODE_TOO_LARGE:
		return "at most %" PRId64 " is expected";
	default:
		return NULL;
	}
}

static struct str make_detail(struct report_findings *findings, const struct report_draft *draft)
{
	const size_t size = 64;
	bool is_lower = draft->code == REPORT_CODE_TOO_SHORT ||
		draft->code == REPORT_CODE_TOO_FEW || draft->code == REPORT_CODE_TOO_SMALL;
	int64_t limit = 0;
	if (draft->field != NULL) {
		limit = is_lower ? draft->field->min : draft->field->max;
	}
	const char *sentence = limit_sentence(draft->code, limit);
	if (draft->detail != NULL || sentence == NULL || draft->field == NULL) {
		return str_from(
			draft->detail != NULL ? draft->detail : code_sentences[draft->code]);
	}
	char *text = arena_alloc(findings->arena, size);
	if (text == NULL) {
		findings->is_out_of_memory = true;
		return (struct str){0};
	}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	int len = snprintf(text, size, sentence, limit);
#pragma GCC diagnostic pop
	return (struct str){text, (size_t)len};
}

/* The values of a field that knows a finite set of them. */
static struct str_list make_allowed(struct report_findings *findings,
	const struct report_draft *draft, const struct taxonomy *taxonomy)
{
	if (draft->allowed.count > 0 || draft->field == NULL || draft->field->vocabulary == NULL) {
		return draft->allowed;
	}
	size_t count = report_vocabulary_count(draft->field->vocabulary, taxonomy);
	if (count > ALLOWED_MAX) {
		return (struct str_list){0};
	}
	struct str *items = arena_alloc(findings->arena, count * sizeof(*items));
	if (items == NULL) {
		findings->is_out_of_memory = true;
		return (struct str_list){0};
	}
	for (size_t i = 0; i < count; i++) {
		items[i] = report_vocabulary_code(draft->field->vocabulary, taxonomy, i);
	}
	return (struct str_list){items, count};
}

static unsigned char fold(char c)
{
	unsigned char folded = (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	return folded == '_' || folded == ' ' ? '-' : folded;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;
	return least < c ? least : c;
}

/* Edits between two short texts, without regard to case and the kind of separator. */
static unsigned count_edits(struct str a, struct str b)
{
	unsigned row[SUGGESTION_MAX_LEN + 1];
	for (size_t j = 0; j <= b.len; j++) {
		row[j] = (unsigned)j;
	}
	for (size_t i = 1; i <= a.len; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b.len; j++) {
			unsigned above = row[j];
			unsigned differs = fold(a.data[i - 1]) != fold(b.data[j - 1]);
			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + differs);
			diagonal = above;
		}
	}
	return row[b.len];
}

struct suggestion {
	struct str code;
	unsigned edits;
};

static void suggest(struct suggestion *best, struct str misspelt, struct str code)
{
	size_t difference =
		misspelt.len > code.len ? misspelt.len - code.len : code.len - misspelt.len;
	if (code.len > SUGGESTION_MAX_LEN || difference > SUGGESTION_MAX_EDITS) {
		return;
	}
	unsigned edits = count_edits(misspelt, code);
	/* Of a short code most of it has to be right. */
	if (edits < best->edits && (size_t)edits * 2 < code.len) {
		*best = (struct suggestion){code, edits};
	}
}

static struct str make_suggestion(const struct report_draft *draft, const struct taxonomy *taxonomy)
{
	struct suggestion best = {.edits = SUGGESTION_MAX_EDITS + 1};
	if (draft->misspelt.len == 0 || draft->misspelt.len > SUGGESTION_MAX_LEN) {
		return best.code;
	}
	for (size_t i = 0; draft->object != NULL && i < draft->object->count; i++) {
		suggest(&best, draft->misspelt, draft->object->fields[i].name);
	}
	if (draft->field != NULL && draft->field->vocabulary != NULL) {
		const struct report_vocabulary *vocabulary = draft->field->vocabulary;
		size_t count = report_vocabulary_count(vocabulary, taxonomy);
		for (size_t i = 0; i < count; i++) {
			suggest(&best, draft->misspelt,
				report_vocabulary_code(vocabulary, taxonomy, i));
		}
	}
	return best.code;
}

static bool is_repeated(const struct report_draft *drafts, size_t at)
{
	return at > 0 && drafts[at].code == drafts[at - 1].code &&
		compare_paths(&drafts[at], &drafts[at - 1]) == 0 &&
		str_equal(drafts[at].member, drafts[at - 1].member);
}

void report_findings_finish(struct report_findings *findings, const struct taxonomy *taxonomy,
	const struct report_finding **items_out, size_t *count_out)
{
	*items_out = NULL;
	*count_out = 0;
	if (findings->count == 0) {
		return;
	}
	keep_first(findings);
	struct report_finding *items =
		arena_alloc(findings->arena, findings->count * sizeof(*items));
	if (items == NULL) {
		findings->is_out_of_memory = true;
		return;
	}
	size_t count = 0;
	for (size_t i = 0; i < findings->count; i++) {
		const struct report_draft *draft = &findings->drafts[i];
		if (is_repeated(findings->drafts, i)) {
			continue;
		}
		items[count++] = (struct report_finding){
			.pointer = make_pointer(findings, draft),
			.code = draft->code,
			.detail = make_detail(findings, draft),
			.member = draft->member,
			.allowed = make_allowed(findings, draft, taxonomy),
			.did_you_mean = make_suggestion(draft, taxonomy),
		};
		if (draft->allowed.count == 0 && items[count - 1].allowed.count > 0) {
			items[count - 1].vocabulary = draft->field->vocabulary;
		}
	}
	*items_out = items;
	*count_out = count;
}

/* ---- As JSON. ---- */

static bool append_member(struct buf *out, struct str name, struct str value)
{
	return buf_append_str(out, name) && buf_append_json_text(out, value) &&
		buf_append_str(out, STR("\""));
}

static bool append_allowed(struct buf *out, struct str_list allowed)
{
	if (!buf_append_str(out, STR(",\"allowed\":["))) {
		return false;
	}
	for (size_t i = 0; i < allowed.count; i++) {
		if (!append_member(out, i == 0 ? STR("\"") : STR(",\""), allowed.items[i])) {
			return false;
		}
	}
	return buf_append_str(out, STR("]"));
}

bool report_finding_render(struct buf *out, const struct report_finding *finding)
{
	return append_member(out, STR("{\"pointer\":\""), finding->pointer) &&
		append_member(
			out, STR(",\"code\":\""), str_from(report_code_text(finding->code))) &&
		append_member(out, STR(",\"detail\":\""), finding->detail) &&
		(finding->member.data == NULL ||
			append_member(out, STR(",\"member\":\""), finding->member)) &&
		(finding->allowed.count == 0 || append_allowed(out, finding->allowed)) &&
		(finding->did_you_mean.len == 0 ||
			append_member(out, STR(",\"did_you_mean\":\""), finding->did_you_mean)) &&
		buf_append_str(out, STR("}"));
}

bool report_findings_render(struct buf *out, const struct report_finding *findings, size_t count)
{
	if (!buf_append_str(out, STR("["))) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if ((i > 0 && !buf_append_str(out, STR(","))) ||
			!report_finding_render(out, &findings[i])) {
			return false;
		}
	}
	return buf_append_str(out, STR("]"));
}
