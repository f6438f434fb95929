// SPDX-License-Identifier: Apache-2.0
/*
 * One client's connection: it sends a request, reads the answer to its end, tells, and is idle
 * until the next. One that was lost, or that closes after each answer, connects again by itself.
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"
#include "http/http_chunked.h"

#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct answer {
	int status;      /* 0: the connection was lost, and nothing is known */
	uint32_t stored; /* reports of it that are acknowledged as new */
};

/* What a connection tells its owner, from its loop. */
struct connection_owner {
	/* It can take a request. */
	void (*on_idle)(void *ctx, size_t place);
	/* A request has its answer, or none. on_idle follows, now or when it has connected again.
	 */
	void (*on_answer)(void *ctx, size_t place, struct answer answer);
	void *ctx;
};

struct connection_target {
	struct sockaddr_storage address;
	socklen_t address_len;
	const char *server_name;
	SSL_CTX *tls;
	struct event_base *base;
	bool closes_after_answer; /* a connection and a handshake for each request */
	bool counts_lines;        /* the answer has a result for each report */
	uint32_t reports;         /* in a request */
};

enum connection_state {
	CONNECTION_HANDSHAKE,
	CONNECTION_IDLE,
	CONNECTION_SENDING,
	CONNECTION_HEAD,
	CONNECTION_BODY,
	CONNECTION_CHUNKS,
	CONNECTION_PAUSE, /* before it is tried again */
};

struct connection {
	const struct connection_target *target;
	const struct connection_owner *owner;
	size_t place;
	enum connection_state state;
	SSL *ssl;
	int fd;
	struct event *readable;
	struct event *writable;
	struct event *due;
	struct buf out;
	size_t sent;
	struct buf in; /* the head, then the body where its lines are counted */
	uint64_t body_left;
	struct http_chunked chunked;
	struct answer answer;
	bool closes;
};

/* Begins to connect. target and owner outlive it. */
void connection_start(struct connection *c, const struct connection_target *target,
	const struct connection_owner *owner, size_t place);
/* An idle one's next request: head and body are copied. */
void connection_send(struct connection *c, struct str head, struct str body);
void connection_stop(struct connection *c);
