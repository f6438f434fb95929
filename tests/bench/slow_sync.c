// SPDX-License-Identifier: Apache-2.0
/*
 * For LD_PRELOAD: each fdatasync(2) takes SLOW_SYNC_US microseconds more, as on a slower disk.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

int fdatasync(int fd)
{
	static int (*real)(int);
	static unsigned long us;
	if (real == NULL) {
		const char *text = getenv("SLOW_SYNC_US");
		us = text != NULL ? strtoul(text, NULL, 10) : 0;
		*(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
	}
	usleep((useconds_t)us);
	return real(fd);
}
