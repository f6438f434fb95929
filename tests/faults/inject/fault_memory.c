// SPDX-License-Identifier: Apache-2.0
/*
 * What strdup(3), asprintf(3) and the like allocate comes through here as well. The GNU library's
 * own threads and files do not: pthread_create and fopen are wrapped by themselves.
 */
#include "fault_plan.h"

#include <errno.h>
#include <stdlib.h>

FALLIBLE(FAULT_MEMORY, void *, malloc, (size_t size), (size), errno = ENOMEM, NULL)
FALLIBLE(FAULT_MEMORY, void *, calloc, (size_t count, size_t size), (count, size), errno = ENOMEM,
	NULL)
FALLIBLE(FAULT_MEMORY, void *, realloc, (void *old, size_t size), (old, size), errno = ENOMEM, NULL)
FALLIBLE(FAULT_MEMORY, void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size),
	errno = ENOMEM, NULL)
FALLIBLE(FAULT_MEMORY, int, posix_memalign, (void **out, size_t alignment, size_t size),
	(out, alignment, size), (void)0, ENOMEM)
