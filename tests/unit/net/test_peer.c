// SPDX-License-Identifier: Apache-2.0
#include "net/peer.h"

#include "pki.h"

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/sha.h>

#define NAME_OF_62 "a2345678901234567890123456789012345678901234567890123456789012"
#define PREFIX "urn:intaked:partner:"

static void test_one_well_formed_uri_is_a_claim(void **state)
{
	(void)state;
	static const struct {
		struct str uris[3];
		size_t count;
		enum peer_claim claim;
		const char *name;
	} cases[] = {
		{{STR("")}, 0, PEER_CLAIM_NONE, ""},
		{{STR(PREFIX "nordhaven")}, 1, PEER_CLAIM_NAMED, "nordhaven"},
		{{STR(PREFIX "0-9a-z")}, 1, PEER_CLAIM_NAMED, "0-9a-z"},
		{{STR(PREFIX "a")}, 1, PEER_CLAIM_NAMED, "a"},
		{{STR(PREFIX NAME_OF_62 "x")}, 1, PEER_CLAIM_NAMED, NAME_OF_62 "x"},
		{{STR(PREFIX NAME_OF_62 "xy")}, 1, PEER_CLAIM_BROKEN, ""},
		{{STR(PREFIX)}, 1, PEER_CLAIM_BROKEN, ""},
		{{STR(PREFIX "-a")}, 1, PEER_CLAIM_BROKEN, ""},
		{{STR(PREFIX "Nordhaven")}, 1, PEER_CLAIM_BROKEN, ""},
		{{STR(PREFIX "nord_haven")}, 1, PEER_CLAIM_BROKEN, ""},
		{{STR(PREFIX "nordhaven ")}, 1, PEER_CLAIM_BROKEN, ""},
		{{STR(PREFIX "nordhaven\n")}, 1, PEER_CLAIM_BROKEN, ""},
		{{STR(PREFIX "nordhaven\0")}, 1, PEER_CLAIM_BROKEN, ""},
		{{STR(PREFIX "nordhaven\0.evil")}, 1, PEER_CLAIM_BROKEN, ""},
		{{STR(PREFIX "\0nordhaven")}, 1, PEER_CLAIM_BROKEN, ""},
		{{STR("urn:intaked:\0partner:nordhaven")}, 1, PEER_CLAIM_NONE, ""},
		{{STR("URN:intaked:partner:nordhaven")}, 1, PEER_CLAIM_NONE, ""},
		{{STR("urn:intaked:partner")}, 1, PEER_CLAIM_NONE, ""},
		{{STR("https://nordhaven.example/" PREFIX "a")}, 1, PEER_CLAIM_NONE, ""},
		{{STR("https://a.example/"), STR(PREFIX "nordhaven"), STR("urn:uuid:1")}, 3,
			PEER_CLAIM_NAMED, "nordhaven"},
		{{STR(PREFIX "nordhaven"), STR(PREFIX "nordhaven")}, 2, PEER_CLAIM_BROKEN, ""},
		{{STR(PREFIX "nordhaven"), STR(PREFIX "b"), STR(PREFIX "c")}, 3, PEER_CLAIM_BROKEN,
			""},
		{{STR(PREFIX "nordhaven"), STR(PREFIX "_")}, 2, PEER_CLAIM_BROKEN, ""},
		{{STR(PREFIX "_"), STR(PREFIX "nordhaven")}, 2, PEER_CLAIM_BROKEN, ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* A name in the subject, which never counts. */
		struct pki_pair pair =
			pki_make(&(struct pki_spec){.common_name = PREFIX "somebody-else",
				.uris = cases[i].uris,
				.uri_count = cases[i].count});
		struct peer peer;
		assert_true(peer_from_certificate(&peer, pair.certificate));
		if (peer.claim != cases[i].claim || strcmp(peer.name, cases[i].name) != 0) {
			fail_msg("case %zu: claim %d \"%s\"", i, (int)peer.claim, peer.name);
		}
		assert_int_equal(ERR_peek_error(), 0);
		pki_free(&pair);
	}
}

static void test_other_kinds_of_names_are_no_claim(void **state)
{
	(void)state;
	struct pki_pair pair = pki_make(&(struct pki_spec){.common_name = "partner"});
	pki_add_extension(pair.certificate, pair.certificate, NID_subject_alt_name,
		"DNS:nordhaven,email:a@nordhaven.example,RID:1.2.3.4");
	struct peer peer;
	assert_true(peer_from_certificate(&peer, pair.certificate));
	assert_int_equal(peer.claim, PEER_CLAIM_NONE);
	pki_free(&pair);
}

static void test_a_second_extension_breaks_the_claim(void **state)
{
	(void)state;
	const struct str uri = STR(PREFIX "nordhaven");
	struct pki_pair pair = pki_make(
		&(struct pki_spec){.common_name = "partner", .uris = &uri, .uri_count = 1});
	pki_add_uris(pair.certificate, &uri, 1);
	struct peer peer;
	assert_true(peer_from_certificate(&peer, pair.certificate));
	assert_int_equal(peer.claim, PEER_CLAIM_BROKEN);
	assert_string_equal(peer.name, "");
	pki_free(&pair);
}

/* A decoder without memory says the same, and whose it is must not be told then. */
static void test_an_undecodable_extension_is_no_identity(void **state)
{
	(void)state;
	struct peer peer;
	struct pki_pair pair = pki_make(&(struct pki_spec){.common_name = "partner"});
	ASN1_OCTET_STRING *junk = ASN1_OCTET_STRING_new();
	assert_true(ASN1_OCTET_STRING_set(junk, (const unsigned char *)"junk", 4));
	X509_EXTENSION *extension =
		X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, junk);
	assert_true(X509_add_ext(pair.certificate, extension, -1));
	assert_false(peer_from_certificate(&peer, pair.certificate));
	assert_int_equal(ERR_peek_error(), 0);
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(junk);
	pki_free(&pair);
}

