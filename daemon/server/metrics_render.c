// SPDX-License-Identifier: Apache-2.0
/*
 * Every metric, once: the table at the end. intaked(8) lists the same, and a test compares the two.
 * Label sets are fixed by tables; what was never counted is left out of the families with many
 * labels, so that a scrape stays small.
 */
#include "metrics_text_int.h"

#include "base/clock.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

#define LABELS_SIZE 160

struct page {
	struct metrics_text text;
	const struct metrics *const *workers;
	size_t worker_count;
	const struct metrics_process *process;
};

/* The buckets of a histogram that are shown, and how many of its unit make one of the metric's. */
struct scale {
	size_t first;
	size_t last;
	double unit;
};

struct row {
	const char *name; /* without the suffix that its type brings */
	enum metric_type type;
	const char *help;
	void (*samples)(struct page *page, const struct row *row);
	size_t offset; /* in struct metrics, or in struct metrics_process */
	/* Of an array of counters: */
	size_t count;
	const char *label;
	const char *(*name_of)(size_t place);
	bool shows_zero;
	struct scale scale;
};

static uint64_t sum(const struct page *page, size_t offset)
{
	return metrics_sum(page->workers, page->worker_count, offset);
}

/* --- kinds of families --- */

static void of_workers(struct page *page, const struct row *row)
{
	metrics_text_sample(&page->text, "", (int64_t)sum(page, row->offset));
}

static int64_t process_value(const struct page *page, size_t offset)
{
	const char *base = (const char *)page->process;
	return *(const int64_t *)(const void *)(base + offset);
}

static void of_process(struct page *page, const struct row *row)
{
	metrics_text_sample(&page->text, "", process_value(page, row->offset));
}

/* A time that is not there is no sample: 0 would be long ago. */
static void time_of_process(struct page *page, const struct row *row)
{
	int64_t time_s = process_value(page, row->offset);
	if (time_s != 0) {
		metrics_text_sample(&page->text, "", time_s);
	}
}

static void by_label(struct page *page, const struct row *row)
{
	char labels[LABELS_SIZE];
	for (size_t i = 0; i < row->count; i++) {
		uint64_t n = sum(page, row->offset + i * sizeof(metric_counter));
		if (n > 0 || row->shows_zero) {
			snprintf(labels, sizeof(labels), "%s=\"%s\"", row->label, row->name_of(i));
			metrics_text_sample(&page->text, labels, (int64_t)n);
		}
	}
}

static void histogram(struct page *page, const struct row *row)
{
	const struct scale *scale = &row->scale;
	uint64_t total = 0;
	for (size_t i = 0; i <= METRIC_BUCKETS; i++) {
		total += sum(page, row->offset + i * sizeof(metric_counter));
		if (i >= scale->first && i <= scale->last) {
			double bound = (double)((uint64_t)1 << i) / scale->unit;
			metrics_text_bucket(&page->text, bound, total);
		}
	}
	metrics_text_bucket(&page->text, HUGE_VAL, total);
	uint64_t all = sum(page, row->offset + offsetof(struct metric_histogram, sum));
	metrics_text_total(&page->text, (double)all / scale->unit, total);
}

/* --- families of their own kind --- */

static void build(struct page *page, const struct row *row)
{
	(void)row;
	metrics_text_sample(&page->text, "version=\"" INTAKED_VERSION "\"", 1);
}

static void taxonomy(struct page *page, const struct row *row)
{
	char labels[LABELS_SIZE];
	(void)row;
	snprintf(labels, sizeof(labels), "taxonomy=\"%.*s\"", STR_ARG(page->process->taxonomy));
	metrics_text_sample(&page->text, labels, 1);
}

static size_t partner_count(const struct page *page)
{
	const struct registry *registry = page->process->registry;
	return registry != NULL ? registry_partner_count(registry) : 0;
}

static void partners(struct page *page, const struct row *row)
{
	(void)row;
	metrics_text_sample(&page->text, "", (int64_t)partner_count(page));
}

static void reloads(struct page *page, const struct row *row)
{
	(void)row;
	metrics_text_sample(&page->text, "result=\"taken\"", page->process->reloads_taken);
	metrics_text_sample(&page->text, "result=\"refused\"", page->process->reloads_refused);
}

