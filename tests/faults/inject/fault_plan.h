// SPDX-License-Identifier: Apache-2.0
/*
 * Which call is to fail. The library is preloaded into the daemon and wraps what may fail; the
 * file that INTAKED_FAULT_PLAN names is mapped by it and by the test, which switches faults on and
 * off while the daemon runs and reads what became of it. Only in a process named intaked.
 */
#pragma once

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>

/* One kind at a time. test_torture.py has the same numbers. */
enum fault_kind {
	FAULT_NONE,
	FAULT_MEMORY,     /* malloc(3) and its kind: ENOMEM */
	FAULT_DESCRIPTOR, /* what gives a descriptor: EMFILE */
	FAULT_SYSTEM,     /* other calls of the system: as their manual pages have it */
	FAULT_RESET,      /* reading and writing: a socket is reset, a file has EIO */
	FAULT_INTERRUPT,  /* reading, writing and waiting: EINTR */
	FAULT_AGAIN,      /* reading and writing of sockets: EAGAIN */
	FAULT_SHORT,      /* reading and writing of sockets: one byte */
	FAULT_TLS,        /* OpenSSL */
	FAULT_DATABASE    /* libpq */
};

struct fault_plan {
	_Atomic uint32_t kind;
	_Atomic uint32_t is_lasting; /* all from the nth on, not it alone */
	_Atomic uint64_t nth;        /* 0: only count */
	_Atomic uint64_t calls;      /* of this kind since the test set it to 0 */
	_Atomic uint32_t fired;      /* how many have failed */
	char name[60];               /* of the first that failed */
	char trace[4024];            /* and who called it, a frame a line */
};

/* Counts a call; whether it is to fail. */
bool fault_is_due(enum fault_kind kind, const char *name);
/* Whether calls of this kind are being counted: what costs something to ask is asked only then. */
bool fault_is_armed(enum fault_kind kind);
/* The function that is hidden by the wrapper of this name. */
void *fault_hidden(const char *name);

/* Has a variable next, the hidden function, in a wrapper. */
#define NEXT(function)                                     \
	static __typeof__(&(function)) next;               \
	if (next == NULL) {                                \
		*(void **)&next = fault_hidden(#function); \
	}

/* A wrapper that fails with a value, after failing does what else belongs to it. */
#define FALLIBLE(kind, type, function, parameters, arguments, failing, failure) \
	type function parameters                                                \
	{                                                                       \
		NEXT(function)                                                  \
		if (fault_is_due(kind, #function)) {                            \
			failing;                                                \
			return failure;                                         \
		}                                                               \
		return next arguments;                                          \
	}
