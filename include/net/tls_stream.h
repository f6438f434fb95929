// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes over a non-blocking socket, with TLS or without. The stream owns the descriptor; it knows
 * no events: WANT_READ and WANT_WRITE say what to wait for before the same call is made again.
 * Belongs to one thread and may not move while it is open. SIGPIPE must be ignored.
 */
#pragma once

#include "base/attr.h"
#include "net/handshake_failure.h"
#include "net/peer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

enum stream_result {
	STREAM_DONE,
	STREAM_WANT_READ,
	STREAM_WANT_WRITE,
	STREAM_EOF,   /* the peer ended properly: close_notify, or the end of a plain stream */
	STREAM_CUT,   /* it ended without: what was received may be incomplete */
	STREAM_FAILED /* it broke the protocol, or we ran short of memory */
};

struct tls_stream {
	SSL *ssl; /* NULL: plain */
	int fd;   /* -1: closed */
	enum handshake_failure failure;
	const char
		*detail; /* what OpenSSL says of the last failure, static, or NULL; for the log */
	uint16_t asides;
	bool is_broken; /* after a fatal error TLS may say no more, not even close_notify */
	bool is_shutdown_sent;
	bool is_unread; /* since the end of the handshake */
};

/*
 * Takes fd, also when it fails for want of memory. ctx NULL makes a plain stream, whose handshake
 * is done at once.
 */
MUST_CHECK bool tls_stream_init(struct tls_stream *stream, int fd, SSL_CTX *ctx);
/* DONE, WANT_*, or FAILED with failure and detail set. After DONE the peer is verified. */
MUST_CHECK enum stream_result tls_stream_handshake(struct tls_stream *stream);
/* Of a verified peer: who it is. False as peer_from_certificate. */
MUST_CHECK bool tls_stream_peer(const struct tls_stream *stream, struct peer *peer_out);
/* Whether ctx, which may be newer than the one of the handshake, lets the peer in now. */
MUST_CHECK bool tls_stream_is_let_in(const struct tls_stream *stream, SSL_CTX *ctx);
/* The same, also where ctx is that of the handshake: time may have ended what it went by. */
MUST_CHECK bool tls_stream_is_let_in_still(const struct tls_stream *stream, SSL_CTX *ctx);
/* DONE: n_out > 0 bytes came. Any result is possible, WANT_WRITE too. */
MUST_CHECK enum stream_result tls_stream_read(
	struct tls_stream *stream, void *data, size_t size, size_t *n_out);
/*
 * DONE: n_out > 0 bytes were taken, perhaps not all. After WANT_* the next write must begin with
 * the same bytes, at least as many; they may have moved.
 */
MUST_CHECK enum stream_result tls_stream_write(
	struct tls_stream *stream, const void *data, size_t len, size_t *n_out);
/*
 * To be asked after DONE: bytes may have been taken from the socket that no call has returned, so
 * it may never become readable for them; read again before waiting. After WANT_READ just wait: what
 * is pending then is a piece of a record.
 */
bool tls_stream_has_pending(const struct tls_stream *stream);
/* Takes bytes off the socket and drops them as they are. After this nothing can be read. */
MUST_CHECK enum stream_result tls_stream_drop(struct tls_stream *stream);
/* Says close_notify once, as far as the socket takes it now, and waits for nothing. */
void tls_stream_shutdown(struct tls_stream *stream);
/* Closes and frees. Harmless when closed. */
void tls_stream_close(struct tls_stream *stream);
