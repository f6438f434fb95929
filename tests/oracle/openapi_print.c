// SPDX-License-Identifier: Apache-2.0
/*
 * The document that GET /v1/openapi.json serves, for tests that have no daemon:
 * openapi_print TAXONOMY prints it, with the default limits.
 */
#include "api_document_int.h"

#include "report/report_check.h"

#include <stdio.h>

#define PAGE_MAX_BYTES ((size_t)16 << 20)

static void on_fault(void *ctx, const char *sentence)
{
	(void)ctx;
	fprintf(stderr, "openapi_print: %s\n", sentence);
}

int main(int argc, char **argv)
{
	struct err err = {{0}};
	struct buf page;

	if (argc != 2) {
		fputs("usage: openapi_print TAXONOMY\n", stderr);
		return 2;
	}
	report_check_init();
	struct taxonomy *taxonomy = taxonomy_load(argv[1], &err);
	if (taxonomy == NULL) {
		fprintf(stderr, "openapi_print: %s\n", err.text);
		return 1;
	}
	struct conf *conf = conf_load(NULL, on_fault, NULL);
	buf_init(&page, PAGE_MAX_BYTES);
	bool done = conf != NULL && api_document_render(&page, conf, taxonomy) &&
		fwrite(page.data, 1, page.len, stdout) == page.len && fflush(stdout) == 0;
	buf_fini(&page);
	conf_unref(&conf);
	taxonomy_free(&taxonomy);
	return done ? 0 : 1;
}
