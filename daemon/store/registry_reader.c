// SPDX-License-Identifier: Apache-2.0
/*
 * A link of its own that listens for notices and polls beside it: a notice can be lost with a
 * connection, a poll cannot. An answer equal to the one before is not passed on.
 */
#include "pg_link_int.h"
#include "registry_int.h"
#include "statements_int.h"
#include "store/registry.h"

#include <stdlib.h>
#include <string.h>

#define REGISTRY_CHANNEL "intake_registry"

struct registry_reader {
	struct conf *conf;
	struct registry_hooks hooks;
	struct pg_link *link;
	struct event *poll;
	PGresult *last; /* what the present registry was made from */
	bool is_asked_again;
};

static void ask(struct registry_reader *reader)
{
	if (!pg_link_is_ready(reader->link)) {
		return;
	}
	if (pg_link_in_flight(reader->link) > 0) {
		reader->is_asked_again = true;
		return;
	}
	bool sent = pg_link_send(reader->link, 0, STATEMENT_REGISTRY, 0, NULL, NULL, true);
	(void)sent; /* a lost link is asked again when it is back */
}

static bool is_same(const PGresult *a, const PGresult *b)
{
	if (a == NULL || PQntuples(a) != PQntuples(b)) {
		return false;
	}
	for (int row = 0; row < PQntuples(a); row++) {
		for (int column = 0; column < PQnfields(a); column++) {
			if (strcmp(PQgetvalue(a, row, column), PQgetvalue(b, row, column)) != 0) {
				return false;
			}
		}
	}
	return true;
}

static void take(struct registry_reader *reader, const PGresult *result)
{
	if (is_same(reader->last, result)) {
		return;
	}
	struct registry *registry = registry_from_result(result);
	if (registry == NULL) {
		return;
	}
	PQclear(reader->last);
	reader->last = PQcopyResult(result, PG_COPYRES_TUPLES);
	reader->hooks.on_registry(reader->hooks.ctx, registry);
	registry_unref(&registry);
}

static void on_result(void *ctx, int kind, const PGresult *result)
{
	struct registry_reader *reader = ctx;
	(void)kind;
	if (PQresultStatus(result) != PGRES_TUPLES_OK) {
		const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
		pg_link_give_up(reader->link, message != NULL ? message : "no reason given");
		return;
	}
	if (pg_link_has_doubt(reader->link)) {
		pg_link_give_up(reader->link, "the standby has not confirmed what was read");
		return;
	}
	/* Not when it had connected: a server that waits for its standby answers nothing more. */
	reader->hooks.on_state(reader->hooks.ctx, true, false, "");
	take(reader, result);
	if (reader->is_asked_again) {
		reader->is_asked_again = false;
		ask(reader);
	}
}

static void on_notify(void *ctx)
{
	ask(ctx);
}

static void on_ready(void *ctx)
{
	ask(ctx);
}

static void on_lost(void *ctx, const char *reason)
{
	struct registry_reader *reader = ctx;
	reader->is_asked_again = false;
	reader->hooks.on_state(reader->hooks.ctx, false,
		pg_link_refusal(reader->link) == PG_REFUSAL_SCHEMA, reason);
}

static void on_poll(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	ask(ctx);
}

struct registry_reader *registry_reader_new(struct event_base *base, struct conf *conf,
	const struct taxonomy *taxonomy, struct registry_hooks hooks)
{
	struct registry_reader *reader = calloc(1, sizeof(*reader));
	if (reader == NULL) {
		return NULL;
	}
	reader->conf = conf_ref(conf);
	reader->hooks = hooks;
	struct pg_link_hooks link_hooks = {
		.on_ready = on_ready,
		.on_lost = on_lost,
		.on_result = on_result,
		.on_notify = on_notify,
		.ctx = reader,
	};
	reader->link = pg_link_new(base, conf, registry_statements, registry_statement_count,
		REGISTRY_CHANNEL, taxonomy, link_hooks);
	reader->poll = event_new(base, -1, EV_PERSIST, on_poll, reader);
	struct timeval interval = {conf->database_registry_poll_ms / 1000,
		conf->database_registry_poll_ms % 1000 * 1000};
	if (reader->link == NULL || reader->poll == NULL ||
		event_add(reader->poll, &interval) != 0) {
		registry_reader_free(&reader);
	}
	return reader;
}

void registry_reader_set_conf(
	struct registry_reader *reader, struct conf *conf, const struct taxonomy *taxonomy)
{
	struct timeval interval = {conf->database_registry_poll_ms / 1000,
		conf->database_registry_poll_ms % 1000 * 1000};
	conf_unref(&reader->conf);
	reader->conf = conf_ref(conf);
	pg_link_set_conf(reader->link, conf, taxonomy);
	event_add(reader->poll, &interval);
	ask(reader);
}

void registry_reader_free(struct registry_reader **reader)
{
	if (*reader == NULL) {
		return;
	}
	pg_link_free(&(*reader)->link);
	if ((*reader)->poll != NULL) {
		event_free((*reader)->poll);
	}
	PQclear((*reader)->last);
	conf_unref(&(*reader)->conf);
	free(*reader);
	*reader = NULL;
}
