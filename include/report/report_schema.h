// SPDX-License-Identifier: Apache-2.0
/*
 * The table of fields in two readable forms.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "report/taxonomy.h"

/* JSON Schema 2020-12 of a report, with the taxonomy's codes. */
MUST_CHECK bool report_schema_render(struct buf *out, const struct taxonomy *taxonomy);
/* mdoc(7) list of every field: type, limits, required, allowed values, why it exists. */
MUST_CHECK bool report_reference_render(struct buf *out, const struct taxonomy *taxonomy);
/* The same two of the body that retracts a report. */
MUST_CHECK bool report_schema_render_retraction(struct buf *out, const struct taxonomy *taxonomy);
MUST_CHECK bool report_reference_render_retraction(
	struct buf *out, const struct taxonomy *taxonomy);
/* mdoc(7) list of the types of indicators, with the form of each one's value. */
MUST_CHECK bool report_reference_render_indicators(
	struct buf *out, const struct taxonomy *taxonomy);
