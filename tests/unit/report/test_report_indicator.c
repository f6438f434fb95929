// SPDX-License-Identifier: Apache-2.0
#include "../../../daemon/report/report_indicator_int.h"

#include "../../../daemon/report/report_fields_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define FITS INDICATOR_FITS
#define WRONG INDICATOR_WRONG
#define DEFANGED INDICATOR_DEFANGED
#define DIGITS_32 "0123456789abcdef0123456789abcdef"

static void test_values_are_judged_by_their_type(void **state)
{
	static const struct {
		unsigned type;
		const char *value;
		enum report_indicator_verdict verdict;
	} cases[] = {
		{INDICATOR_IPV4, "8.8.8.8", FITS},
		{INDICATOR_IPV4, "8.8.8", WRONG},
		{INDICATOR_IPV4, "08.8.8.8", WRONG},
		{INDICATOR_IPV4, "8.8.8.8 ", WRONG},
		{INDICATOR_IPV4, "8[.]8.8.8", DEFANGED},
		{INDICATOR_IPV6, "2001:db8::1", FITS},
		{INDICATOR_IPV6, "fe80::1%eth0", WRONG},
		{INDICATOR_IPV6, "::ffff:8.8.8[.]8", DEFANGED},
		{INDICATOR_CIDR, "10.0.0.0/8", FITS},
		{INDICATOR_CIDR, "10.0.0.1/8", WRONG},
		{INDICATOR_CIDR, "10[.]0.0.0/8", DEFANGED},
		{INDICATOR_ASN, "AS1", FITS},
		{INDICATOR_ASN, "AS4294967295", FITS},
		{INDICATOR_ASN, "AS4294967296", WRONG},
		{INDICATOR_ASN, "AS0", WRONG},
		{INDICATOR_ASN, "AS01", WRONG},
		{INDICATOR_ASN, "AS", WRONG},
		{INDICATOR_ASN, "as1", WRONG},
		{INDICATOR_ASN, "1", WRONG},
		{INDICATOR_DOMAIN, "a.b", FITS},
		{INDICATOR_DOMAIN, "_dmarc.xn--e1a.example", FITS},
		{INDICATOR_DOMAIN, "a", WRONG},
		{INDICATOR_DOMAIN, "a.b.", WRONG},
		{INDICATOR_DOMAIN, ".a.b", WRONG},
		{INDICATOR_DOMAIN, "a..b", WRONG},
		{INDICATOR_DOMAIN, "A.b", WRONG},
		{INDICATOR_DOMAIN, "\xc3\xa9.b", WRONG},
		{INDICATOR_DOMAIN, "{.b", WRONG},
		{INDICATOR_DOMAIN, "a/.b", WRONG},
		{INDICATOR_DOMAIN, "a[.]b", DEFANGED},
		{INDICATOR_URL, "https://example.org/a?b#c", FITS},
		{INDICATOR_URL, "urn:x", FITS},
		{INDICATOR_URL, "u{n:x", WRONG},
		{INDICATOR_URL, "u_n:x", WRONG},
		{INDICATOR_URL, "https://a#b[.]c", FITS},
		{INDICATOR_URL, "https://a?b#c[.]d", FITS},
		{INDICATOR_URL, "HTTP://EXAMPLE.ORG", FITS},
		{INDICATOR_URL, "a+b-c.1:x", FITS},
		{INDICATOR_URL, "1a:x", WRONG},
		{INDICATOR_URL, ":x", WRONG},
		{INDICATOR_URL, "x:", WRONG},
		{INDICATOR_URL, "example.org", WRONG},
		{INDICATOR_URL, "http://a b", WRONG},
		{INDICATOR_URL, "http://a\x7f", WRONG},
		{INDICATOR_URL, "http://\xc3\xa9", WRONG},
		{INDICATOR_URL, "hxxp://example.org", DEFANGED},
		{INDICATOR_URL, "hXXps://example.org", DEFANGED},
		{INDICATOR_URL, "https://example[.]org/a", DEFANGED},
		{INDICATOR_URL, "example[.]org", DEFANGED},
		{INDICATOR_URL, "https://example.org/a[.]b", FITS},
		{INDICATOR_URL, "https://example.org?a[.]b", FITS},
		{INDICATOR_URL, "https://[2001:db8::1]/", FITS},
		{INDICATOR_EMAIL, "a@b.example", FITS},
		{INDICATOR_EMAIL, "a@b@c", WRONG},
		{INDICATOR_EMAIL, "ab", WRONG},
		{INDICATOR_EMAIL, "@b", WRONG},
		{INDICATOR_EMAIL, "a@", WRONG},
		{INDICATOR_EMAIL, "a@b[.]example", DEFANGED},
		{INDICATOR_MD5, DIGITS_32, FITS},
		{INDICATOR_JA3, DIGITS_32, FITS},
		{INDICATOR_MD5, DIGITS_32 "0", WRONG},
		{INDICATOR_MD5, "0123456789ABCDEF0123456789abcdef", WRONG},
		{INDICATOR_SHA1, DIGITS_32 "01234567", FITS},
		{INDICATOR_SHA1, DIGITS_32 "0123456", WRONG},
		{INDICATOR_SHA256, DIGITS_32 DIGITS_32, FITS},
		{INDICATOR_X509_SHA256, DIGITS_32 DIGITS_32, FITS},
		{INDICATOR_X509_SHA256, DIGITS_32 DIGITS_32 "0", WRONG},
		{INDICATOR_SHA512, DIGITS_32 DIGITS_32 DIGITS_32 DIGITS_32, FITS},
		{INDICATOR_SHA512, DIGITS_32 DIGITS_32 DIGITS_32, WRONG},
		{INDICATOR_PHONE, "anything [.] hxxp", FITS},
		{INDICATOR_OTHER, "anything", FITS},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct report_address address;
		enum report_indicator_verdict verdict =
			report_indicator_judge(cases[i].type, str_from(cases[i].value), &address);
		if (verdict != cases[i].verdict) {
			fail_msg("%s: %d", cases[i].value, (int)verdict);
		}
		assert_int_equal(
			address.family != 0, verdict == FITS && cases[i].type <= INDICATOR_CIDR);
	}
}

