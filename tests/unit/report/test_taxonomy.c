// SPDX-License-Identifier: Apache-2.0
#include "judged.h"

#include <unistd.h>

static void test_the_taxonomy_in_force_is_read_whole(void **state)
{
	const struct taxonomy *taxonomy = ((struct judged *)*state)->taxonomy;
	assert_true(str_equal(taxonomy_id(taxonomy), STR("digital-solidarity-2024")));
	assert_true(str_equal(taxonomy_version(taxonomy), STR("1.0.0")));
	assert_int_equal(taxonomy_major(taxonomy), 1);
	assert_int_equal(taxonomy_area_count(taxonomy), 4);
	assert_int_equal(taxonomy_category_count(taxonomy), 49);
	assert_int_equal(taxonomy_rsit_count(taxonomy), 39);
	assert_true(str_equal(taxonomy_area(taxonomy, 3)->code, STR("AA4")));
	assert_true(taxonomy_document(taxonomy).len > 50000);
	assert_int_equal(taxonomy_document(taxonomy).data[0], '{');
}

static void test_every_code_is_found_and_no_other(void **state)
{
	const struct taxonomy *taxonomy = ((struct judged *)*state)->taxonomy;
	for (size_t i = 0; i < taxonomy_category_count(taxonomy); i++) {
		const struct taxonomy_category *category = taxonomy_category(taxonomy, i);
		assert_ptr_equal(taxonomy_find_category(taxonomy, category->code), category);
		struct str cut = {category->code.data, category->code.len - 1};
		assert_ptr_not_equal(taxonomy_find_category(taxonomy, cut), category);
		assert_true(taxonomy_find_area(taxonomy, category->primary_area) >= 0);
		for (size_t j = 0; j < category->rsit_count; j++) {
			assert_true(taxonomy_has_rsit(taxonomy, category->rsit[j]));
		}
	}
	assert_null(taxonomy_find_category(taxonomy, STR("")));
	assert_null(taxonomy_find_category(taxonomy, STR("Ransomware")));
	assert_int_equal(taxonomy_find_area(taxonomy, STR("AA2")), 1);
	assert_int_equal(taxonomy_find_area(taxonomy, STR("AA5")), -1);
	assert_false(taxonomy_has_rsit(taxonomy, STR("fraud")));
}

static void test_a_category_carries_its_handling(void **state)
{
	const struct taxonomy *taxonomy = ((struct judged *)*state)->taxonomy;
	const struct taxonomy_category *category =
		taxonomy_find_category(taxonomy, STR("child-sexual-exploitation"));
	assert_non_null(category);
	assert_int_equal(category->min_tlp, TLP_AMBER_STRICT);
	assert_true(category->is_critical);
	assert_true(category->is_countable);
	assert_true(category->protects_victim);
	assert_false(category->allows_attachments);
	assert_true(str_equal(category->primary_area, STR("AA4")));
	assert_false(taxonomy_find_category(taxonomy, STR("test-report"))->is_countable);
	category = taxonomy_find_category(taxonomy, STR("network-outage"));
	assert_int_equal(category->areas, 1U | 8U);
	assert_true(str_equal(category->rsit[0], STR("availability/outage")));
}

/* Writes the text and loads it; the message without the file's name, or NULL when it is taken. */
static const char *load_fault(const char *text)
{
	static struct err err;
	char path[] = "/tmp/intaked-taxonomy-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	struct taxonomy *taxonomy = taxonomy_load(path, &err);
	unlink(path);
	if (taxonomy != NULL) {
		taxonomy_free(&taxonomy);
		assert_null(taxonomy);
		return NULL;
	}
	assert_memory_equal(err.text, path, strlen(path));
	return err.text + strlen(path) + 2;
}

static const char small[] =
	"{\"id\":\"t\",\"version\":\"1.2.3\",\"action_areas\":[{\"code\":\"AA1\",\"title\":\"A\"},"
	"{\"code\":\"AA2\",\"title\":\"B\"}],\"rsit\":{\"types\":[{\"code\":\"a/b\"}]},"
	"\"categories\":[{\"code\":\"one\",\"title\":\"One\",\"definition\":\"First.\","
	"\"primary_area\":\"AA1\",\"action_areas\":[\"AA1\"],\"rsit\":[\"a/b\"],"
	"\"min_tlp\":\"TLP:RED\",\"critical\":false,\"countable\":true,\"protect_victim\":false,"
	"\"attachments_allowed\":true}]}";

