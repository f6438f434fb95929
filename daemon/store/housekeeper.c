// SPDX-License-Identifier: Apache-2.0
/*
 * Small steps on a link of its own, so that neither reports nor partners wait for it. A report
 * costs twice as much in a step of ten as in one of two hundred, so the emptier a step was the
 * later is the next; and the fewer wait, the quicker are the views. After a full step a rest as
 * long as it has taken: what is late is taken at half of one core at most. While more reports come
 * than it could keep up with so, that half only holds them up: it rests longer, and takes the rest
 * when they are through. Of several daemons the database lets one at a time do it.
 */
#include "housekeeper_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "pg_link_int.h"
#include "statements_int.h"

#include <endian.h>
#include <stdlib.h>

/* Rests, in steps. */
#define USUAL_REST 1
#define CROWD_REST 9
#define QUICK_STEP_MS 500

struct housekeeper {
	struct housekeeper_hooks hooks;
	struct conf *conf;
	struct pg_link *link;
	struct event *due;
	int32_t most; /* changes that a step takes */
	int64_t began_ms;
	int64_t looked_at_ms; /* when this was stored of this process: */
	uint64_t stored;
	uint64_t changes;
	bool is_failing;
};

static void come_back_in(struct housekeeper *keeper, int64_t ms)
{
	struct timeval delay = {ms / 1000, ms % 1000 * 1000};
	evtimer_add(keeper->due, &delay);
}

static bool send_step(struct housekeeper *keeper)
{
	const uint32_t most = htobe32((uint32_t)keeper->most);
	const char *values[] = {(const char *)&most};
	const int lengths[] = {sizeof(most)};
	return pg_link_send(keeper->link, 0, STATEMENT_HOUSEKEEP, 1, values, lengths, true);
}

static void on_due(evutil_socket_t fd, short what, void *ctx)
{
	struct housekeeper *keeper = ctx;
	(void)fd;
	(void)what;
	keeper->began_ms = clock_monotonic_ms();
	if (!pg_link_is_ready(keeper->link) || !send_step(keeper)) {
		come_back_in(keeper, keeper->conf->database_housekeeping_interval_ms);
	}
}

/* What goes wrong is tried again: the views are right without it, only slower. */
static void note_outcome(struct housekeeper *keeper, const PGresult *result)
{
	char escaped[512];
	bool is_failing = PQresultStatus(result) != PGRES_TUPLES_OK;
	if (is_failing && !keeper->is_failing) {
		const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
		log_error("housekeeping-failing", "text=%s",
			log_escape(escaped, sizeof(escaped),
				str_from(message != NULL ? message : "no reason given")));
	} else if (!is_failing && keeper->is_failing) {
		log_info("housekeeping-recovered", "changes=%llu",
			(unsigned long long)keeper->changes);
	}
	keeper->is_failing = is_failing;
}

int64_t housekeeper_rest_ms(const struct housekeeper_step *step, int64_t interval_ms)
{
	double wanted = (double)step->stored * (double)(step->took_ms * (1 + USUAL_REST));
	bool is_crowd = wanted > (double)step->changes * (double)step->since_last_ms;
	int64_t rest_ms = step->took_ms * (is_crowd ? CROWD_REST : USUAL_REST);
	int64_t filling_ms =
		interval_ms * (int64_t)(step->most - step->changes) / (int64_t)step->most;
	rest_ms = rest_ms > filling_ms ? rest_ms : filling_ms;
	return rest_ms < interval_ms ? rest_ms : interval_ms;
}

int32_t housekeeper_next_most(int32_t most, bool has_failed, int64_t took_ms)
{
	if (has_failed) {
		return most > 1 ? most / 2 : 1;
	}
	if (took_ms >= QUICK_STEP_MS) {
		return most;
	}
	return most < HOUSEKEEPER_MOST_CHANGES / 2 ? most * 2 : HOUSEKEEPER_MOST_CHANGES;
}

/* What has happened since the last look. */
static struct housekeeper_step look(struct housekeeper *keeper, uint64_t changes)
{
	int64_t now_ms = clock_monotonic_ms();
	uint64_t stored = keeper->hooks.stored_reports(keeper->hooks.ctx);
	struct housekeeper_step step = {
		.took_ms = now_ms - keeper->began_ms,
		.most = (uint64_t)keeper->most,
		.changes = changes,
		.stored = stored - keeper->stored,
		.since_last_ms = now_ms - keeper->looked_at_ms,
	};
	keeper->looked_at_ms = now_ms;
	keeper->stored = stored;
	return step;
}

static void on_result(void *ctx, int kind, const PGresult *result)
{
	struct housekeeper *keeper = ctx;
	(void)kind;
	note_outcome(keeper, result);
	uint64_t changes = keeper->is_failing ? 0 : strtoull(PQgetvalue(result, 0, 0), NULL, 10);
	keeper->changes += changes;
	struct housekeeper_step step = look(keeper, changes);
	keeper->most = housekeeper_next_most(keeper->most, keeper->is_failing, step.took_ms);
	come_back_in(keeper,
		housekeeper_rest_ms(&step, keeper->conf->database_housekeeping_interval_ms));
}

static void on_ready(void *ctx)
{
	struct housekeeper *keeper = ctx;
	look(keeper, 0);
	come_back_in(keeper, keeper->conf->database_housekeeping_interval_ms);
}

static void on_lost(void *ctx, const char *reason)
{
	struct housekeeper *keeper = ctx;
	(void)reason; /* the other links tell of the database */
	event_del(keeper->due);
}

struct housekeeper *housekeeper_new(struct event_base *base, struct conf *conf,
	const struct taxonomy *taxonomy, struct housekeeper_hooks hooks)
{
	struct housekeeper *keeper = calloc(1, sizeof(*keeper));
	if (keeper == NULL) {
		return NULL;
	}
	struct pg_link_hooks link_hooks = {
		.on_ready = on_ready, .on_lost = on_lost, .on_result = on_result, .ctx = keeper};
	keeper->hooks = hooks;
	keeper->conf = conf_ref(conf);
	keeper->most = HOUSEKEEPER_MOST_CHANGES;
	keeper->due = evtimer_new(base, on_due, keeper);
	if (keeper->due != NULL) {
		keeper->link = pg_link_new(base, conf, housekeeping_statements,
			housekeeping_statement_count, NULL, taxonomy, link_hooks);
	}
	if (keeper->link == NULL) {
		housekeeper_free(&keeper);
	}
	return keeper;
}

void housekeeper_set_conf(
	struct housekeeper *keeper, struct conf *conf, const struct taxonomy *taxonomy)
{
	conf_unref(&keeper->conf);
	keeper->conf = conf_ref(conf);
	pg_link_set_conf(keeper->link, conf, taxonomy);
}

uint64_t housekeeper_changes(const struct housekeeper *keeper)
{
	return keeper != NULL ? keeper->changes : 0;
}

void housekeeper_free(struct housekeeper **keeper)
{
	if (*keeper == NULL) {
		return;
	}
	if ((*keeper)->link != NULL) {
		pg_link_free(&(*keeper)->link);
	}
	if ((*keeper)->due != NULL) {
		event_free((*keeper)->due);
	}
	conf_unref(&(*keeper)->conf);
	free(*keeper);
	*keeper = NULL;
}
