// SPDX-License-Identifier: Apache-2.0
/*
 * One line an event on standard error: severity, event, then key=value. When standard error is the
 * journal, each line starts with the syslog priority in angle brackets (sd-daemon(3)). A line is
 * one write(2), so lines of several threads do not mix. Never report content, keys or secrets.
 */
#pragma once

#include "base/attr.h"
#include "base/str.h"

#include <stdbool.h>

enum log_severity {
	LOG_SEVERITY_DEBUG,
	LOG_SEVERITY_INFO,
	LOG_SEVERITY_WARN,
	LOG_SEVERITY_ERROR,
	LOG_SEVERITY_FATAL
};

/* Lines below this severity are dropped. From any thread, at any time; default info. */
void log_set_threshold(enum log_severity threshold);
bool log_severity_from_name(const char *name, enum log_severity *severity_out);

/* fmt gives the key=value part; peers' text in it goes through log_escape first. */
void log_event(enum log_severity severity, const char *event, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

#define log_debug(...) log_event(LOG_SEVERITY_DEBUG, __VA_ARGS__)
#define log_info(...) log_event(LOG_SEVERITY_INFO, __VA_ARGS__)
#define log_warn(...) log_event(LOG_SEVERITY_WARN, __VA_ARGS__)
#define log_error(...) log_event(LOG_SEVERITY_ERROR, __VA_ARGS__)
#define log_fatal(...) log_event(LOG_SEVERITY_FATAL, __VA_ARGS__)

/*
 * Writes text as a quoted value, anything but printable ASCII as \xHH, cut with "..." where out is
 * too small. Returns out.
 */
const char *log_escape(char *out, size_t out_size, struct str text);
