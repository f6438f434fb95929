// SPDX-License-Identifier: Apache-2.0
/*
 * The thread and its loop: mail from the main thread, the listener, deadlines, the store. All
 * workers poll one listening socket and take one connection a turn, so that the less busy take
 * more; a full one stops polling and the others go on.
 */
#include "worker_parts_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "event_memory_int.h"
#include "intake_batch_int.h"
#include "intake_int.h"
#include "reply_int.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>

#define GIVE_WAY_MS 2
/* Events of WORKER_LAST before the sockets are asked again, and the time they may take. */
#define LAST_TURN_EVENTS 8
#define LAST_TURN_US 1000
/* Certificates verified again in a turn: a few milliseconds, with thousands to do after a reload.
 */
#define TURN_REVIEWS 16
/* Connections that go on in a turn. */
#define TURN_CONNECTIONS 16
#define ARENA_MAX_BYTES ((size_t)96 << 20)
#define BODY_MAX_BYTES ((size_t)16 << 20)
#define WARNINGS_MAX_BYTES ((size_t)1 << 20)

/* --- accepting --- */

/* The shares of all workers add up to the limit. */
static bool is_full(const struct worker *worker)
{
	int64_t limit = worker_conf(worker)->listen_max_connections;
	int64_t workers = worker->shared->worker_count;
	int64_t share = limit / workers + (worker->number < limit % workers ? 1 : 0);
	return worker->connection_count >= (uint64_t)share;
}

void worker_poll_or_pause(struct worker *worker)
{
	if (worker->listener == NULL) {
		return;
	}
	if (is_full(worker)) {
		listener_pause(worker->listener);
	} else {
		listener_resume(worker->listener);
	}
}

/*
 * The kernel wakes whom it likes, so one worker may take most of a burst. Whoever has more than an
 * even share lets the others go first: reports that are spread evenly make larger batches.
 */
static bool has_more_than_others(const struct worker *worker)
{
	uint64_t all = atomic_load_explicit(&worker->shared->connections, memory_order_relaxed);
	return (uint64_t)(worker->connection_count - 1) * (uint64_t)worker->shared->worker_count >=
		all;
}

static void on_accept(void *ctx, int fd, const struct sockaddr_storage *peer)
{
	struct worker *worker = ctx;
	conn_open(worker, fd, peer);
	worker_arm_sweep(worker);
	if (worker->connection_count > 0 && has_more_than_others(worker)) {
		listener_rest(worker->listener, GIVE_WAY_MS);
	}
	worker_poll_or_pause(worker);
}

static void on_reap(evutil_socket_t fd, short what, void *ctx)
{
	struct worker *worker = ctx;
	struct list *closed = &worker->states[CONN_CLOSED];
	(void)fd;
	(void)what;
	while (!list_is_empty(closed)) {
		conn_reap(LIST_OWNER(closed->next, struct conn, link));
	}
	worker_poll_or_pause(worker);
	worker_end_if_drained(worker, clock_monotonic_ms());
}

/* Calls each for every connection in a state; each may close or move it. */
void worker_each_in(struct worker *worker, enum conn_state state, void (*each)(struct conn *conn))
{
	struct list *link = worker->states[state].next;
	while (link != &worker->states[state]) {
		struct conn *conn = LIST_OWNER(link, struct conn, link);
		link = link->next;
		each(conn);
	}
}

/* --- what is left for the next turn --- */

/* A timer, not an activation: those are run before the sockets are asked again. */
void worker_arm_turn(struct worker *worker)
{
	static const struct timeval now = {0, 0};
	if (!evtimer_pending(worker->turn, NULL)) {
		evtimer_add(worker->turn, &now);
	}
}

void worker_review(struct worker *worker)
{
	worker->reviewed_at_s = clock_wall_s();
	worker->review_next = 0;
	worker_arm_turn(worker);
}

