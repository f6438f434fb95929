// SPDX-License-Identifier: Apache-2.0
/*
 * What holds after every line of every script.
 */
#include "replay.h"

#include "server/metrics.h"

#include <string.h>

/* --- what clients were told --- */

#define BATCH_TYPE "Content-Type: application/x-ndjson\r\n"

static size_t count_of(struct str in, const char *text)
{
	const size_t len = strlen(text);
	size_t count = 0;
	const char *at;
	while (in.len > 0 && (at = memmem(in.data, in.len, text, len)) != NULL) {
		size_t end = (size_t)(at - in.data) + len;
		in = (struct str){in.data + end, in.len - end};
		count++;
	}
	return count;
}

static void check_promise(void)
{
	size_t told = 0;
	size_t told_of_lines = 0;
	size_t told_of_atomic = 0; /* each of one line at least */
	for (size_t i = 0; i < wire_count(); i++) {
		struct str all = buf_str(&wire_at(i)->from_worker);
		size_t atomic = count_of(all, "HTTP/1.1 201 Created\r\n" BATCH_TYPE);
		told += count_of(all, "HTTP/1.1 201 ") - atomic;
		told_of_lines += count_of(all, "\"status\":201");
		told_of_atomic += atomic;
	}
	told += told_of_lines > told_of_atomic ? told_of_lines : told_of_atomic;
	if (told > fake_store_stored()) {
		script_fail(
			"clients were told of %zu reports that they are stored, the store of %zu",
			told, fake_store_stored());
	}
}

/* --- what is counted --- */

static uint64_t open_wires(void)
{
	uint64_t count = 0;
	for (size_t i = 0; i < wire_count(); i++) {
		count += wire_at(i)->is_accepted && !wire_at(i)->is_closed;
	}
	return count;
}

/* Partners are numbered from 1, and a script has a few. */
static void check_quotas(const struct shared *shared, size_t waiting)
{
	int64_t in_flight = 0;
	for (int32_t id = 1; id <= WORDS_MAX; id++) {
		struct quota *quota = quota_table_find(shared->quotas, id);
		in_flight += atomic_load(&quota->reports_in_flight);
		if (atomic_load(&quota->connections) != 0) {
			script_fail("%lld connections are counted of partner %d, who has none",
				(long long)atomic_load(&quota->connections), id);
		}
	}
	if (in_flight < 0 || (size_t)in_flight > waiting) {
		script_fail(
			"%lld reports in flight are counted of %zu", (long long)in_flight, waiting);
	}
}

static void check_gate(const struct peer_gate *gate)
{
	for (size_t i = 0; i < PEER_GATE_SLOTS; i++) {
		if (atomic_load(&gate->slots[i]) != 0) {
			script_fail("an address is counted that shakes no hands");
		}
	}
}

/* Of clients who are gone the store may have so many reports waiting. */
static void check_counted(const struct shared *shared, size_t waiting)
{
	if (atomic_load(&shared->connections) != 0) {
		script_fail("%u connections are counted, of none",
			(unsigned)atomic_load(&shared->connections));
	}
	check_quotas(shared, waiting);
	check_gate(&shared->gate);
}

void script_check_nothing_counted(const struct shared *shared)
{
	check_counted(shared, 0);
}

void script_check_always(const struct shared *shared)
{
	const struct metrics *metrics = worker_metrics(fake_store_worker());
	uint64_t open = open_wires();
	uint64_t counted = metrics_connections(&metrics, 1);
	check_promise();
	if (counted != open) {
		script_fail("%llu connections are counted of %llu", (unsigned long long)counted,
			(unsigned long long)open);
	}
	if (open > 0) {
		return;
	}
	check_counted(shared, fake_store_waiting());
	if (!fake_loop_is_ended() && metric_get(&metrics->input_bytes) != 0) {
		script_fail("%llu bytes of requests are counted, of nobody",
			(unsigned long long)metric_get(&metrics->input_bytes));
	}
}
