// SPDX-License-Identifier: Apache-2.0
/*
 * Certificates, revocation lists and a folder for their files, made when a test runs: nothing in
 * the tree can expire. Every fault ends the test program.
 */
#pragma once

#include "base/attr.h"
#include "base/str.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define PKI_DAY 86400L

/* A certificate and its key. */
struct pki_pair {
	X509 *certificate;
	EVP_PKEY *key;
};

struct pki_spec {
	const char *common_name;
	const struct pki_pair *issuer; /* NULL: self-signed */
	const char *usage;             /* extended key usage; NULL: no such extension */
	const char *purpose;           /* key usage; NULL: digitalSignature, or that of a CA */
	const char *curve;             /* of the key; NULL: P-256 */
	const struct str *uris;        /* of the subject alternative name */
	size_t uri_count;
	long starts_s; /* from now */
	long ends_s;   /* from now; 0 is in 30 days */
	bool is_ca;
};

struct pki_folder {
	char path[64];
};

static inline void pki_add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ENSURE(extension != NULL);
	ENSURE(X509_add_ext(certificate, extension, -1));
	X509_EXTENSION_free(extension);
}

/* By hand and not by configuration text, which could not hold a NUL. */
static inline void pki_add_uris(X509 *certificate, const struct str *uris, size_t uri_count)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();

	for (size_t i = 0; i < uri_count; i++) {
		GENERAL_NAME *name = GENERAL_NAME_new();
		ASN1_IA5STRING *uri = ASN1_IA5STRING_new();
		ENSURE(ASN1_STRING_set(uri, uris[i].data, (int)uris[i].len));
		GENERAL_NAME_set0_value(name, GEN_URI, uri);
		ENSURE(sk_GENERAL_NAME_push(names, name) > 0);
	}
	ENSURE(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND));
	GENERAL_NAMES_free(names);
}

static inline struct pki_pair pki_make(const struct pki_spec *spec)
{
	static long serial = 1000;
	struct pki_pair pair = {.certificate = X509_new(),
		.key = EVP_EC_gen(spec->curve == NULL ? "P-256" : spec->curve)};
	X509 *issuer = spec->issuer == NULL ? pair.certificate : spec->issuer->certificate;
	X509_NAME *name = X509_get_subject_name(pair.certificate);

	ENSURE(pair.certificate != NULL && pair.key != NULL);
	ENSURE(X509_set_version(pair.certificate, X509_VERSION_3));
	ASN1_INTEGER_set(X509_get_serialNumber(pair.certificate), serial++);
	X509_gmtime_adj(X509_getm_notBefore(pair.certificate),
		spec->starts_s == 0 ? -PKI_DAY : spec->starts_s);
	X509_gmtime_adj(X509_getm_notAfter(pair.certificate),
		spec->ends_s == 0 ? 30 * PKI_DAY : spec->ends_s);
	ENSURE(X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_ASC, (const unsigned char *)spec->common_name, -1, -1, 0));
	ENSURE(X509_set_issuer_name(pair.certificate, X509_get_subject_name(issuer)));
	ENSURE(X509_set_pubkey(pair.certificate, pair.key));
	pki_add_extension(pair.certificate, issuer, NID_basic_constraints,
		spec->is_ca ? "critical,CA:TRUE" : "CA:FALSE");
	const char *purpose =
		spec->is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature";
	pki_add_extension(pair.certificate, issuer, NID_key_usage,
		spec->purpose == NULL ? purpose : spec->purpose);
	pki_add_extension(pair.certificate, issuer, NID_subject_key_identifier, "hash");
	pki_add_extension(pair.certificate, issuer, NID_authority_key_identifier, "keyid:always");
	if (spec->usage != NULL) {
		pki_add_extension(pair.certificate, issuer, NID_ext_key_usage, spec->usage);
	}
	if (spec->uri_count > 0) {
		pki_add_uris(pair.certificate, spec->uris, spec->uri_count);
	}
	ENSURE(X509_sign(pair.certificate, spec->issuer == NULL ? pair.key : spec->issuer->key,
		EVP_sha256()));
	return pair;
}

static inline struct pki_pair pki_authority(const char *common_name, const struct pki_pair *issuer)
{
	return pki_make(
		&(struct pki_spec){.common_name = common_name, .issuer = issuer, .is_ca = true});
}

