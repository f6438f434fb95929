// SPDX-License-Identifier: Apache-2.0
/*
 * Standard error is a pipe while a line is logged.
 */
#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static char logged[8192];
static int capture_read_fd;
static int saved_stderr;

static void capture_start(void)
{
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	capture_read_fd = fds[0];
	saved_stderr = dup(STDERR_FILENO);
	assert_true(saved_stderr >= 0);
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	close(fds[1]);
}

/* What was written to standard error since capture_start. */
static const char *capture_stop(void)
{
	ssize_t got = read(capture_read_fd, logged, sizeof(logged) - 1);
	logged[got > 0 ? got : 0] = '\0';
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(capture_read_fd);
	return logged;
}

static int reset(void **state)
{
	(void)state;
	log_set_sink(NULL);
	log_set_threshold(LOG_SEVERITY_INFO);
	return 0;
}

static void test_an_event_is_one_line(void **state)
{
	(void)state;
	capture_start();
	log_warn("conn-closed", "conn=%d reason=%s", 7, "idle");
	assert_string_equal(capture_stop(), "severity=warn event=conn-closed conn=7 reason=idle\n");
}

static void test_an_event_without_values_has_no_trailing_space(void **state)
{
	(void)state;
	capture_start();
	log_info("ready", " ");
	assert_string_equal(capture_stop(), "severity=info event=ready\n");
}

static void test_lines_below_the_threshold_are_dropped(void **state)
{
	(void)state;
	capture_start();
	log_debug("no", "a=1");
	log_info("yes", "a=1");
	log_set_threshold(LOG_SEVERITY_ERROR);
	log_warn("no", "a=1");
	log_error("yes", "a=1");
	log_fatal("yes", "a=1");
	assert_string_equal(capture_stop(),
		"severity=info event=yes a=1\nseverity=error event=yes a=1\n"
		"severity=fatal event=yes a=1\n");
}

static void test_a_line_feed_in_a_value_forges_no_event(void **state)
{
	(void)state;
	capture_start();
	log_error("db", "error=%s", "FATAL: no\nseverity=info\tevent=forged\r\x7f.\n");
	assert_string_equal(capture_stop(),
		"severity=error event=db error=FATAL: no severity=info event=forged  .\n");
}

static void test_a_long_line_is_cut_and_ended(void **state)
{
	char text[4096];
	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	capture_start();
	log_info("long", "v=%s", text);
	log_info(text, "v=%s", text);
	log_info("next", "v=1");
	const char *lines = capture_stop();
	const char *first_end = strchr(lines, '\n');
	assert_non_null(first_end);
	assert_int_equal(first_end + 1 - lines, 2048);
	const char *second_end = strchr(first_end + 1, '\n');
	assert_non_null(second_end);
	assert_int_equal(second_end - first_end, 2048);
	assert_string_equal(second_end + 1, "severity=info event=next v=1\n");
}

static char sink_line[256];
static int sink_priority;
static bool sink_works;

static bool sink(int syslog_priority, const char *line)
{
	sink_priority = syslog_priority;
	snprintf(sink_line, sizeof(sink_line), "%s", line);
	return sink_works;
}

static void test_a_sink_gets_line_and_priority(void **state)
{
	static const int priorities[] = {7, 6, 4, 3, 2}; /* of syslog(3) */
	(void)state;
	sink_works = true;
	log_set_threshold(LOG_SEVERITY_DEBUG);
	log_set_sink(sink);
	for (size_t i = 0; i < sizeof(priorities) / sizeof(priorities[0]); i++) {
		capture_start();
		log_event((enum log_severity)i, "e", "a=%zu", i);
		assert_string_equal(capture_stop(), "");
		assert_int_equal(sink_priority, priorities[i]);
	}
	assert_string_equal(sink_line, "severity=fatal event=e a=4");
}

