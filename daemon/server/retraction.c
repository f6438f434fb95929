// SPDX-License-Identifier: Apache-2.0
/*
 * A retraction goes the way of a report: judged where its body lies, given an id and the time,
 * handed to the store, answered when that has committed it. Its receipt comes from the database,
 * since nobody here knows the report that it is about.
 */
#include "retraction_int.h"

#include "base/clock.h"
#include "intake_int.h"
#include "judgement_int.h"
#include "reply_int.h"
#include "report_path_int.h"
#include "worker_int.h"

static void submit(struct conn *conn, struct retraction *retraction)
{
	struct worker *worker = conn->worker;
	retraction->id = uuid_v7(&worker->uuids, retraction->retracted_at_us);
	if (store_retract(worker->store, retraction, conn_ticket(conn, 0))) {
		conn_wait(conn, QUESTION_RETRACTION);
	} else {
		reply_refuse(
			conn, REJECT_UNAVAILABLE, "too many retractions wait for the database");
	}
}

static void judge(struct conn *conn, struct str body, struct retraction *retraction)
{
	const struct conf *conf = worker_conf(conn->worker);
	const struct report_rules rules = {
		.taxonomy = conn->worker->generation->taxonomy,
		.max_depth = (int)conf->limits_report_depth,
		.max_values = (int)conf->limits_report_values,
	};
	struct report_result result;
	struct report_retraction wanted;
	/* Whatever becomes of it, a refusal's trace has the digest. */
	conn->has_sha256 = judgement_digest(conn->worker, body, conn->sha256);
	conn->judged_bytes = body.len;
	if (!conn->has_sha256) {
		reply_refuse(conn, REJECT_UNAVAILABLE, NULL);
		return;
	}
	report_check_retraction(&conn->worker->arena, &rules, body, &result, &wanted);
	switch (result.verdict) {
	case REPORT_VALID:
		retraction->revision = wanted.revision;
		retraction->reason = wanted.reason;
		submit(conn, retraction);
		break;
	case REPORT_INVALID:
		intake_refuse_body(conn, REJECT_RETRACTION_INVALID, &result);
		break;
	case REPORT_NOT_JSON:
		intake_refuse_body(conn, REJECT_JSON_INVALID, &result);
		break;
	case REPORT_OVERLOAD:
		reply_refuse(conn, REJECT_UNAVAILABLE, NULL);
		break;
	}
	arena_reset(&conn->worker->arena);
}

void retraction_request(struct conn *conn, struct str body)
{
	char id[REPORT_PATH_ID_MAX];
	struct retraction retraction = {
		.retracted_at_us = clock_wall_us(),
		.partner_id = conn->partner->id,
		.is_test = !conn->partner->is_live,
		.report_id = {id, 0},
	};
	struct str path = http_span_str(conn->in.data, conn->request.path);
	if (report_path_read_id(path, id, &retraction.report_id.len)) {
		judge(conn, body, &retraction);
	} else {
		reply_refuse(conn, REJECT_NOT_FOUND, NULL);
	}
}
