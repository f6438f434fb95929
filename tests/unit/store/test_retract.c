// SPDX-License-Identifier: Apache-2.0
/*
 * The queue of retractions. A call in flight is made by taking the first entry out of the list:
 * what the link does with it is not looked at here.
 */
#include "retract_int.h"

#include "samples.h"

#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { COLUMNS = 16 };

struct heard {
	uint64_t tickets[2 * RETRACT_MAX_WAITING];
	enum store_outcome outcomes[2 * RETRACT_MAX_WAITING];
	size_t count;
	struct retract_queue *asks_again; /* as a connection does that has the next request */
};

static struct heard heard;

static bool add(struct retract_queue *queue, uint64_t ticket, int64_t now_ms)
{
	const struct retraction retraction = {
		.partner_id = 1, .report_id = STR("NH-1"), .revision = 1, .reason = STR("R")};
	return retract_queue_add(queue, &retraction, ticket, now_ms);
}

static void on_answer(void *ctx, uint64_t ticket, const struct store_result *result)
{
	assert_ptr_equal(ctx, &heard);
	assert_true(heard.count < 2 * RETRACT_MAX_WAITING);
	heard.tickets[heard.count] = ticket;
	heard.outcomes[heard.count] = result->outcome;
	heard.count++;
	if (heard.asks_again != NULL) {
		assert_true(add(heard.asks_again, ticket + 100, 1000));
	}
}

static int set_up(void **state)
{
	static struct retract_queue queue;
	retract_queue_init(&queue);
	heard = (struct heard){0};
	*state = &queue;
	return 0;
}

static int tear_down(void **state)
{
	retract_queue_fini(*state);
	return 0;
}

static struct retract_entry *first(const struct retract_queue *queue)
{
	return LIST_OWNER(queue->waiting.next, struct retract_entry, link);
}

/* What retract_queue_send() does when the link takes the call. */
static void fly(struct retract_queue *queue)
{
	assert_null(queue->flying);
	queue->flying = first(queue);
	list_remove(&queue->flying->link);
}

/* The row of an outcome without a receipt. */
static void answer_call(struct retract_queue *queue, const char *outcome)
{
	PGresult *result = sample_result(COLUMNS);
	const uint32_t place = htobe32(1);
	sample_set(result, 0, 0, &place, sizeof(place));
	sample_set_text(result, 0, 1, outcome);
	for (int column = 2; column < COLUMNS; column++) {
		sample_set(result, 0, column, NULL, -1);
	}
	retract_queue_answer(queue, result, on_answer, &heard);
	PQclear(result);
}

static void expect(size_t place, uint64_t ticket, enum store_outcome outcome)
{
	assert_true(place < heard.count);
	assert_int_equal(heard.tickets[place], ticket);
	assert_int_equal(heard.outcomes[place], outcome);
}

static void test_they_are_answered_one_after_the_other(void **state)
{
	static const struct {
		const char *text;
		enum store_outcome outcome;
	} cases[] = {
		{"retracted", STORE_RETRACTED},
		{"duplicate", STORE_DUPLICATE},
		{"conflict", STORE_CONFLICT},
		{"superseded", STORE_SUPERSEDED},
		{"erased", STORE_ERASED},
		{"not found", STORE_NOT_FOUND},
	};
	const size_t count = sizeof(cases) / sizeof(cases[0]);
	struct retract_queue *queue = *state;
	for (size_t i = 0; i < count; i++) {
		assert_true(add(queue, 11 + i, 0));
	}
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(queue->count, count - i);
		fly(queue);
		answer_call(queue, cases[i].text);
		assert_int_equal(heard.count, i + 1);
		expect(i, 11 + i, cases[i].outcome);
		assert_null(queue->flying);
	}
	assert_int_equal(queue->count, 0);
}

static void test_an_entry_keeps_its_own_texts(void **state)
{
	struct retract_queue *queue = *state;
	char id[] = "id";
	static char reason[4000];
	memset(reason, 'r', sizeof(reason));
	struct retraction retraction = {
		.id = {{1, [15] = 2}},
		.retracted_at_us = SAMPLE_TIME_US,
		.partner_id = INT32_MAX,
		.is_test = true,
		.report_id = {id, 2},
		.revision = 1000000,
		.reason = {reason, sizeof(reason)},
	};
	assert_true(retract_queue_add(queue, &retraction, 5, 77));
	id[0] = 'x';
	memset(reason, 'x', sizeof(reason));
	const struct retract_entry *entry = first(queue);
	assert_true(str_equal(entry->retraction.report_id, STR("id")));
	assert_int_equal(entry->retraction.reason.len, sizeof(reason));
	assert_int_equal(entry->retraction.reason.data[0], 'r');
	assert_int_equal(entry->retraction.reason.data[sizeof(reason) - 1], 'r');
	assert_memory_equal(&entry->retraction.id, &retraction.id, sizeof(retraction.id));
	assert_int_equal(entry->retraction.revision, 1000000);
	assert_true(entry->retraction.is_test);
	assert_int_equal(entry->ticket, 5);
	assert_int_equal(entry->queued_at_ms, 77);
}