static void test_what_a_sink_does_not_take_goes_to_standard_error(void **state)
{
	(void)state;
	sink_works = false;
	log_set_sink(sink);
	capture_start();
	log_info("e", "a=1");
	assert_string_equal(capture_stop(), "severity=info event=e a=1\n");
}

static void test_lines_that_can_be_written_nowhere_are_counted(void **state)
{
	uint64_t before = log_lost_lines();
	int fd = open("/dev/full", O_WRONLY);
	(void)state;
	assert_true(fd >= 0);
	capture_start();
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	log_info("e", "a=1");
	log_debug("e", "a=1");
	capture_stop();
	close(fd);
	assert_int_equal(log_lost_lines(), before + 1);
}

static void test_who_does_not_read_from_a_socket_is_not_waited_for(void **state)
{
	uint64_t before = log_lost_lines();
	int fds[2];
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	capture_start();
	assert_int_equal(dup2(fds[0], STDERR_FILENO), STDERR_FILENO);
	for (int i = 0; i < 100000 && log_lost_lines() == before; i++) {
		log_info("e", "a=%d", i);
	}
	capture_stop();
	close(fds[0]);
	close(fds[1]);
	assert_true(log_lost_lines() > before);
}

static void test_severities_are_found_by_name(void **state)
{
	static const char *const names[] = {"debug", "info", "warn", "error", "fatal"};
	enum log_severity severity;
	(void)state;
	for (size_t i = 0; i < 5; i++) {
		assert_true(log_severity_from_name(names[i], &severity));
		assert_int_equal(severity, i);
	}
	assert_false(log_severity_from_name("Info", &severity));
	assert_false(log_severity_from_name("", &severity));
}

static void test_escaped_text_is_quoted_printable_ascii(void **state)
{
	static const struct {
		struct str text;
		const char *expected;
	} cases[] = {
		{{"", 0}, "\"\""},
		{{"a b", 3}, "\"a b\""},
		{{"a\"b\\", 4}, "\"a\\x22b\\x5c\""},
		{{"\0\n\x7f\xff", 4}, "\"\\x00\\x0a\\x7f\\xff\""},
	};
	char out[64];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(log_escape(out, sizeof(out), cases[i].text), cases[i].expected);
	}
}

static void test_escaped_text_is_cut_within_its_room(void **state)
{
	(void)state;
	for (size_t size = 8; size < 80; size++) {
		char *out = malloc(size);
		assert_non_null(out);
		log_escape(out, size, STR("0123456789\n\n\n\n\n\n\n\n0123456789"));
		size_t len = strlen(out);
		assert_true(len < size);
		assert_int_equal(out[0], '"');
		assert_int_equal(out[len - 1], '"');
		bool is_whole = strstr(out, "9\"") != NULL;
		assert_int_equal(is_whole, strstr(out, "...\"") == NULL);
		free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_an_event_is_one_line, reset),
		cmocka_unit_test_setup(test_an_event_without_values_has_no_trailing_space, reset),
		cmocka_unit_test_setup(test_lines_below_the_threshold_are_dropped, reset),
		cmocka_unit_test_setup(test_a_line_feed_in_a_value_forges_no_event, reset),
		cmocka_unit_test_setup(test_a_long_line_is_cut_and_ended, reset),
		cmocka_unit_test_setup(test_a_sink_gets_line_and_priority, reset),
		cmocka_unit_test_setup(
			test_what_a_sink_does_not_take_goes_to_standard_error, reset),
		cmocka_unit_test_setup(test_lines_that_can_be_written_nowhere_are_counted, reset),
		cmocka_unit_test_setup(
			test_who_does_not_read_from_a_socket_is_not_waited_for, reset),
		cmocka_unit_test_setup(test_severities_are_found_by_name, reset),
		cmocka_unit_test_setup(test_escaped_text_is_quoted_printable_ascii, reset),
		cmocka_unit_test_setup(test_escaped_text_is_cut_within_its_room, reset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
