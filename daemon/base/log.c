// SPDX-License-Identifier: Apache-2.0
/*
 * The line is built on the stack and written in one call. No lock: the kernel keeps writes of one
 * line apart, and a line too long is cut, not split.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct {
	const char *name;
	int syslog_priority;
} severities[] = {
	[LOG_SEVERITY_DEBUG] = {"debug", 7},
	[LOG_SEVERITY_INFO] = {"info", 6},
	[LOG_SEVERITY_WARN] = {"warn", 4},
	[LOG_SEVERITY_ERROR] = {"error", 3},
	[LOG_SEVERITY_FATAL] = {"fatal", 2},
};

static _Atomic enum log_severity log_threshold = LOG_SEVERITY_INFO;

void log_set_threshold(enum log_severity threshold)
{
	log_threshold = threshold;
}

bool log_severity_from_name(const char *name, enum log_severity *severity_out)
{
	for (size_t i = 0; i < sizeof(severities) / sizeof(severities[0]); i++) {
		if (strcmp(severities[i].name, name) == 0) {
			*severity_out = (enum log_severity)i;
			return true;
		}
	}
	return false;
}

static log_sink_fn *log_sink;
static atomic_uint_fast64_t lost_lines;

void log_set_sink(log_sink_fn *sink)
{
	log_sink = sink;
}

uint64_t log_lost_lines(void)
{
	return atomic_load_explicit(&lost_lines, memory_order_relaxed);
}

struct log_line {
	char text[2048];
	size_t len;
};

static void line_append_args(struct log_line *line, const char *fmt, va_list args)
	PRINTF_LIKE(2, 0);

/* What does not fit is cut. */
static void line_append_args(struct log_line *line, const char *fmt, va_list args)
{
	size_t room = sizeof(line->text) - line->len;
	int len = vsnprintf(line->text + line->len, room, fmt, args);
	if (len > 0) {
		line->len += (size_t)len < room ? (size_t)len : room - 1;
	}
}

static void line_append(struct log_line *line, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void line_append(struct log_line *line, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	line_append_args(line, fmt, args);
	va_end(args);
}

/* Texts of libraries hold line feeds at times; one in the middle would forge a second event. */
static void line_finish(struct log_line *line)
{
	while (line->len > 0 && strchr(" \n", line->text[line->len - 1]) != NULL) {
		line->len--;
	}
	for (size_t i = 0; i < line->len; i++) {
		unsigned char c = (unsigned char)line->text[i];
		if (c < 0x20 || c == 0x7f) {
			line->text[i] = ' ';
		}
	}
	line->text[line->len] = '\0';
}

/* Who reads from a socket, such as the journal, must not hold up what is served when it does not.
 */
static ssize_t write_to_stderr(const char *text, size_t len)
{
	ssize_t sent = send(STDERR_FILENO, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	return sent < 0 && errno == ENOTSOCK ? write(STDERR_FILENO, text, len) : sent;
}

/* The sink gets the text without a line feed; where it fails, standard error is tried. */
static bool line_write(struct log_line *line, int syslog_priority)
{
	if (log_sink != NULL && log_sink(syslog_priority, line->text)) {
		return true;
	}
	line->text[line->len++] = '\n';
	return write_to_stderr(line->text, line->len) == (ssize_t)line->len;
}

void log_event(enum log_severity severity, const char *event, const char *fmt, ...)
{
	if (severity < log_threshold) {
		return;
	}
	struct log_line line;
	line.len = 0;
	line_append(&line, "severity=%s event=%s ", severities[severity].name, event);
	va_list args;
	va_start(args, fmt);
	line_append_args(&line, fmt, args);
	va_end(args);
	line_finish(&line);
	/* A log that cannot be written must not stop the service. */
	if (!line_write(&line, severities[severity].syslog_priority)) {
		atomic_fetch_add_explicit(&lost_lines, 1, memory_order_relaxed);
	}
}

const char *log_escape(char *out, size_t out_size, struct str text)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;
	ENSURE(out_size >= 8);
	out[n++] = '"';
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		if (n + 9 > out_size) {
			memcpy(out + n, "...", 3);
			n += 3;
			break;
		}
		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
			out[n++] = (char)c;
		} else {
			out[n++] = '\\';
			out[n++] = 'x';
			out[n++] = hex[c >> 4];
			out[n++] = hex[c & 15];
		}
	}
	out[n++] = '"';
	out[n] = '\0';
	return out;
}
