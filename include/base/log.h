// SPDX-License-Identifier: Apache-2.0
/*
 * One line an event, on standard error or in a sink: severity, event, then key=value. A line is one
 * write(2), so lines of several threads do not mix. Never report content, keys or secrets.
 */
#pragma once

#include "base/attr.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

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

/* False: the line could not be written there. From any thread. line has no line feed. */
typedef bool log_sink_fn(int syslog_priority, const char *line);
/* Where lines go instead of standard error. Before threads start. */
void log_set_sink(log_sink_fn *sink);
/* Lines that could be written nowhere, since the start. */
uint64_t log_lost_lines(void);

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
