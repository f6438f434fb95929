// SPDX-License-Identifier: Apache-2.0
/* Times of certificates and lists as seconds. */
#pragma once

#include <stdint.h>
#include <time.h>

#include <openssl/asn1.h>

/* Unix seconds; 0 when there is none, or none that can be read. */
static inline int64_t tls_unix_seconds(const ASN1_TIME *time)
{
	struct tm parts;
	return time != NULL && ASN1_TIME_to_tm(time, &parts) ? timegm(&parts) : 0;
}
