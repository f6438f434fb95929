// SPDX-License-Identifier: Apache-2.0
/*
 * A value is followed by its brackets and strings only: where it ends is all that matters here.
 * Line ends outside strings are white space to JSON, so they become spaces where a report has to
 * fit on a line. Lines are trimmed: a line of spaces would otherwise be blank to one reader and
 * not to the other.
 */
#include "intake_send_scan_int.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_outside(const struct scan *scan)
{
	return scan->depth == 0 && !scan->is_in_string;
}

void scan_init(struct scan *scan, bool is_lines, size_t report_bytes_max)
{
	*scan = (struct scan){.phase = is_lines ? SCAN_PHASE_LINES : SCAN_PHASE_START, .line = 1};
	buf_init(&scan->bytes, report_bytes_max);
}

void scan_fini(struct scan *scan)
{
	buf_fini(&scan->bytes);
}

bool scan_has_content(const struct scan *scan)
{
	return scan->phase != SCAN_PHASE_START;
}

const char *scan_broken_reason(const struct scan *scan, uint64_t *line_out)
{
	*line_out = scan->line;
	return scan->broken;
}

/* --- the report in the making --- */

static void forget_report(struct scan *scan)
{
	buf_clear(&scan->bytes);
	scan->is_given = false;
	scan->is_too_long = false;
	scan->has_begun = false;
	scan->is_in_string = false;
	scan->is_escaped = false;
	scan->depth = 0;
}

static void keep(struct scan *scan, const char *data, size_t len)
{
	if (!scan->is_too_long && !buf_append(&scan->bytes, data, len)) {
		scan->is_too_long = true;
		buf_clear(&scan->bytes);
	}
}

/* Counts the byte, whether it is kept or not. */
static void pass(struct scan *scan, char c)
{
	scan->span_bytes++;
	scan->line += c == '\n';
}

static void track(struct scan *scan, char c)
{
	if (scan->is_escaped) {
		scan->is_escaped = false;
	} else if (scan->is_in_string) {
		scan->is_escaped = c == '\\';
		scan->is_in_string = c != '"';
	} else if (c == '"') {
		scan->is_in_string = true;
	} else if (c == '{' || c == '[') {
		scan->depth++;
	} else if ((c == '}' || c == ']') && scan->depth > 0) {
		scan->depth--;
	}
}

/* Keeps a byte of a value and follows it. */
static void take(struct scan *scan, char c)
{
	if (!scan->has_begun) {
		scan->has_begun = true;
		scan->report_line = scan->line;
	}
	keep(scan, &c, 1);
	track(scan, c);
	pass(scan, c);
}

static struct str trim(struct str text)
{
	while (text.len > 0 && is_space(text.data[0])) {
		text.data++;
		text.len--;
	}
	while (text.len > 0 && is_space(text.data[text.len - 1])) {
		text.len--;
	}
	return text;
}

/* Puts the value on one line; false when a string of it holds the end of a line. */
static bool flatten(char *data, size_t len)
{
	struct scan follower = {.depth = 0};
	for (size_t i = 0; i < len; i++) {
		if (follower.is_in_string && data[i] == '\n') {
			return false;
		}
		if (!follower.is_in_string && (data[i] == '\n' || data[i] == '\r')) {
			data[i] = ' ';
		}
		track(&follower, data[i]);
	}
	return true;
}

/* --- giving it out --- */

static enum scan_step give(
	struct scan *scan, struct str bytes, enum scan_fault fault, struct scan_report *report_out)
{
	if (scan->is_too_long) {
		fault = SCAN_FAULT_TOO_LONG;
	}
	*report_out = (struct scan_report){
		.bytes = fault == SCAN_FAULT_NONE ? bytes : STR(""),
		.line = scan->report_line,
		.index = -1,
		.span_bytes = scan->span_bytes,
		.fault = fault,
	};
	scan->span_bytes = 0;
	scan->is_given = true;
	return SCAN_REPORT;
}

static enum scan_step give_document(struct scan *scan, struct scan_report *report_out)
{
	scan->report_line = 0;
	return give(scan, buf_str(&scan->bytes), SCAN_FAULT_NONE, report_out);
}

