// SPDX-License-Identifier: Apache-2.0
/*
 * A set of SHA-256 digests: what has a receipt. Millions of them cost 32 bytes each and the room of
 * a table that is at most two thirds full.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES 32

struct digest {
	uint8_t bytes[DIGEST_BYTES];
};

struct digests {
	struct digest *slots;
	size_t slot_count; /* a power of two, or 0 */
	size_t count;      /* of digests in slots */
};

void digests_init(struct digests *set);
void digests_fini(struct digests *set);
void digests_add(struct digests *set, const struct digest *digest);
bool digests_has(const struct digests *set, const struct digest *digest);
/* From 64 hex digits; false when it is something else. */
bool digest_from_hex(const char *hex, struct digest *digest_out);
/* With the terminating NUL. */
void digest_format(const struct digest *digest, char out[2 * DIGEST_BYTES + 1]);
