// SPDX-License-Identifier: Apache-2.0
/*
 * A taxonomy's file: what was taken holds what jansson reads in it, finds all of its codes, and
 * serves for what is made of a taxonomy: schema, manual, verdicts and their findings.
 */
#include "fuzz.h"
#include "report/report_check.h"
#include "report/report_schema.h"

#include <jansson.h>

#define MEMORY_MAX ((size_t)64 << 20)

/* Wrong in every place that a taxonomy has codes for. */
static const char wrong_report[] =
	"{\"taxonomy\":{\"id\":\"x\",\"version\":\"9.9.9\"},\"category\":\"nothing\","
	"\"additional_categories\":[\"nothing\",7],\"action_areas\":[\"AA\",\"AA\"],"
	"\"rsit\":[\"nothing\"],\"tlp\":\"TLP:NONE\"}";

/* As a report's code, which lies elsewhere. */
static const struct taxonomy_category *find_by_copy(
	const struct taxonomy *taxonomy, struct str code)
{
	char copy[128];
	ENSURE(code.len <= sizeof(copy));
	memcpy(copy, code.data, code.len);
	return taxonomy_find_category(taxonomy, (struct str){copy, code.len});
}

static void ensure_holds_all(const struct taxonomy *taxonomy)
{
	for (size_t i = 0; i < taxonomy_area_count(taxonomy); i++) {
		ENSURE(taxonomy_find_area(taxonomy, taxonomy_area(taxonomy, i)->code) == (int)i);
	}
	for (size_t i = 0; i < taxonomy_rsit_count(taxonomy); i++) {
		ENSURE(taxonomy_has_rsit(taxonomy, taxonomy_rsit(taxonomy, i)));
	}
	for (size_t i = 0; i < taxonomy_category_count(taxonomy); i++) {
		const struct taxonomy_category *category = taxonomy_category(taxonomy, i);
		ENSURE(find_by_copy(taxonomy, category->code) == category);
		int primary = taxonomy_find_area(taxonomy, category->primary_area);
		ENSURE(primary >= 0 && (category->areas >> primary & 1) != 0);
		for (size_t j = 0; j < category->rsit_count; j++) {
			ENSURE(taxonomy_has_rsit(taxonomy, category->rsit[j]));
		}
	}
}

static void ensure_is_what_it_says(const struct taxonomy *taxonomy)
{
	json_error_t error;
	struct str document = taxonomy_document(taxonomy);
	json_t *tree = json_loadb(document.data, document.len, JSON_REJECT_DUPLICATES, &error);
	json_t *rsit = json_object_get(json_object_get(tree, "rsit"), "types");
	ENSURE(taxonomy_area_count(taxonomy) ==
		json_array_size(json_object_get(tree, "action_areas")));
	ENSURE(taxonomy_category_count(taxonomy) ==
		json_array_size(json_object_get(tree, "categories")));
	ENSURE(taxonomy_rsit_count(taxonomy) == json_array_size(rsit));
	ENSURE(str_equal(
		taxonomy_id(taxonomy), str_from(json_string_value(json_object_get(tree, "id")))));
	json_decref(tree);
}

static void ensure_json(const struct buf *page)
{
	json_error_t error;
	json_t *tree = json_loadb(page->data, page->len, JSON_REJECT_DUPLICATES, &error);
	ENSURE(tree != NULL);
	json_decref(tree);
}

static void ensure_renders(const struct taxonomy *taxonomy)
{
	struct buf page;
	buf_init(&page, MEMORY_MAX);
	ENSURE(report_schema_render(&page, taxonomy));
	ensure_json(&page);
	buf_clear(&page);
	ENSURE(report_reference_render(&page, taxonomy));
	buf_fini(&page);
}

static void ensure_judges(const struct taxonomy *taxonomy)
{
	struct report_rules rules = {
		.taxonomy = taxonomy, .may_relay = true, .max_depth = 16, .max_values = 32768};
	struct report_result result;
	struct arena arena;
	struct buf packed;
	struct buf later;
	arena_init(&arena, MEMORY_MAX);
	buf_init(&packed, MEMORY_MAX);
	buf_init(&later, MEMORY_MAX);
	report_check(&arena, &rules, str_from(wrong_report), &result);
	ENSURE(result.verdict == REPORT_INVALID);
	ENSURE(report_findings_pack(&packed, result.errors, result.error_count));
	ENSURE(report_findings_render_packed(&later, buf_str(&packed), taxonomy));
	buf_clear(&packed);
	ENSURE(report_findings_render(&packed, result.errors, result.error_count));
	ENSURE(str_equal(buf_str(&packed), buf_str(&later)));
	buf_fini(&packed);
	buf_fini(&later);
	arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_set_up;
	struct fuzz_file file;
	struct err err = {{0}};
	if (!is_set_up) {
		report_check_init();
		is_set_up = true;
	}
	fuzz_file_open(&file, data, size);
	struct taxonomy *taxonomy = taxonomy_load(file.path, &err);
	if (taxonomy == NULL) {
		fuzz_ensure_sentence(err.text);
	} else {
		ensure_holds_all(taxonomy);
		ensure_is_what_it_says(taxonomy);
		ensure_renders(taxonomy);
		ensure_judges(taxonomy);
	}
	taxonomy_free(&taxonomy);
	fuzz_file_close(&file);
	return 0;
}
