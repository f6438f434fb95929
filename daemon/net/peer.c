// SPDX-License-Identifier: Apache-2.0
/*
 * Names are read by their length: a NUL inside one is a byte like any other, and no byte of a
 * partner's name.
 */
#include "net/peer.h"

#include "base/str.h"

#include <string.h>
#include <time.h>

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

static const struct str claim_prefix = {"urn:intaked:partner:", sizeof("urn:intaked:partner:") - 1};

static bool is_partner_name(struct str name)
{
	if (name.len == 0 || name.len >= PEER_NAME_SIZE || name.data[0] == '-') {
		return false;
	}
	for (size_t i = 0; i < name.len; i++) {
		char c = name.data[i];
		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-') {
			return false;
		}
	}
	return true;
}

static void add_uri(struct peer *peer, struct str uri)
{
	if (uri.len < claim_prefix.len ||
		memcmp(uri.data, claim_prefix.data, claim_prefix.len) != 0) {
		return;
	}
	struct str name = {uri.data + claim_prefix.len, uri.len - claim_prefix.len};
	if (peer->claim != PEER_CLAIM_NONE || !is_partner_name(name)) {
		peer->claim = PEER_CLAIM_BROKEN;
		memset(peer->name, 0, sizeof(peer->name));
		return;
	}
	peer->claim = PEER_CLAIM_NAMED;
	memcpy(peer->name, name.data, name.len);
}

static bool read_claim(struct peer *peer, X509 *certificate)
{
	int critical = 0;
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);

	if (names == NULL) {
		/* -1: no such extension; -2: more than one. Else it was not decoded: verification
		 * lets no broken one pass, so memory was short. */
		peer->claim = critical == -2 ? PEER_CLAIM_BROKEN : PEER_CLAIM_NONE;
		return critical < 0;
	}
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type == GEN_URI) {
			const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
			add_uri(peer,
				(struct str){(const char *)ASN1_STRING_get0_data(uri),
					(size_t)ASN1_STRING_length(uri)});
		}
	}
	GENERAL_NAMES_free(names);
	return true;
}

static bool read_key_digest(struct peer *peer, X509 *certificate)
{
	unsigned char *spki = NULL;
	int spki_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki);

	if (spki_len <= 0) {
		return false;
	}
	bool is_done = SHA256(spki, (size_t)spki_len, peer->spki_sha256) != NULL;
	OPENSSL_free(spki);
	return is_done;
}

bool peer_from_certificate(struct peer *peer_out, X509 *certificate)
{
	struct tm expires_at;

	*peer_out = (struct peer){.claim = PEER_CLAIM_NONE};
	ERR_clear_error();
	if (!ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &expires_at) ||
		!read_key_digest(peer_out, certificate) || !read_claim(peer_out, certificate)) {
		ERR_clear_error();
		return false;
	}
	peer_out->expires_at_s = timegm(&expires_at);
	ERR_clear_error();
	return true;
}