static void test_the_key_digest_is_of_the_whole_spki(void **state)
{
	(void)state;
	struct pki_pair pair = pki_make(&(struct pki_spec){.common_name = "partner"});
	struct pki_pair other = pki_make(&(struct pki_spec){.common_name = "partner"});
	struct peer peer;
	uint8_t expected[32];
	unsigned char *spki = NULL;
	int len = i2d_PUBKEY(pair.key, &spki);
	assert_int_equal(len, 91);
	SHA256(spki, (size_t)len, expected);
	OPENSSL_free(spki);
	assert_true(peer_from_certificate(&peer, pair.certificate));
	assert_memory_equal(peer.spki_sha256, expected, 32);
	assert_true(peer_from_certificate(&peer, other.certificate));
	assert_memory_not_equal(peer.spki_sha256, expected, 32);
	pki_free(&pair);
	pki_free(&other);
}

static void test_expiry_is_in_unix_seconds(void **state)
{
	(void)state;
	struct pki_pair pair = pki_make(&(struct pki_spec){.common_name = "partner"});
	struct peer peer;
	assert_true(ASN1_TIME_set_string(X509_getm_notAfter(pair.certificate), "20380119031408Z"));
	assert_true(peer_from_certificate(&peer, pair.certificate));
	assert_true(peer.expires_at_s == INT64_C(2147483648));
	pki_free(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_well_formed_uri_is_a_claim),
		cmocka_unit_test(test_other_kinds_of_names_are_no_claim),
		cmocka_unit_test(test_a_second_extension_breaks_the_claim),
		cmocka_unit_test(test_an_undecodable_extension_is_no_identity),
		cmocka_unit_test(test_the_key_digest_is_of_the_whole_spki),
		cmocka_unit_test(test_expiry_is_in_unix_seconds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
