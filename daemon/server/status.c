// SPDX-License-Identifier: Apache-2.0
#include "status_int.h"

#include "base/clock.h"
#include "json_writer_int.h"
#include "status_lists_int.h"

#define US_A_SECOND 1000000

static uint64_t sum(const struct status_values *values, size_t offset)
{
	return metrics_sum(values->workers, values->worker_count, offset);
}

#define AT(field) offsetof(struct metrics, field)

static void add_sum(struct json_writer *json, const struct status_values *values, const char *name,
	size_t offset)
{
	json_integer(json, name, (int64_t)sum(values, offset));
}

static void add_head(struct json_writer *json, const struct status_values *values)
{
	json_text(json, "version", STR(INTAKED_VERSION));
	json_boolean(json, "ready", values->is_ready);
	json_text(json, "reason", values->reason);
	json_time(json, "started_at", values->started_at_us);
	json_time(json, "now", values->now_us);
	json_integer(json, "workers", (int64_t)values->worker_count);
	json_text(json, "taxonomy", values->process->taxonomy);
}

static void add_connections(struct json_writer *json, const struct status_values *values)
{
	json_open(json, "connections", '{');
	json_integer(
		json, "open", (int64_t)metrics_connections(values->workers, values->worker_count));
	for (size_t phase = 0; phase < PHASE_COUNT; phase++) {
		add_sum(json, values, metrics_phase_name((enum connection_phase)phase),
			AT(connections) + phase * sizeof(metric_counter));
	}
	json_close(json, '}');
}

static void add_rate(struct json_writer *json, const struct history_rate *rate)
{
	json_open(json, "rate", '{');
	json_integer(json, "window_s", rate->window_s);
	json_real(json, "reports_per_s", rate->reports_per_s);
	json_real(json, "refused_per_s", rate->refused_per_s);
	json_real(json, "commit_p50_ms", rate->commit_p50_ms);
	json_real(json, "commit_p99_ms", rate->commit_p99_ms);
	json_close(json, '}');
}

static int64_t last_commit_us(const struct status_values *values)
{
	uint64_t last_us = 0;
	for (size_t i = 0; i < values->worker_count; i++) {
		uint64_t one_us = metric_get(&values->workers[i]->store.committed_at_us);
		last_us = one_us > last_us ? one_us : last_us;
	}
	return last_us != 0 ? clock_wall_of_monotonic((int64_t)last_us) : 0;
}

static void add_reports(struct json_writer *json, const struct status_values *values)
{
	uint64_t refused = 0;
	for (size_t i = 0; i < REJECT_COUNT; i++) {
		refused += sum(values, AT(refused) + i * sizeof(metric_counter));
	}
	json_open(json, "reports", '{');
	add_sum(json, values, "stored", AT(store.reports_stored));
	add_sum(json, values, "duplicate", AT(duplicates));
	json_integer(json, "refused", (int64_t)refused);
	json_time(json, "last_commit_at", last_commit_us(values));
	json_close(json, '}');
}

static void add_queue(struct json_writer *json, const struct status_values *values)
{
	json_open(json, "queue", '{');
	add_sum(json, values, "reports", AT(store.queued));
	json_integer(json, "limit", values->process->queue_limit);
	add_sum(json, values, "bytes", AT(store.queued_bytes));
	json_integer(json, "limit_bytes", values->process->queue_limit_bytes);
	json_close(json, '}');
}

static void add_database(struct json_writer *json, const struct status_values *values)
{
	static const char *const states[] = {
		[LINK_UNKNOWN] = "unknown", [LINK_READY] = "ready", [LINK_AWAY] = "away"};
	const struct status_database *database = &values->database;
	bool is_away = database->state == LINK_AWAY;
	json_open(json, "database", '{');
	json_text(json, "state", str_from(states[database->state]));
	json_integer(json, "links", database->links);
	json_integer(json, "links_away", database->links_away);
	json_time(json, "away_since", is_away ? database->away_since_us : 0);
	json_text(json, "reason", is_away ? database->reason : (struct str){NULL, 0});
	add_sum(json, values, "connects", AT(store.reconnects));
	json_close(json, '}');
}

static void add_certificates(struct json_writer *json, const struct metrics_process *process)
{
	json_open(json, "certificates", '{');
	json_time(json, "server_expires_at", process->expiry.certificate_s * US_A_SECOND);
	json_time(json, "partner_ca_expires_at", process->expiry.partner_ca_s * US_A_SECOND);
	json_time(json, "crl_next_update_at", process->expiry.crl_s * US_A_SECOND);
	json_close(json, '}');
}

static void add_array(struct json_writer *json, const char *name, struct str elements)
{
	json_open(json, name, '[');
	json_elements(json, elements);
	json_close(json, ']');
}

static void add_reload(struct json_writer *json, const struct status_reload *reload)
{
	const char *result = reload->was_last_refused ? "refused" : "taken";
	json_open(json, "reload", '{');
	json_integer(json, "taken", (int64_t)reload->taken);
	json_integer(json, "refused", (int64_t)reload->refused);
	json_time(json, "last_at", reload->last_at_us);
	json_text(json, "last_result",
		reload->last_at_us != 0 ? str_from(result) : (struct str){NULL, 0});
	add_array(json, "faults", reload->faults);
	add_array(json, "needs_restart", reload->needs_restart);
	json_close(json, '}');
}

bool status_render(struct buf *out, const struct status_values *values)
{
	struct json_writer json = {.out = out};
	json_open(&json, NULL, '{');
	add_head(&json, values);
	add_connections(&json, values);
	add_rate(&json, &values->rate);
	add_reports(&json, values);
	add_queue(&json, values);
	add_database(&json, values);
	add_certificates(&json, values->process);
	add_reload(&json, &values->reload);
	status_add_reasons(&json, values);
	status_add_partners(&json, values);
	status_add_refusals(&json, values);
	json_close(&json, '}');
	return !json.has_failed && buf_append_str(out, STR("\n"));
}
