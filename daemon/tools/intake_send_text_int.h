// SPDX-License-Identifier: Apache-2.0
/*
 * Text that came from somewhere else, made fit for a terminal or for JSON. Pure.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"

#include <jansson.h>

/* Appends it with every control character replaced; false when it does not fit. */
MUST_CHECK bool text_append_clean(struct buf *out, const char *text);
/* The same into size bytes, cut between two characters where it does not fit. */
void text_copy_clean(char *out, size_t size, const char *text);
/* A JSON string; where the text is not UTF-8, as the name of a file may be, with ? in its place. */
json_t *text_json(struct str text);