/* A value of bytes that may lie on several lines. */
static enum scan_step give_value(
	struct scan *scan, size_t at, size_t end, struct scan_report *report_out)
{
	if (scan->is_too_long) {
		return give(scan, STR(""), SCAN_FAULT_TOO_LONG, report_out);
	}
	struct str bytes = trim((struct str){scan->bytes.data + at, end - at});
	bool is_flat = flatten(scan->bytes.data + (bytes.data - scan->bytes.data), bytes.len);
	return give(scan, bytes, is_flat ? SCAN_FAULT_NONE : SCAN_FAULT_LINE_END, report_out);
}

static enum scan_step give_element(struct scan *scan, struct scan_report *report_out)
{
	enum scan_step step = scan->has_begun ? give_value(scan, 0, scan->bytes.len, report_out)
					      : give(scan, STR(""), SCAN_FAULT_EMPTY, report_out);
	report_out->line = scan->has_begun ? scan->report_line : scan->line;
	report_out->index = scan->element_count++;
	return step;
}

/* --- phases: each takes what belongs to it and says whether there is a report --- */

struct input {
	const char *data;
	size_t len;
	size_t at;
};

static enum scan_step run_start(struct scan *scan, struct input *in, struct scan_report *report_out)
{
	(void)report_out;
	for (; in->at < in->len; in->at++) {
		char c = in->data[in->at];
		if (c == '[') {
			forget_report(scan);
			pass(scan, c);
			in->at++;
			scan->phase = SCAN_PHASE_ARRAY;
			return SCAN_MORE;
		}
		if (!is_space(c)) {
			/* The byte itself is left to the next phase. */
			scan->first_at = scan->bytes.len;
			scan->phase = c == '{' ? SCAN_PHASE_FIRST : SCAN_PHASE_DOCUMENT;
			return SCAN_MORE;
		}
		keep(scan, &c, 1);
		pass(scan, c);
	}
	return SCAN_MORE;
}

static enum scan_step run_first(struct scan *scan, struct input *in, struct scan_report *report_out)
{
	(void)report_out;
	while (in->at < in->len) {
		take(scan, in->data[in->at++]);
		if (is_outside(scan)) {
			scan->first_end = scan->bytes.len;
			scan->first_end_line = scan->line;
			scan->phase = SCAN_PHASE_AFTER_FIRST;
			break;
		}
	}
	return SCAN_MORE;
}

static enum scan_step run_after_first(
	struct scan *scan, struct input *in, struct scan_report *report_out)
{
	for (; in->at < in->len; in->at++) {
		char c = in->data[in->at];
		if (!is_space(c)) {
			bool is_lines =
				scan->has_line_end && scan->first_end_line == scan->report_line;
			scan->phase = is_lines ? SCAN_PHASE_LINES : SCAN_PHASE_VALUES;
			return give_value(scan, scan->first_at, scan->first_end, report_out);
		}
		scan->has_line_end |= c == '\n';
		keep(scan, &c, 1);
		pass(scan, c);
	}
	return SCAN_MORE;
}

static enum scan_step run_document(
	struct scan *scan, struct input *in, struct scan_report *report_out)
{
	(void)report_out;
	keep(scan, in->data + in->at, in->len - in->at);
	scan->span_bytes += in->len - in->at;
	in->at = in->len;
	return SCAN_MORE;
}

/* The line that was kept, if it is not blank. */
static enum scan_step give_line(struct scan *scan, struct scan_report *report_out)
{
	struct str bytes = trim(buf_str(&scan->bytes));
	if (bytes.len == 0 && !scan->is_too_long) {
		forget_report(scan);
		return SCAN_MORE;
	}
	return give(scan, bytes, SCAN_FAULT_NONE, report_out);
}

static enum scan_step run_lines(struct scan *scan, struct input *in, struct scan_report *report_out)
{
	while (in->at < in->len) {
		const char *begin = in->data + in->at;
		const char *end = memchr(begin, '\n', in->len - in->at);
		size_t len = end != NULL ? (size_t)(end - begin) : in->len - in->at;
		scan->report_line = scan->line;
		keep(scan, begin, len);
		scan->span_bytes += len;
		in->at += len;
		if (end == NULL) {
			return SCAN_MORE;
		}
		pass(scan, '\n');
		in->at++;
		if (give_line(scan, report_out) == SCAN_REPORT) {
			return SCAN_REPORT;
		}
	}
	return SCAN_MORE;
}

