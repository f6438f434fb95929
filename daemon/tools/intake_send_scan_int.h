// SPDX-License-Identifier: Apache-2.0
/*
 * Cuts the bytes of one source into reports, without ever holding more than one of them. Pure:
 * bytes in, reports out. What a source is shows in its content: an array of reports, one report a
 * line (NDJSON), reports one after the other, or a single document, whose report is the source
 * byte by byte. Whether a report is good JSON is for the server to say.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* The most that any server's configuration allows a report. */
#define SCAN_REPORT_BYTES_MAX ((size_t)16 << 20)

enum scan_step {
	SCAN_MORE,   /* all bytes are used up */
	SCAN_REPORT, /* there is a report */
	SCAN_END,    /* there is no more, all is well */
	SCAN_BROKEN  /* there is no more, since the source cannot be read on */
};

/* Why a report cannot be sent; its bytes are empty then. */
enum scan_fault {
	SCAN_FAULT_NONE,
	SCAN_FAULT_LINE_END, /* inside a string, where JSON has none: a batch would break there */
	SCAN_FAULT_EMPTY,    /* two commas of an array with nothing between */
	SCAN_FAULT_TOO_LONG
};

struct scan_report {
	struct str bytes;    /* valid until the next call */
	uint64_t line;       /* where it begins, from 1; 0: a document is all of its source */
	int64_t index;       /* of an element of an array, from 0; -1: not in an array */
	uint64_t span_bytes; /* of the source, since the report before this one */
	enum scan_fault fault;
};

enum scan_phase {
	SCAN_PHASE_START,
	SCAN_PHASE_FIRST,       /* in the first object: a document, or the first of several */
	SCAN_PHASE_AFTER_FIRST, /* what follows tells */
	SCAN_PHASE_DOCUMENT,
	SCAN_PHASE_LINES,
	SCAN_PHASE_VALUES,
	SCAN_PHASE_ARRAY,
	SCAN_PHASE_AFTER_ARRAY,
	SCAN_PHASE_OVER
};

struct scan {
	enum scan_phase phase;
	struct buf bytes; /* of the report in the making, as in the source */
	bool is_given;    /* bytes were handed out: the next call drops them */
	bool is_too_long; /* bytes are not complete */
	bool has_begun;   /* anything but white space was met in the report in the making */
	bool is_in_string;
	bool is_escaped;
	bool has_line_end; /* behind the first object */
	uint32_t depth;    /* of brackets */
	uint64_t line;     /* of the next byte */
	uint64_t report_line;
	size_t first_at; /* of the first object in bytes */
	size_t first_end;
	uint64_t first_end_line;
	int64_t element_count;
	bool has_comma;      /* the array goes on */
	uint64_t span_bytes; /* since the report before */
	const char *broken;
};

/* is_lines: it is known to hold one report a line. */
void scan_init(struct scan *scan, bool is_lines, size_t report_bytes_max);
void scan_fini(struct scan *scan);
/* Takes bytes up to the end of a report. Not SCAN_END. */
MUST_CHECK enum scan_step scan_feed(struct scan *scan, const char *data, size_t len,
	size_t *used_out, struct scan_report *report_out);
/* The source has ended. Again until it is not SCAN_REPORT. */
MUST_CHECK enum scan_step scan_finish(struct scan *scan, struct scan_report *report_out);
/* What SCAN_BROKEN means, and the line where. */
const char *scan_broken_reason(const struct scan *scan, uint64_t *line_out);
/* Whether anything but white space was met. */
bool scan_has_content(const struct scan *scan);