/* Whoever was let in by the lists of an earlier generation is judged by the present one's. */
static void review_some(struct worker *worker)
{
	for (int i = 0; i < TURN_REVIEWS && worker->review_next < worker->table.slot_count; i++) {
		struct conn *conn = conn_table_at(&worker->table, worker->review_next++);
		if (conn != NULL && conn->state > CONN_HANDSHAKE && conn->state < CONN_LINGER) {
			conn_verify_again(conn);
		}
	}
	if (worker->review_next < worker->table.slot_count) {
		worker_arm_turn(worker);
	}
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	struct worker *worker = ctx;
	struct list *end = &worker->turn_end;
	(void)fd;
	(void)what;
	review_some(worker);
	/* Those that give way again come after the sockets, and so do those beyond a few. */
	list_append(&worker->next_turn, end);
	for (int i = 0; i < TURN_CONNECTIONS && worker->next_turn.next != end; i++) {
		struct conn *conn = LIST_OWNER(worker->next_turn.next, struct conn, turn_link);
		list_remove(&conn->turn_link);
		conn_go_on(conn);
	}
	list_remove(end);
	if (!list_is_empty(&worker->next_turn)) {
		worker_arm_turn(worker);
	}
}

/* --- store --- */

static void on_store_result(void *ctx, uint64_t ticket, const struct store_result *result)
{
	struct worker *worker = ctx;
	uint32_t name;
	struct conn *conn = conn_from_ticket(worker, ticket, &name);
	if (conn == NULL) {
		metric_add(&worker->metrics.answers_dropped, 1);
		conn_settle_owed(worker, ticket);
	} else if (conn->state == CONN_BATCH) {
		intake_batch_result(conn, name, result);
	} else {
		intake_store_result(conn, result);
	}
	while (!list_is_empty(&worker->room)) {
		struct conn *waiting = LIST_OWNER(worker->room.next, struct conn, room_link);
		list_remove(&waiting->room_link);
		conn_wake(waiting);
	}
}

static void on_store_state(void *ctx, bool is_available, const char *reason)
{
	struct worker *worker = ctx;
	database_state_note(&worker->shared->database, &worker->link, is_available, reason);
}

/* --- life --- */

/* Answers 503 to what is still in hand when the drain's time is over. */
static void refuse_rest(struct conn *conn)
{
	reply_refuse(conn, REJECT_UNAVAILABLE, "the server is stopping");
	conn_drive(conn);
}

/* One that was begun stays without its end. */
static void refuse_batch(struct conn *conn)
{
	if (!intake_batch_has_begun(conn->batch)) {
		refuse_rest(conn);
	}
}

static void answer_held(struct conn *conn)
{
	conn_end_hold(conn);
	conn_drive(conn);
}

static void *worker_main(void *ctx)
{
	struct worker *worker = ctx;
	char name[16];
	snprintf(name, sizeof(name), "worker-%d", worker->number);
	prctl(PR_SET_NAME, name);
	event_base_dispatch(worker->base);
	if (worker->is_draining) {
		worker_each_in(worker, CONN_HEAD, refuse_rest);
		worker_each_in(worker, CONN_BODY, refuse_rest);
		worker_each_in(worker, CONN_WAIT, refuse_rest);
		worker_each_in(worker, CONN_BATCH, refuse_batch);
		worker_each_in(worker, CONN_HELD, answer_held);
	}
	atomic_store(&worker->is_done, true);
	return NULL;
}

/* What is not given a priority has the middle one. */
static struct event_base *new_base(void)
{
	static const struct timeval most = {0, LAST_TURN_US};
	struct event_config *config = event_config_new();
	if (config == NULL) {
		return NULL;
	}
	event_config_set_max_dispatch_interval(config, &most, LAST_TURN_EVENTS, WORKER_LAST);
	struct event_base *base = event_base_new_with_config(config);
	event_config_free(config);
	if (base != NULL &&
		(event_base_priority_init(base, WORKER_PRIORITIES) != 0 ||
			!event_memory_reserve_timers(base))) {
		event_base_free(base);
		base = NULL;
	}
	return base;
}

