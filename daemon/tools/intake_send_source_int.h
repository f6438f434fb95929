// SPDX-License-Identifier: Apache-2.0
/*
 * Where reports come from: files, folders and standard input, one after the other, in the order of
 * the command line. Files are read as they are sent; only their names are all in memory. A file
 * that cannot be read is named and passed over.
 */
#pragma once

#include "intake_send_digests_int.h"
#include "intake_send_scan_int.h"

#include <stdint.h>
#include <sys/stat.h>

struct source;

struct source_report {
	struct scan_report cut;
	const char *file;     /* as named; lives as long as the source */
	bool is_document;     /* the file is the report, byte by byte */
	struct digest digest; /* of the bytes, where it can be sent */
};

enum source_step {
	SOURCE_REPORT,
	SOURCE_WAIT, /* what is read is slower than we are, or long: poll source_wait_fd */
	SOURCE_END
};

/* A sentence about a file that cannot be read, or not to its end. */
typedef void source_fault_fn(void *ctx, const char *sentence);

/* Looks through folders. passed_over: a file that is no source wherever it is met; NULL: none. */
struct source *source_new(char *const *names, int name_count, const struct stat *passed_over,
	source_fault_fn *on_fault, void *on_fault_ctx);
void source_free(struct source **source);
/* The next report, the same one until it is taken. */
enum source_step source_peek(struct source *source, const struct source_report **report_out);
void source_take(struct source *source);
int source_wait_fd(const struct source *source);
/* Of all files; 0: not known, since one of them is a pipe. */
uint64_t source_total_bytes(const struct source *source);
