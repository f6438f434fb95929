// SPDX-License-Identifier: Apache-2.0
/*
 * Open addressing, the next slot on a clash. A digest is its own hash: nobody gains by making two
 * of his reports clash. The digest of zeros marks an empty slot and so is never found: its report,
 * if there is one in the world, is sent again.
 */
#include "intake_send_digests_int.h"

#include "base/attr.h"

#include <string.h>

#define FIRST_SLOT_COUNT 1024

static const struct digest empty;

static bool is_equal(const struct digest *a, const struct digest *b)
{
	return memcmp(a->bytes, b->bytes, DIGEST_BYTES) == 0;
}

void digests_init(struct digests *set)
{
	*set = (struct digests){.slots = NULL};
}

void digests_fini(struct digests *set)
{
	free(set->slots);
	digests_init(set);
}

/* The digest's slot, or the empty one where it belongs. There always is one. */
static struct digest *find_slot(const struct digests *set, const struct digest *digest)
{
	uint64_t at = 0;
	memcpy(&at, digest->bytes, sizeof(at));
	for (;; at++) {
		struct digest *slot = &set->slots[at & (set->slot_count - 1)];
		if (is_equal(slot, digest) || is_equal(slot, &empty)) {
			return slot;
		}
	}
}

static void grow(struct digests *set)
{
	struct digests grown = *set;
	grown.slot_count = set->slot_count == 0 ? FIRST_SLOT_COUNT : set->slot_count * 2;
	grown.slots = calloc(grown.slot_count, sizeof(*grown.slots));
	ENSURE(grown.slots != NULL);
	for (size_t i = 0; i < set->slot_count; i++) {
		if (!is_equal(&set->slots[i], &empty)) {
			*find_slot(&grown, &set->slots[i]) = set->slots[i];
		}
	}
	free(set->slots);
	*set = grown;
}

void digests_add(struct digests *set, const struct digest *digest)
{
	if (is_equal(digest, &empty)) {
		return;
	}
	if (set->count * 3 >= set->slot_count * 2) {
		grow(set);
	}
	struct digest *slot = find_slot(set, digest);
	set->count += is_equal(slot, &empty);
	*slot = *digest;
}

bool digests_has(const struct digests *set, const struct digest *digest)
{
	return set->count > 0 && !is_equal(digest, &empty) &&
		is_equal(find_slot(set, digest), digest);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool digest_from_hex(const char *hex, struct digest *digest_out)
{
	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		int high = hex_value(hex[2 * i]);
		int low = high < 0 ? -1 : hex_value(hex[2 * i + 1]);
		if (low < 0) {
			return false;
		}
		digest_out->bytes[i] = (uint8_t)(high << 4 | low);
	}
	return hex[(size_t)2 * DIGEST_BYTES] == '\0';
}

void digest_format(const struct digest *digest, char out[2 * DIGEST_BYTES + 1])
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		out[2 * i] = digits[digest->bytes[i] >> 4];
		out[2 * i + 1] = digits[digest->bytes[i] & 15];
	}
	out[(size_t)2 * DIGEST_BYTES] = '\0';
}
