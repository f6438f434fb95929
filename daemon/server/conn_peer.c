// SPDX-License-Identifier: Apache-2.0
/*
 * Who a connection is: from the handshake to the partner, whose quotas it counts in from then on,
 * and again whenever the partners or the revocation lists are new ones.
 */
#include "conn_parts_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/address.h"
#include "net/peer_gate.h"
#include "worker_int.h"

#include <stdio.h>
#include <string.h>

void conn_leave_gate(struct conn *conn)
{
	if (conn->is_at_gate) {
		struct sockaddr_storage address = {0};
		memcpy(&address, &conn->address, sizeof(conn->address));
		peer_gate_leave(&conn->worker->shared->gate, &address);
		conn->is_at_gate = false;
	}
}

void conn_log_handshake_failure(struct conn *conn, enum handshake_failure failure)
{
	struct worker *worker = conn->worker;
	struct sockaddr_storage address = {0};
	char text[ADDRESS_TEXT_SIZE];
	char id[CONN_ID_SIZE];
	uint64_t suppressed;

	metric_add(&worker->metrics.handshake_failures[failure], 1);
	if (!log_limit_pass(&worker->handshake_logs[failure], clock_monotonic_ms(), &suppressed)) {
		return;
	}
	memcpy(&address, &conn->address, sizeof(conn->address));
	log_info("handshake-failed", "conn=%s peer=%s reason=%s text=\"%s\" suppressed=%llu",
		conn_id(conn, id), address_format(&address, text), handshake_failure_name(failure),
		handshake_failure_text(failure), (unsigned long long)suppressed);
}

/* Whose key was not enrolled asks the operator, who needs to see which it is. */
static void log_unknown_partner(struct conn *conn)
{
	struct worker *worker = conn->worker;
	struct sockaddr_storage address = {0};
	const struct peer *peer = &conn->peer;
	char text[ADDRESS_TEXT_SIZE];
	char id[CONN_ID_SIZE];
	char spki[2 * sizeof(peer->spki_sha256) + 1];
	uint64_t suppressed;

	if (!log_limit_pass(&worker->unknown_logs, clock_monotonic_ms(), &suppressed)) {
		return;
	}
	memcpy(&address, &conn->address, sizeof(conn->address));
	for (size_t i = 0; i < sizeof(peer->spki_sha256); i++) {
		snprintf(spki + 2 * i, 3, "%02x", peer->spki_sha256[i]);
	}
	log_info("partner-unknown", "conn=%s peer=%s names=%s spki_sha256=%s suppressed=%llu",
		conn_id(conn, id), address_format(&address, text),
		peer->claim == PEER_CLAIM_NAMED          ? peer->name
			: peer->claim == PEER_CLAIM_NONE ? "-"
							 : "?",
		spki, (unsigned long long)suppressed);
}

static void count_partner(struct conn *conn)
{
	if (conn->is_counted || conn->partner == NULL) {
		return;
	}
	struct quota_limits limits = conn_quota_limits(conn);
	conn->counted_partner_id = conn->partner->id;
	conn->quota = quota_table_find(conn->worker->shared->quotas, conn->partner->id);
	conn->is_counted = quota_enter_connection(conn->quota, &limits);
	conn->is_over_cap = !conn->is_counted;
}

void conn_uncount_partner(struct conn *conn)
{
	conn_leave_report(conn);
	if (conn->is_counted) {
		quota_leave_connection(conn->quota);
		conn->is_counted = false;
	}
}

struct quota_limits conn_quota_limits(const struct conn *conn)
{
	return quota_limits_merge(worker_conf(conn->worker), &conn->partner->quota);
}

bool conn_enter_report(struct conn *conn)
{
	struct quota_limits limits = conn_quota_limits(conn);
	ENSURE(!conn->has_report_in_flight);
	conn->has_report_in_flight = quota_enter_report(conn->quota, &limits);
	return conn->has_report_in_flight;
}

void conn_leave_report(struct conn *conn)
{
	if (conn->has_report_in_flight) {
		conn->has_report_in_flight = false;
		quota_leave_report(conn->quota);
	}
}

void conn_identify(struct conn *conn)
{
	const struct registry *registry = conn->worker->registry;
	struct str claimed = {NULL, 0};

	conn->partner = NULL;
	conn->is_suspended = false;
	if (registry == NULL) {
		return;
	}
	if (conn->peer.claim == PEER_CLAIM_NAMED) {
		claimed = str_from(conn->peer.name);
	}
	conn->is_suspended = registry_find(registry, claimed, conn->peer.claim == PEER_CLAIM_BROKEN,
				     conn->peer.spki_sha256, &conn->partner) == REGISTRY_SUSPENDED;
	count_partner(conn);
}

static bool will_be_refused(const struct conn *conn)
{
	return conn->worker->registry != NULL &&
		(conn->partner == NULL || conn->is_suspended || conn->is_over_cap);
}

/* By the present lists: they may have come while it shook hands by those before. */
static bool is_still_good(struct conn *conn)
{
	return tls_stream_is_let_in(&conn->stream, conn->worker->generation->tls);
}

void conn_verify_again(struct conn *conn)
{
	if (tls_stream_is_let_in_still(&conn->stream, conn->worker->generation->tls)) {
		return;
	}
	conn->is_revoked = true;
	if (conn->state == CONN_IDLE || conn->state == CONN_HEAD) {
		conn_close(conn, conn_reason_to_part(conn));
	} else if (conn->state == CONN_BATCH) {
		conn_drive(conn);
	}
}

enum step conn_step_handshake(struct conn *conn)
{
	enum stream_result result = tls_stream_handshake(&conn->stream);
	if (result == STREAM_WANT_READ || result == STREAM_WANT_WRITE) {
		return conn_wait_for(conn, result);
	}
	if (result != STREAM_DONE) {
		conn_log_handshake_failure(conn, conn->stream.failure);
		return conn_close_because(conn, "handshake failed");
	}
	if (!tls_stream_peer(&conn->stream, &conn->peer) || !is_still_good(conn)) {
		conn_log_handshake_failure(conn, HANDSHAKE_FAILURE_OTHER);
		return conn_close_because(conn, "no identity in the certificate");
	}
	conn_leave_gate(conn);
	metric_add(&conn->worker->metrics.handshakes, 1);
	conn_identify(conn);
	if (conn->worker->registry != NULL && conn->partner == NULL) {
		log_unknown_partner(conn);
	}
	if (will_be_refused(conn)) {
		/* May ask, and hear why not, but is not given the time of an idle one. */
		conn_start_request(conn);
		return STEP_MORE;
	}
	return conn_await_request(conn);
}
