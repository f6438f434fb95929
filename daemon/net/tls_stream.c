// SPDX-License-Identifier: Apache-2.0
/*
 * OpenSSL reports through a queue of the thread: each call starts with an empty one and leaves an
 * empty one, or the fault of one connection would be read as that of the next.
 */
#include "net/tls_stream.h"

#include "net/tls_context.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

/*
 * OpenSSL answers new keys, and in TLS 1.2 a new hello with its refusal, without returning: a peer
 * that sends nothing else would hold the thread. Honest ones ask for new keys after gigabytes. The
 * first is the hello of the handshake.
 */
#define ASIDES_MAX 33

static void count_asides(int is_sent, int version, int content_type, const void *data, size_t len,
	SSL *ssl, void *arg)
{
	struct tls_stream *stream = arg;
	const unsigned char *message = data;

	(void)version;
	if (is_sent || content_type != SSL3_RT_HANDSHAKE || len == 0 ||
		(message[0] != SSL3_MT_KEY_UPDATE && message[0] != SSL3_MT_CLIENT_HELLO)) {
		return;
	}
	if (stream->asides++ >= ASIDES_MAX) {
		SSL_clear_mode(ssl, SSL_MODE_AUTO_RETRY);
	}
}

bool tls_stream_init(struct tls_stream *stream, int fd, SSL_CTX *ctx)
{
	*stream = (struct tls_stream){.fd = fd};
	if (ctx == NULL) {
		return true;
	}
	ERR_clear_error();
	stream->ssl = SSL_new(ctx);
	if (stream->ssl == NULL || !SSL_set_fd(stream->ssl, fd)) {
		ERR_clear_error();
		return false;
	}
	SSL_set_accept_state(stream->ssl);
	SSL_set_msg_callback(stream->ssl, count_asides);
	SSL_set_msg_callback_arg(stream->ssl, stream);
	return true;
}

static enum stream_result stream_break(
	struct tls_stream *stream, enum stream_result result, const char *detail)
{
	stream->is_broken = true;
	stream->detail = detail;
	return result;
}

/* What a TLS call that did not succeed means. */
static enum stream_result stream_fault(struct tls_stream *stream, int returned)
{
	unsigned long error = ERR_peek_error();

	switch (SSL_get_error(stream->ssl, returned)) {
	case SSL_ERROR_WANT_READ:
		return STREAM_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return STREAM_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return STREAM_EOF;
	case SSL_ERROR_SYSCALL:
		return stream_break(stream, STREAM_CUT, NULL);
	default:
		if (ERR_GET_LIB(error) == ERR_LIB_SSL &&
			ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
			return stream_break(stream, STREAM_CUT, NULL);
		}
		return stream_break(stream, STREAM_FAILED, ERR_reason_error_string(error));
	}
}

/* Looks at the error queue, and so comes before it is emptied. */
static void explain_handshake(struct tls_stream *stream, enum stream_result result)
{
	long verify_error = SSL_get_verify_result(stream->ssl);

	if (verify_error != X509_V_OK) {
		stream->failure = handshake_failure_from_verify(verify_error);
		stream->detail = X509_verify_cert_error_string(verify_error);
	} else if (result == STREAM_FAILED) {
		stream->failure = handshake_failure_from_error(ERR_peek_error());
	} else {
		stream->failure = HANDSHAKE_FAILURE_CLOSED;
	}
}

enum stream_result tls_stream_handshake(struct tls_stream *stream)
{
	if (stream->ssl == NULL) {
		return STREAM_DONE;
	}
	ERR_clear_error();
	int returned = SSL_do_handshake(stream->ssl);
	if (returned == 1) {
		stream->is_unread = true;
		return STREAM_DONE;
	}
	enum stream_result result = stream_fault(stream, returned);
	if (result != STREAM_WANT_READ && result != STREAM_WANT_WRITE) {
		explain_handshake(stream, result);
		stream->is_broken = true;
		result = STREAM_FAILED;
	}
	ERR_clear_error();
	return result;
}

bool tls_stream_peer(const struct tls_stream *stream, struct peer *peer_out)
{
	X509 *certificate = SSL_get0_peer_certificate(stream->ssl);
	return certificate != NULL && peer_from_certificate(peer_out, certificate);
}

