// SPDX-License-Identifier: Apache-2.0
#include "intakectl_authority_int.h"

#include "intakectl_csr_int.h"
#include "intakectl_pem_int.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SUBJECT_SIZE 200
#define SERIAL_BYTES 16
/* The clock of a server may be behind. */
#define BACKDATE_S 300
#define DAY_S 86400
/* As the daemon's handshake has them. */
#define SECURITY_LEVEL 2
#define CHAIN_DEPTH_MAX 2

static X509 *signer(const struct authority *authority)
{
	return sk_X509_value(authority->chain, 0);
}

static bool check_signer(const struct authority *authority, struct err *err)
{
	char subject[SUBJECT_SIZE];
	X509 *certificate = signer(authority);
	const char *path = authority->path;
	pem_subject(certificate, subject, sizeof(subject));
	if (X509_check_ca(certificate) != 1 ||
		(X509_get_key_usage(certificate) & KU_KEY_CERT_SIGN) == 0) {
		return err_set(err, "%s: %s is not a certificate authority", path, subject);
	}
	if (X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0) {
		return err_set(err, "%s: the certificate of %s has expired", path, subject);
	}
	if (X509_cmp_current_time(X509_get0_notBefore(certificate)) >= 0) {
		return err_set(err, "%s: the certificate of %s is not valid yet", path, subject);
	}
	return true;
}

bool authority_open(struct authority *authority, const char *path, const char *key_path,
	const char *password_path, struct err *err)
{
	*authority = (struct authority){.path = path};
	authority->chain = pem_read_certificates(path, err);
	if (authority->chain == NULL || !check_signer(authority, err)) {
		return false;
	}
	authority->key = pem_read_key(key_path, password_path, err);
	if (authority->key == NULL) {
		return false;
	}
	bool is_match = X509_check_private_key(signer(authority), authority->key) == 1;
	ERR_clear_error();
	return is_match ||
		err_set(err, "the key in %s does not belong to the first certificate in %s",
			key_path, path);
}

void authority_close(struct authority *authority)
{
	sk_X509_pop_free(authority->chain, X509_free);
	EVP_PKEY_free(authority->key);
	*authority = (struct authority){.path = NULL};
}

static bool set_serial(X509 *certificate)
{
	unsigned char bytes[SERIAL_BYTES];
	BIGNUM *number = NULL;
	if (RAND_bytes(bytes, sizeof(bytes)) == 1) {
		number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	}
	bool is_set = number != NULL &&
		BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
	BN_free(number);
	return is_set;
}

static bool is_before(const ASN1_TIME *one, const ASN1_TIME *other)
{
	return ASN1_TIME_compare(one, other) < 0;
}

/* Within the life of every authority of the chain. */
static bool set_life(const struct authority *authority, X509 *certificate, int days)
{
	time_t now = time(NULL);
	bool is_set = ASN1_TIME_set(X509_getm_notBefore(certificate), now - BACKDATE_S) != NULL &&
		ASN1_TIME_adj(X509_getm_notAfter(certificate), now, days, 0) != NULL;
	for (int i = 0; i < sk_X509_num(authority->chain) && is_set; i++) {
		X509 *above = sk_X509_value(authority->chain, i);
		if (is_before(X509_get0_notBefore(certificate), X509_get0_notBefore(above))) {
			is_set = X509_set1_notBefore(certificate, X509_get0_notBefore(above)) == 1;
		}
		if (is_set &&
			is_before(X509_get0_notAfter(above), X509_get0_notAfter(certificate))) {
			is_set = X509_set1_notAfter(certificate, X509_get0_notAfter(above)) == 1;
		}
	}
	return is_set;
}

static bool add_extension(X509 *certificate, X509V3_CTX *ctx, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
	bool is_added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return is_added;
}