static void requests(struct page *page, const struct row *row)
{
	char labels[LABELS_SIZE];
	for (size_t i = 0; i < (size_t)ROUTE_COUNT * METRICS_STATUS_COUNT; i++) {
		uint64_t n = sum(page, row->offset + i * sizeof(metric_counter));
		if (n > 0) {
			snprintf(labels, sizeof(labels), "path=\"%s\",status=\"%d\"",
				metrics_route_path((enum route)(i / METRICS_STATUS_COUNT)),
				metrics_status(i % METRICS_STATUS_COUNT));
			metrics_text_sample(&page->text, labels, (int64_t)n);
		}
	}
}

static const struct {
	const char *name;
	size_t offset;
} partner_results[] = {
	{"stored", offsetof(struct partner_metrics, stored)},
	{"duplicate", offsetof(struct partner_metrics, duplicates)},
	{"refused", offsetof(struct partner_metrics, refused)},
};

#define PARTNER_RESULTS (sizeof(partner_results) / sizeof(partner_results[0]))

static uint64_t partner_sum(const struct page *page, size_t place, size_t result)
{
	return sum(page,
		offsetof(struct metrics, partners) + place * sizeof(struct partner_metrics) +
			partner_results[result].offset);
}

static void results_of_partner(struct page *page, struct str name, size_t place)
{
	char labels[LABELS_SIZE];
	for (size_t i = 0; i < PARTNER_RESULTS; i++) {
		uint64_t n = partner_sum(page, place, i);
		if (n > 0) {
			snprintf(labels, sizeof(labels), "partner=\"%.*s\",result=\"%s\"",
				STR_ARG(name), partner_results[i].name);
			metrics_text_sample(&page->text, labels, (int64_t)n);
		}
	}
}

/* No partner's name begins with an underscore. */
static void partner_requests(struct page *page, const struct row *row)
{
	(void)row;
	results_of_partner(page, STR("_other"), 0);
	for (size_t i = 0; i < partner_count(page); i++) {
		const struct partner *partner = registry_partner(page->process->registry, i);
		size_t place = metrics_partner_place(partner->id);
		if (place != 0) {
			results_of_partner(page, partner->name, place);
		}
	}
}

static bool was_seen(const struct page *page, size_t place)
{
	uint64_t total = 0;
	for (size_t i = 0; i < PARTNER_RESULTS; i++) {
		total += partner_sum(page, place, i);
	}
	return total > 0;
}

static void quota_sample(struct page *page, struct str partner, const char *resource, int64_t left)
{
	char labels[LABELS_SIZE];
	if (left != QUOTA_UNLIMITED) {
		snprintf(labels, sizeof(labels), "partner=\"%.*s\",resource=\"%s\"",
			STR_ARG(partner), resource);
		metrics_text_sample(&page->text, labels, left > 0 ? left : 0);
	}
}

/* Of those who have sent something since the start. */
static void quota_left_of_partners(struct page *page, const struct row *row)
{
	const struct metrics_process *process = page->process;
	int64_t now_us = clock_monotonic_us();
	(void)row;
	for (size_t i = 0; i < partner_count(page); i++) {
		const struct partner *partner = registry_partner(process->registry, i);
		size_t place = metrics_partner_place(partner->id);
		if (place == 0 || !was_seen(page, place)) {
			continue;
		}
		struct quota_limits limits = quota_limits_merge(process->conf, &partner->quota);
		struct quota_left left =
			quota_left(quota_table_find(process->quotas, partner->id), &limits, now_us);
		quota_sample(page, partner->name, "connections", left.connections);
		quota_sample(page, partner->name, "reports_in_flight", left.reports_in_flight);
		quota_sample(page, partner->name, "reports", left.reports);
		quota_sample(page, partner->name, "bytes", left.bytes);
	}
}

/* --- names of labels --- */

static const char *reject_name(size_t i)
{
	return reject_info((enum reject)i)->name;
}

static const char *code_name(size_t i)
{
	return report_code_text((enum report_code)i);
}

static const char *failure_name(size_t i)
{
	return handshake_failure_name((enum handshake_failure)i);
}

static const char *phase_name(size_t i)
{
	return metrics_phase_name((enum connection_phase)i);
}

/* --- the table --- */

#define W(field) offsetof(struct metrics, field)
#define P(field) offsetof(struct metrics_process, field)
#define ROW(row_name, row_type, row_help) \
	.name = (row_name), .type = METRIC_##row_type, .help = (row_help)