static enum scan_step run_values(
	struct scan *scan, struct input *in, struct scan_report *report_out)
{
	while (in->at < in->len) {
		char c = in->data[in->at];
		if (is_space(c) && is_outside(scan)) {
			if (scan->has_begun) {
				return give_value(scan, 0, scan->bytes.len, report_out);
			}
			pass(scan, c);
			in->at++;
			continue;
		}
		take(scan, c);
		in->at++;
		if (is_outside(scan) && (c == '}' || c == ']' || c == '"')) {
			return give_value(scan, 0, scan->bytes.len, report_out);
		}
	}
	return SCAN_MORE;
}

static enum scan_step run_array(struct scan *scan, struct input *in, struct scan_report *report_out)
{
	for (; in->at < in->len; in->at++) {
		char c = in->data[in->at];
		if (is_outside(scan) && (c == ',' || c == ']')) {
			bool is_empty_array = c == ']' && !scan->has_begun && !scan->has_comma;
			scan->has_comma = c == ',';
			scan->phase = c == ']' ? SCAN_PHASE_AFTER_ARRAY : SCAN_PHASE_ARRAY;
			pass(scan, c);
			in->at++;
			return is_empty_array ? SCAN_MORE : give_element(scan, report_out);
		}
		if (!scan->has_begun && is_space(c)) {
			pass(scan, c);
		} else {
			take(scan, c);
		}
	}
	return SCAN_MORE;
}

static enum scan_step run_after_array(
	struct scan *scan, struct input *in, struct scan_report *report_out)
{
	(void)report_out;
	for (; in->at < in->len; in->at++) {
		if (!is_space(in->data[in->at])) {
			scan->broken = "something stands behind the end of the array";
			return SCAN_BROKEN;
		}
		pass(scan, in->data[in->at]);
	}
	return SCAN_MORE;
}

enum scan_step scan_feed(struct scan *scan, const char *data, size_t len, size_t *used_out,
	struct scan_report *report_out)
{
	static enum scan_step (*const runs[])(
		struct scan *, struct input *, struct scan_report *) = {
		[SCAN_PHASE_START] = run_start,
		[SCAN_PHASE_FIRST] = run_first,
		[SCAN_PHASE_AFTER_FIRST] = run_after_first,
		[SCAN_PHASE_DOCUMENT] = run_document,
		[SCAN_PHASE_LINES] = run_lines,
		[SCAN_PHASE_VALUES] = run_values,
		[SCAN_PHASE_ARRAY] = run_array,
		[SCAN_PHASE_AFTER_ARRAY] = run_after_array,
	};
	struct input in = {data, len, 0};
	enum scan_step step = SCAN_MORE;
	ENSURE(scan->phase != SCAN_PHASE_OVER);
	if (scan->is_given) {
		forget_report(scan);
	}
	while (step == SCAN_MORE && in.at < in.len) {
		step = runs[scan->phase](scan, &in, report_out);
	}
	*used_out = in.at;
	return step;
}

static enum scan_step finish_phase(struct scan *scan, struct scan_report *report_out)
{
	switch (scan->phase) {
	case SCAN_PHASE_FIRST:
	case SCAN_PHASE_AFTER_FIRST:
	case SCAN_PHASE_DOCUMENT:
		return give_document(scan, report_out);
	case SCAN_PHASE_LINES:
		return give_line(scan, report_out);
	case SCAN_PHASE_VALUES:
		return scan->has_begun ? give_value(scan, 0, scan->bytes.len, report_out)
				       : SCAN_END;
	case SCAN_PHASE_ARRAY:
		scan->broken = "the array does not end";
		return SCAN_BROKEN;
	default:
		return SCAN_END;
	}
}

enum scan_step scan_finish(struct scan *scan, struct scan_report *report_out)
{
	if (scan->is_given) {
		forget_report(scan);
	}
	enum scan_step step = finish_phase(scan, report_out);
	scan->phase = scan->phase == SCAN_PHASE_START ? SCAN_PHASE_START : SCAN_PHASE_OVER;
	return step == SCAN_MORE ? SCAN_END : step;
}
