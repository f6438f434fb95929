// SPDX-License-Identifier: Apache-2.0
/*
 * Addresses and networks, and what the IANA special-purpose registries say of them.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct report_address {
	uint8_t family;     /* 4 or 6 */
	uint8_t prefix_len; /* 32 or 128 for a single address */
	uint8_t bytes[16];  /* network order, the unused ones zero */
};

/* As inet_pton takes it; family 4 or 6. */
bool report_address_parse(struct str text, int family, struct report_address *address_out);
/* Address, slash, prefix length without leading zeros; the host bits are zero. */
bool report_network_parse(struct str text, struct report_address *address_out);
/*
 * Whether the narrowest registered block that holds the whole address or network is not marked as
 * globally reachable. Deprecated blocks count as not reachable.
 */
bool report_address_is_special(const struct report_address *address);
