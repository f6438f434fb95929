// SPDX-License-Identifier: Apache-2.0
/*
 * Files that a command leaves for the operator to pass on. Nothing is ever overwritten, and what
 * was written is taken back when the command fails after all.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#define OUTBOX_PATH_SIZE 4096
#define OUTBOX_FILES_MAX 2

struct outbox {
	const char *folder;
	bool has_made_folder;
	char written[OUTBOX_FILES_MAX][OUTBOX_PATH_SIZE];
	size_t written_count;
};

/* The folder is made when it is not there. */
MUST_CHECK bool outbox_open(struct outbox *outbox, const char *folder, struct err *err);
/*
 * Writes certificates as FOLDER/NAME; path_out gets the path. A file of that name is a fault,
 * unless may_be_there and it holds the very same.
 */
MUST_CHECK bool outbox_put(struct outbox *outbox, const char *name, STACK_OF(X509) * certificates,
	bool may_be_there, char path_out[OUTBOX_PATH_SIZE], struct err *err);
/* Removes what was written. */
void outbox_take_back(struct outbox *outbox);
