// SPDX-License-Identifier: Apache-2.0
/*
 * Findings that were packed say later what they would have said at once.
 */
#include "judged.h"

#include "fits.h"

/* All that a finding may carry: a member, codes of a vocabulary and apart, a suggestion, a detail.
 */
static const char spoilt[] =
	"{\"title\":null,\"tlp\":\"TLP:AMBRE\",\"colour\":1,\"category\":\"ransomwear\","
	"\"action_areas\":[\"AA1\",\"AA1\"],\"taxonomy\":{\"id\":\"other\"},"
	"\"times\":{\"detected\":\"2026-02-30T00:00:00Z\"},\"severity\":{\"level\":9}}";

struct findings {
	const struct report_finding *items;
	size_t count;
	struct str packed;
	const struct taxonomy *taxonomy;
};

static bool render(struct buf *out, const void *ctx)
{
	const struct findings *findings = ctx;
	return report_findings_render(out, findings->items, findings->count);
}

static bool pack(struct buf *out, const void *ctx)
{
	const struct findings *findings = ctx;
	return report_findings_pack(out, findings->items, findings->count);
}

static bool render_packed(struct buf *out, const void *ctx)
{
	const struct findings *findings = ctx;
	return report_findings_render_packed(out, findings->packed, findings->taxonomy);
}

static void assert_told_alike(struct findings *findings)
{
	struct buf packed;
	struct buf later;
	struct buf at_once;
	buf_init(&packed, FITS_WHOLE_MAX);
	buf_init(&later, FITS_WHOLE_MAX);
	buf_init(&at_once, FITS_WHOLE_MAX);
	assert_true(pack(&packed, findings) && render(&at_once, findings));
	findings->packed = buf_str(&packed);
	assert_true(render_packed(&later, findings));
	assert_true(str_equal(buf_str(&later), buf_str(&at_once)));
	assert_fits_whole_or_is_told(render, findings, 1);
	assert_fits_whole_or_is_told(pack, findings, 1);
	assert_fits_whole_or_is_told(render_packed, findings, 1);
	buf_fini(&packed);
	buf_fini(&later);
	buf_fini(&at_once);
}

static void test_findings_are_told_alike_later(void **state)
{
	struct judged *judged = *state;
	const struct report_result *result = judged_changed(judged, spoilt);
	struct findings findings = {.items = result->errors, .count = result->error_count};
	bool has_member = false;
	bool has_vocabulary = false;
	bool has_allowed_apart = false;
	bool has_suggestion = false;
	findings.taxonomy = judged->taxonomy;
	for (size_t i = 0; i < findings.count; i++) {
		const struct report_finding *finding = &findings.items[i];
		has_member |= finding->member.data != NULL;
		has_vocabulary |= finding->vocabulary != NULL;
		has_allowed_apart |= finding->vocabulary == NULL && finding->allowed.count > 0;
		has_suggestion |= finding->did_you_mean.len > 0;
	}
	assert_true(has_member && has_vocabulary && has_allowed_apart && has_suggestion);
	assert_told_alike(&findings);
}

static void test_no_findings_are_an_empty_list(void **state)
{
	struct judged *judged = *state;
	struct findings findings = {.taxonomy = judged->taxonomy};
	assert_told_alike(&findings);
}

static void test_what_is_longer_than_it_may_be_is_cut(void **state)
{
	struct judged *judged = *state;
	static char text[70000];
	struct buf packed;
	struct buf later;
	memset(text, 'x', sizeof(text));
	struct report_finding finding = {.code = REPORT_CODE_TYPE, .detail = {text, sizeof(text)}};
	buf_init(&packed, FITS_WHOLE_MAX);
	buf_init(&later, FITS_WHOLE_MAX);
	assert_true(report_findings_pack(&packed, &finding, 1));
	assert_true(report_findings_render_packed(&later, buf_str(&packed), judged->taxonomy));
	assert_in_range(later.len, UINT16_MAX, UINT16_MAX + 64);
	buf_fini(&packed);
	buf_fini(&later);
}

static void test_at_most_64_codes_apart_are_kept(void **state)
{
	struct judged *judged = *state;
	struct str codes[70];
	struct buf packed;
	struct buf later;
	for (size_t i = 0; i < 70; i++) {
		codes[i] = STR("c");
	}
	struct report_finding finding = {.code = REPORT_CODE_TYPE, .allowed = {codes, 70}};
	buf_init(&packed, FITS_WHOLE_MAX);
	buf_init(&later, FITS_WHOLE_MAX);
	assert_true(report_findings_pack(&packed, &finding, 1));
	assert_true(report_findings_render_packed(&later, buf_str(&packed), judged->taxonomy));
	json_t *findings = json_loadb(later.data, later.len, 0, NULL);
	assert_int_equal(
		json_array_size(json_object_get(json_array_get(findings, 0), "allowed")), 64);
	json_decref(findings);
	buf_fini(&packed);
	buf_fini(&later);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_findings_are_told_alike_later),
		cmocka_unit_test(test_no_findings_are_an_empty_list),
		cmocka_unit_test(test_what_is_longer_than_it_may_be_is_cut),
		cmocka_unit_test(test_at_most_64_codes_apart_are_kept),
	};
	return cmocka_run_group_tests(tests, judged_setup, judged_teardown);
}
