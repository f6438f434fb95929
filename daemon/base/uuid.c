// SPDX-License-Identifier: Apache-2.0
/*
 * Layout: unix_ts_ms (48 bits), version, 12 bits of counter (RFC 9562 6.2, method 1), variant, 62
 * random bits. The counter starts anew each millisecond; if more than 4,096 ids are wanted in one,
 * the millisecond is counted up ahead of the clock.
 */
#include "base/uuid.h"

#include "base/attr.h"

#include <string.h>
#include <sys/random.h>

void uuid_source_init(struct uuid_source *source)
{
	*source = (struct uuid_source){.pool_used = sizeof(source->pool)};
}

static const uint8_t *random_bytes(struct uuid_source *source, uint32_t n)
{
	if (source->pool_used + n > sizeof(source->pool)) {
		ssize_t got = getrandom(source->pool, sizeof(source->pool), 0);
		ENSURE(got == (ssize_t)sizeof(source->pool));
		source->pool_used = 0;
	}
	const uint8_t *bytes = source->pool + source->pool_used;
	source->pool_used += n;
	return bytes;
}

struct uuid uuid_v7(struct uuid_source *source, int64_t wall_us)
{
	int64_t ms = wall_us / 1000;

	if (ms > source->last_ms) {
		source->last_ms = ms;
		source->sequence = 0;
	} else if (++source->sequence > 0xfff) {
		source->last_ms++;
		source->sequence = 0;
	}
	struct uuid id;
	for (int i = 0; i < 6; i++) {
		id.bytes[i] = (uint8_t)(source->last_ms >> (40 - 8 * i));
	}
	id.bytes[6] = (uint8_t)(0x70 | (source->sequence >> 8));
	id.bytes[7] = (uint8_t)source->sequence;
	memcpy(id.bytes + 8, random_bytes(source, 8), 8);
	id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3f));
	return id;
}

void uuid_format(const struct uuid *id, char out[UUID_TEXT_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	int n = 0;
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10) {
			out[n++] = '-';
		}
		out[n++] = hex[id->bytes[i] >> 4];
		out[n++] = hex[id->bytes[i] & 15];
	}
	out[n] = '\0';
}
