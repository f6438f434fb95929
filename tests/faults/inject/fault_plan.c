// SPDX-License-Identifier: Apache-2.0
#include "fault_plan.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MAX_FRAMES 24

static struct fault_plan *plan;

/* The first backtrace loads a library, which allocates: before any fault. */
__attribute__((constructor)) static void map_plan(void)
{
	void *frames[1];
	const char *path = getenv("INTAKED_FAULT_PLAN");
	if (path == NULL || strcmp(program_invocation_short_name, "intaked") != 0) {
		return;
	}
	(void)backtrace(frames, 1);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		abort();
	}
	void *mapped = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED) {
		abort();
	}
	plan = mapped;
}

static void note_frames(void)
{
	void *frames[MAX_FRAMES];
	int count = backtrace(frames, MAX_FRAMES);
	size_t len = 0;
	/* The first two are of this file. */
	for (int i = 2; i < count && len < sizeof(plan->trace) - 1; i++) {
		Dl_info info = {0};
		const char *file = "?";
		const char *symbol = "";
		uintptr_t offset = (uintptr_t)frames[i];
		if (dladdr(frames[i], &info) != 0 && info.dli_fname != NULL) {
			file = info.dli_fname;
			offset -= (uintptr_t)info.dli_fbase;
			symbol = info.dli_sname != NULL ? info.dli_sname : "";
		}
		int put = snprintf(plan->trace + len, sizeof(plan->trace) - len, "%s 0x%lx %s\n",
			file, (unsigned long)offset, symbol);
		len += put > 0 ? (size_t)put : 0;
	}
}

bool fault_is_armed(enum fault_kind kind)
{
	return plan != NULL && plan->kind == kind;
}

bool fault_is_due(enum fault_kind kind, const char *name)
{
	if (!fault_is_armed(kind)) {
		return false;
	}
	uint64_t nth = plan->nth;
	uint64_t call = ++plan->calls;
	if (nth == 0 || (plan->is_lasting != 0 ? call < nth : call != nth)) {
		return false;
	}
	if (plan->fired++ == 0) {
		snprintf(plan->name, sizeof(plan->name), "%s", name);
		note_frames();
	}
	return true;
}

void *fault_hidden(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);
	if (found == NULL) {
		abort();
	}
	return found;
}
