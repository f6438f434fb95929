// SPDX-License-Identifier: Apache-2.0
/*
 * The queue while the database is away: what may wait, for how long, and that everything that was
 * taken is answered once. The link dials a socket in a folder that does not exist.
 */
#include "store/store.h"

#include "base/clock.h"
#include "report/report_check.h"
#include "row_int.h"
#include "samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MAX_QUEUED 3
#define MAX_QUEUED_BYTES 65536
#define STORE_WAIT_MS 250
#define MAX_TICKETS 2048

struct bench {
	struct event_base *base;
	struct conf *conf;
	struct taxonomy *taxonomy;
	struct store *store;
	struct store_metrics metrics;
	int answers[MAX_TICKETS]; /* by ticket */
	size_t answered;
	size_t awaited; /* the loop ends at this many answers */
	bool may_answer;
	size_t times_away;
	char reason[256];
};

static void on_result(void *ctx, uint64_t ticket, const struct store_result *result)
{
	struct bench *bench = ctx;
	assert_true(bench->may_answer);
	assert_true(ticket < MAX_TICKETS);
	assert_int_equal(result->outcome, STORE_UNAVAILABLE);
	assert_false(result->has_receipt);
	bench->answers[ticket]++;
	if (++bench->answered == bench->awaited) {
		event_base_loopbreak(bench->base);
	}
}

static void on_state(void *ctx, bool is_available, const char *reason)
{
	struct bench *bench = ctx;
	assert_false(is_available);
	bench->times_away++;
	snprintf(bench->reason, sizeof(bench->reason), "%s", reason);
	if (bench->awaited == 0) {
		event_base_loopbreak(bench->base);
	}
}

static const char conf_text[] = "database {\n"
				"connection = \"host=/nonexistent/folder dbname=x\"\n"
				"store_wait_ms = 250\n"
				"max_queued_reports = 3\n"
				"max_queued_bytes = 65536\n"
				"}\n";

static int set_up(void **state)
{
	struct err err;
	struct bench *bench = calloc(1, sizeof(*bench));
	assert_non_null(bench);
	bench->base = event_base_new();
	bench->conf = sample_conf(conf_text);
	bench->taxonomy = taxonomy_load(SOURCE_DIR "/config/taxonomy.json", &err);
	assert_non_null(bench->taxonomy);
	struct store_hooks hooks = {.on_result = on_result, .on_state = on_state, .ctx = bench};
	bench->store = store_new(bench->base, bench->conf, bench->taxonomy, &bench->metrics, hooks);
	assert_non_null(bench->store);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	store_free(&bench->store);
	assert_null(bench->store);
	event_base_free(bench->base);
	taxonomy_free(&bench->taxonomy);
	conf_unref(&bench->conf);
	free(bench);
	return 0;
}

static bool submit(struct bench *bench, uint64_t ticket)
{
	struct report report = sample_report();
	struct submission submission = sample_submission(&report);
	return store_submit(bench->store, &submission, ticket);
}

/* A report whose row is of so many bytes. */
static bool submit_bytes(struct bench *bench, uint64_t ticket, size_t row_bytes)
{
	static char payload[2 * MAX_QUEUED_BYTES];
	struct report report = sample_report();
	struct submission submission = sample_submission(&report);
	report.indicator_count = 0;
	submission.payload = (struct str){payload, 0};
	struct buf row;
	buf_init(&row, sizeof(payload));
	assert_true(row_append_report(&row, &submission));
	assert_true(row_bytes >= row.len);
	submission.payload.len = row_bytes - row.len;
	buf_fini(&row);
	return store_submit(bench->store, &submission, ticket);
}

static bool find(struct bench *bench, uint64_t ticket)
{
	const struct store_key key = {.partner_id = 1, .report_id = STR("NH-1")};
	return store_find(bench->store, &key, ticket);
}

static bool retract(struct bench *bench, uint64_t ticket)
{
	const struct retraction retraction = {.report_id = STR("NH-1"), .reason = STR("R")};
	return store_retract(bench->store, &retraction, ticket);
}

static void run_until_answered(struct bench *bench, size_t awaited)
{
	bench->may_answer = true;
	bench->awaited = awaited;
	event_base_dispatch(bench->base);
	bench->may_answer = false;
	assert_int_equal(bench->answered, awaited);
}

static void test_the_queue_has_a_limit(void **state)
{
	struct bench *bench = *state;
	for (uint64_t ticket = 1; ticket <= MAX_QUEUED; ticket++) {
		assert_true(submit(bench, ticket));
	}
	assert_false(submit(bench, MAX_QUEUED + 1));
	assert_int_equal(store_pending(bench->store), MAX_QUEUED);
	assert_int_equal(metric_get(&bench->metrics.queued), MAX_QUEUED);
}

static void test_the_bytes_of_the_queue_have_a_limit(void **state)
{
	struct bench *bench = *state;
	assert_true(submit_bytes(bench, 1, MAX_QUEUED_BYTES - 1));
	assert_int_equal(metric_get(&bench->metrics.queued_bytes), MAX_QUEUED_BYTES - 1);
	assert_true(store_has_room(bench->store));
	assert_true(submit_bytes(bench, 2, MAX_QUEUED_BYTES));
	assert_false(store_has_room(bench->store));
	assert_false(submit(bench, 3));
	run_until_answered(bench, 2);
	assert_int_equal(metric_get(&bench->metrics.queued_bytes), 0);
	assert_true(submit_bytes(bench, 4, MAX_QUEUED_BYTES));
	assert_false(submit(bench, 5));
	run_until_answered(bench, 3);
}

