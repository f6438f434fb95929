// SPDX-License-Identifier: Apache-2.0
/*
 * A snapshot is one allocation of text (the answer's values, copied) and two sorted arrays that
 * point into it: partners by name, keys by digest.
 */
#include "store/registry.h"

#include "base/err.h"
#include "registry_int.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct registry_key {
	uint8_t spki_sha256[32];
	uint32_t partner;
	bool is_revoked;
};

struct registry {
	_Atomic uint32_t references;
	struct partner *partners;
	size_t partner_count;
	struct registry_key *keys;
	size_t key_count;
	struct str *organisations;
	char *text;
};

/* Columns of intake.registry() (sql/0003_partners.sql), then of intake.partner_quotas(). */
enum {
	REGISTRY_ID,
	REGISTRY_NAME,
	REGISTRY_ORGANISATIONS,
	REGISTRY_MAY_RELAY,
	REGISTRY_IS_LIVE,
	REGISTRY_IS_SUSPENDED,
	REGISTRY_KEYS,
	REGISTRY_REVOKED_KEYS,
	REGISTRY_CONNECTIONS,
	REGISTRY_REPORTS_IN_FLIGHT,
	REGISTRY_REPORTS_PER_S,
	REGISTRY_REPORTS_BURST,
	REGISTRY_BYTES_PER_S,
	REGISTRY_BYTES_BURST
};

static size_t count_words(const char *text)
{
	size_t words = text[0] != '\0' ? 1 : 0;
	for (; *text != '\0'; text++) {
		words += *text == ' ' ? 1 : 0;
	}
	return words;
}

/* Cuts the next word off; data NULL at the end. */
static struct str next_word(const char **text)
{
	size_t len = strcspn(*text, " ");
	struct str word = {len > 0 ? *text : NULL, len};
	*text += len;
	*text += **text == ' ' ? 1 : 0;
	return word;
}

static uint8_t hex_digit(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void add_keys(
	struct registry *registry, const char *words, uint32_t partner, bool is_revoked)
{
	struct str word;
	while ((word = next_word(&words)).data != NULL) {
		struct registry_key *key = &registry->keys[registry->key_count];
		if (word.len != 2 * sizeof(key->spki_sha256)) {
			continue;
		}
		for (size_t i = 0; i < sizeof(key->spki_sha256); i++) {
			key->spki_sha256[i] = (uint8_t)(hex_digit(word.data[2 * i]) << 4 |
				hex_digit(word.data[2 * i + 1]));
		}
		key->partner = partner;
		key->is_revoked = is_revoked;
		registry->key_count++;
		registry->partners[partner].has_keys = true;
	}
}

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(((struct registry_key *)0)->spki_sha256));
}

static int compare_partners(const void *a, const void *b)
{
	const struct partner *left = a;
	const struct partner *right = b;
	size_t len = left->name.len < right->name.len ? left->name.len : right->name.len;
	int order = memcmp(left->name.data, right->name.data, len);
	if (order != 0) {
		return order;
	}
	return (left->name.len > right->name.len) - (left->name.len < right->name.len);
}

struct sizes {
	size_t text;
	size_t organisations;
	size_t keys;
};

static struct sizes measure(const PGresult *result)
{
	struct sizes sizes = {0};
	for (int row = 0; row < PQntuples(result); row++) {
		sizes.text += (size_t)PQgetlength(result, row, REGISTRY_NAME) +
			(size_t)PQgetlength(result, row, REGISTRY_ORGANISATIONS) + 2;
		sizes.organisations += count_words(PQgetvalue(result, row, REGISTRY_ORGANISATIONS));
		sizes.keys += count_words(PQgetvalue(result, row, REGISTRY_KEYS)) +
			count_words(PQgetvalue(result, row, REGISTRY_REVOKED_KEYS));
	}
	return sizes;
}

static bool is_true(const PGresult *result, int row, int column)
{
	return *PQgetvalue(result, row, column) == 't';
}

static int64_t quota_at(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column)
		? PARTNER_QUOTA_DEFAULT
		: strtoll(PQgetvalue(result, row, column), NULL, 10);
}

static struct partner_quota read_quota(const PGresult *result, int row)
{
	return (struct partner_quota){
		.connections = quota_at(result, row, REGISTRY_CONNECTIONS),
		.reports_in_flight = quota_at(result, row, REGISTRY_REPORTS_IN_FLIGHT),
		.reports_per_s = quota_at(result, row, REGISTRY_REPORTS_PER_S),
		.reports_burst = quota_at(result, row, REGISTRY_REPORTS_BURST),
		.bytes_per_s = quota_at(result, row, REGISTRY_BYTES_PER_S),
		.bytes_burst = quota_at(result, row, REGISTRY_BYTES_BURST),
	};
}

