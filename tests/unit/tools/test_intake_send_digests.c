// SPDX-License-Identifier: Apache-2.0
#include "intake_send_digests_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MANY 100000

/* Digests that begin alike, so that they clash wherever the table puts them. */
static struct digest digest_of(uint32_t number)
{
	struct digest digest = {.bytes = {1}};
	memcpy(digest.bytes + DIGEST_BYTES - sizeof(number), &number, sizeof(number));
	digest.bytes[number % 3] ^= (uint8_t)(number >> 4);
	return digest;
}

static void test_what_was_added_is_found_and_nothing_else(void **state)
{
	(void)state;
	struct digests set;
	digests_init(&set);
	struct digest first = digest_of(0);
	assert_false(digests_has(&set, &first));
	for (uint32_t i = 0; i < MANY / 100; i++) {
		struct digest digest = digest_of(i);
		digests_add(&set, &digest);
		digests_add(&set, &digest);
	}
	assert_int_equal(set.count, MANY / 100);
	for (uint32_t i = 0; i < MANY / 100; i++) {
		struct digest in = digest_of(i);
		struct digest out = digest_of(i + MANY / 100);
		assert_true(digests_has(&set, &in));
		assert_false(digests_has(&set, &out));
	}
	digests_fini(&set);
}

static void test_many_are_at_most_two_thirds_of_the_room(void **state)
{
	(void)state;
	struct digests set;
	digests_init(&set);
	for (uint32_t i = 0; i < MANY; i++) {
		struct digest digest = {.bytes = {0}};
		uint32_t spread = i * 2654435761U;
		memcpy(digest.bytes, &spread, sizeof(spread));
		digest.bytes[DIGEST_BYTES - 1] = 1;
		digests_add(&set, &digest);
	}
	assert_int_equal(set.count, MANY);
	assert_true(set.count * 3 <= set.slot_count * 2 + 3);
	digests_fini(&set);
}

static void test_digest_of_zeros_is_never_found(void **state)
{
	(void)state;
	struct digest zeros = {.bytes = {0}};
	struct digest other = digest_of(5);
	struct digests set;
	digests_init(&set);
	digests_add(&set, &zeros);
	assert_false(digests_has(&set, &zeros));
	digests_add(&set, &other);
	assert_false(digests_has(&set, &zeros));
	assert_true(digests_has(&set, &other));
	digests_fini(&set);
}

static void test_hex_there_and_back(void **state)
{
	(void)state;
	static const char hex[] =
		"00ff10a9b8c7d6e5f40123456789abcdef00ff10a9b8c7d6e5f40123456789ab";
	char out[2 * DIGEST_BYTES + 1];
	struct digest digest;
	assert_true(digest_from_hex(hex, &digest));
	assert_int_equal(digest.bytes[1], 0xff);
	digest_format(&digest, out);
	assert_string_equal(out, hex);
}

static void test_what_is_no_digest_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"",
		"0",
		"00ff10a9b8c7d6e5f40123456789abcdef00ff10a9b8c7d6e5f40123456789a",
		"00ff10a9b8c7d6e5f40123456789abcdef00ff10a9b8c7d6e5f40123456789abc",
		"00FF10a9b8c7d6e5f40123456789abcdef00ff10a9b8c7d6e5f40123456789ab",
		"0xff10a9b8c7d6e5f40123456789abcdef00ff10a9b8c7d6e5f40123456789ab",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct digest digest;
		assert_false(digest_from_hex(texts[i], &digest));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_added_is_found_and_nothing_else),
		cmocka_unit_test(test_many_are_at_most_two_thirds_of_the_room),
		cmocka_unit_test(test_digest_of_zeros_is_never_found),
		cmocka_unit_test(test_hex_there_and_back),
		cmocka_unit_test(test_what_is_no_digest_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
