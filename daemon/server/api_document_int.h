// SPDX-License-Identifier: Apache-2.0
/*
 * GET /v1/openapi.json.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "conf/conf.h"
#include "report/taxonomy.h"

/*
 * Appends the OpenAPI 3.1 document of the partner interface, with the limits and the vocabulary in
 * force.
 */
MUST_CHECK bool api_document_render(
	struct buf *out, const struct conf *conf, const struct taxonomy *taxonomy);
