// SPDX-License-Identifier: Apache-2.0
#include "results_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct str areas[] = {{"AA4", 3}, {"AA2", 3}};

static struct receipt make_receipt(const char *report_id)
{
	struct receipt receipt = {
		.status = RECEIPT_STORED,
		.partner = STR("nordhaven"),
		.report_id = str_from(report_id),
		.revision = 3,
		.received_at_us = INT64_C(1794204312482913),
		.taxonomy = STR("digital-solidarity-2024/1.0.0"),
		.category = STR("phishing"),
		.action_areas = {areas, 2},
		.primary_area = STR("AA4"),
		.is_test = true,
		.warnings = STR("[{\"pointer\":\"/rsit/0\"}]"),
	};
	receipt.id.bytes[0] = 0x42;
	receipt.sha256[31] = 0x17;
	return receipt;
}

static void render(struct results *results, struct buf *out, size_t limit)
{
	buf_clear(out);
	assert_true(results_render(results, out, limit, STR("nordhaven"), NULL));
	assert_true(buf_append(out, "", 1));
	out->len--;
}

struct scene {
	struct results results;
	struct buf out;
};

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	assert_non_null(scene);
	results_init(&scene->results);
	buf_init(&scene->out, (size_t)16 << 20);
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;
	results_fini(&scene->results);
	assert_int_equal(scene->results.bytes, 0);
	buf_fini(&scene->out);
	free(scene);
	return 0;
}

static void test_receipt_is_rendered_as_it_was_given(void **state)
{
	struct scene *scene = *state;
	struct receipt receipt = make_receipt("R-1");
	struct buf expected;
	struct result *result = results_add(&scene->results, 7);
	assert_true(result_set_receipt(&scene->results, result, 201, &receipt, NULL));
	result_settle(&scene->results, result);
	render(&scene->results, &scene->out, 1);
	buf_init(&expected, 4096);
	assert_true(buf_append_str(&expected, STR("{\"line\":7,\"status\":201,\"receipt\":")) &&
		receipt_render(&expected, &receipt) && buf_append(&expected, "}\n", 3));
	assert_string_equal(scene->out.data, expected.data);
	buf_fini(&expected);
	assert_null(results_oldest(&scene->results));
}

static void test_problems_are_rendered_with_what_belongs_to_them(void **state)
{
	struct scene *scene = *state;
	struct receipt receipt = make_receipt("R-2");
	struct result *result = results_add(&scene->results, 1);
	result_set_problem(&scene->results, result, REJECT_UNAVAILABLE, "away", 9);
	result_settle(&scene->results, result);
	result = results_add(&scene->results, 2);
	assert_true(result_set_text(
		&scene->results, result, REJECT_JSON_INVALID, "an end is expected"));
	result_settle(&scene->results, result);
	result = results_add(&scene->results, 3);
	assert_true(result_set_conflict(&scene->results, result, REJECT_REPORT_CONFLICT, &receipt));
	result_settle(&scene->results, result);
	render(&scene->results, &scene->out, 1 << 20);
	const char *text = scene->out.data;
	assert_non_null(strstr(text,
		"{\"line\":1,\"status\":503,\"problem\":{\"type\":"
		"\"urn:intaked:problem:unavailable\""));
	assert_non_null(strstr(text, "\"detail\":\"away\"},\"retry_after\":9}\n"));
	assert_non_null(strstr(text, "\"detail\":\"an end is expected\"}}\n"));
	assert_non_null(strstr(text, "\"receipt\":{\"status\":\"stored\""));
	assert_non_null(strstr(text, "\"report_id\":\"R-2\""));
}

static void test_results_are_written_in_order_and_only_when_ready(void **state)
{
	struct scene *scene = *state;
	struct result *first = results_add(&scene->results, 1);
	uint32_t first_name = results_newest_name(&scene->results);
	result_set_problem(&scene->results, first, REJECT_UNSTORABLE, NULL, 0);
	struct result *second = results_add(&scene->results, 2);
	result_set_problem(&scene->results, second, REJECT_UNSTORABLE, NULL, 0);
	result_settle(&scene->results, second);
	render(&scene->results, &scene->out, 1 << 20);
	assert_int_equal(scene->out.len, 0);
	result_settle(&scene->results, results_find(&scene->results, first_name));
	assert_null(results_find(&scene->results, first_name));
	render(&scene->results, &scene->out, 1 << 20);
	assert_true(strstr(scene->out.data, "\"line\":1") < strstr(scene->out.data, "\"line\":2"));
}

