// SPDX-License-Identifier: Apache-2.0
/*
 * Standard error is a file while the state changes: what was logged is counted in it.
 */
#include "server/shared.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static FILE *log_file;
static int saved_stderr;

static int capture_start(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	log_file = tmpfile();
	assert_non_null(log_file);
	saved_stderr = dup(STDERR_FILENO);
	assert_int_equal(dup2(fileno(log_file), STDERR_FILENO), STDERR_FILENO);
	return 0;
}

static int capture_stop(void **state)
{
	(void)state;
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	fclose(log_file);
	return 0;
}

/* How many of the lines so far hold the words. */
static int count_lines(const char *words)
{
	char line[4096];
	int count = 0;
	rewind(log_file);
	while (fgets(line, sizeof(line), log_file) != NULL) {
		count += strstr(line, words) != NULL ? 1 : 0;
	}
	return count;
}

static void test_a_link_that_is_ready_at_first_is_no_event(void **state)
{
	struct database_state database;
	enum link_state link = LINK_UNKNOWN;
	database_state_init(&database);
	(void)state;
	database_state_note(&database, &link, true, "");
	assert_int_equal(link, LINK_READY);
	assert_int_equal(atomic_load(&database.links_away), 0);
	assert_int_equal(count_lines(""), 0);
}

static void test_an_outage_is_two_lines_whatever_the_number_of_links(void **state)
{
	struct database_state database;
	enum link_state links[5] = {LINK_UNKNOWN};
	database_state_init(&database);
	(void)state;
	for (int i = 0; i < 5; i++) {
		database_state_note(&database, &links[i], i > 0, "away from the start");
	}
	for (int attempt = 0; attempt < 3; attempt++) {
		for (int i = 0; i < 5; i++) {
			database_state_note(&database, &links[i], false, "still away");
		}
	}
	assert_int_equal(atomic_load(&database.links_away), 5);
	for (int i = 0; i < 4; i++) {
		database_state_note(&database, &links[i], true, "");
	}
	assert_int_equal(count_lines("event=database-away"), 1);
	assert_int_equal(count_lines("event=database-back"), 0);
	database_state_note(&database, &links[4], true, "");
	database_state_note(&database, &links[4], true, "");
	assert_int_equal(atomic_load(&database.links_away), 0);
	assert_int_equal(count_lines("event=database-back"), 1);
	assert_int_equal(count_lines(""), 2);
}

static void test_the_next_outage_is_told_again(void **state)
{
	struct database_state database;
	enum link_state link = LINK_UNKNOWN;
	database_state_init(&database);
	(void)state;
	for (int i = 0; i < 3; i++) {
		database_state_note(&database, &link, false, "gone");
		database_state_note(&database, &link, true, "");
	}
	assert_int_equal(count_lines("event=database-away"), 3);
	assert_int_equal(count_lines("event=database-back"), 3);
}

static void test_the_length_of_an_outage_is_told(void **state)
{
	struct database_state database;
	enum link_state link = LINK_UNKNOWN;
	char line[4096];
	long long after_ms = -1;
	database_state_init(&database);
	(void)state;
	int64_t began_ms = clock_monotonic_ms();
	database_state_note(&database, &link, false, "gone");
	assert_in_range(atomic_load(&database.away_since_ms), began_ms, clock_monotonic_ms());
	database_state_note(&database, &link, true, "");
	int64_t longest_ms = clock_monotonic_ms() - began_ms;
	rewind(log_file);
	while (fgets(line, sizeof(line), log_file) != NULL) {
		const char *found = strstr(line, "after_ms=");
		after_ms = found != NULL ? strtoll(found + strlen("after_ms="), NULL, 10) : -1;
	}
	assert_in_range(after_ms, 0, longest_ms);
}

static void test_the_reason_is_escaped(void **state)
{
	struct database_state database;
	enum link_state link = LINK_UNKNOWN;
	database_state_init(&database);
	(void)state;
	database_state_note(&database, &link, false, "lost \"it\"\nevent=forged");
	assert_int_equal(count_lines(""), 1);
	assert_int_equal(count_lines("\\x0aevent=forged"), 1);
}

static void test_the_reason_is_that_of_the_last_failure_on_any_link(void **state)
{
	struct database_state database;
	enum link_state links[2] = {LINK_UNKNOWN};
	char reason[DATABASE_REASON_BYTES];
	database_state_init(&database);
	(void)state;
	database_state_reason(&database, reason);
	assert_string_equal(reason, "");
	database_state_note(&database, &links[0], false, "connection lost");
	database_state_note(&database, &links[1], false, "fsync is off");
	database_state_note(&database, &links[0], true, "");
	database_state_reason(&database, reason);
	assert_string_equal(reason, "fsync is off");
}

int main(void)
{
#define CAPTURED(test) cmocka_unit_test_setup_teardown(test, capture_start, capture_stop)
	const struct CMUnitTest tests[] = {
		CAPTURED(test_a_link_that_is_ready_at_first_is_no_event),
		CAPTURED(test_an_outage_is_two_lines_whatever_the_number_of_links),
		CAPTURED(test_the_next_outage_is_told_again),
		CAPTURED(test_the_length_of_an_outage_is_told),
		CAPTURED(test_the_reason_is_escaped),
		CAPTURED(test_the_reason_is_that_of_the_last_failure_on_any_link),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
