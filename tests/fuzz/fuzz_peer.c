// SPDX-License-Identifier: Apache-2.0
/*
 * Who a certificate says that its holder is. The bytes are a whole certificate where they begin as
 * one does (30 82), a subject alternative name in DER where they begin with 30, and else the URIs
 * of one, a line each, whose claim is known without reading any certificate.
 */
#include "fuzz.h"
#include "net/peer.h"

#include "base/str.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#define PREFIX "urn:intaked:partner:"

static void ensure_sound(const struct peer *peer)
{
	size_t len = strnlen(peer->name, sizeof(peer->name));
	ENSURE(len < sizeof(peer->name));
	ENSURE((len > 0) == (peer->claim == PEER_CLAIM_NAMED));
	ENSURE(strspn(peer->name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len);
	ENSURE(peer->name[0] != '-');
}

static bool read_peer(struct peer *peer, X509 *certificate)
{
	memset(peer, 0xa5, sizeof(*peer));
	bool is_read = peer_from_certificate(peer, certificate);
	if (is_read) {
		ensure_sound(peer);
	}
	ENSURE(ERR_peek_error() == 0);
	return is_read;
}

/* Everything but the subject alternative name; its key is made once. */
static X509 *bare_certificate(void)
{
	static EVP_PKEY *key;
	X509 *certificate = X509_new();
	if (key == NULL) {
		key = EVP_EC_gen("P-256");
	}
	ENSURE(key != NULL && certificate != NULL);
	ENSURE(X509_set_pubkey(certificate, key) == 1);
	ENSURE(ASN1_TIME_set_string(X509_getm_notBefore(certificate), "20260101000000Z") == 1);
	ENSURE(ASN1_TIME_set_string(X509_getm_notAfter(certificate), "20300101000000Z") == 1);
	return certificate;
}

static void judge_certificate(const uint8_t *data, size_t size)
{
	struct peer peer;
	const unsigned char *at = data;
	X509 *certificate = d2i_X509(NULL, &at, (long)size);
	ERR_clear_error();
	if (certificate != NULL) {
		(void)read_peer(&peer, certificate);
	}
	X509_free(certificate);
}

static void judge_alternative_name(const uint8_t *data, size_t size)
{
	struct peer peer;
	X509 *certificate = bare_certificate();
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	ENSURE(value != NULL && ASN1_OCTET_STRING_set(value, data, (int)size) == 1);
	X509_EXTENSION *extension =
		X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, value);
	ENSURE(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
	GENERAL_NAMES *names = X509V3_EXT_d2i(extension);
	ENSURE(read_peer(&peer, certificate) == (names != NULL));
	/* A claim stands in the extension as it is read. */
	ENSURE(peer.claim != PEER_CLAIM_NAMED ||
		memmem(data, size, peer.name, strlen(peer.name)) != NULL);
	GENERAL_NAMES_free(names);
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(value);
	X509_free(certificate);
}

static void push_uri(GENERAL_NAMES *names, struct str uri)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	ENSURE(name != NULL && text != NULL);
	ENSURE(ASN1_STRING_set(text, uri.data, (int)uri.len) == 1);
	GENERAL_NAME_set0_value(name, GEN_URI, text);
	ENSURE(sk_GENERAL_NAME_push(names, name) > 0);
}

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

/* What the rule says of one URI: NONE where it is not ours. */
static enum peer_claim claim_of(struct str uri)
{
	size_t prefix = strlen(PREFIX);
	if (uri.len < prefix || memcmp(uri.data, PREFIX, prefix) != 0) {
		return PEER_CLAIM_NONE;
	}
	size_t len = uri.len - prefix;
	bool is_name = len >= 1 && len <= 63 && uri.data[prefix] != '-';
	for (size_t i = prefix; i < uri.len; i++) {
		is_name = is_name && is_name_byte(uri.data[i]);
	}
	return is_name ? PEER_CLAIM_NAMED : PEER_CLAIM_BROKEN;
}

static void judge_uris(struct str text)
{
	struct peer peer;
	enum peer_claim expected = PEER_CLAIM_NONE;
	struct str named = {0};
	X509 *certificate = bare_certificate();
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	while (text.len > 0) {
		const char *line_feed = memchr(text.data, '\n', text.len);
		size_t len = line_feed != NULL ? (size_t)(line_feed - text.data) : text.len;
		struct str uri = {text.data, len};
		enum peer_claim claim = claim_of(uri);
		push_uri(names, uri);
		if (claim != PEER_CLAIM_NONE) {
			named = uri;
			expected = expected == PEER_CLAIM_NONE ? claim : PEER_CLAIM_BROKEN;
		}
		size_t used = line_feed != NULL ? len + 1 : len;
		text = (struct str){text.data + used, text.len - used};
	}
	ENSURE(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0) == 1);
	ENSURE(read_peer(&peer, certificate));
	ENSURE(peer.claim == expected);
	if (expected == PEER_CLAIM_NAMED) {
		size_t prefix = strlen(PREFIX);
		ENSURE(str_equal(str_from(peer.name),
			(struct str){named.data + prefix, named.len - prefix}));
	}
	GENERAL_NAMES_free(names);
	X509_free(certificate);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size >= 2 && data[0] == 0x30 && data[1] == 0x82) {
		judge_certificate(data, size);
	} else if (size >= 1 && data[0] == 0x30) {
		judge_alternative_name(data, size);
	} else {
		judge_uris((struct str){(const char *)data, size});
	}
	return 0;
}
