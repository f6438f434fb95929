// SPDX-License-Identifier: Apache-2.0
/*
 * UUID version 7 of RFC 9562: 48 bits of milliseconds, then random bits. Ids made by one source
 * rise within a millisecond too, so that rows append at the end of their b-tree.
 */
#pragma once

#include <stdint.h>

#define UUID_TEXT_SIZE 37

struct uuid {
	uint8_t bytes[16];
};

/* One a thread. */
struct uuid_source {
	int64_t last_ms;
	uint32_t sequence;
	uint32_t pool_used;
	uint8_t pool[256]; /* fetched ahead; getrandom(2) cuts no read of this size short */
};

void uuid_source_init(struct uuid_source *source);
struct uuid uuid_v7(struct uuid_source *source, int64_t wall_us);
/* Lower-case text with hyphens and a terminating NUL. */
void uuid_format(const struct uuid *id, char out[UUID_TEXT_SIZE]);
