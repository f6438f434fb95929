// SPDX-License-Identifier: Apache-2.0
/*
 * Threads. The main thread has the signals, the admin and control sockets and the reader of the
 * registry; each worker has connections and a link to the database. What they share is: immutable
 * snapshots by reference count (generation, registry), sent as mail; counters that their worker
 * writes and the main thread reads; and the atomics of struct shared. There is no lock.
 *
 * Start. Everything that can be wrong for good is found before READY: files are checked, sockets
 * bound, and the database asked once. A database that is away does not hold READY back for longer
 * than START_WAIT_MS; one that answers with another schema ends the start.
 *
 * Stop. SIGTERM: workers stop accepting, close idle connections, finish what is in flight within
 * drain_timeout, answer 503 to the rest, and end; then everything is freed in the reverse order of
 * its start. A second SIGTERM ends the workers at once.
 */
#include "server/lifecycle.h"

#include "admin_int.h"
#include "base/clock.h"
#include "base/log.h"
#include "control_int.h"
#include "net/address.h"
#include "net/listener.h"
#include "report/report_check.h"
#include "server/generation.h"
#include "server/metrics.h"
#include "server/shared.h"
#include "server/systemd.h"
#include "server/worker.h"
#include "store/database_check.h"
#include "store/registry.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define MAX_WORKERS 256
#define START_WAIT_MS 1500
#define STOP_POLL_MS 20

struct process {
	const char *conf_path;
	struct generation *generation;
	struct event_base *base;
	struct event *signals[4];
	struct event *start_timer;
	struct event *stop_timer;
	struct listener_socket partners;
	struct listener_socket admin_socket;
	struct listener_socket control_socket;
	struct admin *admin;
	struct control *control;
	struct registry_reader *reader;
	struct registry *registry;
	enum link_state reader_link;
	bool is_schema_wrong;
	struct shared *shared;
	struct worker *workers[MAX_WORKERS];
	int worker_count;
	bool is_serving;
	bool is_stopping;
	uint64_t reloads;
	uint64_t reload_failures;
	bool last_reload_failed;
	int64_t started_at_s;
	int exit_status;
};

static void log_fault(void *ctx, const char *sentence)
{
	char escaped[1024];
	(void)ctx;
	log_error("configuration-fault", "text=%s",
		log_escape(escaped, sizeof(escaped), str_from(sentence)));
}

/* err may quote files and the database. */
static void log_start_failure(const char *step, const char *text)
{
	char escaped[1024];
	log_fatal("start-failed", "step=\"%s\" text=%s", step,
		log_escape(escaped, sizeof(escaped), str_from(text)));
}

static struct timeval to_timeval(int64_t ms)
{
	return (struct timeval){ms / 1000, ms % 1000 * 1000};
}

/* --- serving --- */

static void serve(struct process *process)
{
	struct err err = {{0}};
	if (process->is_serving || process->is_stopping) {
		return;
	}
	process->is_serving = true;
	evtimer_del(process->start_timer);
	for (int i = 0; i < process->shared->worker_count; i++) {
		process->workers[i] = worker_start(i, process->shared, process->generation, &err);
		if (process->workers[i] == NULL) {
			log_start_failure("workers", err.text);
			process->exit_status = 1;
			event_base_loopbreak(process->base);
			return;
		}
		process->worker_count++;
		if (process->registry != NULL) {
			worker_send_registry(process->workers[i], process->registry);
		}
	}
	char address[ADDRESS_TEXT_SIZE];
	log_info("ready", "version=" INTAKED_VERSION " address=%s workers=%d taxonomy=%.*s",
		address_format(&process->partners.address, address), process->worker_count,
		STR_ARG(buf_str(&process->generation->taxonomy_label)));
	systemd_notify("READY=1\nSTATUS=%s",
		process->registry != NULL ? "serving" : "the database is away, answering 503");
}

static void on_start_timer(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	serve(ctx);
}

static void on_registry(void *ctx, struct registry *registry)
{
	struct process *process = ctx;
	log_info("registry-read", "partners=%zu", registry_partner_count(registry));
	registry_unref(&process->registry);
	process->registry = registry_ref(registry);
	for (int i = 0; i < process->worker_count; i++) {
		worker_send_registry(process->workers[i], registry);
	}
	serve(process);
}

