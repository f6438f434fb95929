// SPDX-License-Identifier: Apache-2.0
#include "report/reject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "fits.h"

static void test_every_reason_has_one_name_and_a_status(void **state)
{
	(void)state;
	for (int i = 0; i < REJECT_COUNT; i++) {
		const struct reject_info *info = reject_info((enum reject)i);
		assert_memory_equal(info->urn, "urn:intaked:problem:", 20);
		assert_string_equal(info->urn + 20, info->name);
		assert_in_range(info->status, 400, 503);
		assert_true(strlen(info->title) > 10);
		for (int j = 0; j < i; j++) {
			assert_string_not_equal(info->name, reject_info((enum reject)j)->name);
		}
	}
}

static void test_a_problem_starts_with_type_title_and_status(void **state)
{
	struct buf out;
	(void)state;
	buf_init(&out, 4096);
	assert_true(reject_render_open(&out, REJECT_REPORT_INVALID, NULL));
	assert_true(buf_append(&out, "", 1));
	assert_string_equal(out.data,
		"{\"type\":\"urn:intaked:problem:report-invalid\",\"title\":"
		"\"The report breaks the schema or the taxonomy\",\"status\":422");
	buf_clear(&out);
	assert_true(reject_render_open(&out, REJECT_JSON_INVALID, "a \"detail\""));
	assert_true(buf_append(&out, "", 1));
	assert_string_equal(out.data,
		"{\"type\":\"urn:intaked:problem:json-invalid\",\"title\":\"The body is not "
		"I-JSON\","
		"\"status\":400,\"detail\":\"a \\\"detail\\\"\"");
	buf_fini(&out);
}

static bool render(struct buf *out, const void *ctx)
{
	return reject_render_open(out, REJECT_QUOTA, ctx);
}

static void test_a_buffer_too_small_is_told(void **state)
{
	(void)state;
	assert_fits_whole_or_is_told(render, "a \"detail\"", 1);
	assert_fits_whole_or_is_told(render, NULL, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_reason_has_one_name_and_a_status),
		cmocka_unit_test(test_a_problem_starts_with_type_title_and_status),
		cmocka_unit_test(test_a_buffer_too_small_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
