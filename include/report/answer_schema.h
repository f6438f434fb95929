// SPDX-License-Identifier: Apache-2.0
/*
 * JSON Schema 2020-12 of what a partner is answered.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"

/*
 * Appends "Finding", "Problem", "Receipt", "Verdict" and "Result" with their schemas, as members of
 * an OpenAPI document's components/schemas, where they refer to each other.
 */
MUST_CHECK bool answer_schemas_render(struct buf *out);
