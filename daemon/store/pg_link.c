// SPDX-License-Identifier: Apache-2.0
/*
 * The states of a link: DOWN (a timer runs), CONNECTING (PQconnectPoll), PREPARING (the session
 * check, LISTEN and the prepares are in the pipeline), READY. libpq may change its socket between
 * polls, so the event is made anew each time; it never blocks but in resolving a host name, which
 * hostaddr= in the connection string avoids.
 *
 * Not done here: cancelling (libpq 15 can do it only blocking and unencrypted; closing the socket
 * is enough) and PQreset (blocking).
 */
#include "pg_link_int.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "pg_error_int.h"
#include "pg_hosts_int.h"
#include "schema_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define PG_BACK_OFF_FIRST_MS 100
#define PG_BACK_OFF_LAST_MS 2000
#define INSUFFICIENT_PRIVILEGE "42501"

enum pg_link_state {
	PG_LINK_DOWN,
	PG_LINK_CONNECTING,
	PG_LINK_PREPARING,
	PG_LINK_READY,
	PG_LINK_BROKEN /* given up by its owner; closed at the next turn */
};

struct pg_link {
	struct event_base *base;
	struct conf *conf;
	const struct pg_statement *statements;
	size_t statement_count;
	const char *listen;
	const struct taxonomy *taxonomy;
	struct pg_link_hooks hooks;
	struct pg_hosts hosts;
	enum pg_link_state state;
	enum pg_refusal refusal;
	PGconn *connection;
	struct event *io;    /* readable, and writable while output waits */
	struct event *timer; /* back-off, connecting, a statement without an answer */
	bool io_wants_write;
	bool has_doubt;
	bool is_in_callback; /* the owner is being called: do not free the connection under libpq */
	int kinds[PG_LINK_MAX_IN_FLIGHT]; /* oldest first */
	int in_flight;
	PGresult *result;       /* of the oldest statement, until its sync has come */
	bool order_is_in_doubt; /* a sync may be missing: after the next one the link ends */
	int preparing_left;     /* syncs still to come before READY */
	int64_t back_off_ms;
	int64_t sent_at_ms; /* of the oldest statement in flight */
	int pid;            /* of the session that is READY */
	int left_pid;       /* of the last one that was left with a statement in flight; 0: none */
	int64_t told_timeout_ms; /* batch_timeout_ms, as the session's server was told */
	struct pg_session session;
	struct err reason;
};

static void link_start(struct pg_link *link);
static void on_io(evutil_socket_t fd, short what, void *ctx);

static void set_timer(struct pg_link *link, int64_t ms)
{
	struct timeval delay = {ms / 1000, ms % 1000 * 1000};
	evtimer_add(link->timer, &delay);
}

/* Watches the connection's present socket for what libpq waits for. */
static bool watch(struct pg_link *link, short what)
{
	if (link->io != NULL) {
		event_free(link->io);
		link->io = NULL;
	}
	link->io = event_new(
		link->base, PQsocket(link->connection), (short)(what | EV_PERSIST), on_io, link);
	link->io_wants_write = (what & EV_WRITE) != 0;
	return link->io != NULL && event_add(link->io, NULL) == 0;
}

static void close_connection(struct pg_link *link)
{
	if (link->io != NULL) {
		event_free(link->io);
		link->io = NULL;
	}
	PQclear(link->result);
	link->result = NULL;
	if (link->in_flight > 0) {
		link->left_pid = link->pid;
	}
	if (link->connection != NULL) {
		PQfinish(link->connection);
		link->connection = NULL;
	}
	link->in_flight = 0;
	link->has_doubt = false;
	link->order_is_in_doubt = false;
	link->state = PG_LINK_DOWN;
}

/* Half to the whole of the back-off, so that many workers do not come back together. */
static int64_t jittered(int64_t ms)
{
	uint32_t random = 0;
	ssize_t got = getrandom(&random, sizeof(random), 0);
	(void)got;
	return ms / 2 + (int64_t)(random % (uint32_t)(ms / 2 + 1));
}

/* Closes, tells the owner and waits for the next attempt. */
static void link_lost(struct pg_link *link)
{
	close_connection(link);
	set_timer(link, jittered(link->back_off_ms));
	link->back_off_ms *= 2;
	if (link->back_off_ms > PG_BACK_OFF_LAST_MS) {
		link->back_off_ms = PG_BACK_OFF_LAST_MS;
	}
	link->hooks.on_lost(link->hooks.ctx, link->reason.text);
}

