// SPDX-License-Identifier: Apache-2.0
/*
 * Connections that store reports side by side, each in a thread of its own. Reports are judged and
 * packed as the daemon does it; a report that it would refuse, or a row that is not stored, ends
 * the program.
 */
#pragma once

#include "generate_report.h"

#include <stdatomic.h>
#include <stdint.h>

struct feed_plan {
	struct report_plan reports;
	uint64_t end; /* so many of them */
	const char *connection;
	uint32_t batch_size;
	int32_t partner_ids[REPORT_PARTNERS];
	uint64_t skipped;      /* by --skip */
	_Atomic uint64_t next; /* the first report of the batch that is made next */
	_Atomic uint64_t stored;
	_Atomic uint64_t indicators;
	_Atomic uint64_t payload_bytes;
	_Atomic uint64_t retracted;
};

/* Ends the program with what the connection says. */
_Noreturn void feed_fail(const char *what, const char *why);
/* A thread's body; ctx is a struct feed_plan. */
void *feed_run(void *ctx);
