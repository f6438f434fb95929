// SPDX-License-Identifier: Apache-2.0
/*
 * While PostgreSQL stores one batch, the next one is made. A retraction follows half as many
 * reports after its report as a revision does, so that some retracted reports get a newer revision.
 */
#include "generate_feed.h"

#include "base/arena.h"
#include "base/uuid.h"
#include "generate_put.h"
#include "generate_random.h"
#include "report/report_check.h"
#include "row_int.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#define MEMORY_MAX ((size_t)256 << 20)

enum { STREAM_UUID = 11, STREAM_RETRACTION };

static const char STORE_SQL[] = "SELECT outcome, report_id FROM intake.store($1, $2)";
static const char RETRACT_SQL[] =
	"SELECT r.outcome FROM unnest($1::uuid[], $2::timestamptz[], $3::int[], $4::boolean[],"
	" $5::text[], $6::int[]) AS t(id, retracted_at, partner_id, is_test, report_id, revision)"
	" CROSS JOIN LATERAL intake.retract(t.id, t.retracted_at, t.partner_id, t.is_test,"
	" t.report_id, t.revision, 'Reported by mistake.') AS r WHERE r.outcome <> 'retracted'";

/* Parameters of RETRACT_SQL. */
enum {
	RETRACT_ID,
	RETRACT_AT,
	RETRACT_PARTNER,
	RETRACT_TEST,
	RETRACT_REPORT,
	RETRACT_REVISION,
	RETRACT_PARAMETERS
};

struct feed {
	struct feed_plan *plan;
	PGconn *link;
	uint32_t report_oid;
	uint32_t indicator_oid;
	struct arena arena;
	struct buf payload;
	struct buf warnings;
	struct buf taxonomy;
	struct buf reports;
	struct buf indicators;
	struct buf retractions[RETRACT_PARAMETERS];
	uint32_t indicator_count;
	uint32_t retraction_count;
	uint32_t sent; /* reports of the batch under way */
};

void feed_fail(const char *what, const char *why)
{
	fprintf(stderr, "bench_generate: %s: %s\n", what, why);
	exit(1);
}

static struct uuid make_uuid(
	const struct feed *feed, uint32_t stream, uint64_t number, int64_t at_us)
{
	struct random r = random_start(feed->plan->reports.seed, number * 16 + stream);
	uint64_t words[] = {random_next(&r), random_next(&r)};
	struct uuid id;
	memcpy(id.bytes, words, sizeof(id.bytes));
	for (int i = 0; i < 6; i++) {
		id.bytes[i] = (uint8_t)((uint64_t)(at_us / 1000) >> (8 * (5 - i)));
	}
	id.bytes[6] = (uint8_t)(0x70 | (id.bytes[6] & 0x0f));
	id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3f));
	return id;
}

static void fail_refused(const struct feed *feed, const struct report_result *result)
{
	struct buf errors;
	buf_init(&errors, MEMORY_MAX);
	ENSURE(report_findings_render(&errors, result->errors, result->error_count));
	fprintf(stderr, "%.*s\n", STR_ARG(buf_str(&feed->payload)));
	put(&errors, "%s%c", result->detail, 0);
	feed_fail("a report would be refused", errors.data);
}