static void link_lost_with_message(struct pg_link *link, const char *what)
{
	char sentence[PG_SENTENCE_BYTES];
	pg_error_sentence(sentence, PQerrorMessage(link->connection));
	err_set(&link->reason, "%s: %s", what, sentence);
	link_lost(link);
}

static void refuse_preparation(struct pg_link *link, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	if (schema_error_is_schema(sqlstate)) {
		link->refusal = PG_REFUSAL_SCHEMA;
		err_set(&link->reason,
			"the database has not this version's schema (intakectl db migrate)");
	} else if (sqlstate != NULL && strcmp(sqlstate, INSUFFICIENT_PRIVILEGE) == 0) {
		err_set(&link->reason,
			"the database's user %s has not the rights of intake_daemon, expected a "
			"member of it",
			PQuser(link->connection));
	} else {
		err_set(&link->reason, "cannot set the session up: %s",
			message != NULL ? message : "no reason given");
	}
	link_lost(link);
}

/*
 * With synchronous replication a wait that is cut short ends in success and a warning, though only
 * this server has the commit: the owner must not acknowledge it.
 */
static void on_notice(void *ctx, const PGresult *result)
{
	struct pg_link *link = ctx;
	/*
	 * The message is in the server's language, the name of the function that raised it is not.
	 * It is always there, unless memory was short for it.
	 */
	const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
	if (function == NULL || strcmp(function, "SyncRepWaitForLSN") == 0) {
		link->has_doubt = true;
	}
}

/* False when libpq has no memory or the socket failed. */
static bool flush(struct pg_link *link)
{
	int left = PQflush(link->connection);
	if (left < 0) {
		return false;
	}
	bool wants_write = left > 0;
	if (wants_write == link->io_wants_write) {
		return true;
	}
	return watch(link, wants_write ? EV_READ | EV_WRITE : EV_READ);
}

static bool send_preparation(struct pg_link *link)
{
	PGconn *connection = link->connection;
	if (PQsetnonblocking(connection, 1) != 0 || PQenterPipelineMode(connection) != 1) {
		return false;
	}
	char *codes = schema_codes_literal(link->taxonomy);
	if (codes == NULL) {
		return false;
	}
	char left[16];
	snprintf(left, sizeof(left), "%d", link->left_pid);
	const char *values[] = {codes, left};
	bool sent = PQsendQueryParams(
			    connection, SCHEMA_SESSION_SQL, 2, NULL, values, NULL, NULL, 0) == 1 &&
		PQpipelineSync(connection) == 1;
	free(codes);
	link->preparing_left = 1;
	if (sent && link->listen != NULL) {
		char sql[64];
		snprintf(sql, sizeof(sql), "LISTEN %s", link->listen);
		sent = PQsendQueryParams(connection, sql, 0, NULL, NULL, NULL, NULL, 0) == 1 &&
			PQpipelineSync(connection) == 1;
		link->preparing_left++;
	}
	for (size_t i = 0; sent && i < link->statement_count; i++) {
		sent = PQsendPrepare(connection, link->statements[i].name, link->statements[i].sql,
			       0, NULL) == 1 &&
			PQpipelineSync(connection) == 1;
		link->preparing_left++;
	}
	return sent && flush(link);
}

static void on_connected(struct pg_link *link)
{
	link->state = PG_LINK_PREPARING;
	if (!watch(link, EV_READ) || !send_preparation(link)) {
		link_lost_with_message(link, "cannot set the session up");
	}
}

static void poll_connect(struct pg_link *link)
{
	switch (PQconnectPoll(link->connection)) {
	case PGRES_POLLING_OK:
		on_connected(link);
		return;
	case PGRES_POLLING_READING:
		if (watch(link, EV_READ)) {
			return;
		}
		break;
	case PGRES_POLLING_WRITING:
		if (watch(link, EV_WRITE)) {
			return;
		}
		break;
	default:
		break;
	}
	link_lost_with_message(link, "cannot connect");
}

/* Of several servers this one is tried last from now on. */
static void put_server_last(struct pg_link *link)
{
	pg_hosts_put_last(&link->hosts, PQhost(link->connection), PQport(link->connection));
}

static void on_ready(struct pg_link *link)
{
	link->state = PG_LINK_READY;
	link->pid = PQbackendPID(link->connection);
	link->left_pid = 0;
	evtimer_del(link->timer);
	link->hooks.on_ready(link->hooks.ctx);
}