static void on_reader_state(void *ctx, bool is_available, bool is_schema_wrong, const char *reason)
{
	struct process *process = ctx;
	char escaped[512];
	if (is_schema_wrong && !process->is_serving) {
		log_start_failure("registry", reason);
		process->exit_status = 1;
		event_base_loopbreak(process->base);
		return;
	}
	if (is_schema_wrong && !process->is_schema_wrong) {
		log_error("schema-wrong", "text=%s",
			log_escape(escaped, sizeof(escaped), str_from(reason)));
	}
	process->is_schema_wrong = is_schema_wrong;
	enum link_state before = process->reader_link;
	database_state_note(
		&process->shared->database, &process->reader_link, is_available, reason);
	if (process->is_serving && process->reader_link != before) {
		systemd_notify(is_available ? "STATUS=serving"
					    : "STATUS=the database is away, answering 503");
	}
	if (!is_available) {
		serve(process);
	}
}

/* --- reload --- */

static void warn_of_fixed_settings(const struct conf *old, const struct conf *new)
{
	for (size_t i = 0; i < conf_setting_count(); i++) {
		const struct conf_setting *setting = conf_setting(i);
		if (!setting->is_reloadable && !conf_setting_equal(setting, old, new)) {
			log_warn("reload-needs-restart", "setting=%s.%s", setting->section,
				setting->name);
		}
	}
}

static void set_log_level(const struct conf *conf)
{
	enum log_severity severity;
	if (log_severity_from_name(conf->log_level, &severity)) {
		log_set_threshold(severity);
	}
}

/* Every code of the file must be in the database before reports are judged by it. */
static bool taxonomy_can_change(const struct process *process, struct generation *generation)
{
	struct err err = {{0}};
	if (str_equal(taxonomy_document(process->generation->taxonomy),
		    taxonomy_document(generation->taxonomy)) ||
		database_check(generation->conf, generation->taxonomy, &err)) {
		return true;
	}
	log_fault(NULL, err.text);
	return false;
}

/* NULL on any fault, which was logged. */
static struct generation *load_checked(const struct process *process)
{
	struct generation *generation = generation_load(process->conf_path, log_fault, NULL);
	if (generation == NULL) {
		return NULL;
	}
	warn_of_fixed_settings(process->generation->conf, generation->conf);
	conf_keep_fixed(generation->conf, process->generation->conf);
	if (!taxonomy_can_change(process, generation)) {
		generation_unref(&generation);
	}
	return generation;
}

static void take_generation(struct process *process, struct generation *generation)
{
	registry_reader_set_conf(process->reader, generation->conf, generation->taxonomy);
	for (int i = 0; i < process->worker_count; i++) {
		worker_send_generation(process->workers[i], generation);
	}
	generation_unref(&process->generation);
	process->generation = generation;
	set_log_level(generation->conf);
	log_info("reloaded", "taxonomy=%.*s", STR_ARG(buf_str(&generation->taxonomy_label)));
}

/* The service manager is told of what it sees as reloading: not of a start or stop. */
static bool reload(struct process *process)
{
	bool is_told = process->is_serving && !process->is_stopping;
	if (is_told) {
		systemd_notify("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_monotonic_us());
	}
	struct generation *generation = load_checked(process);
	process->reloads++;
	process->last_reload_failed = generation == NULL;
	if (generation != NULL) {
		take_generation(process, generation);
	} else {
		process->reload_failures++;
		log_error("reload-refused", "text=\"the old configuration serves on\"");
	}
	if (is_told) {
		systemd_notify("READY=1");
	}
	return generation != NULL;
}

/* --- stop --- */

static void on_stop_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct process *process = ctx;
	(void)fd;
	(void)what;
	if (atomic_load(&process->shared->accepting) == 0) {
		/* Whoever comes now is refused at once, and can go elsewhere. */
		listener_socket_close(&process->partners);
	}
	for (int i = 0; i < process->worker_count; i++) {
		if (!worker_is_done(process->workers[i])) {
			return;
		}
	}
	event_base_loopbreak(process->base);
}