static void add_report(struct feed *feed, uint64_t number)
{
	const struct report_plan *plan = &feed->plan->reports;
	struct report_identity identity = report_identity(plan, number);
	struct report_rules rules = {.taxonomy = plan->taxonomy,
		.now_us = report_received_at_us(plan, number),
		.may_relay = true,
		.max_depth = 16,
		.max_values = 32768};
	struct report_result result;
	uint8_t sha256[SHA256_DIGEST_LENGTH];

	buf_clear(&feed->payload);
	buf_clear(&feed->warnings);
	report_append(&feed->payload, plan, number);
	report_check(&feed->arena, &rules, buf_str(&feed->payload), &result);
	if (result.verdict != REPORT_VALID) {
		fail_refused(feed, &result);
	}
	if (result.warning_count > 0) {
		ENSURE(report_findings_render(
			&feed->warnings, result.warnings, result.warning_count));
	}
	SHA256((const uint8_t *)feed->payload.data, feed->payload.len, sha256);
	struct submission submission = {.report = &result.report,
		.id = make_uuid(feed, STREAM_UUID, number, rules.now_us),
		.partner_id = feed->plan->partner_ids[identity.partner],
		.is_test = !report_partner_is_live(identity.partner),
		.received_at_us = rules.now_us,
		.sha256 = sha256,
		.taxonomy = buf_str(&feed->taxonomy),
		.warnings = buf_str(&feed->warnings),
		.payload = buf_str(&feed->payload)};
	ENSURE(row_append_report(&feed->reports, &submission));
	for (size_t i = 0; i < result.report.indicator_count; i++) {
		ENSURE(row_append_indicator(
			&feed->indicators, &submission.id, &result.report.indicators[i]));
	}
	feed->indicator_count += (uint32_t)result.report.indicator_count;
	atomic_fetch_add(&feed->plan->payload_bytes, feed->payload.len);
	arena_reset(&feed->arena);
}

/* If one is due when the report of this number comes. */
static void add_retraction(struct feed *feed, uint64_t number)
{
	const struct report_plan *plan = &feed->plan->reports;
	uint64_t retracted = number - plan->revision_after / 2;
	if (number < plan->revision_after / 2 || !report_is_retracted(plan, retracted)) {
		return;
	}
	struct report_identity identity = report_identity(plan, retracted);
	int64_t at_us = report_received_at_us(plan, number);
	struct uuid id = make_uuid(feed, STREAM_RETRACTION, retracted, at_us);
	struct buf *parameters = feed->retractions;
	const char *separator = feed->retraction_count++ == 0 ? "{" : ",";
	char id_text[UUID_TEXT_SIZE];
	for (int i = 0; i < RETRACT_PARAMETERS; i++) {
		put(&parameters[i], "%s", separator);
	}
	uuid_format(&id, id_text);
	put(&parameters[RETRACT_ID], "%s", id_text);
	put_time(&parameters[RETRACT_AT], at_us / 1000000);
	put(&parameters[RETRACT_PARTNER], "%" PRId32, feed->plan->partner_ids[identity.partner]);
	put(&parameters[RETRACT_TEST], report_partner_is_live(identity.partner) ? "f" : "t");
	report_append_id(&parameters[RETRACT_REPORT], &identity);
	put(&parameters[RETRACT_REVISION], "%" PRIu32, identity.revision);
}

static void make_batch(struct feed *feed, uint64_t first, uint64_t end)
{
	feed->indicator_count = 0;
	feed->retraction_count = 0;
	ENSURE(row_array_begin(&feed->reports) && row_array_begin(&feed->indicators));
	for (int i = 0; i < RETRACT_PARAMETERS; i++) {
		buf_clear(&feed->retractions[i]);
	}
	for (uint64_t number = first; number < end; number++) {
		add_report(feed, number);
		add_retraction(feed, number);
	}
	row_array_end(&feed->reports, feed->report_oid, (uint32_t)(end - first));
	row_array_end(&feed->indicators, feed->indicator_oid, feed->indicator_count);
}

/* The function answers for those alone that were not stored now. */
static void finish_batch(struct feed *feed)
{
	PGresult *result;
	while ((result = PQgetResult(feed->link)) != NULL) {
		if (PQresultStatus(result) != PGRES_TUPLES_OK) {
			feed_fail("intake.store", PQerrorMessage(feed->link));
		}
		for (int i = 0; i < PQntuples(result); i++) {
			if (strcmp(PQgetvalue(result, i, 0), "stored") != 0) {
				feed_fail(PQgetvalue(result, i, 1), PQgetvalue(result, i, 0));
			}
		}
		PQclear(result);
	}
	atomic_fetch_add(&feed->plan->stored, feed->sent);
	feed->sent = 0;
}

