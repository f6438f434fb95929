// SPDX-License-Identifier: Apache-2.0
/*
 * The page is read back by a small parser that knows OpenMetrics 1.0's rules: a family's TYPE and
 * HELP come before its samples, names end as the type demands, no sample comes twice, buckets rise.
 */
#include "server/metrics.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_SAMPLES 2000

static struct metrics *workers[2];
static const struct metrics *const *readable = (const struct metrics *const *)workers;
static struct metrics_process process;
static struct buf page;

static int set_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		workers[i] = calloc(1, sizeof(struct metrics));
		assert_non_null(workers[i]);
	}
	process = (struct metrics_process){.started_at_s = 1700000000,
		.expiry = {.certificate_s = 1800000000},
		.database_links = 3,
		.taxonomy = STR("digital-solidarity-2024/1.0.0")};
	buf_init(&page, (size_t)1 << 20);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(workers[0]);
	free(workers[1]);
	buf_fini(&page);
	return 0;
}

/* The page as terminated text. */
static const char *rendered(void)
{
	buf_clear(&page);
	assert_true(metrics_render(&page, METRICS_OPENMETRICS, readable, 2, &process));
	assert_true(buf_append(&page, "", 1));
	return page.data;
}

/* The value of the sample with this name and these labels; -1 where there is none. */
static double value_of(const char *text, const char *sample)
{
	size_t len = strlen(sample);
	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n' ? 1 : 0;
		if (strncmp(line, sample, len) == 0 && line[len] == ' ') {
			return strtod(line + len, NULL);
		}
	}
	return -1;
}

struct reader {
	char family[128];
	char type[32];
	const char *seen[MAX_SAMPLES]; /* each sample's line, of so many bytes before the value */
	size_t seen_len[MAX_SAMPLES];
	size_t seen_count;
	double last_bucket;
};

static void read_type(struct reader *reader, const char *line)
{
	assert_int_equal(sscanf(line, "# TYPE %127s %31s", reader->family, reader->type), 2);
	reader->last_bucket = 0;
}

static void read_help(const struct reader *reader, const char *line)
{
	char name[128];
	assert_int_equal(sscanf(line, "# HELP %127s", name), 1);
	assert_string_equal(name, reader->family);
}

static void check_suffix(const struct reader *reader, const char *suffix)
{
	static const struct {
		const char *type;
		const char *suffixes;
	} allowed[] = {{"counter", "_total "}, {"gauge", " "}, {"info", "_info "},
		{"histogram", "_bucket _sum _count "}};
	char wanted[64];
	snprintf(wanted, sizeof(wanted), "%s ", suffix);
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		if (strcmp(allowed[i].type, reader->type) == 0) {
			assert_non_null(strstr(allowed[i].suffixes, wanted));
			return;
		}
	}
	fail_msg("the type %s", reader->type);
}

static void check_bucket(struct reader *reader, const char *line, double value)
{
	const char *bound = strstr(line, "{le=\"");
	assert_non_null(bound);
	bound += strlen("{le=\"");
	size_t len = strcspn(bound, "\"");
	assert_true(strncmp(bound, "+Inf", len) == 0 || memchr(bound, '.', len) != NULL ||
		memchr(bound, 'e', len) != NULL);
	assert_true(value >= reader->last_bucket);
	reader->last_bucket = value;
}

static void read_sample(struct reader *reader, const char *line, size_t len)
{
	char name[128];
	size_t name_len = strcspn(line, "{ ");
	const char *space = memrchr(line, ' ', len);
	char *end;

	assert_non_null(space);
	assert_true(name_len < sizeof(name));
	memcpy(name, line, name_len);
	name[name_len] = '\0';
	assert_int_equal(strncmp(name, reader->family, strlen(reader->family)), 0);
	check_suffix(reader, name + strlen(reader->family));
	double value = strtod(space + 1, &end);
	assert_ptr_equal(end, line + len);
	if (strstr(name, "_bucket") != NULL) {
		check_bucket(reader, line, value);
	}
	for (size_t i = 0; i < reader->seen_count; i++) {
		assert_false(reader->seen_len[i] == (size_t)(space - line) &&
			memcmp(reader->seen[i], line, reader->seen_len[i]) == 0);
	}
	assert_true(reader->seen_count < MAX_SAMPLES);
	reader->seen[reader->seen_count] = line;
	reader->seen_len[reader->seen_count++] = (size_t)(space - line);
}

