// SPDX-License-Identifier: Apache-2.0
#include "pg_error_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_every_sqlstate_has_one_meaning(void **state)
{
	static const struct {
		const char *sqlstate;
		enum pg_error meaning;
		const char *why;
	} cases[] = {
		{NULL, PG_ERROR_AWAY, "libpq's own error: the connection is gone"},
		{"40001", PG_ERROR_RETRY, "serialisation failure"},
		{"40P01", PG_ERROR_RETRY, "deadlock"},
		{"55P03", PG_ERROR_RETRY, "lock_timeout"},
		{"57014", PG_ERROR_RETRY, "statement_timeout"},
		{"08006", PG_ERROR_AWAY, "connection failure"},
		{"0A000", PG_ERROR_AWAY, "cached plan must not change result type"},
		{"25006", PG_ERROR_AWAY, "read-only transaction"},
		{"26000", PG_ERROR_AWAY, "prepared statement does not exist"},
		{"28000", PG_ERROR_AWAY, "invalid authorization"},
		{"3D000", PG_ERROR_AWAY, "database does not exist"},
		{"3F000", PG_ERROR_AWAY, "schema does not exist"},
		{"42501", PG_ERROR_AWAY, "insufficient privilege"},
		{"42883", PG_ERROR_AWAY, "undefined function"},
		{"42804", PG_ERROR_AWAY, "the row type has other columns"},
		{"53100", PG_ERROR_AWAY, "disk full"},
		{"53300", PG_ERROR_AWAY, "too many connections"},
		{"55000", PG_ERROR_AWAY, "durability is off"},
		{"57P01", PG_ERROR_AWAY, "admin shutdown"},
		{"57P02", PG_ERROR_AWAY, "crash shutdown"},
		{"57P03", PG_ERROR_AWAY, "cannot connect now"},
		{"58030", PG_ERROR_AWAY, "I/O error"},
		{"F0000", PG_ERROR_AWAY, "configuration file error"},
		{"XX000", PG_ERROR_ODD, "internal error"},
		{"XX001", PG_ERROR_ODD, "data corrupted"},
		{"21000", PG_ERROR_ROW, "cardinality violation"},
		{"22021", PG_ERROR_ROW, "character not in repertoire"},
		{"22P03", PG_ERROR_ROW, "invalid binary representation"},
		{"23502", PG_ERROR_ROW, "not null violation"},
		{"23503", PG_ERROR_ROW, "foreign key violation"},
		{"23505", PG_ERROR_ROW, "unique violation"},
		{"23514", PG_ERROR_ROW, "check violation"},
		{"54000", PG_ERROR_ROW, "program limit exceeded"},
		{"P0001", PG_ERROR_ROW, "raised by a trigger"},
		{"P0002", PG_ERROR_ROW, "no data found"},
		{"99999", PG_ERROR_ROW, "unheard of"},
		{"", PG_ERROR_ROW, "empty"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (pg_error_class(cases[i].sqlstate) != cases[i].meaning) {
			fail_msg("%s: %s", cases[i].sqlstate, cases[i].why);
		}
	}
}

static void test_a_message_of_libpq_is_one_line_with_its_cause(void **state)
{
	static const struct {
		const char *message;
		const char *sentence;
	} cases[] = {
		{"", "no reason given"},
		{"\n\tindented\n", "no reason given"},
		{"connection to server on socket \"/s\" failed: No such file or directory\n"
		 "\tIs the server running locally and accepting connections on that socket?\n",
			"connection to server on socket \"/s\" failed: No such file or directory"},
		{"connection to server at \"a\" failed: FATAL:  password authentication failed\n"
		 "password retrieved from file \"/p\"\n",
			"connection to server at \"a\" failed: FATAL:  password authentication "
			"failed; password retrieved from file \"/p\""},
		{"connection to server at \"a\" failed: Connection refused\n\tIs it running?\n"
		 "connection to server at \"b\" failed: root certificate file \"/r\" does not "
		 "exist\n"
		 "Either provide the file or change sslmode.\n",
			"connection to server at \"b\" failed: root certificate file \"/r\" does "
			"not "
			"exist; Either provide the file or change sslmode."},
		{"server closed the connection unexpectedly\n\tThis probably means\n",
			"server closed the connection unexpectedly"},
	};
	char sentence[PG_SENTENCE_BYTES];
	char message[3 * PG_SENTENCE_BYTES];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pg_error_sentence(sentence, cases[i].message);
		assert_string_equal(sentence, cases[i].sentence);
	}
	memset(message, 'x', sizeof(message));
	for (size_t i = 50; i < sizeof(message); i += 50) {
		message[i] = '\n';
	}
	message[sizeof(message) - 1] = '\0';
	pg_error_sentence(sentence, message);
	assert_int_equal(strlen(sentence), PG_SENTENCE_BYTES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_message_of_libpq_is_one_line_with_its_cause),
		cmocka_unit_test(test_every_sqlstate_has_one_meaning),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
