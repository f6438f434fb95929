// SPDX-License-Identifier: Apache-2.0
#include "intake_send_batch_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct batch_limits limits = {.reports = 4, .bytes = 20};

static struct source_report report_of(const char *bytes, bool is_document)
{
	return (struct source_report){
		.cut = {.bytes = str_from(bytes), .line = is_document ? 0 : 1, .index = -1},
		.file = "a",
		.is_document = is_document};
}

static void add(struct batch *batch, const char *bytes)
{
	struct source_report report = report_of(bytes, false);
	assert_true(batch_has_room(batch, &report, &limits));
	batch_add(batch, &report);
}

static bool has_room(const struct batch *batch, const char *bytes, bool is_document)
{
	struct source_report report = report_of(bytes, is_document);
	return batch_has_room(batch, &report, &limits);
}

static void assert_offer(struct batch *batch, const char *body)
{
	struct str offered = batch_offer(batch, &limits);
	assert_int_equal(offered.len, strlen(body));
	assert_memory_equal(offered.data, body, offered.len);
}

static void test_batch_is_full_by_bytes(void **state)
{
	(void)state;
	struct batch batch;
	batch_init(&batch, limits.bytes);
	add(&batch, "123456789");
	assert_true(has_room(&batch, "123456789", false));
	assert_false(has_room(&batch, "1234567890", false));
	add(&batch, "123456789");
	assert_false(has_room(&batch, "", false));
	assert_offer(&batch, "123456789\n123456789\n");
	batch_fini(&batch);
}

static void test_batch_is_full_by_reports(void **state)
{
	(void)state;
	struct batch batch;
	batch_init(&batch, limits.bytes);
	for (size_t i = 0; i < limits.reports; i++) {
		add(&batch, "1");
	}
	assert_false(has_room(&batch, "1", false));
	assert_offer(&batch, "1\n1\n1\n1\n");
	batch_fini(&batch);
}

static void test_report_above_the_limit_goes_alone(void **state)
{
	(void)state;
	struct batch batch;
	batch_init(&batch, limits.bytes);
	add(&batch, "123456789012345678901");
	assert_false(has_room(&batch, "1", false));
	assert_offer(&batch, "123456789012345678901\n");
	batch_fini(&batch);
}

static void test_document_goes_alone_and_byte_by_byte(void **state)
{
	(void)state;
	struct batch batch;
	struct source_report document = report_of("{\n}\n", true);
	batch_init(&batch, limits.bytes);
	assert_true(batch_has_room(&batch, &document, &limits));
	batch_add(&batch, &document);
	assert_false(has_room(&batch, "1", false));
	assert_false(has_room(&batch, "1", true));
	assert_offer(&batch, "{\n}\n");
	batch_find(&batch, 1)->is_answered = true;
	assert_int_equal(batch_settle(&batch), 1);
	add(&batch, "1");
	assert_false(has_room(&batch, "1", true));
	assert_offer(&batch, "1\n");
	batch_fini(&batch);
}

static void test_what_is_not_answered_goes_again(void **state)
{
	(void)state;
	struct batch batch;
	batch_init(&batch, limits.bytes);
	add(&batch, "one");
	add(&batch, "two");
	add(&batch, "three");
	assert_offer(&batch, "one\ntwo\nthree\n");
	batch_find(&batch, 2)->is_answered = true;
	assert_null(batch_find(&batch, 2));
	assert_null(batch_find(&batch, 0));
	assert_null(batch_find(&batch, 4));
	assert_int_equal(batch_settle(&batch), 1);
	assert_null(batch_find(&batch, 1));
	assert_offer(&batch, "one\nthree\n");
	struct str bytes = batch_report_bytes(&batch, batch_find(&batch, 2));
	assert_true(str_equal(bytes, STR("three")));
	batch_find(&batch, 1)->is_answered = true;
	batch_find(&batch, 2)->is_answered = true;
	assert_int_equal(batch_settle(&batch), 2);
	assert_int_equal(batch.count, 0);
	assert_int_equal(batch.bytes.len, 0);
	batch_fini(&batch);
}

static void test_smaller_limits_offer_less(void **state)
{
	(void)state;
	static const struct batch_limits fewer = {.reports = 2, .bytes = 20};
	static const struct batch_limits shorter = {.reports = 4, .bytes = 9};
	static const struct batch_limits least = {.reports = 1, .bytes = 1};
	struct batch batch;
	batch_init(&batch, limits.bytes);
	add(&batch, "one");
	add(&batch, "four");
	add(&batch, "three");
	assert_int_equal(batch_offer(&batch, &fewer).len, 9);
	assert_int_equal(batch_offer(&batch, &shorter).len, 9);
	assert_int_equal(batch_offer(&batch, &least).len, 4);
	assert_null(batch_find(&batch, 2));
	batch_find(&batch, 1)->is_answered = true;
	assert_int_equal(batch_settle(&batch), 1);
	assert_offer(&batch, "four\nthree\n");
	batch_fini(&batch);
}

static void test_later_revision_only_begins_a_batch_that_keeps_order(void **state)
{
	(void)state;
	struct batch_limits ordered = {.reports = 4, .bytes = 100, .keeps_order = true};
	struct batch_limits unordered = {.reports = 4, .bytes = 100};
	struct source_report first = report_of("{\"revision\":1}", false);
	struct source_report second = report_of("{\"revision\":2}", false);
	struct batch batch;
	batch_init(&batch, ordered.bytes);
	assert_true(batch_has_room(&batch, &second, &ordered));
	batch_add(&batch, &second);
	assert_true(batch_has_room(&batch, &first, &ordered));
	assert_false(batch_has_room(&batch, &second, &ordered));
	assert_true(batch_has_room(&batch, &second, &unordered));
	batch_fini(&batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batch_is_full_by_bytes),
		cmocka_unit_test(test_batch_is_full_by_reports),
		cmocka_unit_test(test_report_above_the_limit_goes_alone),
		cmocka_unit_test(test_document_goes_alone_and_byte_by_byte),
		cmocka_unit_test(test_what_is_not_answered_goes_again),
		cmocka_unit_test(test_smaller_limits_offer_less),
		cmocka_unit_test(test_later_revision_only_begins_a_batch_that_keeps_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
