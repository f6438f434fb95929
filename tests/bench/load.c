// SPDX-License-Identifier: Apache-2.0
/*
 * Sends reports over many connections and measures: bench_load --help.
 *
 * Without --rate a connection sends its next request as soon as it has the answer to the last: that
 * tells what a server can do. With --rate requests are due at fixed times, and are late when all
 * connections wait; the time to an answer counts from when its request was due, so a server that
 * stalls is not spared the requests that it kept from being sent.
 *
 * One thread: its own CPU seconds are told beside the rest.
 */
#include "load_body.h"
#include "load_connection.h"
#include "load_histogram.h"
#include "load_options.h"

#include "base/clock.h"

#include <inttypes.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

/* What was seen while it counted. */
struct totals {
	uint64_t requests;
	uint64_t stored;
	uint64_t not_stored; /* reports of answered requests */
	uint64_t lost;       /* requests without an answer */
	int refusing_status; /* of the last answer that was not as hoped for, 0 for none */
	struct histogram answered_us;
};

struct load {
	const struct load_options *options;
	struct body body;
	struct connection_target target;
	struct connection_owner owner;
	struct connection *connections;
	int64_t *began_us; /* when the request of each was due */
	size_t *idle;
	bool *is_idle;
	size_t idle_count;
	size_t connected; /* that have been idle once, at the start */
	struct event *due;
	int64_t started_us; /* of the first request that was due */
	uint64_t begun;
	bool is_counting;
	bool is_ending;
	size_t under_way;
	struct totals totals;
};

/* --- requests --- */

static struct str request_head(const struct load *load, struct str body)
{
	static char head[1024];
	const struct load_options *options = load->options;
	int len = snprintf(head, sizeof(head),
		"POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
		options->path, options->host,
		options->reports > 1 ? "application/x-ndjson" : "application/json", body.len);
	return (struct str){head, (size_t)len};
}

static void begin(struct load *load, size_t place, int64_t due_us)
{
	struct str body = body_next(&load->body);
	load->began_us[place] = due_us;
	load->begun++;
	load->under_way++;
	connection_send(&load->connections[place], request_head(load, body), body);
}

static int64_t next_due_us(const struct load *load)
{
	return load->started_us +
		(int64_t)(load->begun * UINT64_C(1000000) / load->options->requests_per_s);
}

/* One that waits and is connected still. */
static bool pop_idle(struct load *load, size_t *place_out)
{
	while (load->idle_count > 0) {
		size_t place = load->idle[--load->idle_count];
		load->is_idle[place] = false;
		if (load->connections[place].state == CONNECTION_IDLE) {
			*place_out = place;
			return true;
		}
	}
	return false;
}

static void begin_what_is_due(struct load *load)
{
	int64_t now_us = clock_monotonic_us();
	size_t place;
	while (!load->is_ending && next_due_us(load) <= now_us && pop_idle(load, &place)) {
		begin(load, place, next_due_us(load));
	}
}

static void on_idle(void *ctx, size_t place)
{
	struct load *load = ctx;
	load->connected += load->connected < load->options->connections;
	if (load->is_ending) {
		return;
	}
	if (load->started_us != 0 && load->options->requests_per_s == 0) {
		begin(load, place, clock_monotonic_us());
		return;
	}
	if (!load->is_idle[place]) {
		load->is_idle[place] = true;
		load->idle[load->idle_count++] = place;
	}
	if (load->started_us != 0) {
		begin_what_is_due(load);
	} else if (load->connected == load->options->connections) {
		event_base_loopbreak(load->target.base);
	}
}

static void on_answer(void *ctx, size_t place, struct answer answer)
{
	struct load *load = ctx;
	struct totals *totals = &load->totals;
	load->under_way--;
	if (load->is_counting && answer.status == 0) {
		totals->lost++;
	} else if (load->is_counting) {
		totals->requests++;
		totals->stored += answer.stored;
		totals->not_stored += load->options->reports - answer.stored;
		if (answer.stored < load->options->reports) {
			totals->refusing_status = answer.status;
		}
		histogram_add(&totals->answered_us,
			(uint64_t)(clock_monotonic_us() - load->began_us[place]));
	}
	if (load->is_ending && load->under_way == 0) {
		event_base_loopbreak(load->target.base);
	}
}

/* --- the run --- */

static void on_due(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	begin_what_is_due(ctx);
}

static SSL_CTX *client_context(const struct load_options *options)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
	if (tls == NULL || SSL_CTX_load_verify_locations(tls, options->ca, NULL) != 1 ||
		SSL_CTX_use_certificate_chain_file(tls, options->certificate) != 1 ||
		SSL_CTX_use_PrivateKey_file(tls, options->key, SSL_FILETYPE_PEM) != 1) {
		load_fail("a file of --ca, --cert or --key cannot be used");
	}
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	/* The file has the whole chain: none is built, and no root is sent, with each handshake. */
	SSL_CTX_set_mode(tls,
		SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
			SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_num_tickets(tls, 0);
	return tls;
}

static void resolve(const struct load_options *options, struct connection_target *target)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	int failure = getaddrinfo(options->host, options->port, &hints, &found);
	if (failure != 0) {
		load_fail("%s:%s: %s", options->host, options->port, gai_strerror(failure));
	}
	memcpy(&target->address, found->ai_addr, found->ai_addrlen);
	target->address_len = found->ai_addrlen;
	freeaddrinfo(found);
}