/* Fails unless the whole text is OpenMetrics. */
static void check_page(const char *text)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	const char *line = text;
	assert_non_null(reader);
	while (strcmp(line, "# EOF\n") != 0) {
		const char *end = strchr(line, '\n');
		assert_non_null(end);
		if (strncmp(line, "# TYPE ", 7) == 0) {
			read_type(reader, line);
		} else if (line[0] == '#') {
			read_help(reader, line);
		} else {
			read_sample(reader, line, (size_t)(end - line));
		}
		line = end + 1;
	}
	assert_true(reader->seen_count > 20);
	free(reader);
}

static void test_a_page_of_nothing_counted_is_openmetrics(void **state)
{
	(void)state;
	check_page(rendered());
}

static void test_a_page_of_everything_counted_is_openmetrics(void **state)
{
	metric_counter *counters[] = {(metric_counter *)workers[0], (metric_counter *)workers[1]};
	(void)state;
	process.expiry.crl_s = 1750000000;
	for (size_t i = 0; i < offsetof(struct metrics, partners) / sizeof(metric_counter); i++) {
		metric_set(&counters[i % 2][i], i + 1);
	}
	metric_add(&metrics_partner(workers[0], 0)->refused, 3);
	check_page(rendered());
}

static void test_workers_are_summed(void **state)
{
	(void)state;
	metric_set(&workers[0]->store.reports_stored, 40);
	metric_set(&workers[1]->store.reports_stored, 2);
	metric_set(&workers[0]->connections[PHASE_IDLE], 3);
	metric_set(&workers[1]->connections[PHASE_COMMIT], 4);
	const char *text = rendered();
	assert_true(value_of(text, "intaked_reports_stored_total") == 42);
	assert_true(value_of(text, "intaked_connections{state=\"idle\"}") == 3);
	assert_int_equal(metrics_connections(readable, 2), 7);
	assert_int_equal(
		metrics_sum(readable, 2, offsetof(struct metrics, store.reports_stored)), 42);
}

static void test_requests_are_counted_by_resource_and_status(void **state)
{
	(void)state;
	metrics_count_request(workers[0], ROUTE_REPORTS, 201);
	metrics_count_request(workers[1], ROUTE_REPORTS, 201);
	metrics_count_request(workers[0], ROUTE_REPORT, 404);
	metrics_count_request(workers[0], ROUTE_OTHER, 299);
	const char *text = rendered();
	assert_true(
		value_of(text, "intaked_requests_total{path=\"/v1/reports\",status=\"201\"}") == 2);
	assert_true(value_of(text,
			    "intaked_requests_total{path=\"/v1/reports/{report_id}\","
			    "status=\"404\"}") == 1);
	assert_true(value_of(text, "intaked_requests_total{path=\"other\",status=\"0\"}") == 1);
}

static void test_every_status_that_a_refusal_has_is_counted_under_its_own(void **state)
{
	char sample[128];
	(void)state;
	for (size_t i = 0; i < REJECT_COUNT; i++) {
		int status = reject_info((enum reject)i)->status;
		snprintf(sample, sizeof(sample),
			"intaked_requests_total{path=\"/v1/schema\",status=\"%d\"}", status);
		double before = value_of(rendered(), sample);
		metrics_count_request(workers[0], ROUTE_SCHEMA, status);
		assert_true(value_of(rendered(), sample) == (before < 0 ? 1 : before + 1));
	}
}

static void test_histograms_show_seconds_and_end_with_all(void **state)
{
	(void)state;
	metric_observe(&workers[0]->store.commit_microseconds, 1);
	metric_observe(&workers[0]->store.commit_microseconds, 1500);
	metric_observe(&workers[1]->store.commit_microseconds, 60000000);
	metric_observe(&workers[1]->store.batch_reports, 256);
	metric_observe(&workers[1]->store.batch_reports, 257);
	const char *text = rendered();
	assert_true(value_of(text, "intaked_commit_duration_seconds_bucket{le=\"0.000128\"}") == 1);
	assert_true(value_of(text, "intaked_commit_duration_seconds_bucket{le=\"0.001024\"}") == 1);
	assert_true(value_of(text, "intaked_commit_duration_seconds_bucket{le=\"0.002048\"}") == 2);
	assert_true(value_of(text, "intaked_commit_duration_seconds_bucket{le=\"+Inf\"}") == 3);
	assert_true(value_of(text, "intaked_commit_duration_seconds_count") == 3);
	assert_true(value_of(text, "intaked_commit_duration_seconds_sum") == 60.001501);
	assert_true(value_of(text, "intaked_commit_batch_reports_bucket{le=\"256.0\"}") == 1);
	assert_true(value_of(text, "intaked_commit_batch_reports_bucket{le=\"512.0\"}") == 2);
}

