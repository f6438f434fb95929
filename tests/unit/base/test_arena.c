// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <limits.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

static void test_pieces_are_aligned_and_apart(void **state)
{
	static const size_t sizes[] = {1, 15, 16, 17, 100, 0, 40000, 3, 32768, 32767, 7};
	enum { COUNT = sizeof(sizes) / sizeof(sizes[0]) };
	unsigned char *pieces[COUNT];
	struct arena a;
	(void)state;
	arena_init(&a, MIB);
	for (size_t i = 0; i < COUNT; i++) {
		pieces[i] = arena_alloc(&a, sizes[i]);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
		memset(pieces[i], (int)i + 1, sizes[i]);
	}
	for (size_t i = 0; i < COUNT; i++) {
		for (size_t k = 0; k < sizes[i]; k++) {
			assert_int_equal(pieces[i][k], i + 1);
		}
	}
	arena_fini(&a);
	assert_int_equal(a.total, 0);
}

static void test_the_maximum_is_reached_and_not_passed(void **state)
{
	struct arena a;
	(void)state;
	arena_init(&a, 100 * KIB);
	for (int i = 0; i < 100; i++) {
		assert_non_null(arena_alloc(&a, 1024));
	}
	assert_null(arena_alloc(&a, 1024));
	assert_true(a.total <= a.max);
	arena_reset(&a);
	assert_non_null(arena_alloc(&a, 64 * KIB));
	arena_fini(&a);
}

static void test_a_maximum_below_a_chunk_can_be_used_up(void **state)
{
	struct arena a;
	(void)state;
	arena_init(&a, 1024);
	assert_non_null(arena_alloc(&a, 1024));
	assert_null(arena_alloc(&a, 1));
	arena_reset(&a);
	assert_null(arena_alloc(&a, 1025));
	assert_non_null(arena_alloc(&a, 512));
	arena_fini(&a);
}

static void test_absurd_sizes_are_refused(void **state)
{
	struct arena a;
	(void)state;
	arena_init(&a, MIB);
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, SIZE_MAX - 15));
	assert_null(arena_alloc(&a, SIZE_MAX / 2));
	assert_non_null(arena_alloc(&a, 1));
	arena_fini(&a);
}

static void test_a_reset_gives_everything_back(void **state)
{
	struct arena a;
	(void)state;
	arena_init(&a, 200 * KIB);
	arena_reset(&a);
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 9; i++) {
			assert_non_null(arena_alloc(&a, (size_t)(i + 1) * 3000));
		}
		arena_reset(&a);
		assert_true(a.total <= 32 * KIB);
	}
	arena_fini(&a);
	arena_fini(&a);
}

static void test_a_reset_wipes_the_chunk_it_keeps(void **state)
{
	struct arena a;
	(void)state;
	arena_init(&a, MIB);
	unsigned char *first = arena_alloc(&a, 1000);
	memset(first, 'v', 1000);
	memset(arena_alloc(&a, 40000), 'v', 40000);
	arena_reset(&a);
	if (a.chunks == NULL) {
		skip(); /* a sanitizer build keeps none, and freed memory cannot be looked at */
	}
	unsigned char *again = arena_alloc(&a, 1000);
	assert_ptr_equal(again, first);
	for (size_t i = 0; i < 1000; i++) {
		assert_int_equal(again[i], 0);
	}
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces_are_aligned_and_apart),
		cmocka_unit_test(test_the_maximum_is_reached_and_not_passed),
		cmocka_unit_test(test_a_maximum_below_a_chunk_can_be_used_up),
		cmocka_unit_test(test_absurd_sizes_are_refused),
		cmocka_unit_test(test_a_reset_gives_everything_back),
		cmocka_unit_test(test_a_reset_wipes_the_chunk_it_keeps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
