// SPDX-License-Identifier: Apache-2.0
/*
 * Clients without a network: each is a pair of buffers and what the script has said of it. Only one
 * listener and one TLS context are there at a time.
 */
#include "replay.h"

#include "net/tls_context.h"
#include "net/tls_stream.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WIRE_BUFFER_BYTES ((size_t)16 << 20)
#define RECORD_BYTES 16384

static struct wire wires[WIRES_MAX];
static size_t wires_used;

/* --- the script's side --- */

struct wire *wire_connect(const char *name)
{
	if (wires_used == WIRES_MAX) {
		return NULL;
	}
	struct wire *wire = &wires[wires_used++];
	*wire = (struct wire){.fd = -1, .window = INT64_MAX};
	snprintf(wire->name, sizeof(wire->name), "%s", name);
	buf_init(&wire->unsent, WIRE_BUFFER_BYTES);
	buf_init(&wire->to_worker, WIRE_BUFFER_BYTES);
	buf_init(&wire->from_worker, WIRE_BUFFER_BYTES);
	buf_init(&wire->lines, WIRE_BUFFER_BYTES);
	return wire;
}

/* The last of that name. */
struct wire *wire_find(const char *name)
{
	for (size_t i = wires_used; i > 0; i--) {
		if (strcmp(wires[i - 1].name, name) == 0) {
			return &wires[i - 1];
		}
	}
	return NULL;
}

void wire_send(struct wire *wire, const void *data, size_t len)
{
	ENSURE(buf_append(wire->is_held ? &wire->unsent : &wire->to_worker, data, len));
}

void wire_deliver(struct wire *wire, size_t len)
{
	len = len < wire->unsent.len ? len : wire->unsent.len;
	ENSURE(buf_append(&wire->to_worker, wire->unsent.data, len));
	buf_consume(&wire->unsent, len);
}

size_t wire_count(void)
{
	return wires_used;
}

struct wire *wire_at(size_t index)
{
	return &wires[index];
}

void wire_free_all(void)
{
	for (size_t i = 0; i < wires_used; i++) {
		buf_fini(&wires[i].unsent);
		buf_fini(&wires[i].to_worker);
		buf_fini(&wires[i].from_worker);
		buf_fini(&wires[i].lines);
	}
	wires_used = 0;
}

/* --- the kernel's side --- */

/* NULL: not one of ours. Numbers are used again, so only those that are open count. */
static struct wire *wire_of(int fd)
{
	for (size_t i = 0; i < wires_used; i++) {
		if (wires[i].fd == fd && wires[i].is_accepted && !wires[i].is_closed) {
			return &wires[i];
		}
	}
	return NULL;
}

bool wire_is_ready(int fd, short events)
{
	const struct wire *wire = wire_of(fd);
	if (wire == NULL) {
		return false;
	}
	bool is_over = wire->is_ended || wire->is_cut;
	/* What is sent before its time comes with the last bytes of the handshake. */
	bool has_bytes = wire->is_verified && wire->to_worker.len > 0;
	return ((events & EV_READ) != 0 && (is_over || wire->has_flight || has_bytes)) ||
		((events & EV_WRITE) != 0 && (wire->is_cut || wire->window > 0));
}

/* --- net/listener.h --- */

struct listener {
	listener_accept_fn *on_accept;
	void *ctx;
	bool is_paused;
};

static struct listener *the_listener;

bool fake_listener_is_open(void)
{
	return the_listener != NULL && !the_listener->is_paused;
}

bool wire_accept_one(void)
{
	struct sockaddr_storage peer = {0};
	struct sockaddr_in *address = (struct sockaddr_in *)(void *)&peer;
	for (size_t i = 0; i < wires_used && fake_listener_is_open(); i++) {
		if (wires[i].is_accepted) {
			continue;
		}
		address->sin_family = AF_INET;
		address->sin_addr.s_addr = htonl(0xc0000201U); /* 192.0.2.1 */
		wires[i].fd = eventfd(0, EFD_CLOEXEC);
		ENSURE(wires[i].fd >= 0);
		wires[i].is_accepted = true;
		the_listener->on_accept(the_listener->ctx, wires[i].fd, &peer);
		return true;
	}
	return false;
}

struct listener *listener_new(
	struct event_base *base, int fd, listener_accept_fn *on_accept, void *ctx)
{
	(void)base;
	(void)fd;
	the_listener = calloc(1, sizeof(*the_listener));
	ENSURE(the_listener != NULL);
	*the_listener = (struct listener){.on_accept = on_accept, .ctx = ctx};
	return the_listener;
}

