// SPDX-License-Identifier: Apache-2.0
#include "tls_files_int.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define SUBJECT_SIZE 200

/* Says what OpenSSL complained of first, and forgets it. */
static bool openssl_fault(struct err *err, const char *path, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	ERR_clear_error();
	return err_set(err, "%s: %s: %s", path, what, reason == NULL ? "unknown fault" : reason);
}

static FILE *open_file(const char *path, struct err *err)
{
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		err_set(err, "%s: %s", path, strerror(errno));
	}
	return file;
}

/* Instead of OpenSSL's own, which asks at the terminal. */
static int refuse_passphrase(char *passphrase, int size, int is_writing, void *was_asked)
{
	(void)passphrase;
	(void)size;
	(void)is_writing;
	*(bool *)was_asked = true;
	return -1;
}

static bool is_end_of_pem(void)
{
	unsigned long error = ERR_peek_last_error();
	return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

/* All certificates of a file, at least one; the caller frees them. */
static STACK_OF(X509) * read_certificates(const char *path, struct err *err)
{
	FILE *file = open_file(path, err);
	if (file == NULL) {
		return NULL;
	}
	bool was_asked = false;
	STACK_OF(X509) *certificates = sk_X509_new_null();
	X509 *certificate;
	ERR_clear_error();
	while (certificates != NULL &&
		(certificate = PEM_read_X509(file, NULL, refuse_passphrase, &was_asked)) != NULL) {
		if (sk_X509_push(certificates, certificate) <= 0) {
			X509_free(certificate);
			break;
		}
	}
	fclose(file);
	bool is_whole = is_end_of_pem();
	if (is_whole && sk_X509_num(certificates) > 0) {
		ERR_clear_error();
		return certificates;
	}
	if (is_whole) {
		ERR_clear_error();
		err_set(err, "%s: holds no certificate", path);
	} else {
		openssl_fault(err, path, "not a PEM file of certificates");
	}
	sk_X509_pop_free(certificates, X509_free);
	return NULL;
}

static bool is_in_force(X509 *certificate, const char *path, struct err *err)
{
	char subject[SUBJECT_SIZE];

	X509_NAME_oneline(X509_get_subject_name(certificate), subject, sizeof(subject));
	if (X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0) {
		return err_set(err, "%s: the certificate of %s has expired", path, subject);
	}
	if (X509_cmp_current_time(X509_get0_notBefore(certificate)) >= 0) {
		return err_set(err, "%s: the certificate of %s is not valid yet", path, subject);
	}
	return true;
}

static bool use_chain(SSL_CTX *ctx, STACK_OF(X509) * chain, const char *path, struct err *err)
{
	for (int i = 0; i < sk_X509_num(chain); i++) {
		X509 *certificate = sk_X509_value(chain, i);
		if (!is_in_force(certificate, path, err)) {
			return false;
		}
		bool is_used = i == 0 ? SSL_CTX_use_certificate(ctx, certificate) == 1
				      : SSL_CTX_add1_chain_cert(ctx, certificate) == 1;
		if (!is_used) {
			return openssl_fault(err, path, "the certificate cannot be used");
		}
	}
	if (X509_check_purpose(sk_X509_value(chain, 0), X509_PURPOSE_SSL_SERVER, 0) != 1) {
		return err_set(err, "%s: the first certificate is not made for a TLS server", path);
	}
	return true;
}

/* No fault: it may have been so for years, and a reload must not fail for it. */
static void warn_if_open(FILE *file, const char *path)
{
	struct stat status;
	char escaped[1024];
	if (fstat(fileno(file), &status) == 0 && (status.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
		log_warn("key-is-open", "file=%s mode=%04o expected=\"no rights for others\"",
			log_escape(escaped, sizeof(escaped), str_from(path)),
			(unsigned)(status.st_mode & 07777));
	}
}

static EVP_PKEY *read_key(const char *path, struct err *err)
{
	FILE *file = open_file(path, err);
	if (file == NULL) {
		return NULL;
	}
	warn_if_open(file, path);
	bool was_asked = false;
	ERR_clear_error();
	EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, refuse_passphrase, &was_asked);
	fclose(file);
	if (key == NULL && was_asked) {
		err_set(err, "%s: the key is protected by a passphrase, which nobody can enter",
			path);
	} else if (key == NULL) {
		openssl_fault(err, path, "holds no private key in PEM");
	}
	ERR_clear_error();
	return key;
}

bool tls_files_load_identity(
	SSL_CTX *ctx, const char *certificate_path, const char *key_path, struct err *err)
{
	STACK_OF(X509) *chain = read_certificates(certificate_path, err);
	if (chain == NULL) {
		return false;
	}
	bool is_used = use_chain(ctx, chain, certificate_path, err);
	sk_X509_pop_free(chain, X509_free);
	if (!is_used) {
		return false;
	}
	EVP_PKEY *key = read_key(key_path, err);
	if (key == NULL) {
		return false;
	}
	/* Setting a key of another certificate would throw the certificate out: compare first. */
	bool is_match = X509_check_private_key(SSL_CTX_get0_certificate(ctx), key) == 1;
	is_used = is_match && SSL_CTX_use_PrivateKey(ctx, key) == 1;
	EVP_PKEY_free(key);
	if (!is_match) {
		ERR_clear_error();
		return err_set(err, "%s: the key does not belong to the certificate in %s",
			key_path, certificate_path);
	}
	return is_used || openssl_fault(err, key_path, "the key cannot be used");
}

/* The chain of an authority, by the strictness that partners' chains will meet. */
static bool check_authority(SSL_CTX *ctx, X509 *authority, const char *path, struct err *err)
{
	char subject[SUBJECT_SIZE];

	X509_NAME_oneline(X509_get_subject_name(authority), subject, sizeof(subject));
	if (X509_check_ca(authority) != 1) {
		return err_set(err, "%s: %s is not a certificate authority", path, subject);
	}
	X509_STORE_CTX *check = X509_STORE_CTX_new();
	if (check == NULL ||
		!X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(ctx), authority, NULL)) {
		X509_STORE_CTX_free(check);
		return openssl_fault(err, path, "cannot be checked");
	}
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(check);
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
	X509_VERIFY_PARAM_set_auth_level(param, SSL_CTX_get_security_level(ctx));
	bool is_good = X509_verify_cert(check) == 1;
	int fault = X509_STORE_CTX_get_error(check);
	X509_STORE_CTX_free(check);
	ERR_clear_error();
	return is_good ||
		err_set(err, "%s: %s: %s", path, subject, X509_verify_cert_error_string(fault));
}