static void test_faults_are_named_with_their_place(void **state)
{
	static const struct {
		const char *old;
		const char *new;
		const char *fault;
	} cases[] = {
		{"\"id\":\"t\"", "\"id\":7", "/id: a non-empty string is expected"},
		{"\"id\":\"t\"", "\"id\":\"t t\"",
			"/id: at most 128 letters, digits, -, / and . are expected"},
		{"1.2.3", "1.2", "/version: MAJOR.MINOR.PATCH is expected"},
		{"1.2.3", "01.2.3", "/version: MAJOR.MINOR.PATCH is expected"},
		{"1.2.3", "1.2.3.4", "/version: MAJOR.MINOR.PATCH is expected"},
		{"\"code\":\"AA2\"", "\"code\":\"AA1\"",
			"/action_areas/1/code: the code stands in the list already"},
		{"1.2.3", "123456.2.3", "/version: MAJOR.MINOR.PATCH is expected"},
		{"1.2.3", ".2.3", "/version: MAJOR.MINOR.PATCH is expected"},
		{"\"version\":\"1.2.3\",", "", "/version: a non-empty string is expected"},
		{"\"action_areas\":[{", "\"action_area\":[{",
			"/action_areas: an array of 1 to 32 elements is expected"},
		{"{\"code\":\"AA2\",\"title\":\"B\"}", "7",
			"/action_areas/1/code: a non-empty string is expected"},
		{"{\"code\":\"a/b\"}", "{\"code\":\"a b\"}",
			"/rsit/types/0/code: at most 128 letters, digits, -, / and . are expected"},
		{"\"categories\":[{", "\"category\":[{",
			"/categories: an array of 1 to 4096 elements is expected"},
		{"\"primary_area\":\"AA1\",", "",
			"/categories/0/primary_area: a non-empty string is expected"},
		{"\"primary_area\":\"AA1\"", "\"primary_area\":\"AA9\"",
			"/categories/0/primary_area: one of its action_areas is expected"},
		{"\"action_areas\":[\"AA1\"]", "\"action_areas\":[]",
			"/categories/0/action_areas: an array of 1 to 32 elements is expected"},
		{"\"rsit\":[\"a/b\"]", "\"rsit\":[]",
			"/categories/0/rsit: an array of 1 to 4096 elements is expected"},
		{"\"min_tlp\":\"TLP:RED\",", "",
			"/categories/0/min_tlp: a non-empty string is expected"},
		{"\"title\":\"One\",", "", "/categories/0/title: a non-empty string is expected"},
		{"\"title\":\"B\"", "\"title\":\"\"",
			"/action_areas/1/title: a non-empty string is expected"},
		{"{\"types\":[{\"code\":\"a/b\"}]}", "{\"types\":[]}",
			"/rsit/types: an array of 1 to 4096 elements is expected"},
		{"{\"types\":[{\"code\":\"a/b\"}]}", "[]",
			"/rsit/types: an array of 1 to 4096 elements is expected"},
		{"\"code\":\"one\"", "\"code\":\"o_e\"",
			"/categories/0/code: at most 128 letters, digits, -, / and . are expected"},
		{"\"primary_area\":\"AA1\"", "\"primary_area\":\"AA2\"",
			"/categories/0/primary_area: one of its action_areas is expected"},
		{"\"action_areas\":[\"AA1\"]", "\"action_areas\":[\"AA3\"]",
			"/categories/0/action_areas/0: a code of this file is expected"},
		{"\"action_areas\":[\"AA1\"]", "\"action_areas\":[\"AA1\",\"AA1\"]",
			"/categories/0/action_areas/1: the area is repeated"},
		{"\"rsit\":[\"a/b\"]", "\"rsit\":[\"a/b\",1]",
			"/categories/0/rsit/1: a code of this file is expected"},
		{"TLP:RED", "TLP:WHITE", "/categories/0/min_tlp: a label of TLP 2.0 is expected"},
		{"\"critical\":false", "\"critical\":0",
			"/categories/0/critical: true or false is expected"},
		{"\"countable\":true,", "", "/categories/0/countable: true or false is expected"},
		{"\"protect_victim\":false", "\"protect_victim\":null",
			"/categories/0/protect_victim: true or false is expected"},
		{"\"attachments_allowed\":true", "\"attachments_allowed\":\"true\"",
			"/categories/0/attachments_allowed: true or false is expected"},
		{"\"definition\":\"First.\",", "",
			"/categories/0/definition: a non-empty string is expected"},
		{"{\"id\"", "[{\"id\"", NULL},
	};
	(void)state;
	assert_null(load_fault(small));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[2048];
		const char *at = strstr(small, cases[i].old);
		assert_non_null(at);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - small), small, cases[i].new,
			at + strlen(cases[i].old));
		const char *fault = load_fault(text);
		assert_non_null(fault);
		if (cases[i].fault != NULL) {
			assert_string_equal(fault, cases[i].fault);
		}
	}
	assert_string_equal(load_fault("[]"), "an object is expected");
	assert_non_null(strstr(load_fault("{\n\"id\" 1}"), "line 2, column"));
	assert_string_equal(
		load_fault("{\x1b[2J"), "line 1, column 2: string or '}' expected near '?'");
}

