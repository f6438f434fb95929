// SPDX-License-Identifier: Apache-2.0
/*
 * The partner interface as a table: the methods of each resource, what they take, and every way
 * they can answer. Requests are judged by it, Allow and GET /v1/openapi.json are made from it, and
 * the end-to-end tests hold it against what is answered.
 */
#pragma once

#include "http/http_request.h"
#include "report/reject.h"
#include "server/metrics.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define API_PARAMETERS 2
#define API_MEDIA 2
#define API_ANSWERS 9

struct api_media {
	const char *type;   /* NULL: none */
	const char *schema; /* the name of one in the document; NULL: text without a schema */
};

/* One way to answer that is not a problem. */
struct api_answer {
	int status; /* 0: no more of them */
	const char *what;
	struct api_media media;
	const char *header; /* one that this answer has; NULL: none */
};

struct api_operation {
	enum route route;
	enum http_method method; /* GET stands for HEAD too */
	const char *name;        /* what a client made from the document calls it */
	const char *summary;
	const char *description;                /* NULL: none */
	const char *parameters[API_PARAMETERS]; /* beside those that path and method bring along */
	struct api_media takes[API_MEDIA];
	struct api_answer answers[API_ANSWERS];
	uint64_t rejects; /* bit i: enum reject i can be the answer */
};

size_t api_operation_count(void);
const struct api_operation *api_operation(size_t index);
/* Whether there is a resource at all, and whether it has the method. */
bool api_has_route(enum route route);
bool api_has_method(enum route route, enum http_method method);
/* The methods of a resource, as Allow names them. */
const char *api_allow(enum route route);
bool api_has_reject(const struct api_operation *operation, enum reject reject);
