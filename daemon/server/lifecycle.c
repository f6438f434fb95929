// SPDX-License-Identifier: Apache-2.0
/*
 * Threads. The main thread has the signals, the admin and control sockets and the reader of the
 * registry; each worker has connections and a link to the database. What they share is: immutable
 * snapshots by reference count (generation, registry), sent as mail; counters that their worker
 * writes and the main thread reads; and the atomics of struct shared and of event_memory. There is
 * one lock, around the reason of an outage (shared.h), and nothing else is done while it is held.
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

#include "base/clock.h"
#include "base/log.h"
#include "event_memory_int.h"
#include "journal_int.h"
#include "net/address.h"
#include "process_int.h"
#include "process_view_int.h"
#include "reload_int.h"
#include "report/report_check.h"
#include "server/systemd.h"
#include "sockets_int.h"
#include "store/database_check.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define START_WAIT_MS 1500
#define STOP_POLL_MS 20
/* From the end of the drain to the end of the process. */
#define STOP_MARGIN_MS 5000

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

/* Also one that takes connections and refuses what is to be stored: its disk may be full. */
static bool is_database_away(const struct process *process)
{
	return process->registry == NULL || process->reader_link == LINK_AWAY ||
		atomic_load(&process->shared->database.links_away) > 0;
}

const char *process_shut_reason(const struct process *process)
{
	const struct tls_expiry *expiry = &process->generation->tls_expiry;
	int64_t now_s = clock_wall_us() / 1000000;
	if (expiry->certificate_s <= now_s) {
		return "the server's certificate has expired";
	}
	if (expiry->shut_s > now_s) {
		return NULL;
	}
	return expiry->crl_s != 0 && expiry->crl_s <= now_s
		? "the revocation list has run out: nobody is let in"
		: "the partners' authority has expired, or has no revocation list: nobody is let "
		  "in";
}

static const char *state_of(const struct process *process)
{
	const char *shut = process_shut_reason(process);
	if (shut != NULL) {
		return shut;
	}
	if (watchdog_silent_workers(process->watchdog) > 0) {
		return "a worker does not answer";
	}
	return is_database_away(process) ? "the database is away, answering 503" : "serving";
}

/* The journal is what is read afterwards, and by whom nothing else has woken. */
static void log_shut(struct process *process)
{
	const char *shut = process_shut_reason(process);
	if (shut == process->told_shut) {
		return;
	}
	if (shut != NULL) {
		log_error("nobody-let-in", "reason=\"%s\"", shut);
	} else {
		log_info("let-in-again", "reason_was=\"%s\"", process->told_shut);
	}
	process->told_shut = shut;
}

void process_notify_status(struct process *process)
{
	const struct reload_state *reload = &process->reload;
	log_shut(process);
	process->told_state = state_of(process);
	systemd_notify("STATUS=%s%s%s", process->told_state,
		reload->was_refused ? "; the last reload was refused: " : "",
		reload->was_refused ? reload->fault.text : "");
}

void process_notify_change(struct process *process)
{
	if (process->is_serving && !process->is_stopping &&
		process->told_state != state_of(process)) {
		process_notify_status(process);
	}
}

static void serve(struct process *process)
{
	struct err err = {{0}};
	if (process->is_serving || process->is_stopping) {
		return;
	}
	process->is_serving = true;
	evtimer_del(process->start_timer);
	for (int i = 0; i < process->shared->worker_count; i++) {
		process->workers[i] = worker_start(
			i, process->shared, process->generation, process->registry, &err);
		if (process->workers[i] == NULL) {
			log_start_failure("workers", err.text);
			process->exit_status = 1;
			event_base_loopbreak(process->base);
			return;
		}
		process->worker_count++;
	}
	char address[ADDRESS_TEXT_SIZE];
	log_info("ready", "version=" INTAKED_VERSION " address=%s workers=%d taxonomy=%.*s",
		address_format(&process->partners.address, address), process->worker_count,
		STR_ARG(buf_str(&process->generation->taxonomy_label)));
	systemd_notify("READY=1");
	process_notify_status(process);
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
	database_state_note(
		&process->shared->database, &process->reader_link, is_available, reason);
	process_notify_change(process);
	if (!is_available) {
		serve(process);
	}
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
	/* The manager's own patience may be shorter than the drain. */
	systemd_notify("STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC=%lld",
		(long long)(process->generation->conf->limits_drain_timeout_ms + STOP_MARGIN_MS) *
			1000);
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
		reload_run(process);
		return;
	}
	stop(process, (int)number);
}

/* --- admin and control --- */

