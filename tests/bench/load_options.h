// SPDX-License-Identifier: Apache-2.0
/*
 * What bench_load is asked to do. What cannot be done ends the program with status 2.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct load_options {
	char *host;
	const char *port;
	const char *ca;
	const char *certificate;
	const char *key;
	const char *template_file;
	const char *path;
	uint32_t connections;
	uint32_t reports;
	uint32_t requests_per_s;
	uint32_t warm_up_s;
	uint32_t seconds;
	bool closes_after_answer;
};

struct load_options load_options_read(int argc, char **argv);
/* The report to be sent, see load_body.h: that of --template, or one of 1.5 KB with five
 * indicators. */
void load_options_template(const struct load_options *options, struct buf *out);
/* Ends the program. */
_Noreturn void load_fail(const char *format, ...) PRINTF_LIKE(1, 2);
