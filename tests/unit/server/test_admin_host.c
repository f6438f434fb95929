// SPDX-License-Identifier: Apache-2.0
#include "admin_host_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_addresses_and_localhost_are_taken(void **state)
{
	static const char *const taken[] = {"", "localhost", "localhost:8444", "LocalHost:1",
		"127.0.0.1", "127.0.0.1:8444", "10.1.2.3:80", "[::1]", "[::1]:8444",
		"[2001:db8::ffff:1.2.3.4]:8444",
		"[0000:0000:0000:0000:0000:ffff:255.255.255.255]:8444"};
	(void)state;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		if (!admin_host_is_taken(str_from(taken[i]))) {
			fail_msg("%s", taken[i]);
		}
	}
}

static void test_names_are_not(void **state)
{
	static const char *const refused[] = {"evil.example", "evil.example:8444", "localhost.",
		"localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.1evil", "127.1",
		"0x7f000001", "2130706433", "::1", "[::1", "[localhost]", "[127.0.0.1]:8444", "[]",
		":8444", "[fe80::1%lo]:1", "1111111111111111111111111111111111111111111111",
		"1111111111111111111111111111111111111111111111111111111111111111"};
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (admin_host_is_taken(str_from(refused[i]))) {
			fail_msg("%s", refused[i]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_and_localhost_are_taken),
		cmocka_unit_test(test_names_are_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