static bool init_loop(struct worker *worker, struct err *err)
{
	worker->base = new_base();
	if (worker->base == NULL || !mailbox_open(&worker->mailbox)) {
		return err_set(err, "cannot make an event loop");
	}
	worker->mail = event_new(worker->base, worker->mailbox.event_fd, EV_READ | EV_PERSIST,
		worker_on_mail, worker);
	worker->sweep = evtimer_new(worker->base, worker_on_sweep, worker);
	worker->reap = event_new(worker->base, -1, 0, on_reap, worker);
	worker->turn = evtimer_new(worker->base, on_turn, worker);
	worker->listener =
		listener_new(worker->base, worker->shared->listening_fd, on_accept, worker);
	if (worker->mail == NULL || worker->sweep == NULL || worker->reap == NULL ||
		worker->turn == NULL || worker->listener == NULL ||
		event_add(worker->mail, NULL) != 0) {
		return err_set(err, "cannot make the events of a worker");
	}
	worker_poll_or_pause(worker);
	return true;
}

static bool init_tools(struct worker *worker, struct err *err)
{
	struct store_hooks hooks = {
		.on_result = on_store_result, .on_state = on_store_state, .ctx = worker};
	arena_init(&worker->arena, ARENA_MAX_BYTES);
	buf_init(&worker->body, BODY_MAX_BYTES);
	buf_init(&worker->warnings, WARNINGS_MAX_BYTES);
	uuid_source_init(&worker->uuids);
	worker->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	worker->digest = EVP_MD_CTX_new();
	worker->store = store_new(worker->base, worker->generation->conf,
		worker->generation->taxonomy, &worker->metrics.store, hooks);
	if (worker->sha256 == NULL || worker->digest == NULL || worker->store == NULL) {
		return err_set(err, "no memory for a worker");
	}
	return true;
}

/* Signals belong to the main thread. */
static bool start_thread(struct worker *worker, struct err *err)
{
	sigset_t all;
	sigset_t old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int error = pthread_create(&worker->thread, NULL, worker_main, worker);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	worker->has_thread = error == 0;
	if (worker->has_thread) {
		atomic_fetch_add(&worker->shared->accepting, 1);
	}
	return error == 0 || err_set(err, "cannot start a thread: %s", strerror(error));
}

struct worker *worker_start(int number, struct shared *shared, struct generation *generation,
	struct registry *registry, struct err *err)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	if (worker == NULL) {
		err_set(err, "no memory for a worker");
		return NULL;
	}
	worker->magic = WORKER_MAGIC;
	worker->number = number;
	worker->shared = shared;
	worker->generation = generation_ref(generation);
	worker->registry = registry != NULL ? registry_ref(registry) : NULL;
	worker->mailbox.event_fd = -1;
	conn_table_init(&worker->table);
	list_init(&worker->next_turn);
	list_init(&worker->turn_end);
	list_init(&worker->room);
	for (int state = 0; state < CONN_STATE_COUNT; state++) {
		list_init(&worker->states[state]);
	}
	if (!init_loop(worker, err) || !init_tools(worker, err) || !start_thread(worker, err)) {
		worker_stop(&worker);
	}
	return worker;
}

bool worker_is_done(const struct worker *worker)
{
	return atomic_load(&worker->is_done);
}

static void free_events(struct worker *worker)
{
	struct event *events[] = {worker->mail, worker->sweep, worker->reap, worker->turn};
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (events[i] != NULL) {
			event_free(events[i]);
		}
	}
	if (worker->base != NULL) {
		event_base_free(worker->base);
	}
}

void worker_stop(struct worker **worker_ptr)
{
	struct worker *worker = *worker_ptr;
	if (worker == NULL) {
		return;
	}
	if (worker->has_thread) {
		pthread_join(worker->thread, NULL);
	}
	conn_close_all(worker);
	conn_table_fini(&worker->table);
	store_free(&worker->store);
	listener_free(&worker->listener);
	free_events(worker);
	worker_drop_mail(worker);
	EVP_MD_free(worker->sha256);
	EVP_MD_CTX_free(worker->digest);
	arena_fini(&worker->arena);
	buf_fini(&worker->body);
	buf_fini(&worker->warnings);
	buf_fini(&worker->plain);
	registry_unref(&worker->registry);
	generation_unref(&worker->generation);
	free(worker);
	*worker_ptr = NULL;
}

const struct metrics *worker_metrics(const struct worker *worker)
{
	return &worker->metrics;
}

const struct refusal_ring *worker_refusals(const struct worker *worker)
{
	return &worker->recent_refusals;
}