/* One result while PREPARING; false when the link was given up. */
static bool on_preparation_result(struct pg_link *link, const PGresult *result)
{
	switch (PQresultStatus(result)) {
	case PGRES_TUPLES_OK:
		link->refusal =
			schema_check_session(result, link->conf, &link->session, &link->reason);
		if (link->refusal == PG_REFUSAL_READ_ONLY) {
			put_server_last(link);
		}
		if (link->refusal != PG_REFUSAL_NONE) {
			link_lost(link);
			return false;
		}
		return true;
	case PGRES_COMMAND_OK:
		return true;
	case PGRES_PIPELINE_SYNC:
		if (--link->preparing_left == 0) {
			on_ready(link);
			return link->state == PG_LINK_READY;
		}
		return true;
	default:
		refuse_preparation(link, result);
		return false;
	}
}

/*
 * A session keeps the timeout it was dialled with: where another one is configured since, the next
 * session takes its place as soon as nothing is in flight. True when that is now.
 */
static bool renew_session(struct pg_link *link)
{
	if (link->state != PG_LINK_READY || link->in_flight > 0 ||
		link->told_timeout_ms == link->conf->database_batch_timeout_ms) {
		return false;
	}
	close_connection(link);
	set_timer(link, 0);
	return true;
}

static bool give_up_order(struct pg_link *link)
{
	err_set(&link->reason, "the end of a statement was lost, or its commit failed");
	link_lost(link);
	return false;
}

/*
 * A statement has one result, and another one where its commit fails. Where libpq had no memory for
 * a sync it leaves it out and reads on; what comes then is the next statement's, and would be taken
 * for this one's. Of the two an error may be either: it holds for this statement, which harms
 * nobody if it is not meant, and after its sync the link is given up.
 */
static bool keep_result(struct pg_link *link, PGresult *result)
{
	if (link->result == NULL) {
		link->result = result;
		return true;
	}
	if (PQresultStatus(result) == PGRES_FATAL_ERROR) {
		PQclear(link->result);
		link->result = result;
		link->order_is_in_doubt = true;
		return true;
	}
	PQclear(result);
	return give_up_order(link);
}

/*
 * One result while READY; false when the link was given up. A statement's result is kept until its
 * sync has come: only then is the transaction over for good.
 */
static bool on_result(struct pg_link *link, PGresult *result)
{
	if (PQresultStatus(result) != PGRES_PIPELINE_SYNC) {
		return keep_result(link, result);
	}
	PQclear(result);
	ENSURE(link->in_flight > 0);
	int kind = link->kinds[0];
	PGresult *answer = link->result;
	link->result = NULL;
	link->in_flight--;
	memmove(link->kinds, link->kinds + 1, sizeof(link->kinds) - sizeof(link->kinds[0]));
	link->sent_at_ms = clock_monotonic_ms();
	if (link->in_flight == 0) {
		evtimer_del(link->timer);
	}
	if (PQresultStatus(answer) != PGRES_FATAL_ERROR) {
		link->back_off_ms = PG_BACK_OFF_FIRST_MS;
	}
	link->is_in_callback = true;
	link->hooks.on_result(link->hooks.ctx, kind, answer);
	link->is_in_callback = false;
	link->has_doubt = false;
	PQclear(answer);
	if (link->order_is_in_doubt && link->state == PG_LINK_READY) {
		link->back_off_ms = PG_BACK_OFF_FIRST_MS;
		return give_up_order(link);
	}
	return !renew_session(link) && link->state == PG_LINK_READY;
}

static void read_results(struct pg_link *link)
{
	int nulls = 0;
	while (PQisBusy(link->connection) == 0) {
		PGresult *result = PQgetResult(link->connection);
		if (result == NULL) {
			/* The end of one statement's results; two in a row: the pipeline is empty.
			 */
			if (++nulls == 2) {
				break;
			}
			continue;
		}
		nulls = 0;
		bool goes_on;
		if (link->state == PG_LINK_PREPARING) {
			goes_on = on_preparation_result(link, result);
			PQclear(result);
		} else {
			goes_on = on_result(link, result);
		}
		if (!goes_on) {
			return;
		}
	}
	PGnotify *notify;
	while ((notify = PQnotifies(link->connection)) != NULL) {
		PQfreemem(notify);
		if (link->hooks.on_notify != NULL && link->state == PG_LINK_READY) {
			link->hooks.on_notify(link->hooks.ctx);
		}
	}
}

