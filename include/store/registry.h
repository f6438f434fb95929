// SPDX-License-Identifier: Apache-2.0
/*
 * Who may report: partners and their keys, read from the database by one reader in the main thread
 * and shared with the workers as immutable snapshots. A snapshot stays valid while it is held.
 */
#pragma once

#include "base/attr.h"
#include "base/str.h"
#include "conf/conf.h"
#include "report/taxonomy.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct registry;
struct registry_reader;

/* Of a quota: the configuration's holds, or none does. */
#define PARTNER_QUOTA_DEFAULT (-1)
#define PARTNER_QUOTA_NONE 0

/* What a partner may use, where its row says so. */
struct partner_quota {
	int64_t connections;
	int64_t reports_in_flight;
	int64_t reports_per_s;
	int64_t reports_burst;
	int64_t bytes_per_s;
	int64_t bytes_burst;
};

struct partner {
	int32_t id;
	struct str name;
	const struct str *organisations;
	size_t organisation_count;
	bool may_relay;
	bool is_live;
	bool is_suspended;
	bool has_keys; /* once a key was enrolled, only keys match */
	struct partner_quota quota;
};

enum registry_match { REGISTRY_KNOWN, REGISTRY_SUSPENDED, REGISTRY_UNKNOWN };

/*
 * Finds the partner of a verified certificate: claimed is the name of its SAN URI (data NULL when
 * it has none), is_claim_broken when it has more than one or a malformed one, spki_sha256 the
 * digest of its public key. A revoked key overrides every match.
 */
enum registry_match registry_find(const struct registry *registry, struct str claimed,
	bool is_claim_broken, const uint8_t spki_sha256[32], const struct partner **partner_out);
size_t registry_partner_count(const struct registry *registry);
const struct partner *registry_partner(const struct registry *registry, size_t index);

struct registry *registry_ref(struct registry *registry);
void registry_unref(struct registry **registry);

struct registry_hooks {
	/* Called with each registry that differs from the one before; it is referenced by the
	 * reader. */
	void (*on_registry)(void *ctx, struct registry *registry);
	/* As store_hooks.on_state, with each reading that succeeds. is_schema_wrong: the server
	 * answers, but not with our schema. */
	void (*on_state)(void *ctx, bool is_available, bool is_schema_wrong, const char *reason);
	void *ctx;
};

/* Reads at once, at each notice of a change, and at each poll interval. */
MUST_CHECK struct registry_reader *registry_reader_new(struct event_base *base, struct conf *conf,
	const struct taxonomy *taxonomy, struct registry_hooks hooks);
/* From now on; the taxonomy must outlive the reader or the next call of this. */
void registry_reader_set_conf(
	struct registry_reader *reader, struct conf *conf, const struct taxonomy *taxonomy);
void registry_reader_free(struct registry_reader **reader);
