// SPDX-License-Identifier: Apache-2.0
/*
 * Certificates, requests and keys in files. Everything is PEM; a fault names the file and what was
 * expected in it.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

/* All certificates of a file, at least one, for sk_X509_pop_free(); NULL on a fault. */
MUST_CHECK STACK_OF(X509) * pem_read_certificates(const char *path, struct err *err);
/*
 * A private key. The password of an encrypted one is the first line of password_path, or is asked
 * for at the terminal when that is NULL.
 */
MUST_CHECK EVP_PKEY *pem_read_key(const char *path, const char *password_path, struct err *err);
/* A certificate request; a file that holds a private key beside it is refused. */
MUST_CHECK X509_REQ *pem_read_request(const char *path, struct err *err);
/* "PATH: WHAT: REASON" with OpenSSL's first complaint, which is forgotten. Always false. */
bool pem_fault(struct err *err, const char *path, const char *what);
/* The subject as one line; out is returned. */
const char *pem_subject(X509 *certificate, char *out, size_t size);
