// SPDX-License-Identifier: Apache-2.0
#include "base/mailbox.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool mailbox_open(struct mailbox *box)
{
	atomic_init(&box->newest, NULL);
	box->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return box->event_fd >= 0;
}

void mailbox_close(struct mailbox *box)
{
	if (box->event_fd >= 0) {
		close(box->event_fd);
		box->event_fd = -1;
	}
}

void mailbox_send(struct mailbox *box, struct mail *mail)
{
	struct mail *head = atomic_load_explicit(&box->newest, memory_order_relaxed);
	do {
		mail->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
		&box->newest, &head, mail, memory_order_release, memory_order_relaxed));
	uint64_t one = 1;
	/* Fails only when the counter is full, and then the receiver is awake already. */
	ssize_t written = write(box->event_fd, &one, sizeof(one));
	(void)written;
}

struct mail *mailbox_take(struct mailbox *box)
{
	uint64_t count;
	ssize_t got = read(box->event_fd, &count, sizeof(count));
	(void)got;
	struct mail *newest_first =
		atomic_exchange_explicit(&box->newest, NULL, memory_order_acquire);
	struct mail *oldest_first = NULL;
	while (newest_first != NULL) {
		struct mail *next = newest_first->next;
		newest_first->next = oldest_first;
		oldest_first = newest_first;
		newest_first = next;
	}
	return oldest_first;
}
