// SPDX-License-Identifier: Apache-2.0
/*
 * What the admin listener answers, apart from how it comes and goes.
 */
#pragma once

#include "admin_int.h"
#include "base/buf.h"
#include "base/str.h"
#include "http/http_response.h"

#include <stdbool.h>

struct admin_request {
	struct str path;
	struct str host;   /* len 0: none */
	struct str accept; /* len 0: none */
	bool is_unix;      /* no browser comes that way by itself */
};

/* Fills body, and of the answer status, type and policies. */
void admin_page_make(const struct admin_hooks *hooks, const struct admin_request *request,
	struct http_response *response, struct buf *body);