static void test_partners_past_the_last_place_share_the_first(void **state)
{
	(void)state;
	assert_ptr_equal(metrics_partner(workers[0], METRICS_PARTNERS - 1),
		&workers[0]->partners[METRICS_PARTNERS - 1]);
	assert_ptr_equal(metrics_partner(workers[0], METRICS_PARTNERS), &workers[0]->partners[0]);
	assert_ptr_equal(metrics_partner(workers[0], -1), &workers[0]->partners[0]);
	metric_add(&metrics_partner(workers[0], METRICS_PARTNERS)->stored, 5);
	assert_true(value_of(rendered(),
			    "intaked_partner_requests_total{partner=\"_other\","
			    "result=\"stored\"}") == 5);
}

static void test_expiry_of_lists_is_shown_only_where_there_is_one(void **state)
{
	(void)state;
	assert_true(value_of(rendered(), "intaked_tls_crl_expiry_timestamp_seconds") == -1);
	process.expiry.crl_s = 1750000000;
	assert_true(value_of(rendered(), "intaked_tls_crl_expiry_timestamp_seconds") == 1750000000);
}

/* The format of who does not know OpenMetrics: suffixes belong to the family, there is no info. */
static void test_the_older_format_names_families_as_their_samples(void **state)
{
	(void)state;
	buf_clear(&page);
	assert_true(metrics_render(&page, METRICS_PROMETHEUS, readable, 2, &process));
	assert_true(buf_append(&page, "", 1));
	assert_non_null(strstr(page.data, "# TYPE intaked_reports_stored_total counter\n"));
	assert_non_null(strstr(page.data, "# HELP intaked_reports_stored_total "));
	assert_non_null(strstr(page.data, "\nintaked_reports_stored_total 0\n"));
	assert_non_null(strstr(page.data, "# TYPE intaked_build_info gauge\n"));
	assert_null(strstr(page.data, "# EOF"));
}

static void test_answers_are_timed(void **state)
{
	(void)state;
	metric_observe(&workers[0]->request_milliseconds, 0);
	metric_observe(&workers[1]->request_milliseconds, 3);
	const char *text = rendered();
	assert_true(value_of(text, "intaked_request_duration_seconds_bucket{le=\"0.001\"}") == 1);
	assert_true(value_of(text, "intaked_request_duration_seconds_bucket{le=\"0.004\"}") == 2);
	assert_true(value_of(text, "intaked_request_duration_seconds_sum") == 0.003);
}

static void test_a_page_that_does_not_fit_is_refused(void **state)
{
	struct buf small;
	(void)state;
	size_t len = strlen(rendered());
	buf_init(&small, len - 1);
	assert_false(metrics_render(&small, METRICS_OPENMETRICS, readable, 2, &process));
	buf_fini(&small);
	buf_init(&small, len);
	assert_true(metrics_render(&small, METRICS_OPENMETRICS, readable, 2, &process));
	buf_fini(&small);
}

int main(void)
{
#define PAGE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		PAGE_TEST(test_a_page_of_nothing_counted_is_openmetrics),
		PAGE_TEST(test_a_page_of_everything_counted_is_openmetrics),
		PAGE_TEST(test_workers_are_summed),
		PAGE_TEST(test_requests_are_counted_by_resource_and_status),
		PAGE_TEST(test_every_status_that_a_refusal_has_is_counted_under_its_own),
		PAGE_TEST(test_histograms_show_seconds_and_end_with_all),
		PAGE_TEST(test_partners_past_the_last_place_share_the_first),
		PAGE_TEST(test_expiry_of_lists_is_shown_only_where_there_is_one),
		PAGE_TEST(test_the_older_format_names_families_as_their_samples),
		PAGE_TEST(test_answers_are_timed),
		PAGE_TEST(test_a_page_that_does_not_fit_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
