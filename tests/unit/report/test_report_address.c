// SPDX-License-Identifier: Apache-2.0
#include "../../../daemon/report/report_address_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct special_case {
	const char *text;
	bool is_special;
};

static void test_special_addresses_follow_the_registries(void **state)
{
	static const struct special_case cases[] = {
		{"0.0.0.0/32", true},
		{"0.255.255.255/32", true},
		{"1.0.0.0/32", false},
		{"9.255.255.255/32", false},
		{"10.0.0.0/8", true},
		{"11.0.0.0/32", false},
		{"100.63.255.255/32", false},
		{"100.64.0.0/10", true},
		{"100.127.255.255/32", true},
		{"100.128.0.0/32", false},
		{"127.0.0.1/32", true},
		{"169.254.1.1/32", true},
		{"172.15.255.255/32", false},
		{"172.16.0.0/32", true},
		{"172.31.255.255/32", true},
		{"172.32.0.0/32", false},
		{"192.0.0.8/32", true},
		{"192.0.0.9/32", false},
		{"192.0.0.10/32", false},
		{"192.0.0.11/32", true},
		{"192.0.0.8/31", true},
		{"192.0.0.170/32", true},
		{"192.0.1.0/32", false},
		{"192.0.2.45/32", true},
		{"192.31.196.1/32", false},
		{"192.52.193.1/32", false},
		{"192.88.99.1/32", true},
		{"192.168.0.1/32", true},
		{"192.169.0.0/32", false},
		{"192.175.48.1/32", false},
		{"198.17.255.255/32", false},
		{"198.18.0.0/32", true},
		{"198.19.255.255/32", true},
		{"198.20.0.0/32", false},
		{"198.51.100.23/32", true},
		{"203.0.113.1/32", true},
		{"203.0.114.1/32", false},
		{"224.0.0.1/32", false},
		{"240.0.0.1/32", true},
		{"255.255.255.255/32", true},
		{"8.8.8.8/32", false},
		/* Not inside one special block. */
		{"0.0.0.0/0", false},
		{"192.0.0.0/16", false},
		{"192.0.0.0/24", true},
		{"::1/128", true},
		{"::/128", true},
		{"::2/128", false},
		{"::ffff:8.8.8.8/128", true},
		{"64:ff9b::808:808/128", false},
		{"64:ff9b:1::1/128", true},
		{"100::1/128", true},
		{"100:0:0:1::1/128", true},
		{"100:0:0:2::1/128", false},
		{"2001::1/128", true},
		{"2001:1::1/128", false},
		{"2001:1::2/128", false},
		{"2001:1::3/128", false},
		{"2001:1::4/128", true},
		{"2001:2::1/128", true},
		{"2001:3::1/128", false},
		{"2001:4:112::1/128", false},
		{"2001:4:113::1/128", true},
		{"2001:10::1/128", true},
		{"2001:20::1/128", false},
		{"2001:2f:ffff::1/128", false},
		{"2001:30::1/128", false},
		{"2001:40::1/128", true},
		{"2001:1ff:ffff::1/128", true},
		{"2001:200::1/128", false},
		{"2001:db8:51::17/128", true},
		{"2001:db8::/32", true},
		{"2001:4860:4860::8888/128", false},
		{"2002:808:808::1/128", true},
		{"2620:4f:8000::1/128", false},
		{"3fff::1/128", true},
		{"3fff:1000::1/128", false},
		{"5f00::1/128", true},
		{"5f01::1/128", false},
		{"fbff::1/128", false},
		{"fc00::1/128", true},
		{"fdff::1/128", true},
		{"fe80::1/128", true},
		{"febf::1/128", true},
		{"fec0::1/128", false},
		{"::/0", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct report_address address;
		if (!report_network_parse(str_from(cases[i].text), &address) ||
			report_address_is_special(&address) != cases[i].is_special) {
			fail_msg("%s", cases[i].text);
		}
	}
}

static void test_networks_have_no_host_bits(void **state)
{
	static const struct {
		const char *text;
		bool is_good;
	} cases[] = {
		{"10.0.0.0/8", true},
		{"10.0.0.1/8", false},
		{"10.128.0.0/9", true},
		{"10.64.0.0/9", false},
		{"1.2.3.4/32", true},
		{"1.2.3.4/31", true},
		{"1.2.3.5/31", false},
		{"1.2.3.4/33", false},
		{"0.0.0.0/0", true},
		{"0.0.0.1/0", false},
		{"1.2.3.4", false},
		{"1.2.3.4/", false},
		{"/8", false},
		{"1.2.3.0/024", false},
		{"1.2.3.0/ 24", false},
		{"1.2.3.0/-1", false},
		{"1.2.3.0/24/24", false},
		{"1.2.3/24", false},
		{"2001:db8::/32", true},
		{"2001:db8::/128", true},
		{"2001:db8::/129", false},
		{"2001:db8::1/127", false},
		{"2001:db8::1/128", true},
		{"fe80::%1/64", false},
		{"::/0", true},
		{"2001:db8::/0032", false},
		{"2001:db8::/99999999999999999999", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct report_address address;
		if (report_network_parse(str_from(cases[i].text), &address) != cases[i].is_good) {
			fail_msg("%s", cases[i].text);
		}
	}
}

static void test_addresses_are_kept_in_network_order(void **state)
{
	static const uint8_t four[16] = {192, 0, 2, 45};
	static const uint8_t six[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
	struct report_address address;
	(void)state;
	assert_true(report_address_parse(STR("192.0.2.45"), 4, &address));
	assert_memory_equal(address.bytes, four, 16);
	assert_int_equal(address.prefix_len, 32);
	assert_true(report_address_parse(STR("2001:db8::1"), 6, &address));
	assert_memory_equal(address.bytes, six, 16);
	assert_int_equal(address.prefix_len, 128);
	assert_false(report_address_parse(STR("192.0.2.45"), 6, &address));
	assert_false(report_address_parse(STR("::1"), 4, &address));
	assert_false(report_address_parse(
		STR("0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"), 6, &address));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_special_addresses_follow_the_registries),
		cmocka_unit_test(test_networks_have_no_host_bits),
		cmocka_unit_test(test_addresses_are_kept_in_network_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