/* What is gathered counts from its commit on, and beyond the limits as a whole. */
static void test_an_atomic_batch_is_in_the_queue_from_its_commit_on(void **state)
{
	struct bench *bench = *state;
	struct report report = sample_report();
	struct submission submission = sample_submission(&report);
	struct store_atomic *atomic = store_atomic_new(MAX_QUEUED + 1);
	assert_non_null(atomic);
	for (uint64_t ticket = 1; ticket <= MAX_QUEUED + 1; ticket++) {
		assert_true(store_atomic_add(atomic, &submission, ticket));
	}
	assert_int_equal(metric_get(&bench->metrics.queued), 0);
	store_atomic_commit(bench->store, &atomic);
	assert_int_equal(metric_get(&bench->metrics.queued), MAX_QUEUED + 1);
	uint64_t bytes = metric_get(&bench->metrics.queued_bytes);
	assert_true(bytes > (MAX_QUEUED + 1) * submission.payload.len);
	assert_false(store_has_room(bench->store));
	run_until_answered(bench, MAX_QUEUED + 1);
	assert_int_equal(metric_get(&bench->metrics.queued), 0);
	assert_int_equal(metric_get(&bench->metrics.queued_bytes), 0);
	assert_true(store_has_room(bench->store));
}

static void test_what_waits_is_unavailable_after_store_wait_and_once(void **state)
{
	struct bench *bench = *state;
	int64_t began_ms = clock_monotonic_ms();
	assert_true(submit(bench, 1));
	assert_true(submit(bench, 2));
	assert_true(find(bench, 3));
	assert_true(retract(bench, 4));
	assert_int_equal(store_pending(bench->store), 4);
	run_until_answered(bench, 4);
	int64_t took_ms = clock_monotonic_ms() - began_ms;
	assert_true(took_ms >= STORE_WAIT_MS);
	for (uint64_t ticket = 1; ticket <= 4; ticket++) {
		assert_int_equal(bench->answers[ticket], 1);
	}
	assert_int_equal(store_pending(bench->store), 0);
	assert_int_equal(metric_get(&bench->metrics.queued), 0);
}

static void submit_second(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	assert_true(submit(ctx, 2));
}

/* The second is queued when the first has waited for a while, and outlives it by a tick or two. */
static void test_reports_of_one_batch_expire_each_once(void **state)
{
	struct bench *bench = *state;
	struct timeval later = {0, 150000};
	assert_true(submit(bench, 1));
	assert_int_equal(
		event_base_once(bench->base, -1, EV_TIMEOUT, submit_second, bench, &later), 0);
	run_until_answered(bench, 2);
	assert_int_equal(bench->answers[1], 1);
	assert_int_equal(bench->answers[2], 1);
	assert_int_equal(store_pending(bench->store), 0);
}

static void test_an_expired_queue_has_room_again(void **state)
{
	struct bench *bench = *state;
	uint64_t ticket = 0;
	for (size_t round = 1; round <= 2; round++) {
		while (ticket < round * MAX_QUEUED) {
			assert_true(submit(bench, ++ticket));
		}
		assert_false(submit(bench, ticket + 1));
		run_until_answered(bench, round * MAX_QUEUED);
	}
	for (; ticket > 0; ticket--) {
		assert_int_equal(bench->answers[ticket], 1);
	}
}

static void test_look_ups_have_a_limit_of_their_own(void **state)
{
	struct bench *bench = *state;
	uint64_t ticket = 0;
	while (find(bench, ticket + 1)) {
		ticket++;
		assert_true(ticket < MAX_TICKETS);
	}
	assert_int_equal(ticket, 1024);
	assert_true(submit(bench, 0));
	run_until_answered(bench, 1025);
	for (ticket = 0; ticket <= 1024; ticket++) {
		assert_int_equal(bench->answers[ticket], 1);
	}
}

static void test_retractions_have_a_limit_of_their_own(void **state)
{
	struct bench *bench = *state;
	uint64_t ticket = 0;
	while (retract(bench, ticket + 1)) {
		ticket++;
		assert_true(ticket < MAX_TICKETS);
	}
	assert_int_equal(ticket, 256);
	assert_true(submit(bench, 0));
	run_until_answered(bench, 257);
	for (ticket = 0; ticket <= 256; ticket++) {
		assert_int_equal(bench->answers[ticket], 1);
	}
}

static void test_the_owner_is_told_why_the_database_is_away(void **state)
{
	struct bench *bench = *state;
	event_base_dispatch(bench->base);
	assert_int_equal(bench->times_away, 1);
	assert_false(store_is_available(bench->store));
	if (strstr(bench->reason, "No such file or directory") == NULL) {
		fail_msg("%s", bench->reason);
	}
}

static void test_refusals_are_dropped_while_it_is_away(void **state)
{
	struct bench *bench = *state;
	const struct refusal refusal = {.partner_id = 1, .path = STR("/"), .problem = STR("p")};
	for (int i = 0; i < 100; i++) {
		store_note_refusal(bench->store, &refusal);
	}
	assert_int_equal(store_pending(bench->store), 0);
}

/* What was not answered is forgotten: its connections are gone as well. */
static void test_a_store_may_end_with_work_in_hand(void **state)
{
	struct bench *bench = *state;
	assert_true(submit(bench, 1));
	assert_true(find(bench, 2));
	assert_true(retract(bench, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_queue_has_a_limit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_the_bytes_of_the_queue_have_a_limit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_an_atomic_batch_is_in_the_queue_from_its_commit_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_what_waits_is_unavailable_after_store_wait_and_once, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_reports_of_one_batch_expire_each_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_an_expired_queue_has_room_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_look_ups_have_a_limit_of_their_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_retractions_have_a_limit_of_their_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_the_owner_is_told_why_the_database_is_away, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_refusals_are_dropped_while_it_is_away, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_store_may_end_with_work_in_hand, set_up, tear_down),
	};
	report_check_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