static void stop(struct process *process, int signal_number)
{
	struct timeval poll = to_timeval(STOP_POLL_MS);
	bool at_once = process->is_stopping;
	log_info("stopping", "signal=%s at_once=%s", signal_number == SIGINT ? "INT" : "TERM",
		at_once ? "yes" : "no");
	systemd_notify("STOPPING=1");
	process->is_stopping = true;
	for (int i = 0; i < process->worker_count; i++) {
		if (at_once) {
			worker_send_quit(process->workers[i]);
		} else {
			worker_send_drain(process->workers[i]);
		}
	}
	event_add(process->stop_timer, &poll);
}

static void on_signal(evutil_socket_t number, short what, void *ctx)
{
	struct process *process = ctx;
	(void)what;
	if (number == SIGHUP) {
		bool taken = reload(process);
		(void)taken; /* said in the log, and in the status */
		return;
	}
	stop(process, (int)number);
}

/* --- admin and control --- */

static bool admin_is_ready(void *ctx, struct buf *why)
{
	struct process *process = ctx;
	int away = atomic_load(&process->shared->database.links_away);
	const char *text = "ready";
	if (process->is_stopping) {
		text = "stopping";
	} else if (!process->is_serving) {
		text = "starting";
	} else if (process->registry == NULL) {
		text = "the database is away: the partners were not read yet";
	} else if (away > 0) {
		text = "the database is away";
	}
	bool is_ready = process->is_serving && !process->is_stopping && process->registry != NULL &&
		away == 0;
	return buf_append_str(why, str_from(text)) && is_ready;
}

static struct metrics_process process_values(const struct process *process)
{
	struct tls_expiry expiry = tls_context_expiry(process->generation->tls);
	return (struct metrics_process){
		.started_at_s = process->started_at_s,
		.certificate_expires_at_s = expiry.certificate_s,
		.crl_expires_at_s = expiry.crl_s,
		.database_links = process->worker_count + 1,
		.database_links_away = atomic_load(&process->shared->database.links_away),
		.reloads = process->reloads,
		.reload_failures = process->reload_failures,
		.last_reload_failed = process->last_reload_failed,
		.registry = process->registry,
		.conf = process->generation->conf,
		.quotas = process->shared->quotas,
		.taxonomy = buf_str(&process->generation->taxonomy_label),
	};
}

static size_t collect(const struct process *process, const struct metrics *metrics[MAX_WORKERS])
{
	for (int i = 0; i < process->worker_count; i++) {
		metrics[i] = worker_metrics(process->workers[i]);
	}
	return (size_t)process->worker_count;
}

static bool admin_metrics(void *ctx, struct buf *out)
{
	const struct process *process = ctx;
	const struct metrics *metrics[MAX_WORKERS];
	struct metrics_process values = process_values(process);
	return metrics_render(out, metrics, collect(process, metrics), &values);
}

static bool render_status(void *ctx, struct buf *out)
{
	struct process *process = ctx;
	const struct metrics *metrics[MAX_WORKERS];
	struct metrics_process values = process_values(process);
	struct buf why;
	char started[CLOCK_RFC3339_SIZE];
	char expires[CLOCK_RFC3339_SIZE];
	size_t count = collect(process, metrics);
	size_t partners = values.registry != NULL ? registry_partner_count(values.registry) : 0;

	buf_init(&why, 1024);
	bool is_ready = admin_is_ready(process, &why);
	clock_format_rfc3339(values.started_at_s * 1000000, started);
	clock_format_rfc3339(values.certificate_expires_at_s * 1000000, expires);
	bool done = buf_printf(out,
		"{\"version\":\"" INTAKED_VERSION "\",\"ready\":%s,\"reason\":\"%.*s\","
		"\"started_at\":\"%s\",\"workers\":%d,\"connections\":%llu,\"partners\":%zu,"
		"\"reports_stored\":%llu,\"reports_duplicate\":%llu,\"queue_reports\":%llu,"
		"\"database_links\":%d,\"database_links_away\":%d,"
		"\"certificate_expires_at\":\"%s\",\"last_reload_failed\":%s,\"taxonomy\":\"%.*"
		"s\"}",
		is_ready ? "true" : "false", STR_ARG(buf_str(&why)), started, process->worker_count,
		(unsigned long long)metrics_connections(metrics, count), partners,
		(unsigned long long)metrics_sum(metrics, count, offsetof(struct metrics, stored)),
		(unsigned long long)metrics_sum(
			metrics, count, offsetof(struct metrics, duplicates)),
		(unsigned long long)metrics_sum(
			metrics, count, offsetof(struct metrics, store.queued)),
		values.database_links, values.database_links_away, expires,
		values.last_reload_failed ? "true" : "false", STR_ARG(values.taxonomy));
	buf_fini(&why);
	return done;
}

