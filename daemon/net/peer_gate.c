// SPDX-License-Identifier: Apache-2.0
#include "net/peer_gate.h"

#include "net/address.h"

#include <sys/random.h>

bool peer_gate_init(struct peer_gate *gate)
{
	for (unsigned i = 0; i < PEER_GATE_SLOTS; i++) {
		atomic_init(&gate->slots[i], 0);
	}
	return getrandom(&gate->seed, sizeof(gate->seed), 0) == sizeof(gate->seed);
}

static _Atomic uint16_t *slot_of(struct peer_gate *gate, const struct sockaddr_storage *address)
{
	return &gate->slots[address_hash(address, gate->seed) % PEER_GATE_SLOTS];
}

bool peer_gate_enter(struct peer_gate *gate, const struct sockaddr_storage *address, unsigned limit)
{
	_Atomic uint16_t *slot = slot_of(gate, address);
	uint16_t count = atomic_load_explicit(slot, memory_order_relaxed);

	do {
		if (count >= limit || count == UINT16_MAX) {
			return false;
		}
	} while (!atomic_compare_exchange_weak_explicit(
		slot, &count, (uint16_t)(count + 1), memory_order_relaxed, memory_order_relaxed));
	return true;
}

void peer_gate_leave(struct peer_gate *gate, const struct sockaddr_storage *address)
{
	uint16_t before =
		atomic_fetch_sub_explicit(slot_of(gate, address), 1, memory_order_relaxed);
	ENSURE(before > 0);
}
