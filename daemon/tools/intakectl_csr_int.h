// SPDX-License-Identifier: Apache-2.0
/*
 * A partner's certificate request. Only its public key is taken; what it says of names and
 * extensions decides nothing, since the operator says who the partner is.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

#include <openssl/evp.h>

#define PARTNER_URI_PREFIX "urn:intaked:partner:"

/*
 * The request's public key, for EVP_PKEY_free(), once the request proves to be signed by it and the
 * daemon would take it. A request that names another partner is refused: it is a mix-up.
 */
MUST_CHECK EVP_PKEY *csr_read_key(const char *path, const char *partner, struct err *err);
