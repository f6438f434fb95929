// SPDX-License-Identifier: Apache-2.0
/*
 * What the targets share. A target is one function, given bytes and linked either to libFuzzer,
 * which makes them up, or to replay.c, which reads them from files. It aborts where the bytes show
 * a promise of the code broken, by ENSURE: nothing else says more than a crash.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file in memory, for what reads files. */
struct fuzz_file {
	int fd;
	char path[32];
};

static inline void fuzz_file_open(struct fuzz_file *file, const void *data, size_t size)
{
	file->fd = memfd_create("fuzz", MFD_CLOEXEC);
	ENSURE(file->fd >= 0 && write(file->fd, data, size) == (ssize_t)size);
	snprintf(file->path, sizeof(file->path), "/proc/self/fd/%d", file->fd);
}

static inline void fuzz_file_close(struct fuzz_file *file)
{
	close(file->fd);
}

/* What is told to a human: a sentence of printable text. */
static inline void fuzz_ensure_sentence(const char *text)
{
	ENSURE(text[0] != '\0');
	for (; *text != '\0'; text++) {
		ENSURE((unsigned char)*text >= 0x20 && *text != 0x7f);
	}
}
