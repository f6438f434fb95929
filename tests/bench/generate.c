// SPDX-License-Identifier: Apache-2.0
/*
 * Fills a database with reports of three years: bench_generate --help. They go in by the functions
 * that the daemon calls, judged and packed by its own code, so that the rows are those it would
 * store. Same options, same reports.
 */
#include "generate_feed.h"

#include "report/report_check.h"
#include "report/report_time.h"

#include <getopt.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 64 };

#define THREE_YEARS_US (INT64_C(3) * 365 * 86400 * 1000000)

static const char usage[] =
	"usage: bench_generate --database CONNECTION --taxonomy FILE [--reports 1000000]\n"
	"       [--connections 2] [--batch 500] [--seed 1] [--until 2026-12-31T00:00:00Z] [--skip "
	"0]\n"
	"       [--stop-at REPORTS]\n"
	"Stores so many reports of the three years before --until (now) as a user that may enrol\n"
	"partners and call intake.store(). --stop-at stores the first ones of them only; --skip "
	"leaves\n"
	"so many out that an earlier run of the same --reports has stored.\n";

struct options {
	const char *database;
	const char *taxonomy;
	uint64_t reports;
	uint64_t connections;
	uint64_t batch;
	uint64_t seed;
	uint64_t skip;
	uint64_t stop_at; /* 0: after the last one */
	int64_t until_us;
};

static void fail_usage(void)
{
	fputs(usage, stderr);
	exit(2);
}

static uint64_t whole_number(const char *text, uint64_t min, uint64_t max)
{
	char *end;
	uint64_t number = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || number < min || number > max) {
		fprintf(stderr, "%s: expected a number from %" PRIu64 " to %" PRIu64 "\n", text,
			min, max);
		fail_usage();
	}
	return number;
}

static void take_option(struct options *options, int option, const char *value)
{
	switch (option) {
	case 'd':
		options->database = value;
		break;
	case 't':
		options->taxonomy = value;
		break;
	case 'r':
		options->reports = whole_number(value, 1, 1000000000);
		break;
	case 'c':
		options->connections = whole_number(value, 1, CONNECTIONS_MAX);
		break;
	case 'b':
		options->batch = whole_number(value, 1, 10000);
		break;
	case 's':
		options->seed = whole_number(value, 0, UINT64_MAX);
		break;
	case 'k':
		options->skip = whole_number(value, 0, 1000000000);
		break;
	case 'a':
		options->stop_at = whole_number(value, 1, 1000000000);
		break;
	case 'u':
		if (!report_time_parse(str_from(value), &options->until_us)) {
			fail_usage();
		}
		break;
	default:
		fail_usage();
	}
}

static struct options read_options(int argc, char **argv)
{
	static const struct option known[] = {{"database", required_argument, NULL, 'd'},
		{"taxonomy", required_argument, NULL, 't'},
		{"reports", required_argument, NULL, 'r'},
		{"connections", required_argument, NULL, 'c'},
		{"batch", required_argument, NULL, 'b'}, {"seed", required_argument, NULL, 's'},
		{"skip", required_argument, NULL, 'k'}, {"stop-at", required_argument, NULL, 'a'},
		{"until", required_argument, NULL, 'u'}, {"help", no_argument, NULL, 'h'}, {0}};
	struct options options = {.reports = 1000000,
		.connections = 2,
		.batch = 500,
		.seed = 1,
		.until_us = (int64_t)time(NULL) * 1000000};
	int option;
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		take_option(&options, option, optarg);
	}
	if (options.database == NULL || options.taxonomy == NULL || optind < argc) {
		fail_usage();
	}
	return options;
}

static PGresult *query(PGconn *link, const char *sql, int count, const char *const *values)
{
	PGresult *result = PQexecParams(link, sql, count, NULL, values, NULL, NULL, 0);
	if (PQresultStatus(result) != PGRES_TUPLES_OK) {
		feed_fail("the database", PQerrorMessage(link));
	}
	return result;
}

