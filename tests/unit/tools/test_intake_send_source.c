// SPDX-License-Identifier: Apache-2.0
/*
 * Folders of a real file system, one of which can be made to fail while it is read.
 */
#include "intake_send_source_int.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NAMES_MAX 8

static const char *failing_folder;

/* In the place of the library's. */
int scandir(const char *path, struct dirent ***entries_out, int (*filter)(const struct dirent *),
	int (*compare)(const struct dirent **, const struct dirent **))
{
	int (*next)(const char *, struct dirent ***, int (*)(const struct dirent *),
		int (*)(const struct dirent **, const struct dirent **));
	if (failing_folder != NULL && strcmp(path, failing_folder) == 0) {
		errno = EIO;
		return -1;
	}
	*(void **)&next = dlsym(RTLD_NEXT, "scandir");
	assert_non_null(next);
	return next(path, entries_out, filter, compare);
}

struct given {
	char names[NAMES_MAX][64];
	size_t count;
	char faults[NAMES_MAX][128];
	size_t fault_count;
};

static void note_fault(void *ctx, const char *sentence)
{
	struct given *given = ctx;
	assert_true(given->fault_count < NAMES_MAX);
	snprintf(given->faults[given->fault_count++], sizeof(given->faults[0]), "%s", sentence);
}

static struct given read_source(const char *name)
{
	struct given given = {.count = 0};
	char *names[] = {(char *)name};
	struct source *source = source_new(names, 1, NULL, note_fault, &given);
	const struct source_report *report = NULL;
	while (source_peek(source, &report) == SOURCE_REPORT) {
		assert_true(given.count < NAMES_MAX);
		snprintf(given.names[given.count++], sizeof(given.names[0]), "%s", report->file);
		source_take(source);
	}
	source_free(&source);
	return given;
}

static void write_report(const char *path)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs("{}", file);
	assert_int_equal(fclose(file), 0);
}

static int enter_folder(void **state)
{
	static char folder[] = "/tmp/intaked-source-XXXXXX";
	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(mkdir("out", 0700), 0);
	assert_int_equal(mkdir("out/b", 0700), 0);
	assert_int_equal(mkdir("out/.c", 0700), 0);
	write_report("out/a.json");
	write_report("out/b/b.ndjson");
	write_report("out/.c/c.json");
	write_report("out/d.json");
	*state = folder;
	return 0;
}

static int leave_folder(void **state)
{
	static const char *const files[] = {"out/a.json", "out/b/b.ndjson", "out/.c/c.json",
		"out/d.json", "out/b", "out/.c", "out"};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		assert_int_equal(remove(files[i]), 0);
	}
	return rmdir(*state);
}

static void assert_names(const struct given *given, const char *const *names, size_t count)
{
	assert_int_equal(given->count, count);
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(given->names[i], names[i]);
	}
}

static void test_folder_gives_its_files_in_order(void **state)
{
	(void)state;
	static const char *const names[] = {"out/a.json", "out/b/b.ndjson", "out/d.json"};
	static const char *const ways[] = {"out", "out/", "out//"};
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct given given = read_source(ways[i]);
		assert_names(&given, names, 3);
		assert_int_equal(given.fault_count, 0);
	}
}

static void test_folder_that_is_not_read_to_its_end_is_told(void **state)
{
	(void)state;
	static const char *const names[] = {"out/a.json", "out/d.json"};
	failing_folder = "out/b";
	struct given given = read_source("out");
	failing_folder = NULL;
	assert_names(&given, names, 2);
	assert_int_equal(given.fault_count, 1);
	assert_string_equal(given.faults[0], "out/b: Input/output error");
}

static void test_link_to_a_folder_above_is_told_and_not_followed(void **state)
{
	(void)state;
	static const char *const names[] = {"out/a.json", "out/b/b.ndjson", "out/d.json"};
	assert_int_equal(symlink("..", "out/b/up"), 0);
	struct given given = read_source("out");
	assert_int_equal(remove("out/b/up"), 0);
	assert_names(&given, names, 3);
	assert_int_equal(given.fault_count, 1);
	assert_string_equal(given.faults[0], "out/b/up: this link leads back to a folder above it");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_folder_gives_its_files_in_order),
		cmocka_unit_test(test_folder_that_is_not_read_to_its_end_is_told),
		cmocka_unit_test(test_link_to_a_folder_above_is_told_and_not_followed),
	};
	return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
