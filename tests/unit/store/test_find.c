// SPDX-License-Identifier: Apache-2.0
/*
 * The ring of look-ups. A call in flight is made by setting how many entries it has: what the link
 * does with it is not looked at here.
 */
#include "find_int.h"

#include "samples.h"

#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct heard {
	uint64_t tickets[2 * FIND_MAX_WAITING];
	enum store_outcome outcomes[2 * FIND_MAX_WAITING];
	int32_t revisions[2 * FIND_MAX_WAITING];
	size_t count;
};

static struct heard heard;

static void on_answer(void *ctx, uint64_t ticket, const struct store_result *result)
{
	assert_ptr_equal(ctx, &heard);
	assert_true(heard.count < 2 * FIND_MAX_WAITING);
	heard.tickets[heard.count] = ticket;
	heard.outcomes[heard.count] = result->outcome;
	heard.revisions[heard.count] = result->receipt.revision;
	heard.count++;
}

static int set_up(void **state)
{
	static struct find_queue queue;
	find_queue_init(&queue);
	heard.count = 0;
	*state = &queue;
	return 0;
}

static int tear_down(void **state)
{
	find_queue_fini(*state);
	return 0;
}

static bool add(struct find_queue *queue, uint64_t ticket, int64_t now_ms)
{
	const struct store_key key = {.partner_id = 1, .report_id = STR("NH-1"), .revision = 1};
	return find_queue_add(queue, &key, ticket, now_ms);
}

/* intake.find() found what stands at these places of the call, counted from 1. */
static PGresult *found_at(const int32_t *places, size_t count)
{
	PGresult *result = sample_result(16);
	const uint8_t bytes[32] = {0};
	for (int row = 0; row < (int)count; row++) {
		uint32_t place = htobe32((uint32_t)places[row]);
		for (int column = 0; column < 16; column++) {
			sample_set(result, row, column, NULL, -1);
		}
		sample_set(result, row, 0, &place, 4);
		sample_set_text(result, row, 1, "duplicate");
		sample_set(result, row, 2, bytes, 16);
		sample_set(result, row, 3, bytes, 8);
		sample_set(result, row, 5, &place, 4); /* so that answers can be told apart */
		sample_set(result, row, 6, bytes, 1);
		sample_set(result, row, 7, bytes, 32);
	}
	return result;
}

static void answer_call(
	struct find_queue *queue, size_t in_call, const int32_t *places, size_t count)
{
	PGresult *result = found_at(places, count);
	queue->in_call = in_call;
	find_queue_answer(queue, result, on_answer, &heard);
	PQclear(result);
}

static void test_each_entry_gets_its_own_answer(void **state)
{
	static const int32_t places[] = {2, 4};
	struct find_queue *queue = *state;
	for (uint64_t ticket = 11; ticket <= 15; ticket++) {
		assert_true(add(queue, ticket, 0));
	}
	answer_call(queue, 4, places, 2);
	assert_int_equal(heard.count, 4);
	for (size_t i = 0; i < 4; i++) {
		bool is_found = i % 2 == 1;
		assert_int_equal(heard.tickets[i], 11 + i);
		assert_int_equal(heard.outcomes[i], is_found ? STORE_FOUND : STORE_NOT_FOUND);
		assert_int_equal(heard.revisions[i], is_found ? i + 1 : 0);
	}
	assert_int_equal(queue->count, 1);
	assert_int_equal(queue->in_call, 0);
}

static void test_a_full_queue_takes_nothing_more(void **state)
{
	struct find_queue *queue = *state;
	for (uint64_t ticket = 1; ticket <= FIND_MAX_WAITING; ticket++) {
		assert_true(add(queue, ticket, 0));
	}
	assert_false(add(queue, FIND_MAX_WAITING + 1, 0));
	answer_call(queue, 1, NULL, 0);
	assert_true(add(queue, FIND_MAX_WAITING + 1, 0));
	assert_false(add(queue, FIND_MAX_WAITING + 2, 0));
}

static void test_the_ring_goes_round(void **state)
{
	struct find_queue *queue = *state;
	uint64_t added = 0;
	uint64_t answered = 0;
	for (int round = 0; round < 40; round++) {
		heard.count = 0;
		for (int i = 0; i < FIND_MAX_CALL; i++) {
			assert_true(add(queue, ++added, 0));
		}
		size_t in_call = round % 2 == 0 ? FIND_MAX_CALL - 1 : FIND_MAX_CALL;
		answer_call(queue, in_call, NULL, 0);
		assert_int_equal(heard.count, in_call);
		for (size_t i = 0; i < heard.count; i++) {
			assert_int_equal(heard.tickets[i], ++answered);
		}
	}
	assert_int_equal(queue->count, added - answered);
}

