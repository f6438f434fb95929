// SPDX-License-Identifier: Apache-2.0
#include "report/receipt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct str areas[] = {{"AA3", 3}, {"AA4", 3}, {"AA2", 3}};

static struct receipt sample(void)
{
	struct receipt receipt = {
		.status = RECEIPT_STORED,
		.id = {{0x01, 0x93, 0x8f, 0x3e, 0x7c, 0x1a, 0x7b, 0x52, 0x9d, 0x0e, 0x3f, 0x6a,
			0x2b, 0x1c, 0x4d, 0x5e}},
		.partner = STR("nordhaven"),
		.report_id = STR("NH-2026-000417"),
		.revision = 2,
		.received_at_us = INT64_C(1794204312482913),
		.taxonomy = STR("digital-solidarity-2024/1.0.0"),
		.category = STR("ransomware"),
		.action_areas = {areas, 3},
		.primary_area = STR("AA3"),
	};
	for (int i = 0; i < 32; i++) {
		receipt.sha256[i] = (uint8_t)(i * 9);
	}
	return receipt;
}

static void assert_rendered(const struct receipt *receipt, const char *expected)
{
	struct buf out;
	buf_init(&out, 4096);
	assert_true(receipt_render(&out, receipt));
	assert_true(buf_append(&out, "", 1));
	assert_string_equal(out.data, expected);
	buf_fini(&out);
}

static void test_a_receipt_has_the_members_of_the_interface_in_order(void **state)
{
	struct receipt receipt = sample();
	(void)state;
	assert_rendered(&receipt,
		"{\"status\":\"stored\",\"id\":\"01938f3e-7c1a-7b52-9d0e-3f6a2b1c4d5e\","
		"\"partner\":\"nordhaven\",\"report_id\":\"NH-2026-000417\",\"revision\":2,"
		"\"received_at\":\"2026-11-09T06:05:12.482913Z\",\"sha256\":"
		"\"0009121b242d363f48515a"
		"636c757e879099a2abb4bdc6cfd8e1eaf3fc050e17\",\"taxonomy\":"
		"\"digital-solidarity-2024/1.0.0\",\"category\":\"ransomware\",\"action_areas\":["
		"\"AA3\",\"AA4\",\"AA2\"],\"primary_area\":\"AA3\",\"test\":false,\"warnings\":[]"
		"}");
}

static void test_only_the_status_changes(void **state)
{
	static const char *const texts[] = {"stored", "duplicate", "retracted", "erased"};
	(void)state;
	for (int status = RECEIPT_STORED; status <= RECEIPT_ERASED; status++) {
		struct receipt receipt = sample();
		if (status == RECEIPT_RETRACTED) {
			continue;
		}
		receipt.status = (enum receipt_status)status;
		receipt.retracted_at_us = 1;
		receipt.reason = STR("not for these");
		struct buf out;
		char start[64];
		int len = snprintf(
			start, sizeof(start), "{\"status\":\"%s\",\"id\":\"0193", texts[status]);
		buf_init(&out, 4096);
		assert_true(receipt_render(&out, &receipt));
		assert_memory_equal(out.data, start, (size_t)len);
		assert_int_equal(out.len, 391 + strlen(texts[status]));
		buf_fini(&out);
	}
}

static void test_a_retracted_one_ends_in_time_and_reason(void **state)
{
	struct receipt receipt = sample();
	struct buf out;
	(void)state;
	receipt.status = RECEIPT_RETRACTED;
	receipt.retracted_at_us = INT64_C(1794204313000001);
	receipt.reason = STR("Twice.\n\"a\"\t\xc3\xa4");
	buf_init(&out, 4096);
	assert_true(receipt_render(&out, &receipt));
	size_t whole = out.len;
	assert_true(buf_append(&out, "", 1));
	assert_non_null(strstr(out.data, "{\"status\":\"retracted\",\"id\""));
	assert_non_null(strstr(out.data,
		",\"warnings\":[],\"retracted_at\":\"2026-11-09T06:05:13.000001Z\","
		"\"reason\":\"Twice.\\n\\\"a\\\"\\u0009\xc3\xa4\"}"));
	for (size_t max = 0; max <= whole; max++) {
		struct buf cut;
		buf_init(&cut, max);
		assert_int_equal(receipt_render(&cut, &receipt), max >= whole);
		buf_fini(&cut);
	}
	buf_fini(&out);
}

static void test_revision_test_and_warnings_are_shown(void **state)
{
	struct receipt receipt = sample();
	struct buf out;
	(void)state;
	receipt.revision = 1000000;
	receipt.is_test = true;
	receipt.warnings = STR("[{\"pointer\":\"\"}]");
	receipt.action_areas.count = 1;
	buf_init(&out, 4096);
	assert_true(receipt_render(&out, &receipt));
	assert_true(buf_append(&out, "", 1));
	assert_non_null(strstr(out.data, "\"revision\":1000000,"));
	assert_non_null(strstr(out.data, "\"action_areas\":[\"AA3\"],"));
	assert_non_null(strstr(out.data, "\"test\":true,\"warnings\":[{\"pointer\":\"\"}]}"));
	buf_fini(&out);
}

static void test_a_buffer_too_small_is_told(void **state)
{
	struct receipt receipt = sample();
	(void)state;
	for (size_t max = 0; max <= 397; max++) {
		struct buf out;
		buf_init(&out, max);
		assert_int_equal(receipt_render(&out, &receipt), max >= 397);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_receipt_has_the_members_of_the_interface_in_order),
		cmocka_unit_test(test_only_the_status_changes),
		cmocka_unit_test(test_a_retracted_one_ends_in_time_and_reason),
		cmocka_unit_test(test_revision_test_and_warnings_are_shown),
		cmocka_unit_test(test_a_buffer_too_small_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
