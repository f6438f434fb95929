// SPDX-License-Identifier: Apache-2.0
#include "report_address_int.h"

#include <arpa/inet.h>
#include <string.h>

struct special_block {
	uint8_t bytes[16];
	uint8_t prefix_len;
	bool is_global;
};

/* iana-ipv4-special-registry */
static const struct special_block blocks_4[] = {
	{{0}, 8, false},             /* this network */
	{{10}, 8, false},            /* private use */
	{{100, 64}, 10, false},      /* shared address space */
	{{127}, 8, false},           /* loopback */
	{{169, 254}, 16, false},     /* link local */
	{{172, 16}, 12, false},      /* private use */
	{{192, 0, 0}, 24, false},    /* IETF protocol assignments */
	{{192, 0, 0, 9}, 32, true},  /* port control protocol anycast */
	{{192, 0, 0, 10}, 32, true}, /* TURN anycast */
	{{192, 0, 2}, 24, false},    /* documentation */
	{{192, 31, 196}, 24, true},  /* AS112-v4 */
	{{192, 52, 193}, 24, true},  /* AMT */
	{{192, 88, 99}, 24, false},  /* deprecated 6to4 relay anycast */
	{{192, 168}, 16, false},     /* private use */
	{{192, 175, 48}, 24, true},  /* direct delegation AS112 */
	{{198, 18}, 15, false},      /* benchmarking */
	{{198, 51, 100}, 24, false}, /* documentation */
	{{203, 0, 113}, 24, false},  /* documentation */
	{{240}, 4, false},           /* reserved, limited broadcast included */
};

/* iana-ipv6-special-registry */
static const struct special_block blocks_6[] = {
	{{[15] = 1}, 128, false},                    /* loopback */
	{{0}, 128, false},                           /* unspecified */
	{{[10] = 0xff, [11] = 0xff}, 96, false},     /* IPv4-mapped */
	{{0x00, 0x64, 0xff, 0x9b}, 96, true},        /* IPv4-IPv6 translation */
	{{0x00, 0x64, 0xff, 0x9b, 0, 1}, 48, false}, /* local-use translation */
	{{0x01}, 64, false},                         /* discard only */
	{{0x01, 0, 0, 0, 0, 0, 0, 1}, 64, false},    /* dummy prefix */
	{{0x20, 0x01}, 23, false},                   /* IETF protocol assignments */
	{{0x20, 0x01, 0, 1, [15] = 1}, 128, true},   /* port control protocol anycast */
	{{0x20, 0x01, 0, 1, [15] = 2}, 128, true},   /* TURN anycast */
	{{0x20, 0x01, 0, 1, [15] = 3}, 128, true},   /* DNS-SD registration anycast */
	{{0x20, 0x01, 0, 3}, 32, true},              /* AMT */
	{{0x20, 0x01, 0, 4, 0x01, 0x12}, 48, true},  /* AS112-v6 */
	{{0x20, 0x01, 0, 0x20}, 28, true},           /* ORCHIDv2 */
	{{0x20, 0x01, 0, 0x30}, 28, true},           /* drone remote identification */
	{{0x20, 0x01, 0x0d, 0xb8}, 32, false},       /* documentation */
	{{0x20, 0x02}, 16, false},                   /* 6to4 */
	{{0x26, 0x20, 0x00, 0x4f, 0x80}, 48, true},  /* direct delegation AS112 */
	{{0x3f, 0xff}, 20, false},                   /* documentation */
	{{0x5f}, 16, false},                         /* segment routing identifiers */
	{{0xfc}, 7, false},                          /* unique local */
	{{0xfe, 0x80}, 10, false},                   /* link local */
};

static bool has_prefix(const uint8_t bytes[16], const uint8_t prefix[16], unsigned prefix_len)
{
	unsigned whole = prefix_len / 8;
	if (memcmp(bytes, prefix, whole) != 0) {
		return false;
	}
	unsigned rest = prefix_len % 8;
	return rest == 0 || ((bytes[whole] ^ prefix[whole]) >> (8 - rest)) == 0;
}

bool report_address_parse(struct str text, int family, struct report_address *address_out)
{
	char terminated[INET6_ADDRSTRLEN];
	if (text.len >= sizeof(terminated)) {
		return false;
	}
	memcpy(terminated, text.data, text.len);
	terminated[text.len] = '\0';
	*address_out = (struct report_address){
		.family = (uint8_t)family, .prefix_len = family == 4 ? 32 : 128};
	return inet_pton(family == 4 ? AF_INET : AF_INET6, terminated, address_out->bytes) == 1;
}

/* 0 to max in decimal, or -1. */
static int parse_prefix_len(struct str text, int max)
{
	int value = 0;
	if (text.len == 0 || text.len > 3 || (text.len > 1 && text.data[0] == '0')) {
		return -1;
	}
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9') {
			return -1;
		}
		value = value * 10 + (text.data[i] - '0');
	}
	return value <= max ? value : -1;
}

static bool host_bits_are_zero(const struct report_address *address)
{
	unsigned at = address->prefix_len / 8;
	if (at < 16 && (address->bytes[at] & (0xffU >> (address->prefix_len % 8))) != 0) {
		return false;
	}
	for (unsigned i = at + 1; i < 16; i++) {
		if (address->bytes[i] != 0) {
			return false;
		}
	}
	return true;
}

bool report_network_parse(struct str text, struct report_address *address_out)
{
	const char *slash = memchr(text.data, '/', text.len);
	if (slash == NULL) {
		return false;
	}
	struct str head = {text.data, (size_t)(slash - text.data)};
	struct str tail = {slash + 1, text.len - head.len - 1};
	if (!report_address_parse(head, 4, address_out) &&
		!report_address_parse(head, 6, address_out)) {
		return false;
	}
	int prefix_len = parse_prefix_len(tail, address_out->prefix_len);
	if (prefix_len < 0) {
		return false;
	}
	address_out->prefix_len = (uint8_t)prefix_len;
	return host_bits_are_zero(address_out);
}

bool report_address_is_special(const struct report_address *address)
{
	const struct special_block *blocks = address->family == 4 ? blocks_4 : blocks_6;
	size_t count = address->family == 4 ? sizeof(blocks_4) / sizeof(blocks_4[0])
					    : sizeof(blocks_6) / sizeof(blocks_6[0]);
	const struct special_block *narrowest = NULL;

	for (size_t i = 0; i < count; i++) {
		if (blocks[i].prefix_len <= address->prefix_len &&
			(narrowest == NULL || blocks[i].prefix_len > narrowest->prefix_len) &&
			has_prefix(address->bytes, blocks[i].bytes, blocks[i].prefix_len)) {
			narrowest = &blocks[i];
		}
	}
	return narrowest != NULL && !narrowest->is_global;
}