static const struct control_command control_commands[] = {
	{"status", process_view_status},
	{"reload", reload_command},
	{NULL, NULL},
};

/* --- the table of steps --- */

static bool start_base(struct process *process, struct err *err)
{
	signal(SIGPIPE, SIG_IGN);
	process->base = event_base_new();
	if (process->base == NULL || !event_memory_reserve_timers(process->base)) {
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

/* Until it is handled the signal would end the process, which systemd takes for a clean end. */
static void hold_reload_back(int how)
{
	sigset_t reload;
	sigemptyset(&reload);
	sigaddset(&reload, SIGHUP);
	pthread_sigmask(how, &reload, NULL);
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
	hold_reload_back(SIG_UNBLOCK);
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

static bool start_shared(struct process *process, struct err *err)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t wanted = process->generation->conf->listen_workers;
	process->shared = calloc(1, sizeof(*process->shared));
	if (process->shared == NULL || !peer_gate_init(&process->shared->gate)) {
		return err_set(err, "no memory");
	}
	database_state_init(&process->shared->database);
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
	if (process->admin_socket.fd >= 0) {
		process->admin = admin_new(
			process->base, process->admin_socket.fd, process_view_hooks(process));
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

static uint64_t stored_reports(void *ctx)
{
	const struct process *process = ctx;
	uint64_t stored = 0;
	for (int i = 0; i < process->worker_count; i++) {
		stored += metric_get(&worker_metrics(process->workers[i])->store.reports_stored);
	}
	return stored;
}

static bool start_housekeeper(struct process *process, struct err *err)
{
	struct housekeeper_hooks hooks = {.stored_reports = stored_reports, .ctx = process};
	process->housekeeper = housekeeper_new(
		process->base, process->generation->conf, process->generation->taxonomy, hooks);
	return process->housekeeper != NULL || err_set(err, "no memory");
}

static void stop_housekeeper(struct process *process)
{
	housekeeper_free(&process->housekeeper);
}

static bool start_watchdog(struct process *process, struct err *err)
{
	process->watchdog = watchdog_new(process->base, process->workers, &process->worker_count);
	return process->watchdog != NULL || err_set(err, "no memory");
}

static void stop_watchdog(struct process *process)
{
	watchdog_free(&process->watchdog);
}

static bool start_file_watch(struct process *process, struct err *err)
{
	(void)err; /* it serves without, and says so */
	reload_watch_files(process, process->started_at_us);
	return true;
}

static void stop_file_watch(struct process *process)
{
	file_watch_free(&process->file_watch);
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
	{"sockets", sockets_open, sockets_close},
	{"shared state", start_shared, stop_shared},
	{"admin and control", start_admin, stop_admin},
	{"registry", start_reader, stop_reader},
	{"housekeeping", start_housekeeper, stop_housekeeper},
	{"files", start_file_watch, stop_file_watch},
	{"watchdog", start_watchdog, stop_watchdog},
	{"workers", start_workers, stop_workers},
	{"history", process_view_start, process_view_stop},
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
		.started_at_us = clock_wall_us()};
	size_t started = 0;

	hold_reload_back(SIG_BLOCK);
	event_memory_init();
	journal_use_if_it_is_stderr();
	report_check_init();
	reload_init(&process.reload);
	process.generation = generation_load(path, reload_log_fault, NULL);
	if (process.generation == NULL) {
		return 1;
	}
	reload_set_log_level(process.generation->conf);
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
	reload_fini(&process.reload);
	log_info("stopped", "status=%d", process.exit_status);
	return process.exit_status;
}

static void print_fault(void *ctx, const char *sentence)
{
	(void)ctx;
	fprintf(stderr, "intaked: %s\n", sentence);
}

static void ignore_fault(void *ctx, const char *sentence)
{
	(void)ctx;
	(void)sentence;
}

/* Of a configuration with other faults, which were named: so that one run names all of them. */
static void check_database_alone(const char *path)
{
	struct err err = {{0}};
	struct conf *conf = conf_load(path, ignore_fault, NULL);
	struct taxonomy *taxonomy = conf != NULL ? taxonomy_load(conf->taxonomy_file, &err) : NULL;
	if (taxonomy != NULL && !database_check(conf, taxonomy, &err)) {
		print_fault(NULL, err.text);
	}
	taxonomy_free(&taxonomy);
	conf_unref(&conf);
}

int lifecycle_check(const char *path, bool with_database)
{
	struct err err = {{0}};
	report_check_init();
	struct generation *generation = generation_load(path, print_fault, NULL);
	if (generation == NULL) {
		if (with_database) {
			check_database_alone(path);
		}
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
