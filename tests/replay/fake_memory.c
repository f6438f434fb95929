// SPDX-License-Identifier: Apache-2.0
/* The linker sends the program's calls of malloc_trim here (--wrap): a script asks for them. */
#include "replay.h"

static bool was_trimmed;

int __wrap_malloc_trim(size_t pad);

int __wrap_malloc_trim(size_t pad)
{
	(void)pad;
	was_trimmed = true;
	return 0;
}

bool fake_memory_take_trimmed(void)
{
	bool was = was_trimmed;
	was_trimmed = false;
	return was;
}
