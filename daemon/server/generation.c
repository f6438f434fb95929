// SPDX-License-Identifier: Apache-2.0
#include "server/generation.h"

#include "api_document_int.h"
#include "base/clock.h"
#include "report/report_schema.h"
#include "security_txt_int.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/sha.h>

/* A strong entity tag from the document's bytes. */
static void make_etag(char etag_out[24], struct str document)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	SHA256((const unsigned char *)document.data, document.len, digest);
	int n = snprintf(etag_out, 24, "\"");
	for (int i = 0; i < 10; i++) {
		n += snprintf(etag_out + n, (size_t)(24 - n), "%02x", digest[i]);
	}
	snprintf(etag_out + n, (size_t)(24 - n), "\"");
}

static bool make_documents(struct generation *generation)
{
	struct str id = taxonomy_id(generation->taxonomy);
	struct str version = taxonomy_version(generation->taxonomy);
	buf_init(&generation->schema, (size_t)16 << 20);
	buf_init(&generation->openapi, (size_t)16 << 20);
	buf_init(&generation->taxonomy_label, 1024);
	if (!report_schema_render(&generation->schema, generation->taxonomy) ||
		!api_document_render(
			&generation->openapi, generation->conf, generation->taxonomy) ||
		!buf_printf(
			&generation->taxonomy_label, "%.*s/%.*s", STR_ARG(id), STR_ARG(version))) {
		return false;
	}
	make_etag(generation->schema_etag, buf_str(&generation->schema));
	make_etag(generation->openapi_etag, buf_str(&generation->openapi));
	make_etag(generation->taxonomy_etag, taxonomy_document(generation->taxonomy));
	make_etag(generation->security_txt_etag, buf_str(&generation->security_txt));
	return true;
}

static bool load_security_txt(struct generation *generation, struct err *err)
{
	const char *path = generation->conf->security_txt_file;
	buf_init(&generation->security_txt, SECURITY_TXT_MAX_BYTES);
	return path[0] == '\0' ||
		security_txt_load(&generation->security_txt, path, clock_wall_us(), err);
}

struct generation *generation_load(const char *path, conf_fault_fn *on_fault, void *ctx)
{
	struct err err = {{0}};
	struct generation *generation = calloc(1, sizeof(*generation));
	if (generation == NULL) {
		on_fault(ctx, "no memory");
		return NULL;
	}
	atomic_init(&generation->references, 1);
	generation->conf = conf_load(path, on_fault, ctx);
	if (generation->conf == NULL || !conf_files_are_readable(generation->conf, on_fault, ctx)) {
		generation_unref(&generation);
		return NULL;
	}
	/* All faults at once: the operator mends them in one go. */
	generation->taxonomy = taxonomy_load(generation->conf->taxonomy_file, &err);
	if (generation->taxonomy == NULL) {
		conf_report_file_fault(generation->conf, err.text, on_fault, ctx);
	}
	generation->tls = tls_context_new(generation->conf, &err);
	if (generation->tls == NULL) {
		conf_report_file_fault(generation->conf, err.text, on_fault, ctx);
	}
	bool has_security_txt = load_security_txt(generation, &err);
	if (!has_security_txt) {
		conf_report_file_fault(generation->conf, err.text, on_fault, ctx);
	}
	if (generation->taxonomy == NULL || generation->tls == NULL || !has_security_txt) {
		generation_unref(&generation);
		return NULL;
	}
	generation->tls_expiry = tls_context_expiry(generation->tls);
	if (!make_documents(generation)) {
		on_fault(ctx, "no memory");
		generation_unref(&generation);
		return NULL;
	}
	generation->http_limits = (struct http_limits){
		.target_bytes = (size_t)generation->conf->limits_target_bytes,
		.head_bytes = (size_t)generation->conf->limits_head_bytes,
		.head_count = (size_t)generation->conf->limits_head_count,
	};
	return generation;
}

struct generation *generation_ref(struct generation *generation)
{
	atomic_fetch_add_explicit(&generation->references, 1, memory_order_relaxed);
	return generation;
}

void generation_unref(struct generation **generation_ptr)
{
	struct generation *generation = *generation_ptr;
	*generation_ptr = NULL;
	if (generation == NULL ||
		atomic_fetch_sub_explicit(&generation->references, 1, memory_order_acq_rel) != 1) {
		return;
	}
	buf_fini(&generation->schema);
	buf_fini(&generation->openapi);
	buf_fini(&generation->security_txt);
	buf_fini(&generation->taxonomy_label);
	SSL_CTX_free(generation->tls);
	taxonomy_free(&generation->taxonomy);
	conf_unref(&generation->conf);
	free(generation);
}
