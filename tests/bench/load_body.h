// SPDX-License-Identifier: Apache-2.0
/*
 * Request bodies of one size, each with reports that nobody has sent before: a template whose marks
 * are filled anew for each. A mark stands for as many characters as come in its place:
 *
 *     {uuid}   36, unique over all runs, and in no order
 *     {hex8}   8 random hex digits
 *     {octet}  3 random digits, 100 to 255
 */
#pragma once

#include "generate_random.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

enum { BODY_MARKS_MAX = 4096 };

struct body_mark {
	uint8_t kind;
	size_t offset;
};

struct body {
	struct buf text; /* reports of the last filling, each ended by LF if there are several */
	size_t report_len;
	uint32_t reports;
	struct body_mark marks[BODY_MARKS_MAX]; /* of one report */
	uint32_t mark_count;
	struct random random;
	uint64_t serial;
	uint64_t run; /* differs between runs */
};

/* False with the reason for a mark that is not known, or too many. */
bool body_init(struct body *body, struct str template, uint32_t reports, struct err *err);
/* Valid until the next one. */
struct str body_next(struct body *body);
void body_fini(struct body *body);
