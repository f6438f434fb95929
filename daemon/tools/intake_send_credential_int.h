// SPDX-License-Identifier: Apache-2.0
/*
 * Who the partner is: certificate, chain and key, from PEM, DER or PKCS#12 files, or from a token
 * by a PKCS#11 URI. All of it is loaded and checked before a connection is made, so that what is
 * wrong is told with the name of its file.
 *
 * OpenSSL reads all of these through one door, OSSL_STORE. Where no provider serves the scheme
 * pkcs11, libcurl is left to load what the URI names through OpenSSL's older engine.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "intake_send_options_int.h"

#include <openssl/ssl.h>

struct credential {
	bool is_for_engine; /* the paths and URIs of the options go to libcurl as they are */
	X509 *certificate;
	STACK_OF(X509) * chain;
	EVP_PKEY *key;
	char passphrase[1024]; /* "" without */
};

/* Fini it either way. */
MUST_CHECK bool credential_load(
	const struct options *options, struct credential *credential_out, struct err *err);
void credential_fini(struct credential *credential);
/* Whether certificate and chain are valid now, by the clock here; an engine's are not looked at. */
MUST_CHECK bool credential_check_time(
	const struct credential *credential, const struct options *options, struct err *err);
/* Whether it is a PKCS#11 URI rather than the path of a file. */
bool credential_is_token(const char *place);
/* Not for an engine's. */
MUST_CHECK bool credential_use(const struct credential *credential, SSL_CTX *ctx);
