// SPDX-License-Identifier: Apache-2.0
#include "pg_hosts_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_list(const char *list, const char *expected)
{
	if (expected == NULL) {
		assert_null(list);
	} else {
		assert_non_null(list);
		assert_string_equal(list, expected);
	}
}

static void test_silent_server_is_tried_last(void **state)
{
	static const struct {
		const char *connection, *host, *port;
		const char *names, *addresses, *ports;
	} cases[] = {
		{"host=a,b,c", "a", "5432", "b,c,a", NULL, NULL},
		{"host=a,b,c", "b", "5432", "c,a,b", NULL, NULL},
		{"host=a,b,c", "c", "5432", "a,b,c", NULL, NULL},
		{"host=a,bb,ccc port=1,22,333", "bb", "22", "ccc,a,bb", NULL, "333,1,22"},
		{"host=a,ab", "ab", "5432", "a,ab", NULL, NULL},
		{"host=a,b port=7", "a", "7", "b,a", NULL, "7"},
		{"host=a,a port=1,2", "a", "2", "a,a", NULL, "1,2"},
		{"host=a,a port=1,2", "a", "1", "a,a", NULL, "2,1"},
		{"host=a,a port=,2", "a", "5432", "a,a", NULL, "2,"},
		{"host=a,b hostaddr=192.0.2.1,192.0.2.2", "a", "5432", "b,a", "192.0.2.2,192.0.2.1",
			NULL},
		/* A server that has no name is called by its address. */
		{"host=,b hostaddr=192.0.2.1,192.0.2.2", "192.0.2.1", "5432", "b,",
			"192.0.2.2,192.0.2.1", NULL},
		{"hostaddr=192.0.2.1,192.0.2.2", "192.0.2.1", "5432", NULL, "192.0.2.2,192.0.2.1",
			NULL},
		{"host=/run/a,/run/b dbname=x", "/run/a", "5432", "/run/b,/run/a", NULL, NULL},
		{"postgresql://a:1,b:2/x?target_session_attrs=read-write", "a", "1", "b,a", NULL,
			"2,1"},
		/* Nobody of that name, one server, none: nothing changes. */
		{"host=a,b", "x", "5432", "a,b", NULL, NULL},
		{"host=a,b", "", "5432", "a,b", NULL, NULL},
		{"host=a", "a", "5432", "a", NULL, NULL},
		{"dbname=x", "/var/run/postgresql", "5432", NULL, NULL, NULL},
		{"dbname='x", "a", "5432", NULL, NULL, NULL},
		{"host=a,b", NULL, NULL, "a,b", NULL, NULL},
	};
	struct pg_hosts hosts;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s without %s\n", cases[i].connection,
			cases[i].host != NULL ? cases[i].host : "none");
		pg_hosts_init(&hosts, cases[i].connection);
		pg_hosts_put_last(&hosts, cases[i].host, cases[i].port);
		assert_list(hosts.names, cases[i].names);
		assert_list(hosts.addresses, cases[i].addresses);
		assert_list(hosts.ports, cases[i].ports);
		pg_hosts_fini(&hosts);
	}
}

static void test_each_silent_server_in_turn_leaves_the_next_one_first(void **state)
{
	struct pg_hosts hosts;

	(void)state;
	pg_hosts_init(&hosts, "host=a,b,c");
	pg_hosts_put_last(&hosts, "a", "5432");
	pg_hosts_put_last(&hosts, "b", "5432");
	assert_string_equal(hosts.names, "c,a,b");
	pg_hosts_put_last(&hosts, "c", "5432");
	assert_string_equal(hosts.names, "a,b,c");
	pg_hosts_fini(&hosts);
}

static void test_servers_are_counted(void **state)
{
	static const struct {
		const char *connection;
		size_t count;
	} cases[] = {{"dbname=x", 0}, {"host='' dbname=x", 0}, {"host=a", 1}, {"host=a,b", 2},
		{"hostaddr=192.0.2.1,192.0.2.2,192.0.2.3", 3}, {"dbname='x", 0}};
	struct pg_hosts hosts;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pg_hosts_init(&hosts, cases[i].connection);
		assert_int_equal(hosts.count, cases[i].count);
		pg_hosts_fini(&hosts);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silent_server_is_tried_last),
		cmocka_unit_test(test_servers_are_counted),
		cmocka_unit_test(test_each_silent_server_in_turn_leaves_the_next_one_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
