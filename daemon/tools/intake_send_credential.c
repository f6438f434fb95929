// SPDX-License-Identifier: Apache-2.0
#include "intake_send_credential_int.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define PKCS11_SCHEME "pkcs11:"

static const char the_certificate[] = "the certificate";

/* What one place held. */
struct found {
	EVP_PKEY *key;
	STACK_OF(X509) * certificates;
};

/* What OpenSSL asks a passphrase of. */
struct asker {
	const char *passphrase;
	bool was_asked;
};

bool credential_is_token(const char *place)
{
	return strncasecmp(place, PKCS11_SCHEME, sizeof(PKCS11_SCHEME) - 1) == 0;
}

static bool read_passphrase(const char *path, struct credential *credential, struct err *err)
{
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		return err_set(err, "--passphrase-file %s: %s", path, strerror(errno));
	}
	bool is_read = fgets(credential->passphrase, sizeof(credential->passphrase), file) != NULL;
	fclose(file);
	size_t len = strcspn(credential->passphrase, "\r\n");
	credential->passphrase[len] = '\0';
	return (is_read && len > 0 && len < sizeof(credential->passphrase) - 1) ||
		err_set(err, "--passphrase-file %s: expected a first line of 1 to %zu bytes", path,
			sizeof(credential->passphrase) - 2);
}

static int give_passphrase(char *out, int size, int is_for_writing, void *ctx)
{
	struct asker *asker = ctx;
	size_t len = strlen(asker->passphrase);
	(void)is_for_writing;
	asker->was_asked = true;
	if (len == 0 || len >= (size_t)size) {
		return -1;
	}
	memcpy(out, asker->passphrase, len + 1);
	return (int)len;
}

/* Takes everything that can be used out of the store. */
static void collect(OSSL_STORE_CTX *store, struct found *found)
{
	while (!OSSL_STORE_eof(store)) {
		OSSL_STORE_INFO *info = OSSL_STORE_load(store);
		if (info == NULL) {
			if (OSSL_STORE_error(store)) {
				break;
			}
			continue;
		}
		X509 *certificate = OSSL_STORE_INFO_get1_CERT(info);
		if (certificate != NULL && sk_X509_push(found->certificates, certificate) <= 0) {
			X509_free(certificate);
		}
		if (found->key == NULL) {
			found->key = OSSL_STORE_INFO_get1_PKEY(info);
		}
		OSSL_STORE_INFO_free(info);
	}
}

static void found_fini(struct found *found)
{
	EVP_PKEY_free(found->key);
	sk_X509_pop_free(found->certificates, X509_free);
	*found = (struct found){.key = NULL};
}

/* A file's fault is told in the system's words, not in OpenSSL's. */
static bool check_file(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return err_set(err, "%s: %s", path, strerror(errno));
	}
	close(fd);
	return true;
}

static bool explain(const char *place, const struct asker *asker, const struct options *options,
	struct err *err)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);
	ERR_clear_error();
	if (asker->was_asked && options->passphrase_file == NULL) {
		return err_set(
			err, "%s is encrypted: --passphrase-file names its passphrase", place);
	}
	if (asker->was_asked) {
		return err_set(err, "the passphrase in %s does not open %s",
			options->passphrase_file, place);
	}
	return err_set(err, "%s holds neither certificate nor key%s%s", place,
		reason == NULL ? "" : ": ", reason == NULL ? "" : reason);
}

/* is_served_out: false when no provider knows the scheme of a URI. */
static bool load_place(const char *place, const struct options *options,
	const struct credential *credential, struct found *found_out, bool *is_served_out,
	struct err *err)
{
	struct asker asker = {.passphrase = credential->passphrase};
	*is_served_out = true;
	if (!credential_is_token(place) && !check_file(place, err)) {
		return false;
	}
	UI_METHOD *ui = UI_UTIL_wrap_read_pem_callback(give_passphrase, 0);
	ENSURE(ui != NULL);
	ERR_clear_error();
	OSSL_STORE_CTX *store = OSSL_STORE_open(place, ui, &asker, NULL, NULL);
	found_out->certificates = sk_X509_new_null();
	ENSURE(found_out->certificates != NULL);
	if (store != NULL) {
		collect(store, found_out);
	} else if (credential_is_token(place)) {
		*is_served_out = false;
	}
	OSSL_STORE_close(store);
	UI_destroy_method(ui);
	if (*is_served_out && found_out->key == NULL && sk_X509_num(found_out->certificates) == 0) {
		return explain(place, &asker, options, err);
	}
	/* Pieces that did not matter may have left their complaints. */
	ERR_clear_error();
	return true;
}

