// SPDX-License-Identifier: Apache-2.0
/*
 * What the main thread tells a worker: partners, a new generation of the configuration, and its
 * end. It is done in the worker's own thread, between two events.
 */
#include "base/clock.h"
#include "worker_parts_int.h"

#include <stdlib.h>

enum mail_kind { MAIL_REGISTRY, MAIL_GENERATION, MAIL_PING, MAIL_DRAIN, MAIL_QUIT };

struct worker_mail {
	struct mail mail;
	struct registry *registry;
	struct generation *generation;
	uint32_t number;
};

static void close_draining(struct conn *conn)
{
	conn_close(conn, "draining");
}

static void close_unasked(struct conn *conn)
{
	if (conn->in.len == 0) {
		close_draining(conn);
	}
}

/* An idle connection closes itself, unless a request is there already. */
static void drive_suspended(struct conn *conn)
{
	if (conn->is_suspended) {
		conn_drive(conn);
	}
}

static void take_registry(struct worker *worker, struct registry *registry)
{
	struct registry *old = worker->registry;
	worker->registry = registry;
	for (int state = CONN_IDLE; state < CONN_CLOSED; state++) {
		worker_each_in(worker, (enum conn_state)state, conn_identify);
	}
	registry_unref(&old);
	worker_each_in(worker, CONN_IDLE, drive_suspended);
	worker_each_in(worker, CONN_BATCH, drive_suspended);
}

static void take_generation(struct worker *worker, struct generation *generation)
{
	struct generation *old = worker->generation;
	worker->generation = generation;
	store_set_conf(worker->store, generation->conf, generation->taxonomy);
	generation_unref(&old);
	worker_poll_or_pause(worker);
	worker_review(worker);
}

static void start_drain(struct worker *worker)
{
	if (worker->is_draining) {
		return;
	}
	worker->is_draining = true;
	worker->drain_deadline_ms =
		clock_monotonic_ms() + worker_conf(worker)->limits_drain_timeout_ms;
	listener_free(&worker->listener);
	atomic_fetch_sub(&worker->shared->accepting, 1);
	worker_each_in(worker, CONN_HANDSHAKE, close_draining);
	worker_each_in(worker, CONN_IDLE, conn_drive);
	worker_each_in(worker, CONN_HEAD, close_unasked);
	worker_arm_sweep(worker);
	worker_end_if_drained(worker, clock_monotonic_ms());
}

void worker_on_mail(evutil_socket_t fd, short what, void *ctx)
{
	struct worker *worker = ctx;
	(void)fd;
	(void)what;
	ENSURE(worker->magic == WORKER_MAGIC);
	struct mail *mail = mailbox_take(&worker->mailbox);
	while (mail != NULL) {
		struct worker_mail *message = (struct worker_mail *)(void *)mail;
		mail = mail->next;
		switch ((enum mail_kind)message->mail.kind) {
		case MAIL_REGISTRY:
			take_registry(worker, message->registry);
			break;
		case MAIL_GENERATION:
			take_generation(worker, message->generation);
			break;
		case MAIL_PING:
			atomic_store(&worker->beat, message->number);
			break;
		case MAIL_DRAIN:
			start_drain(worker);
			break;
		case MAIL_QUIT:
			event_base_loopbreak(worker->base);
			break;
		}
		free(message);
	}
}

static void send_mail(struct worker *worker, enum mail_kind kind, struct worker_mail content)
{
	struct worker_mail *message = malloc(sizeof(*message));
	/* A few bytes in the main thread; without them nothing can be told to a worker. */
	ENSURE(message != NULL);
	*message = content;
	message->mail.kind = kind;
	mailbox_send(&worker->mailbox, &message->mail);
}

void worker_send_registry(struct worker *worker, struct registry *registry)
{
	send_mail(worker, MAIL_REGISTRY, (struct worker_mail){.registry = registry_ref(registry)});
}

void worker_send_generation(struct worker *worker, struct generation *generation)
{
	send_mail(worker, MAIL_GENERATION,
		(struct worker_mail){.generation = generation_ref(generation)});
}

void worker_send_ping(struct worker *worker, uint32_t number)
{
	send_mail(worker, MAIL_PING, (struct worker_mail){.number = number});
}

uint32_t worker_beat(const struct worker *worker)
{
	return atomic_load(&worker->beat);
}

void worker_send_drain(struct worker *worker)
{
	send_mail(worker, MAIL_DRAIN, (struct worker_mail){0});
}

void worker_send_quit(struct worker *worker)
{
	send_mail(worker, MAIL_QUIT, (struct worker_mail){0});
}

void worker_drop_mail(struct worker *worker)
{
	struct mail *mail = worker->mailbox.event_fd >= 0 ? mailbox_take(&worker->mailbox) : NULL;
	while (mail != NULL) {
		struct worker_mail *message = (struct worker_mail *)(void *)mail;
		mail = mail->next;
		registry_unref(&message->registry);
		generation_unref(&message->generation);
		free(message);
	}
	mailbox_close(&worker->mailbox);
}