bool tls_stream_is_let_in(const struct tls_stream *stream, SSL_CTX *ctx)
{
	return SSL_get_SSL_CTX(stream->ssl) == ctx || tls_stream_is_let_in_still(stream, ctx);
}

bool tls_stream_is_let_in_still(const struct tls_stream *stream, SSL_CTX *ctx)
{
	return tls_context_reverify(ctx, stream->ssl);
}

/* Of a plain stream, after a system call failed. */
static enum stream_result plain_fault(struct tls_stream *stream, enum stream_result want)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
		return want;
	}
	return stream_break(stream, STREAM_CUT, NULL);
}

static enum stream_result read_plain(
	struct tls_stream *stream, void *data, size_t size, size_t *n_out)
{
	ssize_t n = recv(stream->fd, data, size, 0);
	if (n < 0) {
		return plain_fault(stream, STREAM_WANT_READ);
	}
	*n_out = (size_t)n;
	return n == 0 ? STREAM_EOF : STREAM_DONE;
}

enum stream_result tls_stream_read(
	struct tls_stream *stream, void *data, size_t size, size_t *n_out)
{
	ENSURE(size > 0);
	*n_out = 0;
	if (stream->ssl == NULL) {
		return read_plain(stream, data, size, n_out);
	}
	stream->is_unread = false;
	ERR_clear_error();
	int returned = SSL_read_ex(stream->ssl, data, size, n_out);
	enum stream_result result = returned == 1 ? STREAM_DONE : stream_fault(stream, returned);
	ERR_clear_error();
	if (stream->asides > ASIDES_MAX) {
		*n_out = 0;
		return stream_break(stream, STREAM_FAILED, "too many key updates or hellos");
	}
	return result;
}

static enum stream_result write_plain(
	struct tls_stream *stream, const void *data, size_t len, size_t *n_out)
{
	ssize_t n = send(stream->fd, data, len, MSG_NOSIGNAL);
	if (n < 0) {
		return plain_fault(stream, STREAM_WANT_WRITE);
	}
	*n_out = (size_t)n;
	return STREAM_DONE;
}

enum stream_result tls_stream_write(
	struct tls_stream *stream, const void *data, size_t len, size_t *n_out)
{
	ENSURE(len > 0);
	*n_out = 0;
	if (stream->ssl == NULL) {
		return write_plain(stream, data, len, n_out);
	}
	ERR_clear_error();
	int returned = SSL_write_ex(stream->ssl, data, len, n_out);
	enum stream_result result = returned == 1 ? STREAM_DONE : stream_fault(stream, returned);
	ERR_clear_error();
	return result;
}

/*
 * What came behind the last bytes of the handshake, read with them, is handed from one layer of
 * OpenSSL to the next; from 3.2 on SSL_has_pending does not see it there. Only a read tells.
 */
bool tls_stream_has_pending(const struct tls_stream *stream)
{
	return stream->ssl != NULL && (stream->is_unread || SSL_has_pending(stream->ssl));
}

enum stream_result tls_stream_drop(struct tls_stream *stream)
{
	char dropped[16384];
	size_t n = 0;
	return read_plain(stream, dropped, sizeof(dropped), &n);
}

void tls_stream_shutdown(struct tls_stream *stream)
{
	if (stream->fd < 0 || stream->is_shutdown_sent) {
		return;
	}
	stream->is_shutdown_sent = true;
	if (stream->ssl != NULL && !stream->is_broken && !SSL_in_init(stream->ssl)) {
		ERR_clear_error();
		SSL_shutdown(stream->ssl);
		ERR_clear_error();
	}
	shutdown(stream->fd, SHUT_WR);
}

/*
 * Closing over unread bytes sends a reset, which may overtake our last answer or alert. Bounded:
 * a peer that goes on sending gets its reset.
 */
static void discard_input(int fd)
{
	char unread[8192];

	for (int i = 0; i < 8 && recv(fd, unread, sizeof(unread), MSG_DONTWAIT) > 0; i++) {
	}
	explicit_bzero(unread, sizeof(unread));
}

void tls_stream_close(struct tls_stream *stream)
{
	SSL_free(stream->ssl);
	stream->ssl = NULL;
	if (stream->fd >= 0) {
		discard_input(stream->fd);
		close(stream->fd);
		stream->fd = -1;
	}
}
