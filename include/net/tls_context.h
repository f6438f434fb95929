// SPDX-License-Identifier: Apache-2.0
/*
 * The mutual TLS policy as an SSL_CTX: one for each generation of the configuration, complete
 * before the first handshake and never changed afterwards, so threads share it by SSL_CTX's own
 * reference count. SSL_new takes a reference; SSL_CTX_free drops one.
 *
 * A client gets through with a certificate that chains to a configured authority, is valid now, is
 * made for client authentication in so many words and, once a CRL file is configured, is on no
 * CRL, with a current CRL at hand for every authority of its chain. Nothing is ever resumed.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "conf/conf.h"

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

/* Of more times than this the earliest are known. */
#define TLS_EXPIRY_TIMES 32

/* Unix seconds; 0 when there is none. */
struct tls_expiry {
	int64_t certificate_s; /* the server's own certificate */
	int64_t partner_ca_s;  /* the first partner authority to expire */
	int64_t crl_s;         /* the first CRL to run out */
	int64_t shut_s;        /* from then on nobody's certificate can be verified */
	/* Of each authority and CRL, in no order: more may be refused from then on. */
	int64_t times_s[TLS_EXPIRY_TIMES];
	size_t time_count;
};

/*
 * Reads and checks every file the tls section names. NULL with a sentence that names the file, also
 * when the server's certificate or a CRL is out of date. Reads files: for start and reload only.
 */
MUST_CHECK SSL_CTX *tls_context_new(const struct conf *conf, struct err *err);
/* Before the first handshake: from then on OpenSSL sorts behind its own lock what is read here. */
struct tls_expiry tls_context_expiry(SSL_CTX *ctx);
/*
 * Whether the peer of a finished handshake would be let in by ctx now. For live connections after
 * a reload: ctx is the new one, ssl was made from the old.
 */
MUST_CHECK bool tls_context_reverify(SSL_CTX *ctx, const SSL *ssl);