static void fill(struct registry *registry, const PGresult *result)
{
	char *text = registry->text;
	struct str *organisation = registry->organisations;
	for (int row = 0; row < PQntuples(result); row++) {
		struct partner *partner = &registry->partners[row];
		partner->id = (int32_t)strtol(PQgetvalue(result, row, REGISTRY_ID), NULL, 10);
		partner->name = (struct str){text, (size_t)PQgetlength(result, row, REGISTRY_NAME)};
		text = stpcpy(text, PQgetvalue(result, row, REGISTRY_NAME)) + 1;
		const char *words = text;
		text = stpcpy(text, PQgetvalue(result, row, REGISTRY_ORGANISATIONS)) + 1;
		partner->organisations = organisation;
		struct str word;
		while ((word = next_word(&words)).data != NULL) {
			*organisation++ = word;
			partner->organisation_count++;
		}
		partner->may_relay = is_true(result, row, REGISTRY_MAY_RELAY);
		partner->is_live = is_true(result, row, REGISTRY_IS_LIVE);
		partner->is_suspended = is_true(result, row, REGISTRY_IS_SUSPENDED);
		partner->quota = read_quota(result, row);
	}
	registry->partner_count = (size_t)PQntuples(result);
}

struct registry *registry_from_result(const PGresult *result)
{
	struct sizes sizes = measure(result);
	struct registry *registry = calloc(1, sizeof(*registry));
	if (registry == NULL) {
		return NULL;
	}
	atomic_init(&registry->references, 1);
	registry->partners = calloc((size_t)PQntuples(result) + 1, sizeof(*registry->partners));
	registry->keys = calloc(sizes.keys + 1, sizeof(*registry->keys));
	registry->organisations = calloc(sizes.organisations + 1, sizeof(struct str));
	registry->text = calloc(1, sizes.text + 1);
	if (registry->partners == NULL || registry->keys == NULL ||
		registry->organisations == NULL || registry->text == NULL) {
		registry_unref(&registry);
		return NULL;
	}
	fill(registry, result);
	/* The rows come in the order of some collation; look-up goes by bytes. Keys refer to rows.
	 */
	for (int row = 0; row < PQntuples(result); row++) {
		add_keys(registry, PQgetvalue(result, row, REGISTRY_KEYS), (uint32_t)row, false);
		add_keys(registry, PQgetvalue(result, row, REGISTRY_REVOKED_KEYS), (uint32_t)row,
			true);
	}
	for (size_t i = 0; i < registry->key_count; i++) {
		struct partner *owner = &registry->partners[registry->keys[i].partner];
		registry->keys[i].partner = (uint32_t)owner->id;
	}
	qsort(registry->partners, registry->partner_count, sizeof(*registry->partners),
		compare_partners);
	qsort(registry->keys, registry->key_count, sizeof(*registry->keys), compare_keys);
	return registry;
}

static const struct partner *find_by_name(const struct registry *registry, struct str name)
{
	struct partner wanted = {.name = name};
	return bsearch(&wanted, registry->partners, registry->partner_count,
		sizeof(*registry->partners), compare_partners);
}

static const struct partner *find_by_id(const struct registry *registry, uint32_t id)
{
	for (size_t i = 0; i < registry->partner_count; i++) {
		if ((uint32_t)registry->partners[i].id == id) {
			return &registry->partners[i];
		}
	}
	return NULL;
}

enum registry_match registry_find(const struct registry *registry, struct str claimed,
	bool is_claim_broken, const uint8_t spki_sha256[32], const struct partner **partner_out)
{
	const struct registry_key *key = bsearch(spki_sha256, registry->keys, registry->key_count,
		sizeof(*registry->keys), compare_keys);
	const struct partner *partner = NULL;

	*partner_out = NULL;
	if (is_claim_broken || (key != NULL && key->is_revoked)) {
		return REGISTRY_UNKNOWN;
	}
	if (key != NULL) {
		partner = find_by_id(registry, key->partner);
		if (partner != NULL && claimed.data != NULL && !str_equal(claimed, partner->name)) {
			return REGISTRY_UNKNOWN;
		}
	} else if (claimed.data != NULL) {
		partner = find_by_name(registry, claimed);
		if (partner != NULL && partner->has_keys) {
			return REGISTRY_UNKNOWN;
		}
	}
	if (partner == NULL) {
		return REGISTRY_UNKNOWN;
	}
	*partner_out = partner;
	return partner->is_suspended ? REGISTRY_SUSPENDED : REGISTRY_KNOWN;
}

size_t registry_partner_count(const struct registry *registry)
{
	return registry->partner_count;
}

const struct partner *registry_partner(const struct registry *registry, size_t index)
{
	return &registry->partners[index];
}

struct registry *registry_ref(struct registry *registry)
{
	atomic_fetch_add_explicit(&registry->references, 1, memory_order_relaxed);
	return registry;
}

void registry_unref(struct registry **registry_ptr)
{
	struct registry *registry = *registry_ptr;
	*registry_ptr = NULL;
	if (registry == NULL ||
		atomic_fetch_sub_explicit(&registry->references, 1, memory_order_acq_rel) != 1) {
		return;
	}
	free(registry->partners);
	free(registry->keys);
	free(registry->organisations);
	free(registry->text);
	free(registry);
}
