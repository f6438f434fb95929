// SPDX-License-Identifier: Apache-2.0
#include "intake_send_results_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define URL "https://intake.example:8443"
#define HEX "00ff10a9b8c7d6e5f40123456789abcdef00ff10a9b8c7d6e5f40123456789ab"
#define OTHER_HEX "11ff10a9b8c7d6e5f40123456789abcdef00ff10a9b8c7d6e5f40123456789ab"
#define RECEIPT "\"receipt\":{\"partner\":\"nordhaven\",\"test\":false}"
#define GOOD \
	"{\"url\":\"" URL "\",\"file\":\"a\",\"sha256\":\"" HEX "\",\"status\":201," RECEIPT "}"

static const struct results_owner owner = {URL, "nordhaven", false};

static bool never(void)
{
	return false;
}

static bool counts(const char *line)
{
	struct digest digest;
	return results_line_digest(str_from(line), &owner, &digest);
}

static void test_receipt_of_this_partner_at_this_server_counts(void **state)
{
	(void)state;
	struct digest digest;
	struct digest expected;
	assert_true(digest_from_hex(HEX, &expected));
	assert_true(results_line_digest(STR(GOOD), &owner, &digest));
	assert_memory_equal(&digest, &expected, sizeof(digest));
	assert_true(counts(
		"{\"url\":\"" URL "\",\"status\":200,\"sha256\":\"" HEX "\"," RECEIPT "}\n"));
}

static void test_anything_else_does_not_count(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"",
		"\n",
		"{}",
		"[]",
		"7",
		/* Another server, partner, mode. */
		"{\"url\":\"https://other\",\"status\":201,\"sha256\":\"" HEX "\"," RECEIPT "}",
		"{\"url\":\"" URL "\",\"status\":201,\"sha256\":\"" HEX
		"\",\"receipt\":{\"partner\":\"suderland\",\"test\":false}}",
		"{\"url\":\"" URL "\",\"status\":201,\"sha256\":\"" HEX
		"\",\"receipt\":{\"partner\":\"nordhaven\",\"test\":true}}",
		"{\"url\":\"" URL "\",\"status\":201,\"sha256\":\"" HEX
		"\",\"receipt\":{\"partner\":\"nordhaven\"}}",
		/* No receipt. */
		"{\"url\":\"" URL "\",\"status\":200,\"sha256\":\"" HEX
		"\",\"verdict\":{\"partner\":\"nordhaven\",\"test\":false}}",
		"{\"url\":\"" URL "\",\"status\":422,\"sha256\":\"" HEX "\",\"problem\":{}}",
		"{\"url\":\"" URL "\",\"status\":503,\"sha256\":\"" HEX "\"," RECEIPT "}",
		/* No digest. */
		"{\"url\":\"" URL "\",\"status\":201," RECEIPT "}",
		"{\"url\":\"" URL "\",\"status\":201,\"sha256\":\"00\"," RECEIPT "}",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_false(counts(lines[i]));
	}
}

static void test_line_cut_anywhere_does_not_count(void **state)
{
	(void)state;
	struct digest digest;
	for (size_t len = 0; len < sizeof(GOOD) - 1; len++) {
		assert_false(results_line_digest((struct str){GOOD, len}, &owner, &digest));
	}
}

static void test_line_is_one_line_that_counts_again(void **state)
{
	(void)state;
	struct digest digest;
	struct buf out;
	json_t *receipt =
		json_pack("{s:s,s:b,s:s}", "partner", "nordhaven", "test", 0, "note", "two\nlines");
	struct result result = {
		URL, "a \"b\"\n\xff.json", 3, 7, &digest, "N-1", 201, "receipt", receipt};
	assert_true(digest_from_hex(HEX, &digest));
	buf_init(&out, 4096);
	assert_true(results_render(&out, &result));
	assert_ptr_equal(memchr(out.data, '\n', out.len), out.data + out.len - 1);
	assert_int_equal(
		strncmp(out.data,
			"{\"url\":\"" URL "\",\"file\":\"a \\\"b\\\"\\n?.json\",\"line\":3,"
			"\"index\":7,\"sha256\":\"" HEX "\",\"report_id\":\"N-1\","
			"\"status\":201,\"receipt\":{",
			150),
		0);
	struct digest read;
	assert_true(results_line_digest(buf_str(&out), &owner, &read));
	buf_fini(&out);
	json_decref(receipt);
}

/* --- with files --- */

struct place {
	char folder[64];
	char path[96];
};

static int make_place(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	strcpy(place->folder, "/tmp/intake-send-test-XXXXXX");
	if (mkdtemp(place->folder) == NULL) {
		return -1;
	}
	snprintf(place->path, sizeof(place->path), "%s/results", place->folder);
	*state = place;
	return 0;
}

static int remove_place(void **state)
{
	struct place *place = *state;
	unlink(place->path);
	rmdir(place->folder);
	free(place);
	return 0;
}