static void send_batch(struct feed *feed, uint32_t count)
{
	const char *values[] = {feed->reports.data, feed->indicators.data};
	const int lengths[] = {(int)feed->reports.len, (int)feed->indicators.len};
	const int formats[] = {1, 1};
	if (PQsendQueryPrepared(feed->link, "store", 2, values, lengths, formats, 0) != 1 ||
		PQflush(feed->link) != 0) {
		feed_fail("intake.store", PQerrorMessage(feed->link));
	}
	feed->sent = count;
	atomic_fetch_add(&feed->plan->indicators, feed->indicator_count);
}

static void retract(struct feed *feed)
{
	const char *values[RETRACT_PARAMETERS];
	if (feed->retraction_count == 0) {
		return;
	}
	for (int i = 0; i < RETRACT_PARAMETERS; i++) {
		put(&feed->retractions[i], "}%c", 0);
		values[i] = feed->retractions[i].data;
	}
	PGresult *result = PQexecParams(
		feed->link, RETRACT_SQL, RETRACT_PARAMETERS, NULL, values, NULL, NULL, 0);
	if (PQresultStatus(result) != PGRES_TUPLES_OK) {
		feed_fail("intake.retract", PQerrorMessage(feed->link));
	}
	if (PQntuples(result) > 0) {
		feed_fail("a retraction", PQgetvalue(result, 0, 0));
	}
	PQclear(result);
	atomic_fetch_add(&feed->plan->retracted, feed->retraction_count);
}

static void feed_open(struct feed *feed, struct feed_plan *plan)
{
	*feed = (struct feed){.plan = plan, .link = PQconnectdb(plan->connection)};
	struct buf *const buffers[] = {&feed->payload, &feed->warnings, &feed->taxonomy,
		&feed->reports, &feed->indicators};
	for (size_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]); i++) {
		buf_init(buffers[i], MEMORY_MAX);
	}
	for (int i = 0; i < RETRACT_PARAMETERS; i++) {
		buf_init(&feed->retractions[i], MEMORY_MAX);
	}
	arena_init(&feed->arena, MEMORY_MAX);
	struct str version = taxonomy_version(plan->reports.taxonomy);
	put(&feed->taxonomy, "%.*s/%.*s", STR_ARG(taxonomy_id(plan->reports.taxonomy)),
		STR_ARG(version));

	PGresult *types = PQexec(feed->link,
		"SELECT 'intake.report'::regtype::oid, 'intake.indicator'::regtype::oid");
	PGresult *prepared = PQprepare(feed->link, "store", STORE_SQL, 0, NULL);
	if (PQresultStatus(types) != PGRES_TUPLES_OK ||
		PQresultStatus(prepared) != PGRES_COMMAND_OK) {
		feed_fail("the database", PQerrorMessage(feed->link));
	}
	feed->report_oid = (uint32_t)strtoul(PQgetvalue(types, 0, 0), NULL, 10);
	feed->indicator_oid = (uint32_t)strtoul(PQgetvalue(types, 0, 1), NULL, 10);
	PQclear(types);
	PQclear(prepared);
}

static void feed_close(struct feed *feed)
{
	struct buf *const buffers[] = {&feed->payload, &feed->warnings, &feed->taxonomy,
		&feed->reports, &feed->indicators};
	for (size_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]); i++) {
		buf_fini(buffers[i]);
	}
	for (int i = 0; i < RETRACT_PARAMETERS; i++) {
		buf_fini(&feed->retractions[i]);
	}
	arena_fini(&feed->arena);
	PQfinish(feed->link);
}

void *feed_run(void *ctx)
{
	struct feed_plan *plan = ctx;
	struct feed feed;
	feed_open(&feed, plan);
	uint64_t first;
	while ((first = atomic_fetch_add(&plan->next, plan->batch_size)) < plan->end) {
		uint64_t end = first + plan->batch_size;
		end = end < plan->end ? end : plan->end;
		make_batch(&feed, first, end);
		finish_batch(&feed);
		retract(&feed);
		send_batch(&feed, (uint32_t)(end - first));
	}
	finish_batch(&feed);
	feed_close(&feed);
	return NULL;
}
