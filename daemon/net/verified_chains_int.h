// SPDX-License-Identifier: Apache-2.0
/*
 * What a context has verified it need not verify again. Scripts open a connection for each report,
 * with the same certificate; its chain's signatures, the lists and the rest cost a seventh of the
 * server's handshake. The outcome depends on nothing but the certificate, the authorities and lists
 * of the context, which never change, and the time: so a good one is kept with the time it holds,
 * which ends with the first certificate of the chain or the first list of the context. A client
 * still proves in every handshake that it has the key. What was refused is never kept. Threads
 * share it as they share the context; a place is written once, so there is no lock.
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

/* So many; the first place of a certificate is the first two bytes of its SHA-256, modulo this. */
#define VERIFIED_CHAINS 1024
/* One whose own place is taken goes to one of the next, up to so many in all. */
#define VERIFIED_CHAINS_TRIES 4

/*
 * After the authorities and lists are loaded; lists_until_s is when the first list runs out, 0
 * without lists. Ends with the context. False when there is no memory.
 */
MUST_CHECK bool verified_chains_attach(SSL_CTX *ctx, int64_t lists_until_s);
