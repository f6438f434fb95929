// SPDX-License-Identifier: Apache-2.0
#include "net/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

static struct sockaddr_storage parsed(const char *text)
{
	struct sockaddr_storage address;
	socklen_t len;
	struct err err;
	if (!address_parse(text, &address, &len, &err)) {
		fail_msg("%s", err.text);
	}
	return address;
}

static void test_what_is_parsed_formats_back(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *formatted;
		int family;
		bool is_local;
	} cases[] = {
		{"127.0.0.1:8443", "127.0.0.1:8443", AF_INET, true},
		{"127.255.0.1:0", "127.255.0.1:0", AF_INET, true},
		{"128.0.0.1:1", "128.0.0.1:1", AF_INET, false},
		{"0.0.0.0:65535", "0.0.0.0:65535", AF_INET, false},
		{"[::]:8443", "[::]:8443", AF_INET6, false},
		{"[::1]:8443", "[::1]:8443", AF_INET6, true},
		{"[2001:db8:0:0::1]:443", "[2001:db8::1]:443", AF_INET6, false},
		{"[::ffff:192.0.2.1]:443", "192.0.2.1:443", AF_INET6, false},
		{"[::ffff:127.0.0.1]:443", "127.0.0.1:443", AF_INET6, true},
		{"/run/intaked/admin", "/run/intaked/admin", AF_UNIX, true},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[ADDRESS_TEXT_SIZE];
		struct sockaddr_storage address = parsed(cases[i].text);
		assert_int_equal(address.ss_family, cases[i].family);
		assert_string_equal(address_format(&address, text), cases[i].formatted);
		assert_int_equal(address_is_local(&address), cases[i].is_local);
	}
}

static void test_what_is_no_address_is_refused_by_name(void **state)
{
	(void)state;
	static const char *const cases[] = {"", ":", ":8443", "127.0.0.1",
		"127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:+1", "127.0.0.1:-1", "127.0.0.1: 1",
		"127.0.0.1:1x", "127.0.0.1:000001", "127.0.0.1:http", "::1:8443", "[::1]",
		"[::1]8443", "[]:8443", "[::1:8443", "[127.0.0.1]:8443", "a.invalid:1",
		"run/intaked"};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sockaddr_storage address;
		socklen_t len;
		struct err err = {{0}};
		if (address_parse(cases[i], &address, &len, &err)) {
			fail_msg("\"%s\" was taken", cases[i]);
		}
		assert_int_equal(strncmp(err.text, cases[i], strlen(cases[i])), 0);
	}
}

static void test_a_unix_path_has_at_most_107_bytes(void **state)
{
	(void)state;
	struct sockaddr_storage address;
	socklen_t len;
	struct err err;
	char path[110];
	char text[ADDRESS_TEXT_SIZE];
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[107] = '\0';
	assert_true(address_parse(path, &address, &len, &err));
	assert_string_equal(address_format(&address, text), path);
	path[107] = 'a';
	path[108] = '\0';
	assert_false(address_parse(path, &address, &len, &err));
}

static void test_an_unnamed_unix_peer_formats_as_unix(void **state)
{
	(void)state;
	const struct sockaddr_storage address = {.ss_family = AF_UNIX};
	char text[ADDRESS_TEXT_SIZE];
	assert_string_equal(address_format(&address, text), "unix");
}

static void test_what_counts_as_one_peer_hashes_alike(void **state)
{
	(void)state;
	static const struct {
		const char *one;
		const char *other;
		bool is_same;
	} cases[] = {
		{"192.0.2.1:1000", "192.0.2.1:2000", true},
		{"192.0.2.1:1000", "[::ffff:192.0.2.1]:1000", true},
		{"192.0.2.1:1000", "192.0.2.2:1000", false},
		{"[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.2]:1", false},
		{"[2001:db8::1]:1", "[2001:db8::ffff:ffff:ffff:ffff]:2", true},
		{"[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false},
		{"[::1]:1", "0.0.0.0:1", false},
		{"/run/a", "/run/b", true},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sockaddr_storage one = parsed(cases[i].one);
		struct sockaddr_storage other = parsed(cases[i].other);
		for (uint64_t seed = 0; seed < 3; seed++) {
			assert_int_equal(address_hash(&one, seed) == address_hash(&other, seed),
				cases[i].is_same);
		}
		assert_true(address_hash(&one, 1) != address_hash(&one, 2));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_parsed_formats_back),
		cmocka_unit_test(test_what_is_no_address_is_refused_by_name),
		cmocka_unit_test(test_a_unix_path_has_at_most_107_bytes),
		cmocka_unit_test(test_an_unnamed_unix_peer_formats_as_unix),
		cmocka_unit_test(test_what_counts_as_one_peer_hashes_alike),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
