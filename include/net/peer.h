// SPDX-License-Identifier: Apache-2.0
/*
 * What a verified certificate says about its holder. Whether a partner is enrolled under that name
 * or key is the registry's to decide.
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

#include <openssl/x509.h>

#define PEER_NAME_SIZE 64

enum peer_claim {
	PEER_CLAIM_NONE,  /* no URI of ours */
	PEER_CLAIM_NAMED, /* exactly one, well formed */
	PEER_CLAIM_BROKEN /* more than one, or a name that is none: nobody's */
};

struct peer {
	uint8_t spki_sha256[32];
	enum peer_claim claim;
	char name[PEER_NAME_SIZE]; /* [a-z0-9][a-z0-9-]{0,62}; empty unless NAMED */
	int64_t expires_at_s;      /* unix seconds */
};

/*
 * From SSL_get0_peer_certificate after the handshake. False when the certificate cannot be read
 * or memory is short: then it is nobody's.
 */
MUST_CHECK bool peer_from_certificate(struct peer *peer_out, X509 *certificate);
