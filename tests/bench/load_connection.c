// SPDX-License-Identifier: Apache-2.0
#include "load_connection.h"

#include "base/attr.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	HEAD_MAX = 64 * 1024,
	ANSWER_MAX = 16 * 1024 * 1024,
	PAUSE_MS = 100,
};

static void connect_again(struct connection *c);

/* --- the end of a connection --- */

static void close_fd(struct connection *c)
{
	if (c->fd >= 0) {
		event_del(c->readable);
		event_del(c->writable);
		event_free(c->readable);
		event_free(c->writable);
		SSL_free(c->ssl);
		close(c->fd);
		c->fd = -1;
	}
}

static void pause_then_connect(struct connection *c)
{
	struct timeval pause = {0, PAUSE_MS * 1000};
	close_fd(c);
	c->state = CONNECTION_PAUSE;
	evtimer_add(c->due, &pause);
}

static void lose(struct connection *c)
{
	bool had_request = c->state == CONNECTION_SENDING || c->state == CONNECTION_HEAD ||
		c->state == CONNECTION_BODY || c->state == CONNECTION_CHUNKS;
	pause_then_connect(c);
	if (had_request) {
		c->owner->on_answer(c->owner->ctx, c->place, (struct answer){0});
	}
}

/* --- answers --- */

static uint32_t count_stored(struct str lines)
{
	static const char stored[] = "\"status\":201,";
	uint32_t count = 0;
	const char *end = lines.data + lines.len;
	for (const char *at = lines.data;
		(at = memmem(at, (size_t)(end - at), stored, sizeof(stored) - 1)) != NULL;
		count++) {
		at += sizeof(stored) - 1;
	}
	return count;
}

static void finish(struct connection *c)
{
	if (c->target->counts_lines && c->answer.status == 200) {
		c->answer.stored = count_stored(buf_str(&c->in));
	} else if (c->answer.status == 201) {
		c->answer.stored = c->target->reports;
	}
	buf_clear(&c->in);
	bool closes = c->closes || c->target->closes_after_answer;
	struct answer answer = c->answer;
	c->state = CONNECTION_IDLE;
	if (closes) {
		SSL_shutdown(c->ssl);
		close_fd(c);
		connect_again(c);
	}
	c->owner->on_answer(c->owner->ctx, c->place, answer);
	if (!closes) {
		c->owner->on_idle(c->owner->ctx, c->place);
	}
}

/* The value of a header of the head, which ends with an empty line; NULL when it is not there. */
static const char *header(struct str head, const char *name)
{
	size_t len = strlen(name);
	const char *end = head.data + head.len;
	const char *line = head.data;
	while ((line = memchr(line, '\n', (size_t)(end - line))) != NULL) {
		line++;
		if ((size_t)(end - line) > len && strncasecmp(line, name, len) == 0 &&
			line[len] == ':') {
			line += len + 1;
			return line + strspn(line, " \t");
		}
	}
	return NULL;
}

/* A NUL stands behind the head. */
static bool read_head(struct connection *c, struct str head)
{
	if (head.len < 12 || memcmp(head.data, "HTTP/1.1 ", 9) != 0) {
		return false;
	}
	c->answer = (struct answer){.status = atoi(head.data + 9)};
	const char *connection = header(head, "connection");
	const char *length = header(head, "content-length");
	c->closes = connection != NULL && strncasecmp(connection, "close", 5) == 0;
	c->body_left = length != NULL ? strtoull(length, NULL, 10) : 0;
	c->state = CONNECTION_BODY;
	if (header(head, "transfer-encoding") != NULL) {
		http_chunked_init(&c->chunked);
		c->state = CONNECTION_CHUNKS;
	}
	return c->answer.status >= 200 && c->answer.status <= 599;
}

static bool keep_body(struct connection *c, const char *data, size_t len)
{
	return !c->target->counts_lines ||
		(c->in.len + len <= ANSWER_MAX && buf_append(&c->in, data, len));
}

/* How much of data was used; nothing at false, when the answer makes no sense. */
static bool take_head(struct connection *c, struct str data, size_t *used_out)
{
	size_t had = c->in.len;
	if (had + data.len > HEAD_MAX || !buf_append(&c->in, data.data, data.len)) {
		return false;
	}
	const char *end = memmem(c->in.data, c->in.len, "\r\n\r\n", 4);
	if (end == NULL) {
		*used_out = data.len;
		return true;
	}
	size_t len = (size_t)(end - c->in.data) + 4;
	*used_out = len - had;
	c->in.len = len;
	bool is_good = buf_append(&c->in, "", 1) && read_head(c, (struct str){c->in.data, len});
	buf_clear(&c->in);
	return is_good;
}

static bool take_body(struct connection *c, struct str data, size_t *used_out)
{
	*used_out = data.len < c->body_left ? data.len : (size_t)c->body_left;
	c->body_left -= *used_out;
	return keep_body(c, data.data, *used_out);
}

static bool take_chunks(struct connection *c, char *data, size_t len, size_t *used_out)
{
	size_t content = 0;
	enum http_parse outcome =
		http_chunked_decode(&c->chunked, data, len, data, &content, used_out);
	if (outcome == HTTP_BAD || !keep_body(c, data, content)) {
		return false;
	}
	if (outcome == HTTP_DONE) {
		c->state = CONNECTION_BODY;
		c->body_left = 0;
	}
	return true;
}

