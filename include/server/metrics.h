// SPDX-License-Identifier: Apache-2.0
/*
 * What is counted. Each worker counts in a struct of its own; the admin listener sums them.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "base/metric.h"
#include "net/handshake_failure.h"
#include "net/tls_context.h"
#include "report/reject.h"
#include "report/report_check.h"
#include "server/quota.h"
#include "store/registry.h"
#include "store/store.h"

/* Resources as metrics name them: a bounded set, whatever partners ask for. */
#define ROUTE_TABLE(X)                                      \
	X(REPORTS, "/v1/reports")                           \
	X(VALIDATE, "/v1/reports/validate")                 \
	X(REPORT, "/v1/reports/{report_id}")                \
	X(RETRACTION, "/v1/reports/{report_id}/retraction") \
	X(WHOAMI, "/v1/whoami")                             \
	X(TAXONOMY, "/v1/taxonomy")                         \
	X(SCHEMA, "/v1/schema")                             \
	X(OPENAPI, "/v1/openapi.json")                      \
	X(SECURITY_TXT, "/.well-known/security.txt")        \
	X(OTHER, "other")

enum route {
#define X(id, path) ROUTE_##id,
	ROUTE_TABLE(X)
#undef X
		ROUTE_COUNT
};

/* Statuses that can be answered; anything else would be counted under the last. */
#define METRICS_STATUS_COUNT 22

enum connection_phase {
	PHASE_HANDSHAKE,
	PHASE_IDLE,
	PHASE_REQUEST,
	PHASE_COMMIT,
	PHASE_ANSWER,
	PHASE_COUNT
};

/* Partners are counted by number; those past the last of these share the first. */
#define METRICS_PARTNERS 65536

struct partner_metrics {
	metric_counter stored;
	metric_counter duplicates;
	metric_counter refused; /* requests of any kind */
};

struct metrics {
	metric_counter requests[ROUTE_COUNT][METRICS_STATUS_COUNT];
	metric_counter refused[REJECT_COUNT];
	metric_counter report_errors[REPORT_CODE_COUNT];
	metric_counter report_warnings[REPORT_CODE_COUNT];
	metric_counter duplicates;
	metric_counter handshakes;
	metric_counter handshake_failures[HANDSHAKE_FAILURE_COUNT];
	metric_counter connections_accepted;
	metric_counter connections[PHASE_COUNT]; /* gauges */
	metric_counter connections_refused;      /* at a cap */
	metric_counter accept_failures;
	metric_counter answers_dropped; /* the client was gone, or did not take it */
	metric_counter received_bytes;
	metric_counter sent_bytes;
	metric_counter input_bytes; /* gauge: of requests held */
	struct metric_histogram request_milliseconds;
	struct store_metrics store;
	struct partner_metrics partners[METRICS_PARTNERS]; /* untouched pages cost no memory */
};

const char *metrics_route_path(enum route route);
const char *metrics_phase_name(enum connection_phase phase);
void metrics_count_request(struct metrics *metrics, enum route route, int status);
/* partner_id 0: nobody that is known. */
struct partner_metrics *metrics_partner(struct metrics *metrics, int32_t partner_id);
/* Where among partners it is counted; 0 is shared by all that have no place of their own. */
size_t metrics_partner_place(int32_t partner_id);
/* The status of a place in requests. */
int metrics_status(size_t place);

/* Values that are not a worker's. */
struct metrics_process {
	int64_t is_ready;
	int64_t started_at_s;
	struct tls_expiry expiry;
	int64_t database_links;
	int64_t database_links_away;
	int64_t queue_limit;
	int64_t queue_limit_bytes;
	int64_t connection_limit;
	int64_t silent_workers;
	int64_t changes_taken; /* by housekeeping */
	int64_t log_lines_lost;
	int64_t reloads_taken;
	int64_t reloads_refused;
	int64_t was_last_reload_refused;
	const struct registry *registry; /* NULL: not read yet */
	const struct conf *conf;
	struct quota_table *quotas;
	struct str taxonomy; /* id/version */
};

/* Sum over workers of the counter that stands at offset in struct metrics. */
uint64_t metrics_sum(const struct metrics *const *workers, size_t worker_count, size_t offset);
/* Connections open in any state. */
uint64_t metrics_connections(const struct metrics *const *workers, size_t worker_count);

/* OpenMetrics 1.0, or Prometheus' text format 0.0.4 for who does not know that. */
enum metrics_format { METRICS_OPENMETRICS, METRICS_PROMETHEUS };

/* Appends the page over all workers. */
MUST_CHECK bool metrics_render(struct buf *out, enum metrics_format format,
	const struct metrics *const *workers, size_t worker_count,
	const struct metrics_process *process);