/* Enrols the partners that are not enrolled yet. */
static void enrol_partners(struct feed_plan *plan)
{
	PGconn *link = PQconnectdb(plan->connection);
	for (uint32_t i = 0; i < REPORT_PARTNERS; i++) {
		char name[32];
		char organisations[48];
		snprintf(name, sizeof(name), "partner-%02" PRIu32, i + 1);
		snprintf(organisations, sizeof(organisations), "{cert-%02" PRIu32 ".example}",
			i + 1);
		const char *values[] = {
			name, organisations, report_partner_is_live(i) ? "true" : "false"};
		PGresult *found = query(link,
			"SELECT r.id FROM intake.registry() AS r WHERE r.name = $1", 1, values);
		if (PQntuples(found) == 0) {
			PQclear(found);
			found = query(link, "SELECT intake.partner_add($1, '', $2, false, $3)", 3,
				values);
		}
		plan->partner_ids[i] = (int32_t)strtol(PQgetvalue(found, 0, 0), NULL, 10);
		PQclear(found);
	}
	PQfinish(link);
}

static double now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_progress(const struct feed_plan *plan, double started_at_s, const char *ending)
{
	uint64_t stored = atomic_load(&plan->stored);
	double rate = (double)(stored - plan->skipped) / (now_s() - started_at_s);
	double left_s = rate > 0 ? (double)(plan->end - stored) / rate : 0;
	fprintf(stderr, "%" PRIu64 " of %" PRIu64 " reports, %.0f/s, %.0f s left%s", stored,
		plan->end, rate, left_s, ending);
}

/* On a terminal one line that changes, elsewhere a line now and then. */
static void watch(const struct feed_plan *plan, double started_at_s)
{
	bool is_terminal = isatty(STDERR_FILENO) == 1;
	for (unsigned ticks = 1; atomic_load(&plan->stored) < plan->end; ticks++) {
		nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
		if (is_terminal) {
			print_progress(plan, started_at_s, "   \r");
		} else if (ticks % 100 == 0) {
			print_progress(plan, started_at_s, "\n");
		}
	}
}

static void store_all(struct feed_plan *plan, uint64_t connections)
{
	pthread_t threads[CONNECTIONS_MAX];
	double started_at_s = now_s();
	for (uint64_t i = 0; i < connections; i++) {
		if (pthread_create(&threads[i], NULL, feed_run, plan) != 0) {
			feed_fail("a thread", "it could not be started");
		}
	}
	watch(plan, started_at_s);
	for (uint64_t i = 0; i < connections; i++) {
		pthread_join(threads[i], NULL);
	}
	double seconds = now_s() - started_at_s;
	uint64_t stored = plan->stored - plan->skipped;
	printf("%" PRIu64 " reports, %" PRIu64 " indicators, %" PRIu64 " retractions, %.1f MB of"
	       " payload in %.1f s: %.0f reports/s\n",
		stored, plan->indicators, plan->retracted, (double)plan->payload_bytes / 1e6,
		seconds, (double)stored / seconds);
}

int main(int argc, char **argv)
{
	struct options options = read_options(argc, argv);
	struct err err;
	report_check_init();
	struct taxonomy *taxonomy = taxonomy_load(options.taxonomy, &err);
	if (taxonomy == NULL) {
		feed_fail(options.taxonomy, err.text);
	}
	/* So far apart that a report was stored long before its revision comes. */
	uint64_t under_way = options.batch * options.connections;
	struct feed_plan plan = {
		.reports = {.seed = options.seed,
			.reports = options.reports,
			.revision_after = options.reports / 25 > 16 * under_way
				? options.reports / 25
				: 16 * under_way,
			.starts_at_us = options.until_us - THREE_YEARS_US,
			.ends_at_us = options.until_us},
		.end = options.stop_at > 0 && options.stop_at < options.reports ? options.stop_at
										: options.reports,
		.connection = options.database,
		.batch_size = (uint32_t)options.batch,
		.skipped = options.skip / options.batch * options.batch,
		.next = options.skip / options.batch * options.batch,
		.stored = options.skip / options.batch * options.batch,
	};
	report_plan_categories(&plan.reports, taxonomy);
	enrol_partners(&plan);
	store_all(&plan, options.connections);
	taxonomy_free(&taxonomy);
	return 0;
}
