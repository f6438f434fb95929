// SPDX-License-Identifier: Apache-2.0
#include "lanes_int.h"

#include "samples.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW_MS 100000

struct scene {
	struct lanes lanes;
	struct conf *conf;
	uint64_t next_ticket;
};

static void on_fault(void *ctx, const char *sentence)
{
	(void)ctx;
	fail_msg("%s", sentence);
}

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	assert_non_null(scene);
	scene->conf = conf_load(NULL, on_fault, NULL);
	assert_non_null(scene->conf);
	lanes_init(&scene->lanes);
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;
	lanes_fini(&scene->lanes);
	conf_unref(&scene->conf);
	free(scene);
	return 0;
}

/* Tickets tell the partner by their thousands. */
static void submit(struct scene *scene, int32_t partner_id, int count, int64_t now_ms)
{
	struct report report = sample_report();
	struct submission submission = sample_submission(&report);
	submission.partner_id = partner_id;
	for (int i = 0; i < count; i++) {
		struct batch *batch =
			lanes_open(&scene->lanes, scene->conf, partner_id, 1000, now_ms);
		assert_non_null(batch);
		uint64_t ticket = (uint64_t)partner_id * 1000 + scene->next_ticket++;
		assert_true(batch_append(batch, &submission, ticket, now_ms));
		lanes_count(&scene->lanes, partner_id, 1);
	}
}

static uint32_t count_of(const struct batch *batch, int32_t partner_id)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < batch->count; i++) {
		count += !batch->entries[i].is_answered &&
			batch->entries[i].partner_id == partner_id;
	}
	return count;
}

static struct batch *next(struct scene *scene, int64_t now_ms)
{
	return lanes_next(&scene->lanes, scene->conf, now_ms);
}

static void test_one_partner_alone_fills_whole_batches(void **state)
{
	struct scene *scene = *state;
	submit(scene, 1, 300, NOW_MS);
	struct batch *first = next(scene, NOW_MS);
	assert_int_equal(count_of(first, 1), scene->conf->database_max_batch_reports);
	struct batch *second = next(scene, NOW_MS);
	assert_int_equal(count_of(second, 1), 300 - scene->conf->database_max_batch_reports);
	assert_true(lanes_is_empty(&scene->lanes));
	assert_null(next(scene, NOW_MS));
	batch_free(&first);
	batch_free(&second);
}

static void test_two_partners_share_a_small_transaction(void **state)
{
	struct scene *scene = *state;
	submit(scene, 1, 300, NOW_MS);
	submit(scene, 2, 1, NOW_MS);
	struct batch *shared = next(scene, NOW_MS);
	assert_int_equal(count_of(shared, 1), LANES_SHARED_REPORTS / 2);
	assert_int_equal(count_of(shared, 2), 1);
	batch_free(&shared);
	/* The other may come again: what is in flight stays small for a while, and then not. */
	shared = next(scene, NOW_MS + 999);
	assert_int_equal(count_of(shared, 1), LANES_SHARED_REPORTS);
	batch_free(&shared);
	struct batch *alone = next(scene, NOW_MS + 1000);
	assert_int_equal(count_of(alone, 1), scene->conf->database_max_batch_reports - 32 - 64);
	batch_free(&alone);
}

static void test_a_shared_transaction_has_its_most_bytes_too(void **state)
{
	struct scene *scene = *state;
	submit(scene, 1, 1, NOW_MS);
	struct lane *lane = LIST_OWNER(scene->lanes.active.next, struct lane, link);
	size_t one = batch_bytes(LIST_OWNER(lane->batches.next, struct batch, link));
	size_t most = 1000 + 5 * one;
	scene->conf->database_max_batch_bytes = (int64_t)most;
	submit(scene, 1, 19, NOW_MS);
	submit(scene, 2, 20, NOW_MS);
	int taken = 0;
	struct batch *shared;
	while ((shared = next(scene, NOW_MS)) != NULL) {
		assert_in_range(batch_bytes(shared), one, most + one);
		taken += count_of(shared, 1) + count_of(shared, 2);
		batch_free(&shared);
	}
	assert_int_equal(taken, 40);
}

