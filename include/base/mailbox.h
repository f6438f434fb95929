// SPDX-License-Identifier: Apache-2.0
/*
 * A list of messages from any thread to one, and an eventfd that tells the receiver's event loop.
 * No lock: senders push with compare-and-swap, the receiver takes the whole list at once. A message
 * embeds struct mail and belongs to the receiver from the moment it is sent.
 */
#pragma once

#include "base/attr.h"

#include <stdatomic.h>
#include <stdbool.h>

struct mail {
	struct mail *next;
	int kind; /* the owner's enum */
};

struct mailbox {
	_Atomic(struct mail *) newest;
	int event_fd; /* readable while something was sent since the last take */
};

MUST_CHECK bool mailbox_open(struct mailbox *box);
void mailbox_close(struct mailbox *box);
void mailbox_send(struct mailbox *box, struct mail *mail);
/* All messages, oldest first, or NULL. */
struct mail *mailbox_take(struct mailbox *box);
