// SPDX-License-Identifier: Apache-2.0
/*
 * A request is a head of at most a few kilobytes, answered at once; libevent's own buffers carry
 * it, since peers are local and answers small. A request has ten seconds to arrive and its answer
 * ten to be taken; nothing more is read before that.
 */
#include "admin_int.h"

#include "admin_pages_int.h"
#include "base/clock.h"
#include "base/list.h"
#include "http/http_request.h"
#include "http/http_response.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADMIN_MAX_CONNECTIONS 64
#define ADMIN_REQUEST_MS 10000
#define ADMIN_BODY_BYTES ((size_t)4 << 20)

struct admin {
	struct event_base *base;
	struct listener *listener;
	struct admin_hooks hooks;
	struct list clients;
	int client_count;
};

struct admin_client {
	struct list link;
	struct admin *admin;
	struct bufferevent *stream;
	struct http_request request;
	int64_t waits_since_ms; /* for its present request */
	bool is_unix;
	bool closes;
};

static const struct http_limits admin_limits = {2048, 8192, 64};

static void client_free(struct admin_client *client)
{
	list_remove(&client->link);
	client->admin->client_count--;
	bufferevent_free(client->stream);
	free(client);
}

/* False when there is no memory to answer with. */
static bool answer(struct admin_client *client, const char *head, enum http_parse parsed)
{
	struct http_response response = {.closes = client->closes};
	char date[CLOCK_HTTP_DATE_SIZE];
	struct buf body;
	struct buf out;
	buf_init(&body, ADMIN_BODY_BYTES);
	buf_init(&out, ADMIN_BODY_BYTES + 4096);
	const struct http_request *request = &client->request;
	bool is_get = request->method == HTTP_GET || request->method == HTTP_HEAD;
	if (parsed == HTTP_BAD) {
		response.status = 400;
	} else if (!is_get || request->content_length > 0 || request->is_chunked) {
		response.status = 405;
		response.allow = "GET, HEAD";
		response.closes = true;
	} else {
		struct admin_request asked = {.path = http_span_str(head, request->path),
			.host = http_span_str(head, request->host),
			.accept = http_span_str(head, request->accept),
			.is_unix = client->is_unix};
		admin_page_make(&client->admin->hooks, &asked, &response, &body);
		response.is_head_only = request->method == HTTP_HEAD;
	}
	client->closes = response.closes;
	client->waits_since_ms = clock_monotonic_ms();
	response.says_keep_alive = request->is_http_1_0 && !response.closes;
	clock_format_http_date(clock_wall_us() / 1000000, date);
	response.date = date;
	bool done = http_response_render(&out, &response, buf_str(&body)) &&
		bufferevent_write(client->stream, out.data, out.len) == 0;
	buf_fini(&body);
	buf_fini(&out);
	return done;
}

/* Answers the next request if it is there, and reads on only where it is not. */
static void go_on(struct admin_client *client)
{
	struct evbuffer *input = bufferevent_get_input(client->stream);
	size_t len = evbuffer_get_length(input);
	const char *data = (const char *)evbuffer_pullup(input, -1);
	enum http_parse parsed = HTTP_MORE;
	if (data != NULL) {
		parsed = http_request_parse(&client->request, &admin_limits, data, len);
	}
	if (parsed == HTTP_MORE) {
		if (bufferevent_enable(client->stream, EV_READ) != 0) {
			client_free(client);
		}
		return;
	}
	bufferevent_disable(client->stream, EV_READ);
	client->closes = parsed == HTTP_BAD || !client->request.keeps_alive;
	if (!answer(client, data, parsed)) {
		client_free(client);
		return;
	}
	evbuffer_drain(input, client->request.head_len);
	http_request_init(&client->request);
}

static void on_read(struct bufferevent *stream, void *ctx)
{
	struct admin_client *client = ctx;
	(void)stream;
	if (clock_monotonic_ms() - client->waits_since_ms > ADMIN_REQUEST_MS) {
		client_free(client);
		return;
	}
	go_on(client);
}

static void on_written(struct bufferevent *stream, void *ctx)
{
	struct admin_client *client = ctx;
	(void)stream;
	if (client->closes) {
		client_free(client);
	} else {
		go_on(client);
	}
}

static void on_event(struct bufferevent *stream, short what, void *ctx)
{
	(void)stream;
	(void)what;
	client_free(ctx);
}

/*
 * libevent says nothing of a stream that it had no memory to watch for writing, and then neither
 * its answer nor its timeout ever comes.
 */
static void drop_forgotten(struct admin *admin)
{
	int64_t now_ms = clock_monotonic_ms();
	struct list *link = admin->clients.next;
	while (link != &admin->clients) {
		struct admin_client *client = LIST_OWNER(link, struct admin_client, link);
		link = link->next;
		if (now_ms - client->waits_since_ms > (int64_t)4 * ADMIN_REQUEST_MS) {
			client_free(client);
		}
	}
}

static void on_accept(void *ctx, int fd, const struct sockaddr_storage *peer)
{
	struct admin *admin = ctx;
	static const struct timeval timeout = {ADMIN_REQUEST_MS / 1000, 0};
	struct admin_client *client = NULL;
	drop_forgotten(admin);
	if (admin->client_count < ADMIN_MAX_CONNECTIONS) {
		client = calloc(1, sizeof(*client));
	}
	if (client != NULL) {
		client->stream = bufferevent_socket_new(admin->base, fd, BEV_OPT_CLOSE_ON_FREE);
	}
	if (client == NULL || client->stream == NULL) {
		free(client);
		close(fd);
		return;
	}
	client->admin = admin;
	client->is_unix = peer->ss_family == AF_UNIX;
	client->waits_since_ms = clock_monotonic_ms();
	http_request_init(&client->request);
	list_append(&admin->clients, &client->link);
	admin->client_count++;
	bufferevent_setcb(client->stream, on_read, on_written, on_event, client);
	bufferevent_set_timeouts(client->stream, &timeout, &timeout);
	if (bufferevent_enable(client->stream, EV_READ | EV_WRITE) != 0) {
		client_free(client);
	}
}

struct admin *admin_new(struct event_base *base, int listening_fd, struct admin_hooks hooks)
{
	struct admin *admin = calloc(1, sizeof(*admin));
	if (admin == NULL) {
		return NULL;
	}
	admin->base = base;
	admin->hooks = hooks;
	list_init(&admin->clients);
	admin->listener = listener_new(base, listening_fd, on_accept, admin);
	if (admin->listener == NULL) {
		admin_free(&admin);
	}
	return admin;
}

void admin_free(struct admin **admin)
{
	if (*admin == NULL) {
		return;
	}
	struct list *link = (*admin)->clients.next;
	while (link != &(*admin)->clients) {
		struct admin_client *client = LIST_OWNER(link, struct admin_client, link);
		link = link->next;
		client_free(client);
	}
	listener_free(&(*admin)->listener);
	free(*admin);
	*admin = NULL;
}
