// SPDX-License-Identifier: Apache-2.0
#include "generate_indicator.h"

#include "base/attr.h"
#include "generate_put.h"
#include "generate_text.h"

#include <inttypes.h>

enum {
	CAMPAIGN_REPORTS = 4000, /* a campaign is under way while so many reports come */
	CAMPAIGNS = 40,
	CAMPAIGN_INDICATORS = 12,
	KNOWN_INDICATORS = 20000,
	KNOWN_DOMAINS = 200000,
	NETWORKS = 20000, /* of /16 */
	INDICATORS_MAX = 10
};

/* What a stream of random numbers is for. */
enum { STREAM_CAMPAIGN = 1, STREAM_KNOWN, STREAM_NEW, STREAM_DOMAIN, STREAM_NETWORK };

enum kind {
	KIND_IPV4,
	KIND_DOMAIN,
	KIND_URL,
	KIND_SHA256,
	KIND_EMAIL,
	KIND_IPV6,
	KIND_CIDR,
	KIND_MD5,
	KIND_FILE_NAME,
	KIND_ACCOUNT,
	KIND_ASN,
	KIND_CRYPTO,
	KIND_COUNT
};

static const char *const kind_types[KIND_COUNT] = {"ipv4", "domain", "url", "sha256", "email",
	"ipv6", "cidr", "md5", "file-name", "account", "asn", "crypto-address"};
static const uint16_t kind_weights[KIND_COUNT] = {
	330, 170, 180, 110, 80, 40, 20, 20, 20, 10, 10, 10};
static const char *const roles[] = {
	"source", "infrastructure", "target", "intermediary", "artifact"};
static const uint16_t role_weights[] = {400, 350, 100, 50, 100};
static const char *const top_domains[] = {
	"com", "net", "org", "info", "xyz", "top", "ru", "de", "co.uk", "io"};
static const char *const host_names[] = {
	"www", "mail", "login", "cdn", "secure", "account", "pay", "update", "api", "files"};
static const char *const labels[] = {
	"TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"};

static struct random start(uint64_t seed, uint32_t stream, uint64_t number)
{
	return random_start(seed, number * 16 + stream);
}

/* A domain follows from its number; half of all are among the known ones. */
static void append_domain(struct buf *out, struct random *r, uint64_t seed)
{
	bool is_known = random_chance(r, 500);
	uint64_t number = is_known ? random_rank(r, KNOWN_DOMAINS) : random_next(r) >> 5;
	struct random of_domain = start(seed, STREAM_DOMAIN, number);
	text_append_word(out, random_below(&of_domain, TEXT_WORDS));
	if (random_chance(&of_domain, 700)) {
		put(out, "-");
		text_append_word(out, random_below(&of_domain, TEXT_WORDS));
	}
	if (!is_known) {
		put(out, "%" PRIu32, random_below(&of_domain, 10000));
	}
	put(out, ".%s", top_domains[random_rank(&of_domain, 10)]);
}

static void append_host(struct buf *out, struct random *r, uint64_t seed)
{
	if (random_chance(r, 500)) {
		put(out, "%s.", host_names[random_rank(r, 10)]);
	}
	append_domain(out, r, seed);
}

static void append_hex(struct buf *out, struct random *r, int words)
{
	for (int i = 0; i < words; i++) {
		put(out, "%016" PRIx64, random_next(r));
	}
}

/* Two bytes of an address outside what is set apart for special uses. */
static void append_network(struct buf *out, struct random *r, uint64_t seed)
{
	struct random of_network = start(seed, STREAM_NETWORK, random_rank_flat(r, NETWORKS));
	uint32_t first = 11 + random_below(&of_network, 112);
	first = first >= 100 ? first + 30 : first; /* 11 to 99, 130 to 152 */
	put(out, "%" PRIu32 ".%" PRIu32, first, random_below(&of_network, 256));
}

static void append_url(struct buf *out, struct random *r, uint64_t seed)
{
	put(out, "https://");
	append_host(out, r, seed);
	put(out, "/");
	text_append_word(out, random_rank(r, TEXT_WORDS));
	put(out, "/%x", random_below(r, 1U << 24));
	if (random_chance(r, 2)) {
		put(out, "?session=");
		append_hex(out, r, 40);
	}
}

