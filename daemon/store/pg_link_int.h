// SPDX-License-Identifier: Apache-2.0
/*
 * One connection to PostgreSQL on an event loop: connects, checks the session, prepares what it is
 * told to, runs statements in pipeline mode, and when it is lost connects again with a jittered
 * back-off, for ever. Everything is called from the thread of its event_base.
 *
 * A statement is one transaction: each is followed by a sync of its own, so what one does cannot
 * undo another. Answers come in the order of sending. When the link is lost, statements without an
 * answer are forgotten by the link: on_lost tells the owner, who knows what to send again.
 */
#pragma once

#include "base/attr.h"
#include "conf/conf.h"
#include "report/taxonomy.h"

#include <event2/event.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#define PG_LINK_MAX_IN_FLIGHT 4

struct pg_link;

struct pg_statement {
	const char *name;
	const char *sql;
};

struct pg_link_hooks {
	/* Connected, checked and prepared: statements may be sent. */
	void (*on_ready)(void *ctx);
	/* Not ready any more, or an attempt failed; sentence for a log. */
	void (*on_lost)(void *ctx, const char *reason);
	/*
	 * The answer to the oldest statement, its transaction over; kind is what it was sent with.
	 * The result is the link's.
	 */
	void (*on_result)(void *ctx, int kind, const PGresult *result);
	/* NULL, or called for each NOTIFY. */
	void (*on_notify)(void *ctx);
	void *ctx;
};

/* What the session check found; the types' numbers differ from database to database. */
struct pg_session {
	uint32_t report_oid;
	uint32_t indicator_oid;
	uint32_t refusal_oid;
};

/* Why a link cannot be used though the server answers. */
enum pg_refusal { PG_REFUSAL_NONE, PG_REFUSAL_SCHEMA, PG_REFUSAL_DURABILITY, PG_REFUSAL_READ_ONLY };

/* Statements are prepared anew at each connection; listen is NULL or a channel. Starts at once. */
MUST_CHECK struct pg_link *pg_link_new(struct event_base *base, struct conf *conf,
	const struct pg_statement *statements, size_t statement_count, const char *listen,
	const struct taxonomy *taxonomy, struct pg_link_hooks hooks);
void pg_link_free(struct pg_link **link);
/* Reloadable settings are read from this snapshot from now on. */
void pg_link_set_conf(struct pg_link *link, struct conf *conf, const struct taxonomy *taxonomy);

bool pg_link_is_ready(const struct pg_link *link);
const struct pg_session *pg_link_session(const struct pg_link *link);
enum pg_refusal pg_link_refusal(const struct pg_link *link);
/* How many servers the connection string names; 0 when it names none or cannot be read. */
size_t pg_link_host_count(const struct pg_link *link);
int pg_link_in_flight(const struct pg_link *link);

/*
 * Sends a prepared statement with binary parameters; text_result asks for text. False when the link
 * is not ready or was lost in trying (on_lost is called later, from the loop).
 */
MUST_CHECK bool pg_link_send(struct pg_link *link, int kind, const char *name, int param_count,
	const char *const *values, const int *lengths, bool text_result);
/* The server gives wrong answers: closes the connection and starts over after a back-off. */
void pg_link_give_up(struct pg_link *link, const char *reason);
/* In on_result: true when this statement's commit may not have reached its synchronous standby. */
bool pg_link_has_doubt(const struct pg_link *link);