static void on_io(evutil_socket_t fd, short what, void *ctx)
{
	struct pg_link *link = ctx;
	(void)fd;
	if (link->state == PG_LINK_CONNECTING) {
		poll_connect(link);
		return;
	}
	if ((what & EV_READ) != 0) {
		if (PQconsumeInput(link->connection) != 1) {
			link_lost_with_message(link, "connection lost");
			return;
		}
		read_results(link);
	}
	if (link->state != PG_LINK_DOWN && link->state != PG_LINK_BROKEN && !flush(link)) {
		link_lost_with_message(link, "connection lost");
	}
}

/* What hangs is given up. */
static void link_silent(struct pg_link *link, const char *what, int64_t waited_ms)
{
	put_server_last(link);
	err_set(&link->reason, "%sno answer within %lld ms", what, (long long)waited_ms);
	link_lost(link);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct pg_link *link = ctx;
	(void)fd;
	(void)what;
	switch (link->state) {
	case PG_LINK_DOWN:
		link_start(link);
		break;
	case PG_LINK_CONNECTING:
	case PG_LINK_PREPARING:
		link_silent(link, "cannot connect: ", link->conf->database_connect_timeout_ms);
		break;
	case PG_LINK_BROKEN:
		link_lost(link);
		break;
	case PG_LINK_READY: {
		int64_t left = link->sent_at_ms + link->conf->database_batch_timeout_ms -
			clock_monotonic_ms();
		if (left > 0) {
			set_timer(link, left);
			break;
		}
		link_silent(link, "", link->conf->database_batch_timeout_ms);
		break;
	}
	}
}

/*
 * What runs too long is ended by the server, and the session is good for another attempt, before
 * the link gives up the session.
 *
 * A session whose end was cut off from it must not keep its locks: a batch whose sync never came is
 * no idle transaction to PostgreSQL, only a connection that is silent. The server asks it soon.
 *
 * Every look-up is by a key, so a plan made while a table was small must not read all of it when it
 * has grown; the price that the planner then puts on small tables would call for compiling.
 *
 * What others may create in a schema such as public is not taken for PostgreSQL's own.
 */
#define SESSION_OPTIONS                                                                      \
	"-c datestyle=ISO -c timezone=UTC -c bytea_output=hex"                               \
	" -c lock_timeout=2s"                                                                \
	" -c idle_in_transaction_session_timeout=10s -c client_connection_check_interval=2s" \
	" -c idle_session_timeout=0"                                                         \
	" -c tcp_keepalives_idle=3 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3"   \
	" -c tcp_user_timeout=10s"                                                           \
	" -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off"            \
	" -c default_transaction_isolation=read\\ committed -c client_min_messages=warning"  \
	" -c search_path=pg_catalog"

/* Of two settings of a name the later one wins: the operator's. */
static bool print_session_options(
	struct buf *out, const struct conf *conf, const struct pg_hosts *hosts)
{
	const char *theirs = hosts->session_options != NULL ? hosts->session_options : "";
	return buf_printf(out, SESSION_OPTIONS " -c statement_timeout=%lld%s %s",
		       (long long)conf->database_batch_timeout_ms / 2,
		       conf->database_allow_unsafe_durability
			       ? " -c intaked.allow_unsafe_durability=on"
			       : "",
		       theirs) &&
		buf_append(out, "", 1);
}

/*
 * dbname is expanded where it stands, behind our own settings, so that what the operator's string
 * says wins; what comes after it is of the same string, in the order that has come of it.
 */
static PGconn *dial(const struct conf *conf, const struct pg_hosts *hosts)
{
	static const char *const keywords[] = {"fallback_application_name", "client_encoding",
		"tcp_user_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count",
		"gssencmode", "dbname", "options", "host", "hostaddr", "port", NULL};
	PGconn *connection = NULL;
	struct buf options;
	buf_init(&options, SIZE_MAX);
	if (print_session_options(&options, conf, hosts)) {
		const char *values[] = {"intaked", "UTF8", "10000", "10", "5", "3", "disable",
			conf->database_connection, options.data, hosts->names, hosts->addresses,
			hosts->ports, NULL};
		connection = PQconnectStartParams(keywords, values, 1);
	}
	buf_fini(&options);
	return connection;
}