/* False when it makes no sense. Nothing may follow an answer: the next request is not sent yet. */
static bool take(struct connection *c, char *data, size_t len)
{
	while (true) {
		size_t used = 0;
		bool is_good = c->state == CONNECTION_HEAD
			? take_head(c, (struct str){data, len}, &used)
			: c->state == CONNECTION_BODY ? take_body(c, (struct str){data, len}, &used)
			: c->state == CONNECTION_CHUNKS ? take_chunks(c, data, len, &used)
							: false;
		if (!is_good) {
			return false;
		}
		data += used;
		len -= used;
		if (c->state == CONNECTION_BODY && c->body_left == 0) {
			if (len > 0) {
				return false;
			}
			finish(c);
			return true;
		}
		if (len == 0) {
			return true;
		}
	}
}

/* --- what TLS wants --- */

/* After a call that brought nothing: false when the connection is lost. */
static bool wait_for(struct connection *c, int outcome)
{
	int reason = SSL_get_error(c->ssl, outcome);
	if (reason == SSL_ERROR_WANT_WRITE) {
		event_add(c->writable, NULL);
		return true;
	}
	return reason == SSL_ERROR_WANT_READ;
}

static bool shake_hands(struct connection *c)
{
	ERR_clear_error();
	int outcome = SSL_do_handshake(c->ssl);
	if (outcome == 1) {
		c->state = CONNECTION_IDLE;
		c->owner->on_idle(c->owner->ctx, c->place);
		return true;
	}
	return wait_for(c, outcome);
}

static bool write_out(struct connection *c)
{
	while (c->sent < c->out.len) {
		ERR_clear_error();
		int n = SSL_write(c->ssl, c->out.data + c->sent, (int)(c->out.len - c->sent));
		if (n <= 0) {
			return wait_for(c, n);
		}
		c->sent += (size_t)n;
	}
	c->state = CONNECTION_HEAD;
	return true;
}

static bool read_in(struct connection *c)
{
	static char data[64 * 1024];
	const int fd = c->fd;
	while (c->fd == fd && c->state >= CONNECTION_IDLE && c->state <= CONNECTION_CHUNKS) {
		ERR_clear_error();
		int n = SSL_read(c->ssl, data, sizeof(data));
		if (n <= 0) {
			return wait_for(c, n);
		}
		if (c->state == CONNECTION_SENDING) {
			/* Answered before it was sent: a refusal, after which nothing more is read.
			 */
			c->state = CONNECTION_HEAD;
			c->closes = true;
		}
		if (!take(c, data, (size_t)n)) {
			return false;
		}
	}
	return true;
}

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
	struct connection *c = ctx;
	bool is_alive = true;
	(void)fd;
	if (c->state == CONNECTION_HANDSHAKE) {
		is_alive = shake_hands(c);
	} else if (c->state == CONNECTION_SENDING && (what & EV_WRITE) != 0) {
		is_alive = write_out(c);
	} else {
		is_alive = read_in(c);
	}
	if (!is_alive) {
		lose(c);
	}
}

/* --- from outside --- */

static void on_due(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	connect_again(ctx);
}

static void connect_again(struct connection *c)
{
	const struct connection_target *target = c->target;
	int one = 1;
	c->fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ENSURE(c->fd >= 0);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->ssl = SSL_new(target->tls);
	c->readable = event_new(target->base, c->fd, EV_READ | EV_PERSIST, on_event, c);
	c->writable = event_new(target->base, c->fd, EV_WRITE, on_event, c);
	ENSURE(c->ssl != NULL && c->readable != NULL && c->writable != NULL);
	ENSURE(SSL_set_fd(c->ssl, c->fd) == 1 && SSL_set1_host(c->ssl, target->server_name) == 1 &&
		SSL_set_tlsext_host_name(c->ssl, target->server_name) == 1);
	SSL_set_connect_state(c->ssl);
	c->state = CONNECTION_HANDSHAKE;
	c->closes = false;
	buf_clear(&c->in);
	if (connect(c->fd, (const struct sockaddr *)&target->address, target->address_len) != 0 &&
		errno != EINPROGRESS) {
		pause_then_connect(c);
		return;
	}
	event_add(c->readable, NULL);
	event_add(c->writable, NULL);
}

void connection_start(struct connection *c, const struct connection_target *target,
	const struct connection_owner *owner, size_t place)
{
	*c = (struct connection){.target = target, .owner = owner, .place = place, .fd = -1};
	buf_init(&c->out, SIZE_MAX);
	buf_init(&c->in, SIZE_MAX);
	c->due = evtimer_new(target->base, on_due, c);
	ENSURE(c->due != NULL);
	connect_again(c);
}

void connection_send(struct connection *c, struct str head, struct str body)
{
	buf_clear(&c->out);
	ENSURE(buf_append_str(&c->out, head) && buf_append_str(&c->out, body));
	c->sent = 0;
	c->state = CONNECTION_SENDING;
	if (!write_out(c)) {
		lose(c);
	}
}

void connection_stop(struct connection *c)
{
	close_fd(c);
	event_free(c->due);
	buf_fini(&c->out);
	buf_fini(&c->in);
}
