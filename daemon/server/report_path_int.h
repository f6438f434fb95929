// SPDX-License-Identifier: Apache-2.0
/*
 * The paths of one report: /v1/reports/{report_id} and what lies below it.
 */
#pragma once

#include "base/attr.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

#define REPORT_PATH_PREFIX "/v1/reports/"
/* The schema's limit. */
#define REPORT_PATH_ID_MAX 128

/* What stands behind the id, with its slash, len 0 when nothing does; data NULL in other paths. */
struct str report_path_rest(struct str path);
/*
 * The id in such a path, where a client may have escaped any byte (RFC 3986 2.1): some do it to
 * every colon. False for what no stored report can be called.
 */
MUST_CHECK bool report_path_read_id(
	struct str path, char id_out[REPORT_PATH_ID_MAX], size_t *len_out);
