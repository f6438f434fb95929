// SPDX-License-Identifier: Apache-2.0
#include "refusal_ring_int.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define WRITES 200000

static struct recent_refusal refusal_at(int64_t at_us, int32_t partner_id)
{
	return (struct recent_refusal){.at_us = at_us,
		.partner_id = partner_id,
		.route = ROUTE_VALIDATE,
		.reject = REJECT_REPORT_INVALID,
		.codes = {{3, 1}}};
}

static void test_an_entry_comes_back_whole(void **state)
{
	static struct refusal_ring ring;
	struct recent_refusal out[REFUSAL_RING_SIZE];
	struct recent_refusal given = refusal_at(INT64_C(1794204312482913), 2147483647);
	(void)state;
	assert_int_equal(refusal_ring_read(&ring, out), 0);
	refusal_ring_note(&ring, &given);
	assert_int_equal(refusal_ring_read(&ring, out), 1);
	given.count = 1;
	assert_memory_equal(&out[0], &given, sizeof(given));
}

static void test_the_same_in_a_row_is_counted(void **state)
{
	static struct refusal_ring ring;
	struct recent_refusal out[REFUSAL_RING_SIZE];
	(void)state;
	for (int64_t i = 1; i <= 1000; i++) {
		struct recent_refusal one = refusal_at(i, 7);
		refusal_ring_note(&ring, &one);
	}
	assert_int_equal(refusal_ring_read(&ring, out), 1);
	assert_int_equal(out[0].count, 1000);
	assert_int_equal(out[0].at_us, 1000);

	struct recent_refusal other = refusal_at(1001, 7);
	other.codes.first[1] = 2;
	refusal_ring_note(&ring, &other);
	struct recent_refusal first = refusal_at(1002, 7);
	refusal_ring_note(&ring, &first);
	assert_int_equal(refusal_ring_read(&ring, out), 3);
}

static void test_the_oldest_is_pushed_out(void **state)
{
	static struct refusal_ring ring;
	struct recent_refusal out[REFUSAL_RING_SIZE];
	int64_t oldest = INT64_MAX;
	(void)state;
	for (int32_t i = 1; i <= 3 * REFUSAL_RING_SIZE; i++) {
		struct recent_refusal one = refusal_at(i, i);
		refusal_ring_note(&ring, &one);
	}
	assert_int_equal(refusal_ring_read(&ring, out), REFUSAL_RING_SIZE);
	for (size_t i = 0; i < REFUSAL_RING_SIZE; i++) {
		oldest = out[i].at_us < oldest ? out[i].at_us : oldest;
	}
	assert_int_equal(oldest, 2 * REFUSAL_RING_SIZE + 1);
}

static void *write_many(void *ctx)
{
	for (int32_t i = 1; i <= WRITES; i++) {
		/* Every word of an entry tells the same number. */
		struct recent_refusal one = refusal_at(i, i);
		one.codes.first[0] = (uint8_t)i;
		refusal_ring_note(ctx, &one);
	}
	return NULL;
}

static void test_a_reader_sees_no_half_of_an_entry(void **state)
{
	static struct refusal_ring ring;
	struct recent_refusal out[REFUSAL_RING_SIZE];
	pthread_t writer;
	bool is_over = false;
	(void)state;
	assert_int_equal(pthread_create(&writer, NULL, write_many, &ring), 0);
	while (!is_over) {
		size_t count = refusal_ring_read(&ring, out);
		for (size_t i = 0; i < count; i++) {
			assert_int_equal(out[i].at_us, out[i].partner_id);
			assert_int_equal(out[i].codes.first[0], (uint8_t)out[i].at_us);
			is_over = is_over || out[i].at_us == WRITES;
		}
	}
	pthread_join(writer, NULL);
}

static void test_codes_are_the_first_different_ones(void **state)
{
	const struct report_finding errors[] = {{.code = 5}, {.code = 5}, {.code = 0}, {.code = 5},
		{.code = 2}, {.code = 9}, {.code = 1}};
	struct report_result result = {
		.errors = errors, .error_count = sizeof(errors) / sizeof(errors[0])};
	(void)state;
	struct refusal_codes codes = refusal_codes_of(&result);
	assert_memory_equal(codes.first, ((uint8_t[]){6, 1, 3, 10}), REFUSAL_CODES);
	result.error_count = 0;
	codes = refusal_codes_of(&result);
	assert_memory_equal(codes.first, ((uint8_t[]){0, 0, 0, 0}), REFUSAL_CODES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_entry_comes_back_whole),
		cmocka_unit_test(test_the_same_in_a_row_is_counted),
		cmocka_unit_test(test_the_oldest_is_pushed_out),
		cmocka_unit_test(test_a_reader_sees_no_half_of_an_entry),
		cmocka_unit_test(test_codes_are_the_first_different_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
