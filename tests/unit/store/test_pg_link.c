// SPDX-License-Identifier: Apache-2.0
/*
 * How long a link pauses between attempts that fail. It dials a socket in a folder that does not
 * exist; the loop waits for nothing, and what it was to wait for is noted.
 */
#include "pg_link_int.h"

#include "report/report_check.h"
#include "samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ATTEMPTS 40
#define FIRST_MS 100
#define LAST_MS 2000

struct bench {
	struct event_base *base;
	int64_t pauses_ms[ATTEMPTS]; /* after each attempt */
	size_t attempts;
};

static int64_t added_ms; /* what the link's timer was set to last */

int __real_event_add(struct event *event, const struct timeval *delay);
int __wrap_event_add(struct event *event, const struct timeval *delay);

int __wrap_event_add(struct event *event, const struct timeval *delay)
{
	static const struct timeval at_once = {0, 0};
	added_ms = (int64_t)delay->tv_sec * 1000 + delay->tv_usec / 1000;
	return __real_event_add(event, &at_once);
}

static void on_ready(void *ctx)
{
	(void)ctx;
	fail_msg("there is no database");
}

static void on_lost(void *ctx, const char *reason)
{
	struct bench *bench = ctx;
	assert_non_null(strstr(reason, "cannot connect"));
	bench->pauses_ms[bench->attempts++] = added_ms;
	if (bench->attempts == ATTEMPTS) {
		event_base_loopbreak(bench->base);
	}
}

static void test_pauses_double_up_to_a_limit_and_are_shaken(void **state)
{
	struct bench bench = {.base = event_base_new()};
	struct conf *conf =
		sample_conf("database { connection = \"host=/nonexistent/folder dbname=x\" }\n");
	struct err err;
	struct taxonomy *taxonomy = taxonomy_load(SOURCE_DIR "/config/taxonomy.json", &err);
	struct pg_link_hooks hooks = {.on_ready = on_ready, .on_lost = on_lost, .ctx = &bench};
	(void)state;
	struct pg_link *link = pg_link_new(bench.base, conf, NULL, 0, NULL, taxonomy, hooks);
	assert_non_null(link);
	assert_int_equal(added_ms, 0);
	event_base_dispatch(bench.base);

	int64_t longest_ms = FIRST_MS;
	size_t differ = 0;
	for (size_t i = 0; i < ATTEMPTS; i++) {
		assert_in_range(bench.pauses_ms[i], longest_ms / 2, longest_ms);
		differ += longest_ms == LAST_MS &&
			bench.pauses_ms[i] != bench.pauses_ms[ATTEMPTS - 1];
		longest_ms = longest_ms * 2 < LAST_MS ? longest_ms * 2 : LAST_MS;
	}
	assert_true(differ > 0);
	pg_link_free(&link);
	assert_null(link);
	taxonomy_free(&taxonomy);
	conf_unref(&conf);
	event_base_free(bench.base);
}

int main(void)
{
	report_check_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pauses_double_up_to_a_limit_and_are_shaken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