static enum report_indicator_verdict judge_domain(size_t labels, size_t label_len, size_t last_len)
{
	char text[1024];
	size_t len = 0;
	struct report_address address;
	for (size_t i = 0; i < labels; i++) {
		size_t this_len = i + 1 == labels ? last_len : label_len;
		memset(text + len, 'a', this_len);
		len += this_len;
		text[len++] = '.';
	}
	return report_indicator_judge(INDICATOR_DOMAIN, (struct str){text, len - 1}, &address);
}

static void test_domains_have_127_labels_and_253_characters(void **state)
{
	(void)state;
	assert_int_equal(judge_domain(127, 1, 1), FITS);
	assert_int_equal(judge_domain(128, 1, 1), WRONG);
	assert_int_equal(judge_domain(5, 62, 1), FITS);
	assert_int_equal(judge_domain(5, 62, 2), WRONG);
}

static void test_urls_have_2048_bytes(void **state)
{
	char text[2049];
	struct report_address address;
	(void)state;
	memset(text, 'a', sizeof(text));
	text[1] = ':';
	assert_int_equal(
		report_indicator_judge(INDICATOR_URL, (struct str){text, 2048}, &address), FITS);
	assert_int_equal(
		report_indicator_judge(INDICATOR_URL, (struct str){text, 2049}, &address), WRONG);
}

static void test_types_stand_in_the_order_of_the_schema(void **state)
{
	static const struct {
		unsigned type;
		const char *code;
	} cases[] = {
		{INDICATOR_IPV4, "ipv4"},
		{INDICATOR_CIDR, "cidr"},
		{INDICATOR_ASN, "asn"},
		{INDICATOR_URL, "url"},
		{INDICATOR_EMAIL, "email"},
		{INDICATOR_ACCOUNT, "account"},
		{INDICATOR_SHA512, "sha512"},
		{INDICATOR_MD5, "md5"},
		{INDICATOR_FILE_NAME, "file-name"},
		{INDICATOR_MUTEX, "mutex"},
		{INDICATOR_REGISTRY_KEY, "registry-key"},
		{INDICATOR_USER_AGENT, "user-agent"},
		{INDICATOR_X509_SHA256, "x509-sha256"},
		{INDICATOR_JA3, "ja3"},
		{INDICATOR_CRYPTO_ADDRESS, "crypto-address"},
		{INDICATOR_OTHER, "other"},
	};
	const struct report_field *list = &report_field_root.object->fields[ROOT_INDICATORS];
	const struct report_field *type = &list->element->object->fields[INDICATOR_TYPE];
	(void)state;
	assert_int_equal(type->vocabulary->count, INDICATOR_TYPE_COUNT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
			report_vocabulary_find(type->vocabulary, NULL, str_from(cases[i].code)),
			cases[i].type);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_judged_by_their_type),
		cmocka_unit_test(test_domains_have_127_labels_and_253_characters),
		cmocka_unit_test(test_urls_have_2048_bytes),
		cmocka_unit_test(test_types_stand_in_the_order_of_the_schema),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
