// SPDX-License-Identifier: Apache-2.0
/*
 * The same link and the same session check that serving uses, on an event loop of its own.
 */
#include "store/database_check.h"

#include "pg_link_int.h"
#include "statements_int.h"

#include <string.h>

/* The main thread waits for it, and nobody else feeds the watchdog. */
#define CHECK_MAX_S 10

struct check {
	struct event_base *base;
	struct pg_link *link;
	size_t standbys; /* asked so far */
	bool is_good;
	struct err *err;
};

static void on_ready(void *ctx)
{
	struct check *check = ctx;
	check->is_good = true;
	event_base_loopbreak(check->base);
}

static void on_lost(void *ctx, const char *reason)
{
	struct check *check = ctx;
	err_set(check->err, "database.connection: %s", reason);
	/* The link asks the next of several servers. */
	if (pg_link_refusal(check->link) == PG_REFUSAL_READ_ONLY &&
		++check->standbys < pg_link_host_count(check->link)) {
		return;
	}
	event_base_loopbreak(check->base);
}

static void on_result(void *ctx, int kind, const PGresult *result)
{
	(void)ctx;
	(void)kind;
	(void)result;
}

bool database_check(struct conf *conf, const struct taxonomy *taxonomy, struct err *err)
{
	struct check check = {.base = event_base_new(), .err = err};
	if (check.base == NULL) {
		return err_set(err, "cannot make an event loop");
	}
	struct pg_link_hooks hooks = {
		.on_ready = on_ready, .on_lost = on_lost, .on_result = on_result, .ctx = &check};
	check.link = pg_link_new(
		check.base, conf, store_statements, store_statement_count, NULL, taxonomy, hooks);
	if (check.link == NULL) {
		err_set(err, "no memory");
	} else {
		static const struct timeval limit = {CHECK_MAX_S, 0};
		err_set(err, "database.connection: no answer within %d s", CHECK_MAX_S);
		event_base_loopexit(check.base, &limit);
		event_base_dispatch(check.base);
	}
	pg_link_free(&check.link);
	event_base_free(check.base);
	return check.is_good;
}
