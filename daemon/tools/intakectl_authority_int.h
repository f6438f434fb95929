// SPDX-License-Identifier: Apache-2.0
/*
 * The operator's certificate authority: signs certificates of partners, and foresees whether the
 * daemon will take them.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

struct authority {
	const char *path;
	STACK_OF(X509) * chain; /* the certificate that signs comes first */
	EVP_PKEY *key;
};

/* False with a fault in err. Close it either way. */
MUST_CHECK bool authority_open(struct authority *authority, const char *path, const char *key_path,
	const char *password_path, struct err *err);
void authority_close(struct authority *authority);
/*
 * A certificate for a partner over its key, for X509_free(): so many days, but never longer than
 * the authority itself.
 */
MUST_CHECK X509 *authority_issue(const struct authority *authority, EVP_PKEY *key,
	const char *partner, int days, struct err *err);
/*
 * Whether a daemon that trusts the authorities of trusted_path takes the certificate. When that
 * file cannot be read only the chain itself is looked at, and is_sure_out is false.
 */
MUST_CHECK bool authority_check(const struct authority *authority, X509 *certificate,
	const char *trusted_path, bool *is_sure_out, struct err *err);