static bool use_authorities(
	SSL_CTX *ctx, STACK_OF(X509) * authorities, const char *path, struct err *err)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);

	for (int i = 0; i < sk_X509_num(authorities); i++) {
		X509 *authority = sk_X509_value(authorities, i);
		if (!X509_STORE_add_cert(store, authority) ||
			!SSL_CTX_add_client_CA(ctx, authority)) {
			return openssl_fault(err, path, "cannot be used");
		}
	}
	for (int i = 0; i < sk_X509_num(authorities); i++) {
		if (!check_authority(ctx, sk_X509_value(authorities, i), path, err)) {
			return false;
		}
	}
	return true;
}

bool tls_files_load_authorities(SSL_CTX *ctx, const char *path, struct err *err)
{
	STACK_OF(X509) *authorities = read_certificates(path, err);
	if (authorities == NULL) {
		return false;
	}
	bool is_used = use_authorities(ctx, authorities, path, err);
	sk_X509_pop_free(authorities, X509_free);
	return is_used;
}

/* Whether one of the store's certificates signed the list. */
static bool is_signed_by_authority(X509_STORE *store, X509_CRL *crl)
{
	const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);

	for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
		X509 *authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
		if (authority != NULL &&
			X509_NAME_cmp(X509_get_subject_name(authority), X509_CRL_get_issuer(crl)) ==
				0 &&
			X509_CRL_verify(crl, X509_get0_pubkey(authority)) == 1) {
			return true;
		}
	}
	ERR_clear_error();
	return false;
}

static bool check_crl(X509_STORE *store, X509_CRL *crl, const char *path, struct err *err)
{
	char issuer[SUBJECT_SIZE];
	const ASN1_TIME *next_update = X509_CRL_get0_nextUpdate(crl);

	X509_NAME_oneline(X509_CRL_get_issuer(crl), issuer, sizeof(issuer));
	if (!is_signed_by_authority(store, crl)) {
		return err_set(err, "%s: the list of %s is signed by no configured authority", path,
			issuer);
	}
	if (next_update == NULL) {
		return err_set(err,
			"%s: the list of %s says no next update, so it would never "
			"run out",
			path, issuer);
	}
	if (X509_cmp_current_time(next_update) <= 0) {
		return err_set(err, "%s: the list of %s has expired", path, issuer);
	}
	if (X509_cmp_current_time(X509_CRL_get0_lastUpdate(crl)) >= 0) {
		return err_set(err, "%s: the list of %s is not valid yet", path, issuer);
	}
	return true;
}

static bool use_crls(X509_STORE *store, FILE *file, const char *path, struct err *err)
{
	bool was_asked = false;
	int count = 0;
	X509_CRL *crl;

	ERR_clear_error();
	while ((crl = PEM_read_X509_CRL(file, NULL, refuse_passphrase, &was_asked)) != NULL) {
		bool is_good = check_crl(store, crl, path, err);
		bool is_added = is_good && X509_STORE_add_crl(store, crl);
		X509_CRL_free(crl);
		if (!is_added) {
			return is_good && openssl_fault(err, path, "cannot be used");
		}
		count++;
	}
	if (!is_end_of_pem()) {
		return openssl_fault(err, path, "not a PEM file of revocation lists");
	}
	ERR_clear_error();
	return count > 0 || err_set(err, "%s: holds no revocation list", path);
}

/* Not a fault: its partners are refused, those of the other authorities are not. */
static void warn_of_missing_crls(X509_STORE *store, const char *path)
{
	const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);

	for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
		X509 *authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
		bool is_found = authority == NULL;
		for (int j = 0; j < sk_X509_OBJECT_num(objects) && !is_found; j++) {
			X509_CRL *crl = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(objects, j));
			is_found = crl != NULL &&
				X509_NAME_cmp(X509_CRL_get_issuer(crl),
					X509_get_subject_name(authority)) == 0;
		}
		if (!is_found) {
			char subject[SUBJECT_SIZE];
			char escaped[SUBJECT_SIZE * 2];
			X509_NAME_oneline(
				X509_get_subject_name(authority), subject, sizeof(subject));
			log_warn("crl-missing",
				"file=\"%s\" authority=%s effect=\"its partners are refused\"",
				path, log_escape(escaped, sizeof(escaped), str_from(subject)));
		}
	}
}

bool tls_files_load_crls(SSL_CTX *ctx, const char *path, struct err *err)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	FILE *file = open_file(path, err);
	if (file == NULL) {
		return false;
	}
	bool is_used = use_crls(store, file, path, err);
	fclose(file);
	if (is_used) {
		warn_of_missing_crls(store, path);
	}
	return is_used;
}
