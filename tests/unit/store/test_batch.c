// SPDX-License-Identifier: Apache-2.0
#include "batch_int.h"

#include "row_int.h"
#include "samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define CAPACITY 8

/* Report number n with n indicators, its ticket 100 + n. */
static bool append(struct batch *batch, int n)
{
	char report_id[16];
	char value[16];
	struct report_indicator indicators[CAPACITY];
	struct report report = sample_report();
	snprintf(report_id, sizeof(report_id), "R-%d", n);
	snprintf(value, sizeof(value), "v%d", n);
	for (int i = 0; i < n; i++) {
		indicators[i] = sample_indicator(str_from(value));
	}
	report.report_id = str_from(report_id);
	report.indicators = indicators;
	report.indicator_count = (size_t)n;
	struct submission submission = sample_submission(&report);
	submission.id.bytes[15] = (uint8_t)n;
	return batch_append(batch, &submission, 100 + (uint64_t)n, 1000 + n);
}

static struct batch *make_batch(int count)
{
	struct batch *batch = batch_new(CAPACITY);
	assert_non_null(batch);
	for (int n = 0; n < count; n++) {
		assert_true(append(batch, n));
	}
	return batch;
}

static struct str report_rows(const struct batch *batch, uint32_t index)
{
	const struct batch_entry *entry = &batch->entries[index];
	return (struct str){batch->reports.data + entry->report_start, entry->report_len};
}

static struct str indicator_rows(const struct batch *batch, uint32_t index)
{
	const struct batch_entry *entry = &batch->entries[index];
	return (struct str){batch->indicators.data + entry->indicator_start, entry->indicator_len};
}

static void assert_same_entry(
	const struct batch *a, uint32_t index_a, const struct batch *b, uint32_t index_b)
{
	const struct batch_entry *left = &a->entries[index_a];
	const struct batch_entry *right = &b->entries[index_b];
	assert_int_equal(left->ticket, right->ticket);
	assert_int_equal(left->queued_at_ms, right->queued_at_ms);
	assert_memory_equal(&left->id, &right->id, sizeof(left->id));
	assert_int_equal(left->indicator_count, right->indicator_count);
	assert_true(str_equal(report_rows(a, index_a), report_rows(b, index_b)));
	assert_true(str_equal(indicator_rows(a, index_a), indicator_rows(b, index_b)));
}

/* What is sent is the header and the entries' rows, and nothing between or behind. */
static void assert_arrays_are_whole(const struct batch *batch)
{
	size_t report_end = ROW_ARRAY_HEADER_BYTES;
	size_t indicator_end = ROW_ARRAY_HEADER_BYTES;
	uint32_t indicator_count = 0;
	for (uint32_t i = 0; i < batch->count; i++) {
		assert_int_equal(batch->entries[i].report_start, report_end);
		assert_int_equal(batch->entries[i].indicator_start, indicator_end);
		report_end += batch->entries[i].report_len;
		indicator_end += batch->entries[i].indicator_len;
		indicator_count += batch->entries[i].indicator_count;
	}
	assert_int_equal(batch->reports.len, report_end);
	assert_int_equal(batch->indicators.len, indicator_end);
	assert_int_equal(batch->indicator_count, indicator_count);
	assert_int_equal(batch_bytes(batch), report_end + indicator_end);
}

static void test_a_batch_holds_each_report_with_its_indicators(void **state)
{
	struct batch *batch = make_batch(CAPACITY);
	(void)state;
	assert_int_equal(batch->count, CAPACITY);
	assert_int_equal(batch->unanswered, CAPACITY);
	assert_arrays_are_whole(batch);
	for (uint32_t i = 0; i < CAPACITY; i++) {
		const struct batch_entry *entry = &batch->entries[i];
		assert_int_equal(entry->ticket, 100 + i);
		assert_int_equal(entry->queued_at_ms, 1000 + i);
		assert_int_equal(entry->id.bytes[15], i);
		assert_int_equal(entry->indicator_count, i);
		assert_false(entry->is_answered);
	}
	batch_free(&batch);
	assert_null(batch);
}

static void test_a_report_that_does_not_fit_leaves_the_batch_as_it_was(void **state)
{
	struct batch *batch = make_batch(3);
	size_t bytes = batch_bytes(batch);
	size_t reports_max = batch->reports.max;
	size_t indicators_max = batch->indicators.max;
	(void)state;

	batch->reports.max = batch->reports.cap = batch->reports.len;
	assert_false(append(batch, 3));
	assert_int_equal(batch_bytes(batch), bytes);
	batch->reports.max = reports_max;

	/* The report's row fits, the second of its indicators does not. */
	batch->indicators.max = batch->indicators.len + 700;
	batch->indicators.cap = batch->indicators.len;
	assert_false(append(batch, 3));
	assert_int_equal(batch_bytes(batch), bytes);
	assert_int_equal(batch->count, 3);
	assert_int_equal(batch->unanswered, 3);
	assert_arrays_are_whole(batch);
	batch->indicators.max = indicators_max;

	assert_true(append(batch, 3));
	assert_arrays_are_whole(batch);
	batch_free(&batch);
}