static bool control_reload(void *ctx, struct buf *out)
{
	bool taken = reload(ctx);
	return buf_printf(out, "{\"reloaded\":%s%s}", taken ? "true" : "false",
		taken ? "" : ",\"error\":\"the new configuration was refused: see the log\"");
}

static const struct control_command control_commands[] = {
	{"status", render_status},
	{"reload", control_reload},
	{NULL, NULL},
};

/* --- the table of steps --- */

static bool start_base(struct process *process, struct err *err)
{
	signal(SIGPIPE, SIG_IGN);
	process->base = event_base_new();
	if (process->base == NULL) {
		return err_set(err, "cannot make an event loop");
	}
	process->start_timer = evtimer_new(process->base, on_start_timer, process);
	process->stop_timer = event_new(process->base, -1, EV_PERSIST, on_stop_timer, process);
	if (process->start_timer == NULL || process->stop_timer == NULL) {
		return err_set(err, "cannot make timers");
	}
	return true;
}

static void stop_base(struct process *process)
{
	if (process->start_timer != NULL) {
		event_free(process->start_timer);
	}
	if (process->stop_timer != NULL) {
		event_free(process->stop_timer);
	}
	if (process->base != NULL) {
		event_base_free(process->base);
	}
}

static bool start_signals(struct process *process, struct err *err)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		process->signals[i] = evsignal_new(process->base, numbers[i], on_signal, process);
		if (process->signals[i] == NULL || event_add(process->signals[i], NULL) != 0) {
			return err_set(err, "cannot handle signals");
		}
	}
	return true;
}

static void stop_signals(struct process *process)
{
	for (size_t i = 0; i < sizeof(process->signals) / sizeof(process->signals[0]); i++) {
		if (process->signals[i] != NULL) {
			event_free(process->signals[i]);
			process->signals[i] = NULL;
		}
	}
}

static bool start_sockets(struct process *process, struct err *err)
{
	const struct conf *conf = process->generation->conf;
	if (!listener_socket_open(&process->partners, conf->listen_address,
		    (int)conf->listen_backlog, 0660, err)) {
		return err_prefix(err, "listen.address");
	}
	if (conf->admin_address[0] != '\0' &&
		!listener_socket_open(&process->admin_socket, conf->admin_address, 64, 0660, err)) {
		return err_prefix(err, "admin.address");
	}
	if (conf->control_path[0] != '\0' &&
		!listener_socket_open(
			&process->control_socket, conf->control_path, 16, 0660, err)) {
		return err_prefix(err, "control.path");
	}
	return true;
}

static void stop_sockets(struct process *process)
{
	listener_socket_close(&process->partners);
	listener_socket_close(&process->admin_socket);
	listener_socket_close(&process->control_socket);
}

static bool start_shared(struct process *process, struct err *err)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t wanted = process->generation->conf->listen_workers;
	process->shared = calloc(1, sizeof(*process->shared));
	if (process->shared == NULL || !peer_gate_init(&process->shared->gate)) {
		return err_set(err, "no memory");
	}
	process->shared->quotas = quota_table_new();
	if (process->shared->quotas == NULL) {
		return err_set(err, "no memory");
	}
	process->shared->worker_count = (int)(wanted > 0 ? wanted : cores);
	if (process->shared->worker_count > MAX_WORKERS) {
		process->shared->worker_count = MAX_WORKERS;
	}
	process->shared->listening_fd = process->partners.fd;
	return true;
}

static void stop_shared(struct process *process)
{
	registry_unref(&process->registry);
	if (process->shared != NULL) {
		quota_table_free(&process->shared->quotas);
	}
	free(process->shared);
}