#define EACH(label_name, counters, counter_count, name_function)                \
	.offset = W(counters), .count = (counter_count), .label = (label_name), \
	.name_of = (name_function)
#define BUCKETS(first_bucket, last_bucket, unit_size) \
	.scale = {.first = (first_bucket), .last = (last_bucket), .unit = (unit_size)}

/* clang-format off */
static const struct row rows[] = {
	{ROW("intaked_build", INFO,
		"The program."),
		.samples = build},
	{ROW("intaked_taxonomy", INFO,
		"The taxonomy in force."),
		.samples = taxonomy},
	{ROW("intaked_start_time_seconds", GAUGE,
		"When the process started, Unix time."),
		.samples = of_process, .offset = P(started_at_s)},
	{ROW("intaked_ready", GAUGE,
		"1 while partners are let in and reports can be stored, as /readyz says."),
		.samples = of_process, .offset = P(is_ready)},
	{ROW("intaked_tls_certificate_expiry_timestamp_seconds", GAUGE,
		"When the server's certificate expires, Unix time."),
		.samples = time_of_process, .offset = P(expiry.certificate_s)},
	{ROW("intaked_tls_partner_ca_expiry_timestamp_seconds", GAUGE,
		"When the first of the partners' authorities expires, Unix time."),
		.samples = time_of_process, .offset = P(expiry.partner_ca_s)},
	{ROW("intaked_tls_crl_expiry_timestamp_seconds", GAUGE,
		"When the first revocation list runs out and whom it is for is refused, Unix time."),
		.samples = time_of_process, .offset = P(expiry.crl_s)},
	{ROW("intaked_database_links", GAUGE,
		"Connections to the database that are wanted."),
		.samples = of_process, .offset = P(database_links)},
	{ROW("intaked_database_links_away", GAUGE,
		"Those of them that cannot be used; more than 0: the database is away."),
		.samples = of_process, .offset = P(database_links_away)},
	{ROW("intaked_database_connects", COUNTER,
		"Connections made to the database."),
		.samples = of_workers, .offset = W(store.reconnects)},
	{ROW("intaked_partners", GAUGE,
		"Partners enrolled."),
		.samples = partners},
	{ROW("intaked_silent_workers", GAUGE,
		"Workers whose loop does not turn."),
		.samples = of_process, .offset = P(silent_workers)},
	{ROW("intaked_changes_taken", COUNTER,
		 "Changes of the record that housekeeping took into the sums and the search."),
		.samples = of_process, .offset = P(changes_taken)},
	{ROW("intaked_log_lines_lost", COUNTER,
		"Log lines that could not be written."),
		.samples = of_process, .offset = P(log_lines_lost)},
	{ROW("intaked_reload_failed", GAUGE,
		"1 when the last reload was refused."),
		.samples = of_process, .offset = P(was_last_reload_refused)},
	{ROW("intaked_reloads", COUNTER,
		"Reloads, by result."),
		.samples = reloads},
	{ROW("intaked_requests", COUNTER,
		"Requests answered, by resource and status."),
		.samples = requests, .offset = W(requests)},
	{ROW("intaked_request_duration_seconds", HISTOGRAM,
		"From the first byte of a request to its answer."),
		.samples = histogram, .offset = W(request_milliseconds), BUCKETS(0, 16, 1e3)},
	{ROW("intaked_reports_stored", COUNTER,
		"Reports committed."),
		.samples = of_workers, .offset = W(store.reports_stored)},
	{ROW("intaked_reports_duplicate", COUNTER,
		"Repeats answered with the first receipt."),
		.samples = of_workers, .offset = W(duplicates)},
	{ROW("intaked_refusals", COUNTER,
		"Refusals, by problem type."),
		.samples = by_label, EACH("problem", refused, REJECT_COUNT, reject_name), .shows_zero = true},
	{ROW("intaked_report_errors", COUNTER,
		"Errors found in reports, by code."),
		.samples = by_label, EACH("code", report_errors, REPORT_CODE_COUNT, code_name)},
	{ROW("intaked_report_warnings", COUNTER,
		"Warnings in valid reports, by code."),
		.samples = by_label, EACH("code", report_warnings, REPORT_CODE_COUNT, code_name)},
	{ROW("intaked_partner_requests", COUNTER,
		"Reports stored and repeated, and refusals, by partner."),
		.samples = partner_requests},
	{ROW("intaked_partner_quota_left", GAUGE,
		"What is left of a partner's quotas, where it has a limit."),
		.samples = quota_left_of_partners},
	{ROW("intaked_connections", GAUGE,
		"Open connections, by state."),
		.samples = by_label, EACH("state", connections, PHASE_COUNT, phase_name), .shows_zero = true},
	{ROW("intaked_connections_limit", GAUGE,
		"How many may be open."),
		.samples = of_process, .offset = P(connection_limit)},
	{ROW("intaked_connections_accepted", COUNTER,
		"Connections accepted."),
		.samples = of_workers, .offset = W(connections_accepted)},
	{ROW("intaked_connections_refused", COUNTER,
		"Connections closed at a cap."),
		.samples = of_workers, .offset = W(connections_refused)},
	{ROW("intaked_accept_failures", COUNTER,
		"Times that no connection could be accepted, for want of descriptors or memory."),
		.samples = of_workers, .offset = W(accept_failures)},
	{ROW("intaked_handshakes", COUNTER,
		"TLS handshakes with a verified certificate."),
		.samples = of_workers, .offset = W(handshakes)},
	{ROW("intaked_handshake_failures", COUNTER,
		"TLS handshakes that failed, by reason."),
		.samples = by_label, EACH("reason", handshake_failures, HANDSHAKE_FAILURE_COUNT, failure_name), .shows_zero = true},
	{ROW("intaked_received_bytes", COUNTER,
		"Bytes of requests."),
		.samples = of_workers, .offset = W(received_bytes)},
	{ROW("intaked_sent_bytes", COUNTER,
		"Bytes of answers."),
		.samples = of_workers, .offset = W(sent_bytes)},
	{ROW("intaked_input_bytes", GAUGE,
		"Memory held for requests."),
		.samples = of_workers, .offset = W(input_bytes)},
	{ROW("intaked_answers_dropped", COUNTER,
		"Answers whose client had gone."),
		.samples = of_workers, .offset = W(answers_dropped)},
	{ROW("intaked_queue_reports", GAUGE,
		"Reports waiting for their commit."),
		.samples = of_workers, .offset = W(store.queued)},
	{ROW("intaked_queue_limit_reports", GAUGE,
		"How many may wait before 503 is answered."),
		.samples = of_process, .offset = P(queue_limit)},
	{ROW("intaked_queue_bytes", GAUGE,
		"Bytes of the reports waiting for their commit."),
		.samples = of_workers, .offset = W(store.queued_bytes)},
	{ROW("intaked_queue_limit_bytes", GAUGE,
		"How many bytes of them may wait before 503 is answered."),
		.samples = of_process, .offset = P(queue_limit_bytes)},
	{ROW("intaked_commit_batches", COUNTER,
		"Transactions committed."),
		.samples = of_workers, .offset = W(store.batches)},
	{ROW("intaked_commit_resends", COUNTER,
		"Batches sent again."),
		.samples = of_workers, .offset = W(store.resends)},
	{ROW("intaked_commit_halvings", COUNTER,
		"Batches halved to find a row at fault."),
		.samples = of_workers, .offset = W(store.halvings)},
	{ROW("intaked_commit_batch_reports", HISTOGRAM,
		"Reports in one transaction."),
		.samples = histogram, .offset = W(store.batch_reports), BUCKETS(0, 12, 1)},
	{ROW("intaked_commit_duration_seconds", HISTOGRAM,
		"From sending a batch to its commit."),
		.samples = histogram, .offset = W(store.commit_microseconds), BUCKETS(7, METRIC_BUCKETS - 1, 1e6)},
};
/* clang-format on */

bool metrics_render(struct buf *out, enum metrics_format format,
	const struct metrics *const *workers, size_t worker_count,
	const struct metrics_process *process)
{
	struct page page = {.text = {.out = out, .format = format},
		.workers = workers,
		.worker_count = worker_count,
		.process = process};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		metrics_text_family(&page.text, rows[i].name, rows[i].type, rows[i].help);
		rows[i].samples(&page, &rows[i]);
	}
	metrics_text_end(&page.text);
	return !page.text.has_failed;
}