static void start(struct load *load, const struct load_options *options)
{
	struct buf template;
	struct err err;
	*load = (struct load){.options = options};
	buf_init(&template, 1024 * 1024);
	load_options_template(options, &template);
	if (!body_init(&load->body, buf_str(&template), options->reports, &err)) {
		load_fail("%s", err.text);
	}
	buf_fini(&template);
	load->target = (struct connection_target){.server_name = options->host,
		.tls = client_context(options),
		.base = event_base_new(),
		.closes_after_answer = options->closes_after_answer,
		.counts_lines = options->reports > 1,
		.reports = options->reports};
	resolve(options, &load->target);
	load->owner = (struct connection_owner){on_idle, on_answer, load};
	load->connections = calloc(options->connections, sizeof(*load->connections));
	load->began_us = calloc(options->connections, sizeof(*load->began_us));
	load->idle = calloc(options->connections, sizeof(*load->idle));
	load->is_idle = calloc(options->connections, sizeof(*load->is_idle));
	load->due = event_new(load->target.base, -1, EV_PERSIST, on_due, load);
	ENSURE(load->target.base != NULL && load->connections != NULL && load->began_us != NULL &&
		load->idle != NULL && load->is_idle != NULL && load->due != NULL);
	for (size_t i = 0; i < options->connections; i++) {
		connection_start(&load->connections[i], &load->target, &load->owner, i);
	}
}

static void on_time_over(evutil_socket_t fd, short what, void *ctx)
{
	struct load *load = ctx;
	(void)fd;
	(void)what;
	event_base_loopbreak(load->target.base);
}

/* Or until something else ends the loop, whose time is then not over in a later run. */
static void run_for(struct load *load, int64_t ms)
{
	struct timeval time = {ms / 1000, ms % 1000 * 1000};
	struct event *limit = evtimer_new(load->target.base, on_time_over, load);
	ENSURE(limit != NULL && evtimer_add(limit, &time) == 0);
	event_base_dispatch(load->target.base);
	event_free(limit);
}

static void connect_all(struct load *load)
{
	run_for(load, 60000);
	if (load->connected < load->options->connections) {
		load_fail("%zu of %u connections came about within 60 s", load->connected,
			load->options->connections);
	}
	load->started_us = clock_monotonic_us();
	if (load->options->requests_per_s > 0) {
		struct timeval step = {0, 500};
		event_add(load->due, &step);
		return;
	}
	for (size_t place; pop_idle(load, &place);) {
		begin(load, place, clock_monotonic_us());
	}
}

static double cpu_s(void)
{
	struct rusage used;
	getrusage(RUSAGE_SELF, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
		(double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void print_totals(const struct totals *totals, double seconds, double generator_cpu_s)
{
	const struct histogram *h = &totals->answered_us;
	printf("{\"seconds\":%.3f,\"requests\":%" PRIu64 ",\"stored\":%" PRIu64
	       ",\"not_stored\":%" PRIu64 ",\"refusing_status\":%d,\"lost\":%" PRIu64
	       ",\"p50_us\":%" PRIu64 ",\"p90_us\":%" PRIu64 ",\"p99_us\":%" PRIu64
	       ",\"p99_9_us\":%" PRIu64 ",\"max_us\":%" PRIu64 ",\"generator_cpu_s\":%.3f}\n",
		seconds, totals->requests, totals->stored, totals->not_stored,
		totals->refusing_status, totals->lost, histogram_percentile(h, 50000),
		histogram_percentile(h, 90000), histogram_percentile(h, 99000),
		histogram_percentile(h, 99900), h->max_us, generator_cpu_s);
	fflush(stdout);
}

/* Whoever measures from outside begins and ends when these lines come. */
static void tell(const char *line)
{
	puts(line);
	fflush(stdout);
}

static void stop(struct load *load)
{
	load->is_ending = true;
	event_del(load->due);
	if (load->under_way > 0) {
		run_for(load, 10000);
	}
	for (size_t i = 0; i < load->options->connections; i++) {
		connection_stop(&load->connections[i]);
	}
	event_free(load->due);
	event_base_free(load->target.base);
	SSL_CTX_free(load->target.tls);
	body_fini(&load->body);
	free(load->connections);
	free(load->began_us);
	free(load->idle);
	free(load->is_idle);
}

int main(int argc, char **argv)
{
	struct load_options options = load_options_read(argc, argv);
	struct load load;
	signal(SIGPIPE, SIG_IGN);
	start(&load, &options);
	connect_all(&load);
	if (options.warm_up_s > 0) {
		run_for(&load, (int64_t)options.warm_up_s * 1000);
	}
	tell("begin");
	load.is_counting = true;
	double cpu_before_s = cpu_s();
	int64_t from_us = clock_monotonic_us();
	run_for(&load, (int64_t)options.seconds * 1000);
	double seconds = (double)(clock_monotonic_us() - from_us) / 1e6;
	load.is_counting = false;
	print_totals(&load.totals, seconds, cpu_s() - cpu_before_s);
	bool is_good =
		load.totals.requests > 0 && load.totals.not_stored == 0 && load.totals.lost == 0;
	stop(&load);
	return is_good ? 0 : 1;
}
