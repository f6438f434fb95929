// SPDX-License-Identifier: Apache-2.0
/*
 * The command line of intake-send, checked as far as it can be without touching a file.
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPTIONS_RESULTS_DEFAULT "intake-send.results.ndjson"
#define OPTIONS_BATCH_BYTES_DEFAULT ((size_t)1 << 20)
#define OPTIONS_BATCH_BYTES_MAX ((size_t)64 << 20)
#define OPTIONS_CONNECTIONS_DEFAULT 4
#define OPTIONS_CONNECTIONS_MAX 64

struct options {
	char *url; /* scheme, host and port, nothing behind */
	const char *ca;
	const char *certificate; /* path or URI */
	const char *key;         /* path or URI; the certificate's own without --key */
	const char *passphrase_file;
	const char *results; /* NULL: none is written */
	size_t batch_bytes;
	unsigned connections;
	int64_t give_up_after_s; /* -1: never */
	bool is_validation;
	bool is_quiet;
	bool is_json;
	char *const *sources;
	int source_count;
};

enum options_step {
	OPTIONS_RUN,
	OPTIONS_DONE, /* help or version was printed */
	OPTIONS_WRONG /* a sentence on standard error says why */
};

MUST_CHECK enum options_step options_parse(int argc, char **argv, struct options *options_out);
void options_fini(struct options *options);
