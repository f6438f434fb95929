// SPDX-License-Identifier: Apache-2.0
#include "report/answer_schema.h"

#include "report/reject.h"
#include "report/report_check.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "fits.h"

static bool render(struct buf *out, const void *ctx)
{
	(void)ctx;
	return answer_schemas_render(out);
}

static json_t *render_object(void)
{
	struct buf out;
	buf_init(&out, FITS_WHOLE_MAX);
	assert_true(buf_append_str(&out, STR("{")) && answer_schemas_render(&out) &&
		buf_append_str(&out, STR("}")));
	json_t *schemas = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(schemas);
	buf_fini(&out);
	return schemas;
}

static void test_each_answer_has_a_schema(void **state)
{
	static const char *const names[] = {"Finding", "Problem", "Receipt", "Verdict", "Result"};
	json_t *schemas = render_object();
	(void)state;
	assert_int_equal(json_object_size(schemas), sizeof(names) / sizeof(names[0]));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_true(json_is_object(json_object_get(schemas, names[i])));
	}
	json_decref(schemas);
}

static const json_t *values_of(json_t *schemas, const char *schema, const char *member)
{
	json_t *members = json_object_get(json_object_get(schemas, schema), "properties");
	return json_object_get(json_object_get(members, member), "enum");
}

static void test_every_code_and_every_reason_is_listed(void **state)
{
	json_t *schemas = render_object();
	const json_t *codes = values_of(schemas, "Finding", "code");
	const json_t *types = values_of(schemas, "Problem", "type");
	(void)state;
	assert_int_equal(json_array_size(codes), REPORT_CODE_COUNT);
	for (int i = 0; i < REPORT_CODE_COUNT; i++) {
		assert_string_equal(json_string_value(json_array_get(codes, (size_t)i)),
			report_code_text((enum report_code)i));
	}
	assert_int_equal(json_array_size(types), REJECT_COUNT);
	for (int i = 0; i < REJECT_COUNT; i++) {
		assert_string_equal(json_string_value(json_array_get(types, (size_t)i)),
			reject_info((enum reject)i)->urn);
	}
	json_decref(schemas);
}

static void test_a_buffer_too_small_is_told(void **state)
{
	(void)state;
	assert_fits_whole_or_is_told(render, NULL, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_answer_has_a_schema),
		cmocka_unit_test(test_every_code_and_every_reason_is_listed),
		cmocka_unit_test(test_a_buffer_too_small_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
