// SPDX-License-Identifier: Apache-2.0
#include "control_int.h"

#include "base/clock.h"
#include "base/list.h"
#include "net/listener.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONTROL_LINE_BYTES 256
#define CONTROL_MAX_CONNECTIONS 16
#define CONTROL_LINE_MS 10000
#define CONTROL_ANSWER_BYTES ((size_t)4 << 20)

struct control {
	struct event_base *base;
	struct listener *listener;
	const struct control_command *commands;
	void *ctx;
	struct list clients;
	int client_count;
};

struct control_client {
	struct list link;
	struct control *control;
	int64_t opened_at_ms;
	struct bufferevent *stream;
};

static void client_free(struct control_client *client)
{
	list_remove(&client->link);
	client->control->client_count--;
	bufferevent_free(client->stream);
	free(client);
}

static bool run_command(struct control *control, const char *name, struct buf *out)
{
	for (const struct control_command *command = control->commands; command->name != NULL;
		command++) {
		if (strcmp(command->name, name) == 0) {
			return command->run(control->ctx, out);
		}
	}
	return buf_append_str(out, STR("{\"error\":\"there is no such command\"}"));
}

/* By hand, since what evbuffer_readln(3) hands out is not for free(3): see event_memory_int.h. */
static bool take_line(struct evbuffer *input, char line[CONTROL_LINE_BYTES + 1])
{
	ev_ssize_t len = evbuffer_copyout(input, line, CONTROL_LINE_BYTES + 1);
	char *end = len > 0 ? memchr(line, '\n', (size_t)len) : NULL;
	if (end == NULL) {
		return false;
	}
	*end = '\0';
	evbuffer_drain(input, (size_t)(end - line) + 1);
	return true;
}

static void on_read(struct bufferevent *stream, void *ctx)
{
	struct control_client *client = ctx;
	struct evbuffer *input = bufferevent_get_input(stream);
	char line[CONTROL_LINE_BYTES + 1];
	struct buf out;

	if (!take_line(input, line)) {
		if (evbuffer_get_length(input) > CONTROL_LINE_BYTES ||
			clock_monotonic_ms() - client->opened_at_ms > CONTROL_LINE_MS) {
			client_free(client);
		}
		return;
	}
	bufferevent_disable(stream, EV_READ);
	buf_init(&out, CONTROL_ANSWER_BYTES);
	bool done = run_command(client->control, line, &out) && buf_append_str(&out, STR("\n")) &&
		bufferevent_write(stream, out.data, out.len) == 0;
	buf_fini(&out);
	if (!done) {
		client_free(client);
	}
}

static void on_written(struct bufferevent *stream, void *ctx)
{
	(void)stream;
	client_free(ctx);
}

static void on_event(struct bufferevent *stream, short what, void *ctx)
{
	(void)stream;
	(void)what;
	client_free(ctx);
}

/* As in admin.c: libevent may never call again. */
static void drop_forgotten(struct control *control)
{
	int64_t now_ms = clock_monotonic_ms();
	struct list *link = control->clients.next;
	while (link != &control->clients) {
		struct control_client *client = LIST_OWNER(link, struct control_client, link);
		link = link->next;
		if (now_ms - client->opened_at_ms > (int64_t)4 * CONTROL_LINE_MS) {
			client_free(client);
		}
	}
}

static void on_accept(void *ctx, int fd, const struct sockaddr_storage *peer)
{
	struct control *control = ctx;
	static const struct timeval timeout = {CONTROL_LINE_MS / 1000, 0};
	struct control_client *client = NULL;
	(void)peer;
	drop_forgotten(control);
	if (control->client_count < CONTROL_MAX_CONNECTIONS) {
		client = calloc(1, sizeof(*client));
	}
	if (client != NULL) {
		client->stream = bufferevent_socket_new(control->base, fd, BEV_OPT_CLOSE_ON_FREE);
	}
	if (client == NULL || client->stream == NULL) {
		free(client);
		close(fd);
		return;
	}
	client->control = control;
	client->opened_at_ms = clock_monotonic_ms();
	control->client_count++;
	list_append(&control->clients, &client->link);
	bufferevent_setcb(client->stream, on_read, on_written, on_event, client);
	bufferevent_set_timeouts(client->stream, &timeout, &timeout);
	if (bufferevent_enable(client->stream, EV_READ) != 0) {
		client_free(client);
	}
}

struct control *control_new(struct event_base *base, int listening_fd,
	const struct control_command *commands, void *ctx)
{
	struct control *control = calloc(1, sizeof(*control));
	if (control == NULL) {
		return NULL;
	}
	control->base = base;
	control->commands = commands;
	control->ctx = ctx;
	list_init(&control->clients);
	control->listener = listener_new(base, listening_fd, on_accept, control);
	if (control->listener == NULL) {
		control_free(&control);
	}
	return control;
}

void control_free(struct control **control)
{
	if (*control == NULL) {
		return;
	}
	struct list *link = (*control)->clients.next;
	while (link != &(*control)->clients) {
		struct control_client *client = LIST_OWNER(link, struct control_client, link);
		link = link->next;
		client_free(client);
	}
	listener_free(&(*control)->listener);
	free(*control);
	*control = NULL;
}