static bool set_extensions(X509 *issuer, X509 *certificate, const char *partner)
{
	char uri[128];
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
	snprintf(uri, sizeof(uri), "URI:" PARTNER_URI_PREFIX "%s", partner);
	return add_extension(certificate, &ctx, NID_basic_constraints, "critical,CA:FALSE") &&
		add_extension(certificate, &ctx, NID_key_usage, "critical,digitalSignature") &&
		add_extension(certificate, &ctx, NID_ext_key_usage, "clientAuth") &&
		add_extension(certificate, &ctx, NID_subject_alt_name, uri) &&
		add_extension(certificate, &ctx, NID_subject_key_identifier, "hash") &&
		add_extension(certificate, &ctx, NID_authority_key_identifier, "keyid:always");
}

static bool sign(const struct authority *authority, X509 *certificate)
{
	/* Keys on Edwards curves bring their own digest. */
	int kind = EVP_PKEY_get_base_id(authority->key);
	bool has_digest = kind != EVP_PKEY_ED25519 && kind != EVP_PKEY_ED448;
	return X509_sign(certificate, authority->key, has_digest ? EVP_sha256() : NULL) > 0;
}

X509 *authority_issue(const struct authority *authority, EVP_PKEY *key, const char *partner,
	int days, struct err *err)
{
	X509 *issuer = signer(authority);
	X509 *certificate = X509_new();
	X509_NAME *subject = certificate == NULL ? NULL : X509_get_subject_name(certificate);
	ERR_clear_error();
	bool is_made = subject != NULL && X509_set_version(certificate, X509_VERSION_3) == 1 &&
		set_serial(certificate) &&
		X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC,
			(const unsigned char *)partner, -1, -1, 0) == 1 &&
		X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
		set_life(authority, certificate, days) && X509_set_pubkey(certificate, key) == 1 &&
		set_extensions(issuer, certificate, partner) && sign(authority, certificate);
	if (!is_made) {
		pem_fault(err, authority->path, "cannot sign a certificate");
		X509_free(certificate);
		return NULL;
	}
	return certificate;
}

static bool trust(X509_STORE *store, STACK_OF(X509) * certificates)
{
	bool is_done = true;
	for (int i = 0; i < sk_X509_num(certificates) && is_done; i++) {
		is_done = X509_STORE_add_cert(store, sk_X509_value(certificates, i)) == 1;
	}
	return is_done;
}

static bool verify(X509_STORE *store, const struct authority *authority, X509 *certificate,
	bool is_sure, const char *trusted_path, struct err *err)
{
	X509_STORE_CTX *check = X509_STORE_CTX_new();
	if (check == NULL ||
		X509_STORE_CTX_init(check, store, certificate, authority->chain) != 1) {
		X509_STORE_CTX_free(check);
		return pem_fault(err, authority->path, "cannot be checked");
	}
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(check);
	X509_VERIFY_PARAM_set_flags(
		param, X509_V_FLAG_X509_STRICT | (is_sure ? 0 : X509_V_FLAG_PARTIAL_CHAIN));
	X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT);
	X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
	X509_VERIFY_PARAM_set_depth(param, CHAIN_DEPTH_MAX);
	bool is_good = X509_verify_cert(check) == 1;
	int fault = X509_STORE_CTX_get_error(check);
	X509_STORE_CTX_free(check);
	ERR_clear_error();
	return is_good ||
		err_set(err,
			"a daemon that trusts %s would refuse certificates of %s: %s; nothing was "
			"written",
			trusted_path, authority->path, X509_verify_cert_error_string(fault));
}

bool authority_check(const struct authority *authority, X509 *certificate, const char *trusted_path,
	bool *is_sure_out, struct err *err)
{
	STACK_OF(X509) *trusted = NULL;
	X509_STORE *store = X509_STORE_new();
	*is_sure_out = access(trusted_path, R_OK) == 0;
	if (*is_sure_out) {
		trusted = pem_read_certificates(trusted_path, err);
		if (trusted == NULL) {
			X509_STORE_free(store);
			return false;
		}
	}
	ENSURE(store != NULL && trust(store, *is_sure_out ? trusted : authority->chain));
	bool is_good = verify(store, authority, certificate, *is_sure_out,
		*is_sure_out ? trusted_path : authority->path, err);
	sk_X509_pop_free(trusted, X509_free);
	X509_STORE_free(store);
	return is_good;
}
