// SPDX-License-Identifier: Apache-2.0
/*
 * Real files in a folder of the test's own.
 */
#include "file_watch_int.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* What is not told within this long, twice what a change has to stand, is not told. */
#define QUIET_MS 1000
#define CHANGE_MS 20000

/* How far the wall clock was set back after the files were written. */
static int64_t set_back_us;

int64_t __real_clock_wall_us(void);
int64_t __wrap_clock_wall_us(void);

int64_t __wrap_clock_wall_us(void)
{
	return __real_clock_wall_us() - set_back_us;
}

struct scene {
	struct event_base *base;
	struct file_watch *watch;
	char folder[32];
	char paths[2][64];
	int told;
};

static void on_change(void *ctx)
{
	struct scene *scene = ctx;
	scene->told++;
	event_base_loopbreak(scene->base);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* Two files, of a time well before. */
static void scene_open(struct scene *scene)
{
	const char *paths[2] = {scene->paths[0], scene->paths[1]};
	struct err err = {{0}};
	memset(scene, 0, sizeof(*scene));
	strcpy(scene->folder, "/tmp/test-watch-XXXXXX");
	assert_non_null(mkdtemp(scene->folder));
	scene->base = event_base_new();
	for (int i = 0; i < 2; i++) {
		snprintf(scene->paths[i], sizeof(scene->paths[i]), "%s/%d", scene->folder, i);
		write_file(scene->paths[i], "old");
	}
	scene->watch = file_watch_new(
		scene->base, paths, 2, clock_wall_us() + 1000000, on_change, scene, &err);
	assert_non_null(scene->watch);
}

/* The first file alone, by a new watch. */
static void watch_first(struct scene *scene, int64_t read_at_us)
{
	const char *paths[1] = {scene->paths[0]};
	struct err err = {{0}};
	file_watch_free(&scene->watch);
	scene->watch = file_watch_new(scene->base, paths, 1, read_at_us, on_change, scene, &err);
	assert_non_null(scene->watch);
}

static void scene_close(struct scene *scene)
{
	file_watch_free(&scene->watch);
	event_base_free(scene->base);
	unlink(scene->paths[0]);
	unlink(scene->paths[1]);
	rmdir(scene->folder);
}

static void on_quiet(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(ctx);
}

/* How often a change was told until one was, or the time was over. */
static int count_told(struct scene *scene, int ms)
{
	const struct timeval quiet = {ms / 1000, ms % 1000 * 1000L};
	struct event *timer = evtimer_new(scene->base, on_quiet, scene->base);
	assert_non_null(timer);
	scene->told = 0;
	evtimer_add(timer, &quiet);
	event_base_dispatch(scene->base);
	event_free(timer);
	return scene->told;
}

static void test_a_file_that_is_written_or_replaced_is_told_once(void **state)
{
	struct scene scene;
	char other[80];
	(void)state;
	scene_open(&scene);
	write_file(scene.paths[1], "newer");
	assert_int_equal(count_told(&scene, CHANGE_MS), 1);
	snprintf(other, sizeof(other), "%s.new", scene.paths[0]);
	write_file(other, "old");
	assert_int_equal(rename(other, scene.paths[0]), 0);
	assert_int_equal(count_told(&scene, CHANGE_MS), 1);
	assert_int_equal(unlink(scene.paths[0]), 0);
	assert_int_equal(count_told(&scene, CHANGE_MS), 1);
	write_file(scene.paths[0], "again");
	write_file(scene.paths[1], "and this one");
	assert_int_equal(count_told(&scene, CHANGE_MS), 1);
	assert_int_equal(count_told(&scene, QUIET_MS), 0);
	scene_close(&scene);
}

static void test_other_files_of_the_folder_do_not_matter(void **state)
{
	struct scene scene;
	char other[80];
	(void)state;
	scene_open(&scene);
	snprintf(other, sizeof(other), "%s.other", scene.paths[0]);
	write_file(other, "x");
	assert_int_equal(count_told(&scene, QUIET_MS), 0);
	unlink(other);
	scene_close(&scene);
}

static void test_a_change_during_the_reading_is_told(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene);
	int64_t read_at_us = clock_wall_us();
	write_file(scene.paths[0], "new");
	watch_first(&scene, read_at_us);
	assert_int_equal(count_told(&scene, CHANGE_MS), 1);
	scene_close(&scene);
}

/* Else each reload would bring on the next one, until that time has come. */
static void test_a_file_of_the_future_is_not_told(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene);
	set_back_us = INT64_C(3600) * 1000000;
	watch_first(&scene, clock_wall_us());
	assert_int_equal(count_told(&scene, QUIET_MS), 0);
	write_file(scene.paths[0], "newer");
	assert_int_equal(count_told(&scene, CHANGE_MS), 1);
	set_back_us = 0;
	scene_close(&scene);
}

static void test_the_target_of_a_link_is_watched(void **state)
{
	struct scene scene;
	char name[80];
	char folder[64];
	const char *paths[1] = {name};
	struct err err = {{0}};
	(void)state;
	scene_open(&scene);
	file_watch_free(&scene.watch);
	snprintf(folder, sizeof(folder), "%s.d", scene.folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	snprintf(name, sizeof(name), "%s/link", folder);
	assert_int_equal(symlink(scene.paths[0], name), 0);
	scene.watch = file_watch_new(
		scene.base, paths, 1, clock_wall_us() + 1000000, on_change, &scene, &err);
	assert_non_null(scene.watch);
	write_file(scene.paths[0], "newer");
	assert_int_equal(count_told(&scene, CHANGE_MS), 1);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(symlink(scene.paths[1], name), 0);
	assert_int_equal(count_told(&scene, CHANGE_MS), 1);
	unlink(name);
	rmdir(folder);
	scene_close(&scene);
}

static void test_a_file_that_is_not_there_may_come(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene);
	unlink(scene.paths[0]);
	watch_first(&scene, clock_wall_us());
	assert_int_equal(count_told(&scene, QUIET_MS), 0);
	write_file(scene.paths[0], "here");
	assert_int_equal(count_told(&scene, CHANGE_MS), 1);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_file_that_is_written_or_replaced_is_told_once),
		cmocka_unit_test(test_other_files_of_the_folder_do_not_matter),
		cmocka_unit_test(test_a_change_during_the_reading_is_told),
		cmocka_unit_test(test_a_file_of_the_future_is_not_told),
		cmocka_unit_test(test_the_target_of_a_link_is_watched),
		cmocka_unit_test(test_a_file_that_is_not_there_may_come),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
