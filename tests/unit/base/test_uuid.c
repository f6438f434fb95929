// SPDX-License-Identifier: Apache-2.0
#include "base/uuid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NOON_US 1794204312482913

static int64_t uuid_ms(const struct uuid *id)
{
	int64_t ms = 0;
	for (int i = 0; i < 6; i++) {
		ms = ms << 8 | id->bytes[i];
	}
	return ms;
}

static void test_an_id_holds_its_millisecond_version_and_variant(void **state)
{
	struct uuid_source source;
	(void)state;
	uuid_source_init(&source);
	struct uuid id = uuid_v7(&source, NOON_US);
	assert_true(uuid_ms(&id) == NOON_US / 1000);
	assert_int_equal(id.bytes[6] >> 4, 7);
	assert_int_equal(id.bytes[8] >> 6, 2);
}

static void test_ids_of_a_source_rise_whatever_the_clock_does(void **state)
{
	/* Still, forward, back by an hour. */
	static const int64_t steps_us[] = {0, 1, 999, 1000, 5000000, -3600000000};
	struct uuid_source source;
	struct uuid last = {{0}};
	int64_t now_us = NOON_US;
	(void)state;
	uuid_source_init(&source);
	for (size_t i = 0; i < sizeof(steps_us) / sizeof(steps_us[0]); i++) {
		now_us += steps_us[i];
		for (int k = 0; k < 10000; k++) {
			struct uuid id = uuid_v7(&source, now_us);
			assert_true(memcmp(id.bytes, last.bytes, sizeof(id.bytes)) > 0);
			last = id;
		}
	}
}

static void test_4096_ids_share_a_millisecond_and_the_next_takes_another(void **state)
{
	struct uuid_source source;
	struct uuid id;
	(void)state;
	uuid_source_init(&source);
	for (int i = 0; i < 4096; i++) {
		id = uuid_v7(&source, NOON_US);
		assert_true(uuid_ms(&id) == NOON_US / 1000);
	}
	id = uuid_v7(&source, NOON_US);
	assert_true(uuid_ms(&id) == NOON_US / 1000 + 1);
	assert_int_equal(id.bytes[6] >> 4, 7);
}

static void test_the_random_part_differs(void **state)
{
	enum { COUNT = 200 };
	struct uuid ids[COUNT];
	struct uuid_source sources[2];
	(void)state;
	uuid_source_init(&sources[0]);
	uuid_source_init(&sources[1]);
	for (size_t i = 0; i < COUNT; i++) {
		ids[i] = uuid_v7(&sources[i % 2], NOON_US);
		for (size_t k = 0; k < i; k++) {
			assert_memory_not_equal(ids[i].bytes + 8, ids[k].bytes + 8, 8);
		}
	}
}

static void test_text_is_lower_case_with_hyphens(void **state)
{
	static const struct uuid id = {{0x01, 0x93, 0x8f, 0x3e, 0x7c, 0x1a, 0x7b, 0x52, 0x9d, 0x0e,
		0x3f, 0x6a, 0x2b, 0x1c, 0x4d, 0x5e}};
	char text[UUID_TEXT_SIZE];
	(void)state;
	uuid_format(&id, text);
	assert_string_equal(text, "01938f3e-7c1a-7b52-9d0e-3f6a2b1c4d5e");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_id_holds_its_millisecond_version_and_variant),
		cmocka_unit_test(test_ids_of_a_source_rise_whatever_the_clock_does),
		cmocka_unit_test(test_4096_ids_share_a_millisecond_and_the_next_takes_another),
		cmocka_unit_test(test_the_random_part_differs),
		cmocka_unit_test(test_text_is_lower_case_with_hyphens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