void listener_free(struct listener **listener)
{
	free(*listener);
	*listener = NULL;
	the_listener = NULL;
}

void listener_rest(struct listener *listener, int ms)
{
	(void)listener;
	(void)ms;
}

void listener_pause(struct listener *listener)
{
	listener->is_paused = true;
}

void listener_resume(struct listener *listener)
{
	listener->is_paused = false;
}

uint64_t listener_failures(const struct listener *listener)
{
	(void)listener;
	return 0;
}

/* --- net/tls_context.h --- */

SSL_CTX *tls_context_new(const struct conf *conf, struct err *err)
{
	(void)conf;
	(void)err;
	return SSL_CTX_new(TLS_server_method());
}

struct tls_expiry tls_context_expiry(SSL_CTX *ctx)
{
	(void)ctx;
	return (struct tls_expiry){0};
}

/* --- net/tls_stream.h --- */

bool tls_stream_init(struct tls_stream *stream, int fd, SSL_CTX *ctx)
{
	(void)ctx;
	*stream = (struct tls_stream){.fd = fd};
	return true;
}

enum stream_result tls_stream_handshake(struct tls_stream *stream)
{
	struct wire *wire = wire_of(stream->fd);
	wire->has_flight = false;
	if (wire->is_verified) {
		return STREAM_DONE;
	}
	if (wire->is_refused || wire->is_ended || wire->is_cut) {
		stream->failure =
			wire->is_refused ? HANDSHAKE_FAILURE_OTHER : HANDSHAKE_FAILURE_CLOSED;
		return STREAM_FAILED;
	}
	return STREAM_WANT_READ;
}

bool tls_stream_peer(const struct tls_stream *stream, struct peer *peer_out)
{
	const struct wire *wire = wire_of(stream->fd);
	*peer_out = (struct peer){.claim = PEER_CLAIM_NAMED, .expires_at_s = INT32_MAX};
	snprintf(peer_out->name, sizeof(peer_out->name), "%s", wire->partner);
	return true;
}

bool tls_stream_is_let_in(const struct tls_stream *stream, SSL_CTX *ctx)
{
	(void)ctx;
	return !wire_of(stream->fd)->is_revoked;
}

bool tls_stream_is_let_in_still(const struct tls_stream *stream, SSL_CTX *ctx)
{
	return tls_stream_is_let_in(stream, ctx);
}

static size_t take(struct wire *wire, void *data, size_t size)
{
	size_t n = wire->to_worker.len < size ? wire->to_worker.len : size;
	if (n > 0) {
		memcpy(data, wire->to_worker.data, n);
		buf_consume(&wire->to_worker, n);
	}
	return n;
}

enum stream_result tls_stream_read(
	struct tls_stream *stream, void *data, size_t size, size_t *n_out)
{
	struct wire *wire = wire_of(stream->fd);
	*n_out = 0;
	if (wire->to_worker.len > 0) {
		*n_out = take(wire, data, size < RECORD_BYTES ? size : RECORD_BYTES);
		return STREAM_DONE;
	}
	if (wire->is_cut) {
		return STREAM_CUT;
	}
	return wire->is_ended ? STREAM_EOF : STREAM_WANT_READ;
}

enum stream_result tls_stream_write(
	struct tls_stream *stream, const void *data, size_t len, size_t *n_out)
{
	struct wire *wire = wire_of(stream->fd);
	*n_out = 0;
	ENSURE(!wire->is_shutdown);
	if (wire->is_cut) {
		return STREAM_CUT;
	}
	if (wire->window == 0) {
		return STREAM_WANT_WRITE;
	}
	*n_out = (int64_t)len < wire->window ? len : (size_t)wire->window;
	wire->window -= wire->window == INT64_MAX ? 0 : (int64_t)*n_out;
	ENSURE(buf_append(&wire->from_worker, data, *n_out));
	return STREAM_DONE;
}

bool tls_stream_has_pending(const struct tls_stream *stream)
{
	(void)stream;
	return false;
}

enum stream_result tls_stream_drop(struct tls_stream *stream)
{
	struct wire *wire = wire_of(stream->fd);
	char dropped[RECORD_BYTES];
	if (take(wire, dropped, sizeof(dropped)) > 0) {
		return STREAM_DONE;
	}
	return wire->is_ended || wire->is_cut ? STREAM_EOF : STREAM_WANT_READ;
}

void tls_stream_shutdown(struct tls_stream *stream)
{
	wire_of(stream->fd)->is_shutdown = true;
}

void tls_stream_close(struct tls_stream *stream)
{
	wire_of(stream->fd)->is_closed = true;
	close(stream->fd);
	stream->fd = -1;
}
