// SPDX-License-Identifier: Apache-2.0
/*
 * How many connections one address has open whose handshake is not over. Shared by all workers
 * without a lock. Addresses are hashed into a fixed table, so two that meet in a slot share its
 * limit; the seed keeps outsiders from choosing whom they meet.
 */
#pragma once

#include "base/attr.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define PEER_GATE_SLOTS 16384

struct peer_gate {
	uint64_t seed;
	_Atomic uint16_t slots[PEER_GATE_SLOTS];
};

/* False when the kernel gives no random seed. */
MUST_CHECK bool peer_gate_init(struct peer_gate *gate);
/* Counts one connection more, unless limit (at most 65,535) are there. True wants a leave. */
MUST_CHECK bool peer_gate_enter(
	struct peer_gate *gate, const struct sockaddr_storage *address, unsigned limit);
void peer_gate_leave(struct peer_gate *gate, const struct sockaddr_storage *address);
