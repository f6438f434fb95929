// SPDX-License-Identifier: Apache-2.0
#include "server/metrics.h"

#include <stddef.h>

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

const char *metrics_phase_name(enum connection_phase phase)
{
	return phase_names[phase];
}

int metrics_status(size_t place)
{
	return statuses[place];
}

void metrics_count_request(struct metrics *metrics, enum route route, int status)
{
	size_t place = 0;
	while (place < METRICS_STATUS_COUNT - 1 && statuses[place] != status) {
		place++;
	}
	metric_add(&metrics->requests[route][place], 1);
}

size_t metrics_partner_place(int32_t partner_id)
{
	return partner_id > 0 && partner_id < METRICS_PARTNERS ? (size_t)partner_id : 0;
}

struct partner_metrics *metrics_partner(struct metrics *metrics, int32_t partner_id)
{
	return &metrics->partners[metrics_partner_place(partner_id)];
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