static void test_an_id_as_long_as_the_schema_allows_is_kept_whole(void **state)
{
	static char id[FIND_MAX_REPORT_ID + 1];
	static const uint8_t sha256[32] = {[31] = 9};
	struct find_queue *queue = *state;
	memset(id, 'i', sizeof(id));
	struct store_key key = {.partner_id = INT32_MAX,
		.is_test = true,
		.report_id = {id, FIND_MAX_REPORT_ID},
		.revision = 3,
		.sha256 = sha256};
	assert_true(find_queue_add(queue, &key, 1, 77));
	key.report_id.len++;
	assert_false(find_queue_add(queue, &key, 2, 77));
	assert_int_equal(queue->count, 1);
	const struct find_entry *entry = &queue->entries[0];
	assert_int_equal(entry->report_id_len, FIND_MAX_REPORT_ID);
	assert_memory_equal(entry->report_id, id, FIND_MAX_REPORT_ID);
	assert_int_equal(entry->partner_id, INT32_MAX);
	assert_int_equal(entry->revision, 3);
	assert_true(entry->is_test);
	assert_true(entry->has_sha256);
	assert_memory_equal(entry->sha256, sha256, 32);
	assert_int_equal(entry->queued_at_ms, 77);
}

static void test_what_waits_too_long_is_unavailable(void **state)
{
	struct find_queue *queue = *state;
	assert_true(add(queue, 1, 100));
	assert_true(add(queue, 2, 101));
	find_queue_expire(queue, 99, on_answer, &heard);
	assert_int_equal(heard.count, 0);
	find_queue_expire(queue, 100, on_answer, &heard);
	assert_int_equal(heard.count, 1);
	assert_int_equal(heard.tickets[0], 1);
	assert_int_equal(heard.outcomes[0], STORE_UNAVAILABLE);
	assert_int_equal(queue->count, 1);
	find_queue_expire(queue, 101, on_answer, &heard);
	assert_int_equal(heard.count, 2);
	assert_int_equal(queue->count, 0);
}

static void test_what_expired_in_flight_is_answered_once(void **state)
{
	static const int32_t places[] = {1, 3};
	struct find_queue *queue = *state;
	assert_true(add(queue, 1, 100));
	assert_true(add(queue, 2, 100));
	assert_true(add(queue, 3, 200));
	queue->in_call = 3;
	find_queue_expire(queue, 150, on_answer, &heard);
	assert_int_equal(heard.count, 2);
	/* The call counts its places from the first entry still. */
	assert_int_equal(queue->count, 3);
	answer_call(queue, 3, places, 2);
	assert_int_equal(heard.count, 3);
	assert_int_equal(heard.tickets[2], 3);
	assert_int_equal(heard.outcomes[2], STORE_FOUND);
	assert_int_equal(heard.revisions[2], 3);
	assert_int_equal(queue->count, 0);
}

static void test_a_lost_call_waits_again(void **state)
{
	struct find_queue *queue = *state;
	assert_true(add(queue, 1, 100));
	assert_true(add(queue, 2, 200));
	queue->in_call = 2;
	find_queue_expire(queue, 100, on_answer, &heard);
	find_queue_lost(queue);
	assert_int_equal(heard.count, 1);
	find_queue_expire(queue, 100, on_answer, &heard);
	assert_int_equal(heard.count, 1);
	assert_int_equal(queue->count, 1);
	answer_call(queue, 1, NULL, 0);
	assert_int_equal(heard.count, 2);
	assert_int_equal(heard.tickets[1], 2);
	assert_int_equal(heard.outcomes[1], STORE_NOT_FOUND);
}

/* As a connection does that has the next request at hand. */
static void add_in_answer(void *ctx, uint64_t ticket, const struct store_result *result)
{
	struct find_queue *queue = ctx;
	assert_int_equal(result->outcome, STORE_NOT_FOUND);
	assert_true(add(queue, ticket + 100, 0));
}

static void test_an_answer_may_ask_for_the_next_one(void **state)
{
	struct find_queue *queue = *state;
	PGresult *result = found_at(NULL, 0);
	assert_true(add(queue, 1, 0));
	assert_true(add(queue, 2, 0));
	queue->in_call = 2;
	find_queue_answer(queue, result, add_in_answer, queue);
	PQclear(result);
	assert_int_equal(queue->count, 2);
	answer_call(queue, 2, NULL, 0);
	assert_int_equal(heard.tickets[0], 101);
	assert_int_equal(heard.tickets[1], 102);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_each_entry_gets_its_own_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_full_queue_takes_nothing_more, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_ring_goes_round, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_an_id_as_long_as_the_schema_allows_is_kept_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_what_waits_too_long_is_unavailable, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_what_expired_in_flight_is_answered_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_lost_call_waits_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_an_answer_may_ask_for_the_next_one, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