static void test_a_full_queue_takes_nothing_more(void **state)
{
	struct retract_queue *queue = *state;
	for (uint64_t ticket = 1; ticket <= RETRACT_MAX_WAITING; ticket++) {
		assert_true(add(queue, ticket, 0));
	}
	assert_false(add(queue, RETRACT_MAX_WAITING + 1, 0));
	fly(queue);
	assert_false(add(queue, RETRACT_MAX_WAITING + 1, 0));
	answer_call(queue, "retracted");
	assert_true(add(queue, RETRACT_MAX_WAITING + 1, 0));
	assert_false(add(queue, RETRACT_MAX_WAITING + 2, 0));
}

static void test_a_lost_call_is_the_next_one_again(void **state)
{
	struct retract_queue *queue = *state;
	assert_true(add(queue, 1, 0));
	assert_true(add(queue, 2, 0));
	const struct retract_entry *entry = first(queue);
	fly(queue);
	retract_queue_lost(queue);
	assert_ptr_equal(first(queue), entry);
	assert_int_equal(heard.count, 0);
	retract_queue_lost(queue);
	fly(queue);
	answer_call(queue, "retracted");
	fly(queue);
	answer_call(queue, "duplicate");
	expect(0, 1, STORE_RETRACTED);
	expect(1, 2, STORE_DUPLICATE);
}

static void test_a_call_that_failed_for_good_is_answered(void **state)
{
	struct retract_queue *queue = *state;
	assert_true(add(queue, 1, 0));
	fly(queue);
	retract_queue_refuse(queue, STORE_UNSTORABLE, on_answer, &heard);
	assert_int_equal(heard.count, 1);
	expect(0, 1, STORE_UNSTORABLE);
	assert_int_equal(queue->count, 0);
}

static void test_what_waits_too_long_is_unavailable(void **state)
{
	struct retract_queue *queue = *state;
	assert_true(add(queue, 1, 100));
	assert_true(add(queue, 2, 101));
	retract_queue_expire(queue, 99, on_answer, &heard);
	assert_int_equal(heard.count, 0);
	retract_queue_expire(queue, 100, on_answer, &heard);
	assert_int_equal(heard.count, 1);
	expect(0, 1, STORE_UNAVAILABLE);
	assert_int_equal(queue->count, 1);
	retract_queue_expire(queue, 101, on_answer, &heard);
	expect(1, 2, STORE_UNAVAILABLE);
	assert_true(list_is_empty(&queue->waiting));
}

static void test_what_expired_in_flight_is_answered_once_and_not_sent_again(void **state)
{
	struct retract_queue *queue = *state;
	for (int round = 0; round < 2; round++) {
		bool is_lost = round == 1;
		heard.count = 0;
		assert_true(add(queue, 1, 100));
		assert_true(add(queue, 2, 200));
		fly(queue);
		retract_queue_expire(queue, 150, on_answer, &heard);
		retract_queue_expire(queue, 150, on_answer, &heard);
		assert_int_equal(heard.count, 1);
		expect(0, 1, STORE_UNAVAILABLE);
		if (is_lost) {
			retract_queue_lost(queue);
		} else {
			answer_call(queue, "retracted");
		}
		assert_int_equal(heard.count, 1);
		assert_int_equal(queue->count, 1);
		assert_int_equal(first(queue)->ticket, 2);
		fly(queue);
		answer_call(queue, "retracted");
		expect(1, 2, STORE_RETRACTED);
	}
}

static void test_an_answer_may_ask_for_the_next_one(void **state)
{
	struct retract_queue *queue = *state;
	heard.asks_again = queue;
	assert_true(add(queue, 1, 0));
	assert_true(add(queue, 2, 0));
	fly(queue);
	answer_call(queue, "retracted");
	fly(queue);
	retract_queue_expire(queue, 0, on_answer, &heard);
	assert_int_equal(heard.count, 2);
	assert_int_equal(queue->count, 2);
	assert_int_equal(first(queue)->ticket, 101);
}

static void test_a_queue_may_end_with_work_in_hand(void **state)
{
	struct retract_queue *queue = *state;
	assert_true(add(queue, 1, 0));
	assert_true(add(queue, 2, 0));
	fly(queue);
	retract_queue_fini(queue);
	assert_true(list_is_empty(&queue->waiting));
	assert_int_equal(queue->count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_they_are_answered_one_after_the_other, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_an_entry_keeps_its_own_texts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_full_queue_takes_nothing_more, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_lost_call_is_the_next_one_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_call_that_failed_for_good_is_answered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_what_waits_too_long_is_unavailable, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_what_expired_in_flight_is_answered_once_and_not_sent_again, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_an_answer_may_ask_for_the_next_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_queue_may_end_with_work_in_hand, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