/* Each report goes once, in the order of its partner's sending. */
static void test_nothing_is_lost_doubled_or_overtaken(void **state)
{
	struct scene *scene = *state;
	uint64_t last[4] = {0};
	int taken = 0;
	submit(scene, 1, 500, NOW_MS);
	submit(scene, 2, 70, NOW_MS);
	submit(scene, 3, 3, NOW_MS);
	struct batch *batch;
	while ((batch = next(scene, NOW_MS)) != NULL) {
		for (uint32_t i = 0; i < batch->count; i++) {
			const struct batch_entry *entry = &batch->entries[i];
			if (entry->is_answered) {
				continue;
			}
			assert_true(entry->ticket > last[entry->partner_id]);
			last[entry->partner_id] = entry->ticket;
			taken++;
		}
		batch_free(&batch);
	}
	assert_int_equal(taken, 573);
	assert_true(lanes_is_empty(&scene->lanes));
}

static void test_what_was_in_flight_goes_first_and_in_order(void **state)
{
	struct scene *scene = *state;
	submit(scene, 1, 300, NOW_MS);
	struct batch *first = next(scene, NOW_MS);
	struct batch *second = next(scene, NOW_MS);
	submit(scene, 1, 1, NOW_MS);
	lanes_take_back(&scene->lanes, scene->conf, second);
	lanes_take_back(&scene->lanes, scene->conf, first);
	assert_ptr_equal(next(scene, NOW_MS), first);
	assert_ptr_equal(next(scene, NOW_MS), second);
	batch_free(&first);
	batch_free(&second);
	struct batch *last = next(scene, NOW_MS);
	assert_int_equal(count_of(last, 1), 1);
	batch_free(&last);
}

static void test_whole_batch_goes_alone_and_takes_no_more(void **state)
{
	struct scene *scene = *state;
	struct report report = sample_report();
	struct submission submission = sample_submission(&report);
	struct batch *whole = batch_new(1000);
	assert_non_null(whole);
	whole->is_atomic = true;
	for (uint64_t i = 0; i < 200; i++) {
		assert_true(batch_append(whole, &submission, i, NOW_MS));
	}
	submit(scene, 1, 2, NOW_MS);
	submit(scene, 2, 2, NOW_MS);
	lanes_put_whole(&scene->lanes, 7, whole);
	submit(scene, 7, 1, NOW_MS);
	int alone = 0;
	struct batch *batch;
	while ((batch = next(scene, NOW_MS)) != NULL) {
		if (batch->is_atomic) {
			assert_ptr_equal(batch, whole);
			assert_int_equal(batch->count, 200);
			alone++;
		}
		batch_free(&batch);
	}
	assert_int_equal(alone, 1);
}

static void answer_all(void *ctx, struct batch *batch)
{
	(void)ctx;
	for (uint32_t i = 0; i < batch->count; i++) {
		batch->entries[i].is_answered = true;
	}
	batch->unanswered = 0;
}

static void test_batches_nobody_waits_for_are_dropped(void **state)
{
	struct scene *scene = *state;
	submit(scene, 1, 300, NOW_MS);
	submit(scene, 2, 3, NOW_MS);
	lanes_each(&scene->lanes, scene->conf, answer_all, NULL);
	assert_true(lanes_is_empty(&scene->lanes));
	submit(scene, 2, 1, NOW_MS);
	struct batch *batch = next(scene, NOW_MS);
	assert_int_equal(batch->count, 1);
	lanes_recycle(&scene->lanes, scene->conf, batch);
}

static void test_whoever_has_more_than_half_of_many_dominates(void **state)
{
	struct scene *scene = *state;
	submit(scene, 1, 16, NOW_MS);
	/* Alone it is in nobody's way. */
	assert_false(lanes_is_dominated_by(&scene->lanes, 1, 16, NOW_MS));
	submit(scene, 2, 15, NOW_MS);
	assert_true(lanes_is_dominated_by(&scene->lanes, 1, 31, NOW_MS));
	assert_false(lanes_is_dominated_by(&scene->lanes, 2, 31, NOW_MS));
	assert_false(lanes_is_dominated_by(&scene->lanes, 1, 31, NOW_MS + 1000));
	submit(scene, 2, 1, NOW_MS);
	assert_false(lanes_is_dominated_by(&scene->lanes, 1, 32, NOW_MS));
	lanes_count(&scene->lanes, 2, -16);
	lanes_count(&scene->lanes, 1, -1);
	assert_false(lanes_is_dominated_by(&scene->lanes, 1, 15, NOW_MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_one_partner_alone_fills_whole_batches, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_two_partners_share_a_small_transaction, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_shared_transaction_has_its_most_bytes_too, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_nothing_is_lost_doubled_or_overtaken, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_what_was_in_flight_goes_first_and_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_whole_batch_goes_alone_and_takes_no_more, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_batches_nobody_waits_for_are_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_whoever_has_more_than_half_of_many_dominates, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
