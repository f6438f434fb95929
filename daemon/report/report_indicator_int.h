// SPDX-License-Identifier: Apache-2.0
/*
 * The value of an indicator against its type.
 */
#pragma once

#include "base/str.h"
#include "report_address_int.h"

#include <stdbool.h>

/* In the order of the schema. */
enum report_indicator_type {
	INDICATOR_IPV4,
	INDICATOR_IPV6,
	INDICATOR_CIDR,
	INDICATOR_ASN,
	INDICATOR_DOMAIN,
	INDICATOR_URL,
	INDICATOR_EMAIL,
	INDICATOR_PHONE,
	INDICATOR_ACCOUNT,
	INDICATOR_SHA1,
	INDICATOR_SHA256,
	INDICATOR_SHA512,
	INDICATOR_MD5,
	INDICATOR_FILE_NAME,
	INDICATOR_MUTEX,
	INDICATOR_REGISTRY_KEY,
	INDICATOR_USER_AGENT,
	INDICATOR_X509_SHA256,
	INDICATOR_JA3,
	INDICATOR_CRYPTO_ADDRESS,
	INDICATOR_OTHER,
	INDICATOR_TYPE_COUNT
};

enum report_indicator_verdict { INDICATOR_FITS, INDICATOR_WRONG, INDICATOR_DEFANGED };

/*
 * address_out has family 0 unless the type is ipv4, ipv6 or cidr and the value fits.
 */
enum report_indicator_verdict report_indicator_judge(
	unsigned type, struct str value, struct report_address *address_out);
/* What the type expects, for the detail of a finding. */
const char *report_indicator_expects(unsigned type);
/* Whether a direction override in the value is evidence rather than a fault. */
bool report_indicator_is_evidence(unsigned type);