static void append_value(struct buf *out, enum kind kind, struct random *r, uint64_t seed)
{
	switch (kind) {
	case KIND_IPV4:
		append_network(out, r, seed);
		put(out, ".%" PRIu32 ".%" PRIu32, random_below(r, 256), random_below(r, 256));
		break;
	case KIND_CIDR:
		append_network(out, r, seed);
		put(out, ".%" PRIu32 ".0/24", random_below(r, 256));
		break;
	case KIND_IPV6:
		put(out, "2a%02x:%x:%x::%x", random_below(r, 32), 1 + random_below(r, 2000),
			1 + random_below(r, 65535), 1 + random_below(r, 65535));
		break;
	case KIND_DOMAIN:
		append_host(out, r, seed);
		break;
	case KIND_URL:
		append_url(out, r, seed);
		break;
	case KIND_EMAIL:
		text_append_word(out, random_rank(r, TEXT_WORDS));
		put(out, ".%" PRIu32 "@", random_below(r, 1000));
		append_domain(out, r, seed);
		break;
	case KIND_SHA256:
		append_hex(out, r, 4);
		break;
	case KIND_MD5:
		append_hex(out, r, 2);
		break;
	case KIND_FILE_NAME:
		text_append_word(out, random_rank(r, TEXT_WORDS));
		put(out, "_%" PRIu32 ".exe", random_below(r, 1000));
		break;
	case KIND_ACCOUNT:
		text_append_word(out, random_below(r, TEXT_WORDS));
		put(out, "%" PRIu32, random_below(r, 10000));
		break;
	case KIND_ASN:
		put(out, "AS%" PRIu32, 1 + random_rank_flat(r, 65000));
		break;
	case KIND_CRYPTO:
		put(out, "bc1q");
		append_hex(out, r, 2);
		break;
	case KIND_COUNT:
		break;
	}
}

/* Which value comes next: the stream that it follows from. */
static struct random choose(struct random *r, const struct indicator_source *source,
	uint64_t campaign, bool is_in_campaign)
{
	if (is_in_campaign && random_chance(r, 700)) {
		return start(source->seed, STREAM_CAMPAIGN,
			campaign * CAMPAIGN_INDICATORS + random_below(r, CAMPAIGN_INDICATORS));
	}
	if (random_chance(r, 200)) {
		return start(source->seed, STREAM_KNOWN, random_rank(r, KNOWN_INDICATORS));
	}
	return start(source->seed, STREAM_NEW, random_next(r) >> 5);
}

static void append_details(struct buf *out, struct random *r, const struct indicator_source *source)
{
	if (random_chance(r, 250)) {
		int64_t seen_s = source->received_at_s - random_below(r, 20 * 86400);
		put(out, ",\"first_seen\":\"");
		put_time(out, seen_s);
		put(out, "\",\"last_seen\":\"");
		put_time(out,
			seen_s + random_below(r, (uint32_t)(source->received_at_s - seen_s) + 1));
		put(out, "\"");
	}
	if (random_chance(r, 300)) {
		put(out, ",\"confidence\":%" PRIu32, 10 * random_below(r, 11));
	}
	if (source->tlp < 4 && random_chance(r, 40)) {
		put(out, ",\"tlp\":\"%s\"",
			labels[source->tlp + 1 + random_below(r, 4 - source->tlp)]);
	}
}

void indicators_append(struct buf *out, struct random *r, const struct indicator_source *source)
{
	uint32_t count = random_below(r, INDICATORS_MAX + 1);
	bool is_in_campaign = random_chance(r, 200);
	uint64_t campaign =
		source->number / CAMPAIGN_REPORTS * CAMPAIGNS + random_rank(r, CAMPAIGNS);
	for (uint32_t i = 0; i < count; i++) {
		struct random of_value = choose(r, source, campaign, is_in_campaign);
		enum kind kind = (enum kind)random_weighted(&of_value, kind_weights, KIND_COUNT);
		put(out, "%s{\"type\":\"%s\",\"value\":\"", i == 0 ? ",\"indicators\":[" : ",",
			kind_types[kind]);
		append_value(out, kind, &of_value, source->seed);
		put(out, "\",\"role\":\"%s\"", roles[random_weighted(r, role_weights, 5)]);
		append_details(out, r, source);
		put(out, "}");
	}
	if (count > 0) {
		put(out, "]");
	}
}