static void test_a_copied_entry_keeps_its_rows_and_its_ticket(void **state)
{
	struct batch *from = make_batch(5);
	struct batch *to = make_batch(2);
	(void)state;
	assert_true(batch_copy_entry(to, from, 4));
	assert_true(batch_copy_entry(to, from, 0));
	assert_int_equal(to->count, 4);
	assert_same_entry(to, 2, from, 4);
	assert_same_entry(to, 3, from, 0);
	assert_arrays_are_whole(to);
	batch_free(&from);
	batch_free(&to);
}

static void test_an_entry_that_cannot_be_copied_leaves_no_trace(void **state)
{
	struct batch *from = make_batch(5);
	struct batch *to = make_batch(2);
	size_t bytes = batch_bytes(to);
	(void)state;
	to->indicators.max = to->indicators.cap = to->indicators.len;
	assert_false(batch_copy_entry(to, from, 4));
	assert_int_equal(batch_bytes(to), bytes);
	assert_int_equal(to->count, 2);
	assert_arrays_are_whole(to);
	batch_free(&from);
	batch_free(&to);
}

static void test_a_slice_has_what_is_unanswered_of_its_part(void **state)
{
	static const struct {
		uint32_t first;
		uint32_t count;
		uint32_t expected[CAPACITY];
		uint32_t expected_count;
	} cases[] = {
		{0, 8, {0, 2, 3, 5, 6}, 5},
		{0, 4, {0, 2, 3}, 3},
		{4, 4, {5, 6}, 2},
		{1, 1, {0}, 0},
		{7, 1, {0}, 0},
		{6, 1, {6}, 1},
		{3, 0, {0}, 0},
	};
	struct batch *from = make_batch(CAPACITY);
	(void)state;
	from->entries[1].is_answered = true;
	from->entries[4].is_answered = true;
	from->entries[7].is_answered = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct batch *slice = batch_slice(from, cases[i].first, cases[i].count);
		assert_non_null(slice);
		assert_int_equal(slice->count, cases[i].expected_count);
		assert_int_equal(slice->unanswered, cases[i].expected_count);
		assert_int_equal(slice->capacity, from->capacity);
		for (uint32_t place = 0; place < slice->count; place++) {
			assert_same_entry(slice, place, from, cases[i].expected[place]);
		}
		assert_arrays_are_whole(slice);
		batch_free(&slice);
	}
	batch_free(&from);
}

static void test_an_emptied_batch_is_as_a_new_one(void **state)
{
	struct batch *batch = make_batch(CAPACITY);
	struct batch *fresh = make_batch(0);
	(void)state;
	batch->is_atomic = true;
	batch->moved = 3;
	assert_true(batch_reset(batch));
	assert_false(batch->is_atomic);
	assert_int_equal(batch->moved, 0);
	assert_int_equal(batch->count, 0);
	assert_int_equal(batch->unanswered, 0);
	assert_int_equal(batch->indicator_count, 0);
	assert_int_equal(batch_bytes(batch), batch_bytes(fresh));
	for (int n = 0; n < CAPACITY; n++) {
		assert_true(append(batch, n));
		assert_true(append(fresh, n));
		assert_same_entry(batch, (uint32_t)n, fresh, (uint32_t)n);
	}
	assert_arrays_are_whole(batch);
	batch_free(&batch);
	batch_free(&fresh);
}

static void test_no_batch_is_freed_without_harm(void **state)
{
	struct batch *none = NULL;
	(void)state;
	batch_free(&none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_batch_holds_each_report_with_its_indicators),
		cmocka_unit_test(test_a_report_that_does_not_fit_leaves_the_batch_as_it_was),
		cmocka_unit_test(test_a_copied_entry_keeps_its_rows_and_its_ticket),
		cmocka_unit_test(test_an_entry_that_cannot_be_copied_leaves_no_trace),
		cmocka_unit_test(test_a_slice_has_what_is_unanswered_of_its_part),
		cmocka_unit_test(test_an_emptied_batch_is_as_a_new_one),
		cmocka_unit_test(test_no_batch_is_freed_without_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
