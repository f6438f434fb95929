// SPDX-License-Identifier: Apache-2.0
/*
 * OpenMetrics 1.0 text. Label sets are fixed by tables; what was never counted is left out of the
 * families with many labels, so that a scrape stays small.
 */
#include "server/metrics.h"

#include "base/clock.h"
#include "base/log.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define BOUND_SIZE 32

static const char *const route_paths[ROUTE_COUNT] = {
#define X(id, path) path,
	ROUTE_TABLE(X)
#undef X
};

static const int statuses[METRICS_STATUS_COUNT] = {200, 201, 304, 400, 403, 404, 405, 408, 409, 411,
	413, 414, 415, 417, 422, 424, 429, 431, 500, 501, 503, 0};

static const char *const phase_names[PHASE_COUNT] = {
	"handshake", "idle", "request", "commit", "answer"};

const char *metrics_route_path(enum route route)
{
	return route_paths[route];
}

void metrics_count_request(struct metrics *metrics, enum route route, int status)
{
	size_t place = 0;
	while (place < METRICS_STATUS_COUNT - 1 && statuses[place] != status) {
		place++;
	}
	metric_add(&metrics->requests[route][place], 1);
}

static size_t partner_place(int32_t partner_id)
{
	return partner_id > 0 && partner_id < METRICS_PARTNERS ? (size_t)partner_id : 0;
}

struct partner_metrics *metrics_partner(struct metrics *metrics, int32_t partner_id)
{
	return &metrics->partners[partner_place(partner_id)];
}

struct render {
	struct buf *out;
	const struct metrics *const *workers;
	size_t worker_count;
	bool failed;
};