/* At a limit and one past it. */
static void test_a_code_has_128_characters(void **state)
{
	char text[2048];
	char code[130];
	(void)state;
	memset(code, 'c', sizeof(code));
	for (int len = 128; len <= 129; len++) {
		const char *at = strstr(small, "one");
		snprintf(text, sizeof(text), "%.*s%.*s%s", (int)(at - small), small, len, code,
			at + strlen("one"));
		const char *fault = load_fault(text);
		assert_int_equal(fault != NULL, len > 128);
	}
}

static void test_a_taxonomy_has_32_areas(void **state)
{
	(void)state;
	for (int count = 32; count <= 33; count++) {
		char text[4096];
		const char *at = strstr(small, "{\"code\":\"AA1\"");
		size_t len = (size_t)snprintf(text, sizeof(text), "%.*s", (int)(at - small), small);
		for (int i = 3; i <= count; i++) {
			len += (size_t)snprintf(text + len, sizeof(text) - len,
				"{\"code\":\"AA%d\",\"title\":\"A\"},", i);
		}
		snprintf(text + len, sizeof(text) - len, "%s", at);
		const char *fault = load_fault(text);
		assert_int_equal(fault != NULL, count > 32);
	}
}

static void test_what_is_no_file_or_too_large_is_a_fault(void **state)
{
	struct err err;
	char path[] = "/tmp/intaked-taxonomy-XXXXXX";
	(void)state;
	assert_null(taxonomy_load("/", &err));
	assert_string_equal(err.text, "/: it cannot be read");
	int fd = mkstemp(path);
	assert_true(fd >= 0 && ftruncate(fd, 4 * 1024 * 1024 + 1) == 0);
	close(fd);
	assert_null(taxonomy_load(path, &err));
	unlink(path);
	assert_non_null(strstr(err.text, "it has more than 4194304 bytes"));
}

static void test_a_missing_file_is_a_fault(void **state)
{
	struct err err;
	(void)state;
	assert_null(taxonomy_load("/nonexistent/taxonomy.json", &err));
	assert_string_equal(err.text, "/nonexistent/taxonomy.json: No such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_taxonomy_in_force_is_read_whole),
		cmocka_unit_test(test_every_code_is_found_and_no_other),
		cmocka_unit_test(test_a_category_carries_its_handling),
		cmocka_unit_test(test_faults_are_named_with_their_place),
		cmocka_unit_test(test_a_code_has_128_characters),
		cmocka_unit_test(test_a_taxonomy_has_32_areas),
		cmocka_unit_test(test_what_is_no_file_or_too_large_is_a_fault),
		cmocka_unit_test(test_a_missing_file_is_a_fault),
	};
	report_check_init();
	return cmocka_run_group_tests(tests, judged_setup, judged_teardown);
}