/* The partner's own certificate is the one that fits the key; the others are its chain. */
static bool choose(struct credential *credential, struct found *certificates,
	const struct options *options, struct err *err)
{
	credential->chain = sk_X509_new_null();
	ENSURE(credential->chain != NULL);
	X509 *certificate = NULL;
	while ((certificate = sk_X509_shift(certificates->certificates)) != NULL) {
		if (credential->certificate == NULL &&
			X509_check_private_key(certificate, credential->key) == 1) {
			credential->certificate = certificate;
		} else if (sk_X509_push(credential->chain, certificate) <= 0) {
			X509_free(certificate);
		}
	}
	ERR_clear_error();
	return credential->certificate != NULL ||
		err_set(err, "the key of %s is not the one of the certificate in %s", options->key,
			options->certificate);
}

static const char *format_time(const ASN1_TIME *time, char *text, size_t size)
{
	BIO *out = BIO_new(BIO_s_mem());
	int len = 0;
	if (out != NULL && ASN1_TIME_print(out, time) == 1) {
		len = BIO_read(out, text, (int)size - 1);
	}
	text[len > 0 ? len : 0] = '\0';
	BIO_free(out);
	return text;
}

static bool check_end(
	const X509 *certificate, const char *what, const struct options *options, struct err *err)
{
	char text[64];
	const ASN1_TIME *not_after = X509_get0_notAfter(certificate);
	return X509_cmp_current_time(not_after) > 0 ||
		err_set(err, "%s in %s has expired: it was valid until %s", what,
			options->certificate, format_time(not_after, text, sizeof(text)));
}

static bool check_time(
	const X509 *certificate, const char *what, const struct options *options, struct err *err)
{
	char text[64];
	const ASN1_TIME *not_before = X509_get0_notBefore(certificate);
	return check_end(certificate, what, options, err) &&
		(X509_cmp_current_time(not_before) < 0 ||
			err_set(err, "%s in %s is not valid yet: it will be from %s", what,
				options->certificate, format_time(not_before, text, sizeof(text))));
}

bool credential_check_time(
	const struct credential *credential, const struct options *options, struct err *err)
{
	bool is_valid = credential->certificate == NULL ||
		check_time(credential->certificate, the_certificate, options, err);
	for (int i = 0; is_valid && i < sk_X509_num(credential->chain); i++) {
		is_valid = check_time(sk_X509_value(credential->chain, i),
			"a certificate of the chain", options, err);
	}
	return is_valid;
}

static bool put_together(struct credential *credential, struct found *certificates,
	struct found *keys, const struct options *options, struct err *err)
{
	if (sk_X509_num(certificates->certificates) == 0) {
		return err_set(err, "%s holds no certificate", options->certificate);
	}
	credential->key = options->key == options->certificate ? certificates->key : keys->key;
	if (credential->key == NULL) {
		return err_set(err, "%s holds no private key", options->key);
	}
	EVP_PKEY_up_ref(credential->key);
	return choose(credential, certificates, options, err) &&
		check_end(credential->certificate, the_certificate, options, err);
}

bool credential_load(
	const struct options *options, struct credential *credential_out, struct err *err)
{
	struct found certificates = {.key = NULL};
	struct found keys = {.key = NULL};
	bool is_certificate_served = true;
	bool is_key_served = true;
	*credential_out = (struct credential){.is_for_engine = false};
	bool is_loaded = (options->passphrase_file == NULL ||
				 read_passphrase(options->passphrase_file, credential_out, err)) &&
		load_place(options->certificate, options, credential_out, &certificates,
			&is_certificate_served, err) &&
		(options->key == options->certificate ||
			load_place(
				options->key, options, credential_out, &keys, &is_key_served, err));
	credential_out->is_for_engine = !is_certificate_served || !is_key_served;
	if (is_loaded && !credential_out->is_for_engine) {
		is_loaded = put_together(credential_out, &certificates, &keys, options, err);
	}
	found_fini(&certificates);
	found_fini(&keys);
	return is_loaded;
}

bool credential_use(const struct credential *credential, SSL_CTX *ctx)
{
	if (SSL_CTX_use_certificate(ctx, credential->certificate) != 1 ||
		SSL_CTX_use_PrivateKey(ctx, credential->key) != 1) {
		return false;
	}
	for (int i = 0; i < sk_X509_num(credential->chain); i++) {
		if (SSL_CTX_add1_chain_cert(ctx, sk_X509_value(credential->chain, i)) != 1) {
			return false;
		}
	}
	return true;
}

void credential_fini(struct credential *credential)
{
	X509_free(credential->certificate);
	sk_X509_pop_free(credential->chain, X509_free);
	EVP_PKEY_free(credential->key);
	OPENSSL_cleanse(credential->passphrase, sizeof(credential->passphrase));
	*credential = (struct credential){.is_for_engine = false};
}
