// SPDX-License-Identifier: Apache-2.0
#include "process_view_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "json_writer_int.h"
#include "server/metrics.h"
#include "status_int.h"

#include <event2/event.h>

#define REASON_MAX_BYTES 1024

static bool is_ready(void *ctx, struct buf *why)
{
	struct process *process = ctx;
	int away = atomic_load(&process->shared->database.links_away);
	int silent = watchdog_silent_workers(process->watchdog);
	const char *shut = process_shut_reason(process);
	const char *text = NULL;
	if (process->is_stopping) {
		text = "stopping";
	} else if (!process->is_serving) {
		text = "starting";
	} else if (process->registry == NULL) {
		text = "the database is away: the partners were not read yet";
	} else if (away > 0) {
		text = "the database is away";
	} else if (silent > 0) {
		text = "a worker does not answer";
	} else if (shut != NULL) {
		text = shut;
	}
	return buf_append_str(why, str_from(text != NULL ? text : "ready")) && text == NULL;
}

/* What the driver says may quote anything. */
static const char *plain_reason(
	struct database_state *state, char reason_out[static DATABASE_REASON_BYTES])
{
	char reason[DATABASE_REASON_BYTES];
	database_state_reason(state, reason);
	return json_plain(reason_out, DATABASE_REASON_BYTES, reason);
}

/* With the reason behind the reason, where there is one. */
static bool show_ready(void *ctx, struct buf *why)
{
	struct process *process = ctx;
	struct database_state *state = &process->shared->database;
	char reason[DATABASE_REASON_BYTES];
	bool is_so = is_ready(process, why);
	if (is_so || process->is_stopping || atomic_load(&state->links_away) == 0) {
		return is_so;
	}
	return buf_printf(why, ": %s", plain_reason(state, reason)) && is_so;
}

static size_t collect(const struct process *process, const struct metrics *metrics[MAX_WORKERS])
{
	for (int i = 0; i < process->worker_count; i++) {
		metrics[i] = worker_metrics(process->workers[i]);
	}
	return (size_t)process->worker_count;
}

/* --- metrics --- */

static struct metrics_process process_values(struct process *process)
{
	const struct conf *conf = process->generation->conf;
	struct buf why;
	buf_init(&why, REASON_MAX_BYTES);
	bool is_so = is_ready(process, &why);
	buf_fini(&why);
	return (struct metrics_process){
		.is_ready = is_so,
		.started_at_s = process->started_at_us / 1000000,
		.expiry = process->generation->tls_expiry,
		.database_links = process->worker_count + 1,
		.database_links_away = atomic_load(&process->shared->database.links_away),
		.queue_limit = conf->database_max_queued_reports * process->worker_count,
		.queue_limit_bytes = conf->database_max_queued_bytes * process->worker_count,
		.connection_limit = conf->listen_max_connections,
		.silent_workers = watchdog_silent_workers(process->watchdog),
		.changes_taken = (int64_t)housekeeper_changes(process->housekeeper),
		.log_lines_lost = (int64_t)log_lost_lines(),
		.reloads_taken = (int64_t)process->reload.taken,
		.reloads_refused = (int64_t)process->reload.refused,
		.was_last_reload_refused = process->reload.was_refused,
		.registry = process->registry,
		.conf = conf,
		.quotas = process->shared->quotas,
		.taxonomy = buf_str(&process->generation->taxonomy_label),
	};
}

static bool show_metrics(void *ctx, enum metrics_format format, struct buf *out)
{
	struct process *process = ctx;
	const struct metrics *metrics[MAX_WORKERS];
	size_t count = collect(process, metrics);
	struct metrics_process values = process_values(process);
	return metrics_render(out, format, metrics, count, &values);
}

/* --- history --- */

static void on_history_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct process *process = ctx;
	const struct metrics *metrics[MAX_WORKERS];
	size_t count = collect(process, metrics);
	struct history_sample sample = history_sample_of(metrics, count, clock_monotonic_us());
	(void)fd;
	(void)what;
	history_add(&process->history, &sample, clock_wall_us());
	process_notify_change(process);
}

static bool show_history(void *ctx, struct buf *out)
{
	const struct process *process = ctx;
	return history_render(&process->history, out);
}

bool process_view_start(struct process *process, struct err *err)
{
	static const struct timeval step = {HISTORY_STEP_S, 0};
	process->history_timer =
		event_new(process->base, -1, EV_PERSIST, on_history_timer, process);
	if (process->history_timer == NULL || event_add(process->history_timer, &step) != 0) {
		return err_set(err, "cannot make a timer");
	}
	on_history_timer(-1, 0, process);
	return true;
}

void process_view_stop(struct process *process)
{
	if (process->history_timer != NULL) {
		event_free(process->history_timer);
		process->history_timer = NULL;
	}
}

/* --- status --- */

/* Away when any link is: a report may be waiting for just that one. */
static struct status_database database_values(
	struct process *process, char reason[DATABASE_REASON_BYTES])
{
	struct database_state *state = &process->shared->database;
	int away = atomic_load(&state->links_away);
	return (struct status_database){
		.state = away > 0 ? LINK_AWAY : process->reader_link,
		.away_since_us = clock_wall_of_monotonic(atomic_load(&state->away_since_ms) * 1000),
		.reason = str_from(plain_reason(state, reason)),
		.links = process->worker_count + 1,
		.links_away = away,
	};
}

static struct status_reload reload_values(const struct reload_state *reload)
{
	return (struct status_reload){
		.taken = reload->taken,
		.refused = reload->refused,
		.last_at_us = reload->last_at_us,
		.was_last_refused = reload->was_refused,
		.faults = buf_str(&reload->faults),
		.needs_restart = buf_str(&reload->needs_restart),
	};
}

bool process_view_status(void *ctx, struct buf *out)
{
	struct process *process = ctx;
	const struct metrics *metrics[MAX_WORKERS];
	const struct refusal_ring *refusals[MAX_WORKERS];
	struct metrics_process process_now = process_values(process);
	size_t count = collect(process, metrics);
	struct history_sample sample = history_sample_of(metrics, count, clock_monotonic_us());
	char database_reason[DATABASE_REASON_BYTES];
	struct buf why;

	for (size_t i = 0; i < count; i++) {
		refusals[i] = worker_refusals(process->workers[i]);
	}
	buf_init(&why, REASON_MAX_BYTES);
	bool is_so = is_ready(process, &why);
	struct status_values values = {
		.is_ready = is_so,
		.reason = buf_str(&why),
		.started_at_us = process->started_at_us,
		.now_us = clock_wall_us(),
		.workers = metrics,
		.refusals = refusals,
		.worker_count = count,
		.process = &process_now,
		.rate = history_rate_at(&process->history, &sample),
		.database = database_values(process, database_reason),
		.reload = reload_values(&process->reload),
	};
	bool done = status_render(out, &values);
	buf_fini(&why);
	return done;
}

struct admin_hooks process_view_hooks(struct process *process)
{
	return (struct admin_hooks){
		.is_ready = show_ready,
		.metrics = show_metrics,
		.status = process_view_status,
		.history = show_history,
		.ctx = process,
	};
}
