// SPDX-License-Identifier: Apache-2.0
#include "report/report_schema.h"

#include "judged.h"

#include "fits.h"

static void test_the_schema_equals_the_published_one(void **state)
{
	struct judged *judged = *state;
	struct buf out;
	buf_init(&out, 1 << 20);
	assert_true(report_schema_render(&out, judged->taxonomy));
	json_t *rendered = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
	json_t *published = json_load_file(SOURCE_DIR "/tests/oracle/report.schema.json", 0, NULL);
	assert_non_null(rendered);
	assert_non_null(published);
	assert_true(json_equal(rendered, published));
	json_decref(rendered);
	json_decref(published);
	buf_fini(&out);
}

static void test_the_schema_of_a_retraction(void **state)
{
	struct judged *judged = *state;
	struct buf out;
	buf_init(&out, 4096);
	assert_true(report_schema_render_retraction(&out, judged->taxonomy));
	assert_true(buf_append(&out, "", 1));
	assert_string_equal(out.data,
		"{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\","
		"\"title\":\"intaked retraction, version 1\",\"type\":\"object\",\"properties\":{"
		"\"revision\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000000},"
		"\"reason\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":1000}},"
		"\"required\":[\"revision\",\"reason\"],\"additionalProperties\":false}");
	buf_fini(&out);
}

static bool render_schema(struct buf *out, const void *ctx)
{
	return report_schema_render(out, ctx);
}

static bool render_reference(struct buf *out, const void *ctx)
{
	return report_reference_render(out, ctx);
}

static bool render_retraction(struct buf *out, const void *ctx)
{
	return report_schema_render_retraction(out, ctx) &&
		report_reference_render_retraction(out, ctx);
}

/* Of the large ones a seventh of the sizes, which meets the end of every kind of piece. */
static void test_a_buffer_too_small_is_told(void **state)
{
	struct judged *judged = *state;
	assert_fits_whole_or_is_told(render_schema, judged->taxonomy, 7);
	assert_fits_whole_or_is_told(render_reference, judged->taxonomy, 7);
	assert_fits_whole_or_is_told(render_retraction, judged->taxonomy, 1);
}

static void test_the_reference_has_an_item_for_every_field(void **state)
{
	struct judged *judged = *state;
	struct buf out;
	buf_init(&out, 1 << 20);
	assert_true(report_reference_render(&out, judged->taxonomy));
	assert_true(buf_append(&out, "", 1));
	static const char *const parts[] = {
		".Bl -tag -width Ds\n.It Va schema Pq required\n",
		".It Va taxonomy.version Pq required\n",
		".It Va impact.loss.amount Pq required\n",
		".It Va victims[].protected\n",
		".It Va indicators[].first_seen\n",
		"Type: whole number from 1 to 65535.\n",
		"Type: array of 0 to 4 different elements: a category of the taxonomy.\n",
		"one of TLP:CLEAR, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT, TLP:RED",
		"Type: text of 1 to 1000 characters, lines allowed.\n",
		".It Va extensions\n",
		"\n.El\n",
	};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strstr(out.data, parts[i]) == NULL) {
			fail_msg("%s", parts[i]);
		}
	}
	size_t items = 0;
	for (const char *at = out.data; (at = strstr(at, ".It Va ")) != NULL; at++) {
		items++;
	}
	assert_in_range(items, 100, 150);
	buf_fini(&out);
}

static void test_the_reference_of_a_retraction(void **state)
{
	struct judged *judged = *state;
	struct buf out;
	buf_init(&out, 4096);
	assert_true(report_reference_render_retraction(&out, judged->taxonomy));
	assert_true(buf_append(&out, "", 1));
	assert_non_null(strstr(out.data, ".Bl -tag -width Ds\n.It Va revision Pq required\n"));
	assert_non_null(strstr(out.data, ".It Va reason Pq required\n"));
	assert_non_null(strstr(out.data, "Type: text of 1 to 1000 characters, lines allowed.\n"));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_schema_equals_the_published_one),
		cmocka_unit_test(test_the_schema_of_a_retraction),
		cmocka_unit_test(test_a_buffer_too_small_is_told),
		cmocka_unit_test(test_the_reference_has_an_item_for_every_field),
		cmocka_unit_test(test_the_reference_of_a_retraction),
	};
	return cmocka_run_group_tests(tests, judged_setup, judged_teardown);
}