static inline void pki_free(struct pki_pair *pair)
{
	X509_free(pair->certificate);
	EVP_PKEY_free(pair->key);
	*pair = (struct pki_pair){0};
}

/* revoked may be NULL; ends_s 0 leaves the next update out. */
static inline X509_CRL *pki_crl(
	const struct pki_pair *issuer, const X509 *revoked, long starts_s, long ends_s)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *time = X509_gmtime_adj(NULL, starts_s);

	ENSURE(X509_CRL_set_version(crl, X509_CRL_VERSION_2));
	ENSURE(X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->certificate)));
	ENSURE(X509_CRL_set1_lastUpdate(crl, time));
	if (revoked != NULL) {
		X509_REVOKED *entry = X509_REVOKED_new();
		ENSURE(X509_REVOKED_set_serialNumber(
			entry, (ASN1_INTEGER *)(void *)X509_get0_serialNumber(revoked)));
		ENSURE(X509_REVOKED_set_revocationDate(entry, time));
		ENSURE(X509_CRL_add0_revoked(crl, entry));
	}
	if (ends_s != 0) {
		ENSURE(X509_gmtime_adj(time, ends_s) != NULL);
		ENSURE(X509_CRL_set1_nextUpdate(crl, time));
	}
	ASN1_TIME_free(time);
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer->certificate, NULL, NULL, crl, 0);
	X509_EXTENSION *extension =
		X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
	ENSURE(X509_CRL_add_ext(crl, extension, -1));
	X509_EXTENSION_free(extension);
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	ASN1_INTEGER_set(number, 1);
	ENSURE(X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0));
	ASN1_INTEGER_free(number);
	ENSURE(X509_CRL_sign(crl, issuer->key, EVP_sha256()));
	return crl;
}

static inline void pki_folder_open(struct pki_folder *folder)
{
	snprintf(folder->path, sizeof(folder->path), "/tmp/intaked-net-XXXXXX");
	ENSURE(mkdtemp(folder->path) != NULL);
}

static inline void pki_folder_close(struct pki_folder *folder)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder->path);
	ENSURE(system(command) == 0);
}

/* The path of a file of the folder, in static memory for the next few calls. */
static inline const char *pki_path(const struct pki_folder *folder, const char *name)
{
	static char paths[16][128];
	static unsigned next;
	char *path = paths[next++ % 16];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder->path, name);
	return path;
}

static inline FILE *pki_file(const struct pki_folder *folder, const char *name)
{
	FILE *file = fopen(pki_path(folder, name), "we");
	ENSURE(file != NULL);
	return file;
}

static inline const char *pki_write_text(
	const struct pki_folder *folder, const char *name, const char *text)
{
	FILE *file = pki_file(folder, name);
	ENSURE(fputs(text, file) >= 0);
	ENSURE(fclose(file) == 0);
	return pki_path(folder, name);
}

/* The list of certificates ends with NULL. */
static inline const char *pki_write_certificates(
	const struct pki_folder *folder, const char *name, ...)
{
	FILE *file = pki_file(folder, name);
	va_list certificates;
	X509 *certificate;

	va_start(certificates, name);
	while ((certificate = va_arg(certificates, X509 *)) != NULL) {
		ENSURE(PEM_write_X509(file, certificate));
	}
	va_end(certificates);
	ENSURE(fclose(file) == 0);
	return pki_path(folder, name);
}

/* The passphrase may be NULL. */
static inline const char *pki_write_key(
	const struct pki_folder *folder, const char *name, EVP_PKEY *key, const char *passphrase)
{
	FILE *file = pki_file(folder, name);
	ENSURE(PEM_write_PrivateKey(file, key, passphrase == NULL ? NULL : EVP_aes_128_cbc(), NULL,
		0, NULL, (void *)(uintptr_t)passphrase));
	ENSURE(fclose(file) == 0);
	return pki_path(folder, name);
}

/* The list of revocation lists ends with NULL; they are freed. */
static inline const char *pki_write_crls(const struct pki_folder *folder, const char *name, ...)
{
	FILE *file = pki_file(folder, name);
	va_list crls;
	X509_CRL *crl;

	va_start(crls, name);
	while ((crl = va_arg(crls, X509_CRL *)) != NULL) {
		ENSURE(PEM_write_X509_CRL(file, crl));
		X509_CRL_free(crl);
	}
	va_end(crls);
	ENSURE(fclose(file) == 0);
	return pki_path(folder, name);
}
