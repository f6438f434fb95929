// SPDX-License-Identifier: Apache-2.0
#include "conn_table_int.h"

#include "conn_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define CROWD 1000

static struct conn *take(struct conn_table *table)
{
	struct conn *conn = conn_table_take(table);
	assert_non_null(conn);
	assert_ptr_equal(conn_table_at(table, conn->slot), conn);
	return conn;
}

static void test_each_use_has_a_number_of_its_own(void **state)
{
	struct conn_table table;

	(void)state;
	conn_table_init(&table);
	for (uint32_t use = 1; use <= CROWD; use++) {
		struct conn *conn = take(&table);
		assert_int_equal(conn->use, use);
		conn_table_give_back(&table, conn);
		if (use % 100 == 0) {
			conn_table_trim(&table);
		}
	}
	conn_table_fini(&table);
}

static uint32_t slots_with_memory(const struct conn_table *table)
{
	uint32_t count = 0;
	for (uint32_t slot = 0; slot < table->slot_count; slot++) {
		count += conn_table_at(table, slot) != NULL ? 1 : 0;
	}
	return count;
}

static void test_memory_of_a_crowd_is_given_back_but_for_who_stays(void **state)
{
	struct conn_table table;
	struct conn *crowd[CROWD];

	(void)state;
	conn_table_init(&table);
	for (int i = 0; i < CROWD; i++) {
		crowd[i] = take(&table);
	}
	uint32_t slot_count = table.slot_count;
	struct conn *stays = crowd[CROWD / 2];
	uint32_t slot = stays->slot;
	for (int i = 0; i < CROWD; i++) {
		if (crowd[i] != stays) {
			conn_table_give_back(&table, crowd[i]);
		}
	}
	assert_int_equal(slots_with_memory(&table), slot_count);
	conn_table_trim(&table);
	assert_true(slots_with_memory(&table) < slot_count / 8);
	assert_ptr_equal(conn_table_at(&table, slot), stays);

	/* The next crowd has the same numbers again, and another use of each. */
	for (int i = 0; i < CROWD - 1; i++) {
		assert_true(take(&table)->use > CROWD);
	}
	assert_int_equal(table.slot_count, slot_count);
	conn_table_fini(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_use_has_a_number_of_its_own),
		cmocka_unit_test(test_memory_of_a_crowd_is_given_back_but_for_who_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