static void put(const struct place *place, const char *text)
{
	FILE *file = fopen(place->path, "a");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static size_t load(const struct place *place)
{
	struct err err;
	struct digests digests;
	digests_init(&digests);
	struct results *results = results_open(place->path, &err);
	assert_non_null(results);
	assert_true(results_load(results, &owner, &digests, never, &err));
	size_t count = digests.count;
	results_close(&results);
	digests_fini(&digests);
	return count;
}

static void append(const struct place *place, const char *hex)
{
	struct err err;
	struct digest digest;
	json_t *receipt = json_pack("{s:s,s:b}", "partner", "nordhaven", "test", 0);
	struct result result = {URL, "a", 0, -1, &digest, NULL, 201, "receipt", receipt};
	assert_true(digest_from_hex(hex, &digest));
	struct results *results = results_open(place->path, &err);
	assert_non_null(results);
	assert_true(results_append(results, &result, &err));
	assert_true(results_sync(results, &err));
	results_close(&results);
	json_decref(receipt);
}

static void test_what_is_appended_is_loaded_by_the_next_run(void **state)
{
	assert_int_equal(load(*state), 0);
	append(*state, HEX);
	append(*state, OTHER_HEX);
	append(*state, HEX);
	assert_int_equal(load(*state), 2);
}

static void test_torn_last_line_spoils_nothing_but_itself(void **state)
{
	for (size_t len = 1; len < sizeof(GOOD) - 1; len++) {
		char torn[sizeof(GOOD)] = "";
		memcpy(torn, GOOD, len);
		put(*state, torn);
		append(*state, OTHER_HEX);
		assert_int_equal(load(*state), 1);
		assert_int_equal(unlink(((struct place *)*state)->path), 0);
	}
}

static void test_line_without_its_end_counts(void **state)
{
	put(*state, GOOD);
	append(*state, OTHER_HEX);
	assert_int_equal(load(*state), 2);
}

static void test_garbage_between_lines_is_passed_over(void **state)
{
	put(*state, GOOD "\n\n{\"url\"\n\x01\xff garbage\n");
	append(*state, OTHER_HEX);
	assert_int_equal(load(*state), 2);
}

static void test_two_runs_do_not_share_a_file(void **state)
{
	struct place *place = *state;
	struct err err;
	struct results *first = results_open(place->path, &err);
	assert_non_null(first);
	assert_null(results_open(place->path, &err));
	assert_non_null(strstr(err.text, "another"));
	results_close(&first);
	first = results_open(place->path, &err);
	assert_non_null(first);
	results_close(&first);
}

static void test_file_that_is_something_else_is_left_alone(void **state)
{
	struct place *place = *state;
	struct err err;
	put(place, "{\"schema\":\"intaked-report/1\"}");
	assert_null(results_open(place->path, &err));
	assert_non_null(strstr(err.text, place->path));
	FILE *file = fopen(place->path, "r");
	char text[64] = "";
	assert_non_null(fgets(text, sizeof(text), file));
	assert_string_equal(text, "{\"schema\":\"intaked-report/1\"}");
	fclose(file);
}

static void test_folder_is_refused(void **state)
{
	struct place *place = *state;
	struct err err;
	assert_null(results_open(place->folder, &err));
	assert_non_null(strstr(err.text, place->folder));
}

static int stops_asked;

static bool ask_and_stop(void)
{
	stops_asked++;
	return true;
}

/* A file of all receipts of years is read at the start, and a signal is not kept waiting for it. */
static void test_reading_a_long_file_can_be_stopped(void **state)
{
	struct err err;
	struct digests digests;
	for (int line = 0; line < 10000; line++) {
		put(*state, line == 9999 ? GOOD : "{\"url\":\"\"}\n");
	}
	digests_init(&digests);
	struct results *results = results_open(((const struct place *)*state)->path, &err);
	assert_non_null(results);
	assert_true(results_load(results, &owner, &digests, ask_and_stop, &err));
	assert_int_equal(stops_asked, 1);
	assert_int_equal(digests.count, 0);
	results_close(&results);
	digests_fini(&digests);
}

#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_receipt_of_this_partner_at_this_server_counts),
		cmocka_unit_test(test_anything_else_does_not_count),
		cmocka_unit_test(test_line_cut_anywhere_does_not_count),
		cmocka_unit_test(test_line_is_one_line_that_counts_again),
		WITH_PLACE(test_what_is_appended_is_loaded_by_the_next_run),
		WITH_PLACE(test_torn_last_line_spoils_nothing_but_itself),
		WITH_PLACE(test_line_without_its_end_counts),
		WITH_PLACE(test_garbage_between_lines_is_passed_over),
		WITH_PLACE(test_two_runs_do_not_share_a_file),
		WITH_PLACE(test_file_that_is_something_else_is_left_alone),
		WITH_PLACE(test_reading_a_long_file_can_be_stopped),
		WITH_PLACE(test_folder_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
