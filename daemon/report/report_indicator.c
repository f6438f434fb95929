// SPDX-License-Identifier: Apache-2.0
#include "report_indicator_int.h"

#include "report_pattern_int.h"

#include <string.h>
#include <strings.h>

#define DOMAIN_MAX_LEN 253
#define DOMAIN_MAX_LABELS 127
#define URL_MAX_BYTES 2048
#define ASN_MAX 4294967295U

static bool is_asn(struct str value)
{
	uint64_t number = 0;
	if (value.len < 3 || value.len > 12 || memcmp(value.data, "AS", 2) != 0 ||
		value.data[2] == '0') {
		return false;
	}
	for (size_t i = 2; i < value.len; i++) {
		if (value.data[i] < '0' || value.data[i] > '9') {
			return false;
		}
		number = number * 10 + (uint64_t)(value.data[i] - '0');
	}
	return number <= ASN_MAX;
}

static bool is_domain_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool is_domain(struct str value)
{
	size_t labels = 0;
	size_t label_len = 0;
	if (value.len > DOMAIN_MAX_LEN) {
		return false;
	}
	for (size_t i = 0; i <= value.len; i++) {
		if (i == value.len || value.data[i] == '.') {
			if (label_len == 0) {
				return false;
			}
			labels++;
			label_len = 0;
		} else if (is_domain_char(value.data[i])) {
			label_len++;
		} else {
			return false;
		}
	}
	return labels >= 2 && labels <= DOMAIN_MAX_LABELS;
}

/* Length of the scheme in front of a colon, 0 when there is none. */
static size_t scheme_len(struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.data[i];
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (c == ':') {
			return i;
		}
		if (!is_letter &&
			(i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'))) {
			return 0;
		}
	}
	return 0;
}

static bool is_url(struct str value)
{
	size_t scheme = scheme_len(value);
	if (scheme == 0 || scheme + 1 == value.len || value.len > URL_MAX_BYTES) {
		return false;
	}
	for (size_t i = scheme + 1; i < value.len; i++) {
		if (value.data[i] <= ' ' || value.data[i] > '~') {
			return false;
		}
	}
	return true;
}

static bool is_email(struct str value)
{
	const char *at_sign = memchr(value.data, '@', value.len);
	if (at_sign == NULL || at_sign == value.data) {
		return false;
	}
	size_t domain_len = value.len - (size_t)(at_sign - value.data) - 1;
	return domain_len > 0 && memchr(at_sign + 1, '@', domain_len) == NULL;
}

static bool has_bracketed_dot(struct str value)
{
	return memmem(value.data, value.len, "[.]", 3) != NULL;
}

/* What stands between the scheme's slashes and the path. */
static struct str url_host(struct str value)
{
	size_t start = scheme_len(value);
	if (start > 0) {
		start++;
	}
	if (value.len - start >= 2 && memcmp(value.data + start, "//", 2) == 0) {
		start += 2;
	}
	size_t end = start;
	while (end < value.len && value.data[end] != '/' && value.data[end] != '?' &&
		value.data[end] != '#') {
		end++;
	}
	return (struct str){value.data + start, end - start};
}

static bool is_defanged(unsigned type, struct str value)
{
	switch (type) {
	case INDICATOR_URL:
		return (value.len >= 4 && strncasecmp(value.data, "hxxp", 4) == 0) ||
			has_bracketed_dot(url_host(value));
	case INDICATOR_IPV4:
	case INDICATOR_IPV6:
	case INDICATOR_CIDR:
	case INDICATOR_DOMAIN:
	case INDICATOR_EMAIL:
		return has_bracketed_dot(value);
	default:
		return false;
	}
}

static bool fits(unsigned type, struct str value, struct report_address *address_out)
{
	switch (type) {
	case INDICATOR_IPV4:
		return report_address_parse(value, 4, address_out);
	case INDICATOR_IPV6:
		return report_address_parse(value, 6, address_out);
	case INDICATOR_CIDR:
		return report_network_parse(value, address_out);
	case INDICATOR_ASN:
		return is_asn(value);
	case INDICATOR_DOMAIN:
		return is_domain(value);
	case INDICATOR_URL:
		return is_url(value);
	case INDICATOR_EMAIL:
		return is_email(value);
	case INDICATOR_MD5:
	case INDICATOR_JA3:
		return report_pattern_is_hex(value, 32);
	case INDICATOR_SHA1:
		return report_pattern_is_hex(value, 40);
	case INDICATOR_SHA256:
	case INDICATOR_X509_SHA256:
		return report_pattern_is_hex(value, 64);
	case INDICATOR_SHA512:
		return report_pattern_is_hex(value, 128);
	default:
		return true;
	}
}

enum report_indicator_verdict report_indicator_judge(
	unsigned type, struct str value, struct report_address *address_out)
{
	*address_out = (struct report_address){0};
	if (is_defanged(type, value)) {
		return INDICATOR_DEFANGED;
	}
	if (fits(type, value, address_out)) {
		return INDICATOR_FITS;
	}
	address_out->family = 0;
	return INDICATOR_WRONG;
}

const char *report_indicator_expects(unsigned type)
{
	static const char *const expects[INDICATOR_TYPE_COUNT] = {
		[INDICATOR_IPV4] = "a dotted IPv4 address is expected",
		[INDICATOR_IPV6] = "an IPv6 address without a zone is expected",
		[INDICATOR_CIDR] = "ADDRESS/LENGTH with host bits zero is expected",
		[INDICATOR_ASN] = "AS and a number from 1 to 4294967295 are expected",
		[INDICATOR_DOMAIN] =
			"two or more lower-case ASCII labels, no dot at the end, are expected",
		[INDICATOR_URL] =
			"a scheme, a colon and at most 2,048 printable ASCII are expected",
		[INDICATOR_EMAIL] = "an address with one @ is expected",
		[INDICATOR_SHA1] = "40 lower-case hexadecimal digits are expected",
		[INDICATOR_SHA256] = "64 lower-case hexadecimal digits are expected",
		[INDICATOR_SHA512] = "128 lower-case hexadecimal digits are expected",
		[INDICATOR_MD5] = "32 lower-case hexadecimal digits are expected",
		[INDICATOR_X509_SHA256] = "64 lower-case hexadecimal digits are expected",
		[INDICATOR_JA3] = "32 lower-case hexadecimal digits are expected",
	};
	return type < INDICATOR_TYPE_COUNT ? expects[type] : NULL;
}

bool report_indicator_is_evidence(unsigned type)
{
	return type == INDICATOR_FILE_NAME || type == INDICATOR_MUTEX ||
		type == INDICATOR_REGISTRY_KEY || type == INDICATOR_USER_AGENT ||
		type == INDICATOR_ACCOUNT || type == INDICATOR_OTHER;
}
