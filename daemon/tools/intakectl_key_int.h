// SPDX-License-Identifier: Apache-2.0
/*
 * Partners' keys. What is enrolled is the SHA-256 of a certificate's SubjectPublicKeyInfo, so a
 * certificate renewed over the same key goes on working, and one over another key does not.
 */
#pragma once

#include "intakectl_int.h"

#include <openssl/x509.h>

#define KEY_DIGEST_HEX_LEN 64
#define KEY_NOTE_MAX 200
#define KEY_TIME_SIZE 24

struct key {
	char hex[KEY_DIGEST_HEX_LEN + 1];
	/* Of the certificate it came from; empty: of none. */
	char subject[KEY_NOTE_MAX + 1];
	char expires_at[KEY_TIME_SIZE]; /* 2027-03-01T12:00:00Z */
};

/* Whether key_from_hex() takes it. */
bool key_is_digest(const char *text);
/* Takes what openssl prints as well: upper case, and colons between bytes. */
MUST_CHECK bool key_from_hex(const char *text, struct key *key_out, struct err *err);
MUST_CHECK bool key_from_x509(X509 *certificate, struct key *key_out);
MUST_CHECK bool key_from_file(const char *path, struct key *key_out, struct err *err);
/*
 * Enrols the key for a partner. One that is enrolled for it already is noted to last as long as its
 * new certificate; is_new_out says which it was. expires_at may be NULL, and then only new keys are
 * taken.
 */
MUST_CHECK bool key_enrol(struct database *database, const char *partner, const struct key *key,
	const char *note, const char *expires_at, bool *is_new_out, struct err *err);
