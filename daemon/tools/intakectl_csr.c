// SPDX-License-Identifier: Apache-2.0
#include "intakectl_csr_int.h"

#include "intakectl_pem_int.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#define RSA_MIN_BITS 2048
#define EXPECTED_KEYS "expected RSA of 2048 bits or more, P-256, P-384 or Ed25519"

static bool is_group_taken(EVP_PKEY *key)
{
	static const char *const groups[] = {"prime256v1", "P-256", "secp384r1", "P-384"};
	char name[64] = "";
	char encoding[32] = "";
	/* Parameters written out instead of named are refused in the handshake. */
	if (EVP_PKEY_get_group_name(key, name, sizeof(name), NULL) != 1 ||
		EVP_PKEY_get_utf8_string_param(
			key, OSSL_PKEY_PARAM_EC_ENCODING, encoding, sizeof(encoding), NULL) != 1 ||
		strcmp(encoding, OSSL_PKEY_EC_ENCODING_GROUP) != 0) {
		return false;
	}
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (strcmp(name, groups[i]) == 0) {
			return true;
		}
	}
	return false;
}

static bool check_kind(EVP_PKEY *key, const char *path, struct err *err)
{
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		return EVP_PKEY_get_bits(key) >= RSA_MIN_BITS ||
			err_set(err, "%s: the RSA key has %d bits; " EXPECTED_KEYS, path,
				EVP_PKEY_get_bits(key));
	case EVP_PKEY_EC:
		return is_group_taken(key) ||
			err_set(err, "%s: the key is on a curve that is not taken; " EXPECTED_KEYS,
				path);
	case EVP_PKEY_ED25519:
		return true;
	default:
		return err_set(err, "%s: keys of that kind are not taken; " EXPECTED_KEYS, path);
	}
}

static bool check_key(EVP_PKEY *key, const char *path, struct err *err)
{
	if (!check_kind(key, path, err)) {
		return false;
	}
	EVP_PKEY_CTX *check = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	bool is_sound = check != NULL && EVP_PKEY_public_check(check) == 1;
	EVP_PKEY_CTX_free(check);
	return is_sound || pem_fault(err, path, "holds a key that is not sound");
}

/* Whether a name of the request says that it is another partner's. */
static bool names_another(const GENERAL_NAMES *names, const char *partner)
{
	size_t prefix_len = strlen(PARTNER_URI_PREFIX);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type != GEN_URI) {
			continue;
		}
		const char *uri =
			(const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier);
		size_t len = (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier);
		if (len >= prefix_len && memcmp(uri, PARTNER_URI_PREFIX, prefix_len) == 0 &&
			(len - prefix_len != strlen(partner) ||
				memcmp(uri + prefix_len, partner, len - prefix_len) != 0)) {
			return true;
		}
	}
	return false;
}

static bool check_names(X509_REQ *request, const char *partner, const char *path, struct err *err)
{
	STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
	GENERAL_NAMES *names = X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);
	bool is_good = !names_another(names, partner);
	GENERAL_NAMES_free(names);
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	ERR_clear_error();
	return is_good ||
		err_set(err,
			"%s asks for a certificate of another partner than %s; is it the "
			"right file?",
			path, partner);
}

EVP_PKEY *csr_read_key(const char *path, const char *partner, struct err *err)
{
	X509_REQ *request = pem_read_request(path, err);
	EVP_PKEY *key = request == NULL ? NULL : X509_REQ_get_pubkey(request);
	bool is_good = request != NULL &&
		(key != NULL || pem_fault(err, path, "holds a key that cannot be read")) &&
		check_key(key, path, err) &&
		(X509_REQ_verify(request, key) == 1 ||
			err_set(err, "%s is not signed by the key that it names", path)) &&
		check_names(request, partner, path, err);
	ERR_clear_error();
	X509_REQ_free(request);
	if (!is_good) {
		EVP_PKEY_free(key);
		return NULL;
	}
	return key;
}