static bool start_admin(struct process *process, struct err *err)
{
	struct admin_hooks hooks = {.is_ready = admin_is_ready,
		.metrics = admin_metrics,
		.status = render_status,
		.ctx = process};
	if (process->admin_socket.fd >= 0) {
		process->admin = admin_new(process->base, process->admin_socket.fd, hooks);
		if (process->admin == NULL) {
			return err_set(err, "no memory");
		}
	}
	if (process->control_socket.fd >= 0) {
		process->control = control_new(
			process->base, process->control_socket.fd, control_commands, process);
		if (process->control == NULL) {
			return err_set(err, "no memory");
		}
	}
	return true;
}

static void stop_admin(struct process *process)
{
	admin_free(&process->admin);
	control_free(&process->control);
}

static bool start_reader(struct process *process, struct err *err)
{
	struct timeval wait = to_timeval(START_WAIT_MS);
	struct registry_hooks hooks = {
		.on_registry = on_registry, .on_state = on_reader_state, .ctx = process};
	process->reader = registry_reader_new(
		process->base, process->generation->conf, process->generation->taxonomy, hooks);
	if (process->reader == NULL) {
		return err_set(err, "no memory");
	}
	evtimer_add(process->start_timer, &wait);
	return true;
}

static void stop_reader(struct process *process)
{
	registry_reader_free(&process->reader);
}

/* Workers are started when the database has answered, or after START_WAIT_MS: see serve(). */
static bool start_workers(struct process *process, struct err *err)
{
	(void)process;
	(void)err;
	return true;
}

static void stop_workers(struct process *process)
{
	for (int i = 0; i < process->worker_count; i++) {
		worker_send_quit(process->workers[i]);
	}
	for (int i = 0; i < process->worker_count; i++) {
		worker_stop(&process->workers[i]);
	}
	process->worker_count = 0;
}

static const struct {
	const char *name;
	bool (*start)(struct process *process, struct err *err);
	void (*stop)(struct process *process);
} steps[] = {
	{"event loop", start_base, stop_base},
	{"signals", start_signals, stop_signals},
	{"sockets", start_sockets, stop_sockets},
	{"shared state", start_shared, stop_shared},
	{"admin and control", start_admin, stop_admin},
	{"registry", start_reader, stop_reader},
	{"workers", start_workers, stop_workers},
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

/* Descriptors for every connection that the limits allow, as far as the system lets us. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int lifecycle_run(const char *path)
{
	struct err err = {{0}};
	struct process process = {.conf_path = path,
		.partners.fd = -1,
		.admin_socket.fd = -1,
		.control_socket.fd = -1,
		.started_at_s = clock_wall_us() / 1000000};
	size_t started = 0;

	report_check_init();
	process.generation = generation_load(path, log_fault, NULL);
	if (process.generation == NULL) {
		return 1;
	}
	set_log_level(process.generation->conf);
	raise_descriptor_limit();
	while (started < STEPS && steps[started].start(&process, &err)) {
		started++;
	}
	if (started < STEPS) {
		log_start_failure(steps[started].name, err.text);
		process.exit_status = 1;
		started++;
	} else {
		event_base_dispatch(process.base);
	}
	while (started-- > 0) {
		steps[started].stop(&process);
	}
	generation_unref(&process.generation);
	log_info("stopped", "status=%d", process.exit_status);
	return process.exit_status;
}

static void print_fault(void *ctx, const char *sentence)
{
	(void)ctx;
	fprintf(stderr, "intaked: %s\n", sentence);
}

int lifecycle_check(const char *path, bool with_database)
{
	struct err err = {{0}};
	report_check_init();
	struct generation *generation = generation_load(path, print_fault, NULL);
	if (generation == NULL) {
		return 1;
	}
	bool is_good =
		!with_database || database_check(generation->conf, generation->taxonomy, &err);
	if (is_good) {
		printf("intaked: the configuration is good (taxonomy %.*s, schema %schecked)\n",
			STR_ARG(buf_str(&generation->taxonomy_label)), with_database ? "" : "not ");
	} else {
		print_fault(NULL, err.text);
	}
	generation_unref(&generation);
	return is_good ? 0 : 1;
}