/* Names are twelve bits and go round; each finds its own result while that is pending. */
static void test_names_go_round(void **state)
{
	struct scene *scene = *state;
	uint32_t names[RESULTS_MAX_PENDING];
	for (uint64_t line = 1; line <= 20000; line++) {
		assert_true(results_may_wait(&scene->results));
		struct result *result = results_add(&scene->results, line);
		assert_non_null(result);
		result_set_problem(&scene->results, result, REJECT_UNSTORABLE, NULL, 0);
		names[line % RESULTS_MAX_PENDING] = results_newest_name(&scene->results);
		if (line >= RESULTS_MAX_PENDING) {
			assert_false(results_may_wait(&scene->results));
			uint64_t oldest = line - RESULTS_MAX_PENDING + 1;
			struct result *found =
				results_find(&scene->results, names[oldest % RESULTS_MAX_PENDING]);
			assert_non_null(found);
			assert_int_equal(found->line, oldest);
			result_settle(&scene->results, found);
		}
	}
	assert_int_equal(scene->results.pending, RESULTS_MAX_PENDING - 1);
}

/* One that is answered late must not be mistaken for another: the window is bounded too. */
static void test_an_old_pending_result_stops_the_others(void **state)
{
	struct scene *scene = *state;
	assert_non_null(results_add(&scene->results, 1));
	uint32_t name = results_newest_name(&scene->results);
	uint64_t line = 2;
	for (; results_may_wait(&scene->results); line++) {
		struct result *result = results_add(&scene->results, line);
		result_set_problem(&scene->results, result, REJECT_UNSTORABLE, NULL, 0);
		result_settle(&scene->results, result);
	}
	assert_int_equal(line - 1, 1 << RESULTS_NUMBER_BITS);
	assert_int_equal(results_find(&scene->results, name)->line, 1);
	result_settle(&scene->results, results_find(&scene->results, name));
	assert_true(results_may_wait(&scene->results));
}

static void test_rendering_stops_at_the_limit_and_memory_is_given_back(void **state)
{
	struct scene *scene = *state;
	struct receipt receipt = make_receipt("R-3");
	for (uint64_t line = 1; line <= 100; line++) {
		struct result *result = results_add(&scene->results, line);
		assert_true(result_set_receipt(&scene->results, result, 201, &receipt, NULL));
		result_settle(&scene->results, result);
	}
	size_t held = scene->results.bytes;
	render(&scene->results, &scene->out, 1000);
	assert_in_range(scene->out.len, 1000, 2000);
	assert_true(scene->results.bytes < held);
	while (results_oldest(&scene->results) != NULL) {
		render(&scene->results, &scene->out, 1000);
	}
	/* What is left is the ring. */
	assert_int_equal(scene->results.bytes, scene->results.capacity * sizeof(struct result));
}

/* What a receipt was before, above all, must not be said in its place. */
static void test_what_memory_is_short_for_is_not_said(void **state)
{
	struct scene *scene = *state;
	struct receipt receipt = make_receipt("R-1");
	struct str whole = receipt.warnings;
	size_t too_long = (size_t)9 << 20;
	char *text = malloc(too_long);
	assert_non_null(text);
	memset(text, ' ', too_long);
	struct result *result = results_add(&scene->results, 1);
	result_set_problem(&scene->results, result, REJECT_QUOTA, NULL, 1);
	result_settle(&scene->results, result);
	result = results_add(&scene->results, 2);
	assert_true(result_set_receipt(&scene->results, result, 201, &receipt, NULL));
	receipt.warnings = (struct str){text, too_long};
	assert_false(result_set_receipt(&scene->results, result, 200, &receipt, NULL));
	result_settle(&scene->results, result);

	assert_true(results_render(&scene->results, &scene->out, 1000, STR("nordhaven"), NULL));
	assert_int_equal(scene->results.first, 1);
	buf_clear(&scene->out);
	assert_false(results_render(&scene->results, &scene->out, 1000, STR("nordhaven"), NULL));
	assert_int_equal(scene->out.len, 0);

	/* Something else may still be said of it. */
	receipt.warnings = whole;
	assert_true(result_set_conflict(
		&scene->results, results_at(&scene->results, 1), REJECT_REPORT_CONFLICT, &receipt));
	render(&scene->results, &scene->out, 10000);
	assert_non_null(strstr(scene->out.data, "\"status\":409"));
	assert_null(results_oldest(&scene->results));
	free(text);
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		FRESH(test_receipt_is_rendered_as_it_was_given),
		FRESH(test_problems_are_rendered_with_what_belongs_to_them),
		FRESH(test_results_are_written_in_order_and_only_when_ready),
		FRESH(test_names_go_round),
		FRESH(test_an_old_pending_result_stops_the_others),
		FRESH(test_rendering_stops_at_the_limit_and_memory_is_given_back),
		FRESH(test_what_memory_is_short_for_is_not_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