static void link_start(struct pg_link *link)
{
	link->refusal = PG_REFUSAL_NONE;
	link->told_timeout_ms = link->conf->database_batch_timeout_ms;
	if (link->hosts.options == NULL) {
		pg_hosts_init(&link->hosts, link->conf->database_connection);
	}
	/* A session without what the operator has set for it is none. */
	if (link->hosts.options != NULL) {
		link->connection = dial(link->conf, &link->hosts);
	}
	if (link->connection == NULL) {
		err_set(&link->reason, "no memory for a database connection");
		link_lost(link);
		return;
	}
	link->state = PG_LINK_CONNECTING;
	PQsetNoticeReceiver(link->connection, on_notice, link);
	if (PQstatus(link->connection) == CONNECTION_BAD) {
		link_lost_with_message(link, "cannot connect");
		return;
	}
	set_timer(link, link->conf->database_connect_timeout_ms);
	if (!watch(link, EV_WRITE)) {
		link_lost_with_message(link, "cannot watch the connection");
	}
}

struct pg_link *pg_link_new(struct event_base *base, struct conf *conf,
	const struct pg_statement *statements, size_t statement_count, const char *listen,
	const struct taxonomy *taxonomy, struct pg_link_hooks hooks)
{
	struct pg_link *link = calloc(1, sizeof(*link));
	if (link == NULL) {
		return NULL;
	}
	link->base = base;
	link->conf = conf_ref(conf);
	link->statements = statements;
	link->statement_count = statement_count;
	link->listen = listen;
	link->taxonomy = taxonomy;
	link->hooks = hooks;
	link->back_off_ms = PG_BACK_OFF_FIRST_MS;
	pg_hosts_init(&link->hosts, conf->database_connection);
	link->timer = evtimer_new(base, on_timer, link);
	if (link->timer == NULL) {
		pg_link_free(&link);
		return NULL;
	}
	set_timer(link, 0);
	return link;
}

void pg_link_free(struct pg_link **link)
{
	if (*link == NULL) {
		return;
	}
	ENSURE(!(*link)->is_in_callback);
	close_connection(*link);
	if ((*link)->timer != NULL) {
		event_free((*link)->timer);
	}
	pg_hosts_fini(&(*link)->hosts);
	conf_unref(&(*link)->conf);
	free(*link);
	*link = NULL;
}

void pg_link_set_conf(struct pg_link *link, struct conf *conf, const struct taxonomy *taxonomy)
{
	link->taxonomy = taxonomy;
	conf_unref(&link->conf);
	link->conf = conf_ref(conf);
	renew_session(link);
}

bool pg_link_is_ready(const struct pg_link *link)
{
	return link->state == PG_LINK_READY;
}

const struct pg_session *pg_link_session(const struct pg_link *link)
{
	return &link->session;
}

enum pg_refusal pg_link_refusal(const struct pg_link *link)
{
	return link->refusal;
}

size_t pg_link_host_count(const struct pg_link *link)
{
	return link->hosts.count;
}

int pg_link_in_flight(const struct pg_link *link)
{
	return link->in_flight;
}

bool pg_link_send(struct pg_link *link, int kind, const char *name, int param_count,
	const char *const *values, const int *lengths, bool text_result)
{
	static const int binary[8] = {1, 1, 1, 1, 1, 1, 1, 1};
	ENSURE(param_count <= 8 && link->in_flight < PG_LINK_MAX_IN_FLIGHT);
	if (link->state != PG_LINK_READY) {
		return false;
	}
	if (PQsendQueryPrepared(link->connection, name, param_count, values, lengths, binary,
		    text_result ? 0 : 1) != 1 ||
		PQpipelineSync(link->connection) != 1 || !flush(link)) {
		pg_link_give_up(link, "cannot send");
		return false;
	}
	if (link->in_flight == 0) {
		link->sent_at_ms = clock_monotonic_ms();
		set_timer(link, link->conf->database_batch_timeout_ms);
	}
	link->kinds[link->in_flight++] = kind;
	return true;
}

void pg_link_give_up(struct pg_link *link, const char *reason)
{
	err_set(&link->reason, "%s", reason);
	/* From the timer, so that the owner is not called back from its own call. */
	link->state = PG_LINK_BROKEN;
	if (link->io != NULL) {
		event_free(link->io);
		link->io = NULL;
	}
	set_timer(link, 0);
}

bool pg_link_has_doubt(const struct pg_link *link)
{
	return link->has_doubt;
}