static void family(struct render *r, const char *name, const char *type, const char *help)
{
	r->failed = r->failed ||
		!buf_printf(r->out, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

uint64_t metrics_sum(const struct metrics *const *workers, size_t worker_count, size_t offset)
{
	uint64_t total = 0;
	for (size_t i = 0; i < worker_count; i++) {
		const char *base = (const char *)workers[i];
		total += metric_get((const metric_counter *)(const void *)(base + offset));
	}
	return total;
}

uint64_t metrics_connections(const struct metrics *const *workers, size_t worker_count)
{
	uint64_t total = 0;
	for (size_t phase = 0; phase < PHASE_COUNT; phase++) {
		total += metrics_sum(workers, worker_count,
			offsetof(struct metrics, connections) + phase * sizeof(metric_counter));
	}
	return total;
}

static uint64_t sum(const struct render *r, size_t offset)
{
	return metrics_sum(r->workers, r->worker_count, offset);
}

static void value(struct render *r, const char *name, const char *labels, uint64_t n)
{
	r->failed = r->failed ||
		!buf_printf(r->out, "%s%s %llu\n", name, labels, (unsigned long long)n);
}

static void counter(struct render *r, const char *name, const char *help, size_t offset)
{
	char sample[96];
	family(r, name, "counter", help);
	snprintf(sample, sizeof(sample), "%s_total", name);
	value(r, sample, "", sum(r, offset));
}

/* OpenMetrics spells a whole number as a bucket's bound with its fraction: 1.0. */
static void format_bound(char out[BOUND_SIZE], double bound)
{
	int len = snprintf(out, BOUND_SIZE, "%.9g", bound);
	if (strpbrk(out, ".e") == NULL) {
		snprintf(out + len, (size_t)(BOUND_SIZE - len), ".0");
	}
}

static void gauge(struct render *r, const char *name, const char *help, int64_t n)
{
	family(r, name, "gauge", help);
	r->failed = r->failed || !buf_printf(r->out, "%s %lld\n", name, (long long)n);
}

static void requests(struct render *r)
{
	char labels[96];
	family(r, "intaked_requests", "counter", "Requests answered, by resource and status.");
	for (size_t route = 0; route < ROUTE_COUNT; route++) {
		for (size_t place = 0; place < METRICS_STATUS_COUNT; place++) {
			uint64_t n = sum(r,
				offsetof(struct metrics, requests) +
					(route * METRICS_STATUS_COUNT + place) *
						sizeof(metric_counter));
			if (n > 0) {
				snprintf(labels, sizeof(labels), "{path=\"%s\",status=\"%d\"}",
					route_paths[route], statuses[place]);
				value(r, "intaked_requests_total", labels, n);
			}
		}
	}
}

/* One family over an array of counters, each with a name of its own. */
static void labelled(struct render *r, const char *name, const char *type, const char *help,
	const char *label, size_t offset, size_t count, const char *(*name_of)(size_t), bool all)
{
	char labels[96];
	char sample[96];
	bool is_counter = type[0] == 'c';
	family(r, name, type, help);
	snprintf(sample, sizeof(sample), "%s%s", name, is_counter ? "_total" : "");
	for (size_t i = 0; i < count; i++) {
		uint64_t n = sum(r, offset + i * sizeof(metric_counter));
		if (n > 0 || all) {
			snprintf(labels, sizeof(labels), "{%s=\"%s\"}", label, name_of(i));
			value(r, sample, labels, n);
		}
	}
}

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
	return phase_names[i];
}

/* The buckets of a histogram that are shown, and how many of its unit make one of the metric's. */
struct scale {
	size_t first;
	size_t last;
	double unit;
};

static void bucket(struct render *r, const char *name, const char *bound, uint64_t n)
{
	r->failed = r->failed ||
		!buf_printf(
			r->out, "%s_bucket{le=\"%s\"} %llu\n", name, bound, (unsigned long long)n);
}

static void histogram(
	struct render *r, const char *name, const char *help, size_t offset, struct scale scale)
{
	uint64_t total = 0;
	char bound[BOUND_SIZE];
	family(r, name, "histogram", help);
	for (size_t i = 0; i <= METRIC_BUCKETS; i++) {
		total += sum(r, offset + i * sizeof(metric_counter));
		if (i >= scale.first && i <= scale.last) {
			format_bound(bound, (double)((uint64_t)1 << i) / scale.unit);
			bucket(r, name, bound, total);
		}
	}
	bucket(r, name, "+Inf", total);
	uint64_t all = sum(r, offset + offsetof(struct metric_histogram, sum));
	r->failed = r->failed ||
		!buf_printf(r->out, "%s_sum %.6f\n%s_count %llu\n", name, (double)all / scale.unit,
			name, (unsigned long long)total);
}

static void process_metrics(struct render *r, const struct metrics_process *p)
{
	family(r, "intaked_build", "info", "The program.");
	value(r, "intaked_build_info", "{version=\"" INTAKED_VERSION "\"}", 1);
	family(r, "intaked_taxonomy", "info", "The taxonomy in force.");
	r->failed = r->failed ||
		!buf_printf(r->out, "intaked_taxonomy_info{taxonomy=\"%.*s\"} 1\n",
			STR_ARG(p->taxonomy));
	gauge(r, "intaked_start_time_seconds", "When the process started, Unix time.",
		p->started_at_s);
	gauge(r, "intaked_tls_certificate_expiry_seconds",
		"When the server's certificate expires, Unix time.", p->certificate_expires_at_s);
	if (p->crl_expires_at_s != 0) {
		gauge(r, "intaked_tls_crl_expiry_seconds",
			"When the first revocation list expires and refuses everybody, Unix time.",
			p->crl_expires_at_s);
	}
	gauge(r, "intaked_database_links", "Connections to the database that are wanted.",
		p->database_links);
	gauge(r, "intaked_database_links_away", "Those that cannot be used.",
		p->database_links_away);
	gauge(r, "intaked_partners", "Partners enrolled.",
		p->registry != NULL ? (int64_t)registry_partner_count(p->registry) : 0);
	gauge(r, "intaked_silent_workers", "Workers whose loop does not turn.", p->silent_workers);
	family(r, "intaked_log_lines_lost", "counter", "Log lines that could not be written.");
	value(r, "intaked_log_lines_lost_total", "", log_lost_lines());
	gauge(r, "intaked_reload_failed", "1 when the last reload was refused.",
		p->last_reload_failed);
	family(r, "intaked_reloads", "counter", "Reloads, taken and refused.");
	value(r, "intaked_reloads_total", "{result=\"taken\"}", p->reloads - p->reload_failures);
	value(r, "intaked_reloads_total", "{result=\"refused\"}", p->reload_failures);
}

#define AT(field) offsetof(struct metrics, field)

static void report_metrics(struct render *r)
{
	counter(r, "intaked_reports_stored", "Reports committed.", AT(stored));
	counter(r, "intaked_reports_duplicate", "Repeats answered with the first receipt.",
		AT(duplicates));
	labelled(r, "intaked_refusals", "counter", "Refusals by problem type.", "problem",
		AT(refused), REJECT_COUNT, reject_name, false);
	labelled(r, "intaked_report_errors", "counter", "Errors found in reports, by code.", "code",
		AT(report_errors), REPORT_CODE_COUNT, code_name, false);
	labelled(r, "intaked_report_warnings", "counter", "Warnings in valid reports, by code.",
		"code", AT(report_warnings), REPORT_CODE_COUNT, code_name, false);
}

static void partner_result(
	struct render *r, struct str partner, const char *result, size_t place, size_t offset)
{
	char labels[160];
	uint64_t n = sum(r, AT(partners) + place * sizeof(struct partner_metrics) + offset);
	if (n > 0) {
		snprintf(labels, sizeof(labels), "{partner=\"%.*s\",result=\"%s\"}",
			STR_ARG(partner), result);
		value(r, "intaked_partner_requests_total", labels, n);
	}
}

static void partner_results(struct render *r, struct str partner, size_t place)
{
	partner_result(r, partner, "stored", place, offsetof(struct partner_metrics, stored));
	partner_result(
		r, partner, "duplicate", place, offsetof(struct partner_metrics, duplicates));
	partner_result(r, partner, "refused", place, offsetof(struct partner_metrics, refused));
}

/* No partner's name begins with an underscore. */
static void partner_metrics(struct render *r, const struct registry *registry)
{
	size_t count = registry != NULL ? registry_partner_count(registry) : 0;
	family(r, "intaked_partner_requests", "counter",
		"Reports stored and repeated, and requests refused, by partner.");
	partner_results(r, STR("_other"), 0);
	for (size_t i = 0; i < count; i++) {
		const struct partner *partner = registry_partner(registry, i);
		size_t place = partner_place(partner->id);
		if (place != 0) {
			partner_results(r, partner->name, place);
		}
	}
}

static void quota_left_of(struct render *r, struct str partner, const char *resource, int64_t left)
{
	char labels[160];
	if (left == QUOTA_UNLIMITED) {
		return;
	}
	snprintf(labels, sizeof(labels), "{partner=\"%.*s\",resource=\"%s\"}", STR_ARG(partner),
		resource);
	value(r, "intaked_partner_quota_left", labels, left > 0 ? (uint64_t)left : 0);
}

static bool was_seen(const struct render *r, size_t place)
{
	size_t at = AT(partners) + place * sizeof(struct partner_metrics);
	return sum(r, at + offsetof(struct partner_metrics, stored)) > 0 ||
		sum(r, at + offsetof(struct partner_metrics, duplicates)) > 0 ||
		sum(r, at + offsetof(struct partner_metrics, refused)) > 0;
}

/* Of those who have sent something since the start. */
static void quota_metrics(struct render *r, const struct metrics_process *process)
{
	size_t count = process->registry != NULL ? registry_partner_count(process->registry) : 0;
	int64_t now_us = clock_monotonic_us();
	family(r, "intaked_partner_quota_left", "gauge",
		"What is left of a partner's quotas, where it has a limit.");
	for (size_t i = 0; i < count; i++) {
		const struct partner *partner = registry_partner(process->registry, i);
		size_t place = partner_place(partner->id);
		if (place == 0 || !was_seen(r, place)) {
			continue;
		}
		struct quota_limits limits = quota_limits_merge(process->conf, &partner->quota);
		struct quota_left left =
			quota_left(quota_table_find(process->quotas, partner->id), &limits, now_us);
		quota_left_of(r, partner->name, "connections", left.connections);
		quota_left_of(r, partner->name, "reports_in_flight", left.reports_in_flight);
		quota_left_of(r, partner->name, "reports", left.reports);
		quota_left_of(r, partner->name, "bytes", left.bytes);
	}
}

static void connection_metrics(struct render *r)
{
	counter(r, "intaked_connections_accepted", "Connections accepted.",
		AT(connections_accepted));
	labelled(r, "intaked_connections", "gauge", "Open connections by state.", "state",
		AT(connections), PHASE_COUNT, phase_name, true);
	counter(r, "intaked_connections_refused", "Connections closed at a cap.",
		AT(connections_refused));
	counter(r, "intaked_accept_failures",
		"Times that no connection could be accepted, for want of descriptors or memory.",
		AT(accept_failures));
	counter(r, "intaked_handshakes", "TLS handshakes with a verified certificate.",
		AT(handshakes));
	labelled(r, "intaked_handshake_failures", "counter",
		"TLS handshakes that failed, by reason.", "reason", AT(handshake_failures),
		HANDSHAKE_FAILURE_COUNT, failure_name, false);
	counter(r, "intaked_received_bytes", "Bytes of requests.", AT(received_bytes));
	counter(r, "intaked_sent_bytes", "Bytes of answers.", AT(sent_bytes));
	gauge(r, "intaked_input_bytes", "Memory held for requests.",
		(int64_t)sum(r, AT(input_bytes)));
	counter(r, "intaked_answers_dropped", "Answers whose client had gone.",
		AT(answers_dropped));
}

static void store_metrics(struct render *r)
{
	counter(r, "intaked_commit_batches", "Transactions committed.", AT(store.batches));
	counter(r, "intaked_commit_resends", "Batches sent again.", AT(store.resends));
	counter(r, "intaked_commit_halvings", "Batches halved to find a row at fault.",
		AT(store.halvings));
	counter(r, "intaked_database_connects", "Connections made to the database.",
		AT(store.reconnects));
	gauge(r, "intaked_queue_reports", "Reports waiting for their commit.",
		(int64_t)sum(r, AT(store.queued)));
	histogram(r, "intaked_commit_batch_reports", "Reports a transaction.",
		AT(store.batch_reports), (struct scale){.first = 0, .last = 12, .unit = 1});
	histogram(r, "intaked_commit_duration_seconds", "From sending a batch to its commit.",
		AT(store.commit_microseconds),
		(struct scale){.first = 7, .last = METRIC_BUCKETS - 1, .unit = 1e6});
}

bool metrics_render(struct buf *out, const struct metrics *const *workers, size_t worker_count,
	const struct metrics_process *process)
{
	struct render r = {out, workers, worker_count, false};
	process_metrics(&r, process);
	requests(&r);
	report_metrics(&r);
	partner_metrics(&r, process->registry);
	quota_metrics(&r, process);
	connection_metrics(&r);
	store_metrics(&r);
	return !r.failed && buf_append_str(out, STR("# EOF\n"));
}
