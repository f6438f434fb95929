// SPDX-License-Identifier: Apache-2.0
/*
 * Everything that is read from files, as one immutable snapshot: configuration, taxonomy, TLS
 * context, and the documents made from them. A reload makes a new generation; threads hold a
 * reference to the one they use. Loading checks everything, so intaked -t is loading.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "conf/conf.h"
#include "http/http_request.h"
#include "net/tls_context.h"
#include "report/taxonomy.h"

#include <stdatomic.h>

struct generation {
	_Atomic uint32_t references;
	struct conf *conf;
	struct taxonomy *taxonomy;
	SSL_CTX *tls;
	struct tls_expiry tls_expiry;
	struct buf schema;         /* GET /v1/schema */
	struct buf openapi;        /* GET /v1/openapi.json */
	struct buf security_txt;   /* GET /.well-known/security.txt; empty: there is none */
	struct buf taxonomy_label; /* id/version, as receipts show it */
	char taxonomy_etag[24];    /* quoted */
	char schema_etag[24];
	char openapi_etag[24];
	char security_txt_etag[24];
	struct http_limits http_limits;
};

/* NULL on any fault; each was reported as a sentence. path NULL: defaults only. */
MUST_CHECK struct generation *generation_load(const char *path, conf_fault_fn *on_fault, void *ctx);
struct generation *generation_ref(struct generation *generation);
void generation_unref(struct generation **generation);
