// SPDX-License-Identifier: Apache-2.0
#include "intakectl_key_int.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>
#include <time.h>

#define DIGEST_BYTES (KEY_DIGEST_HEX_LEN / 2)

bool key_from_hex(const char *text, struct key *key_out, struct err *err)
{
	size_t len = 0;
	*key_out = (struct key){.hex = ""};
	for (const char *c = text; *c != '\0'; c++) {
		if (*c == ':') {
			continue;
		}
		if (!isxdigit((unsigned char)*c) || len == KEY_DIGEST_HEX_LEN) {
			len = 0;
			break;
		}
		key_out->hex[len++] = (char)tolower((unsigned char)*c);
	}
	key_out->hex[len] = '\0';
	return len == KEY_DIGEST_HEX_LEN ||
		err_set(err, "\"%s\" is not the SHA-256 of a public key; expected 64 hex digits",
			text);
}

bool key_is_digest(const char *text)
{
	struct err ignored;
	struct key key;
	return key_from_hex(text, &key, &ignored);
}

static bool read_digest(X509 *certificate, struct key *key)
{
	unsigned char *der = NULL;
	unsigned char digest[DIGEST_BYTES];
	int der_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
	bool is_done = der_len > 0 &&
		EVP_Digest(der, (size_t)der_len, digest, NULL, EVP_sha256(), NULL) == 1;
	OPENSSL_free(der);
	for (size_t i = 0; i < DIGEST_BYTES && is_done; i++) {
		snprintf(key->hex + 2 * i, 3, "%02x", digest[i]);
	}
	return is_done;
}

/* Cut where it is too long, at a character. */
static void read_subject(X509 *certificate, struct key *key)
{
	BIO *out = BIO_new(BIO_s_mem());
	if (out != NULL &&
		X509_NAME_print_ex(out, X509_get_subject_name(certificate), 0,
			XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0) {
		int len = BIO_read(out, key->subject, KEY_NOTE_MAX);
		len = len < 0 ? 0 : len;
		while (len == KEY_NOTE_MAX && len > 0 &&
			((unsigned char)key->subject[len - 1] & 0x80) != 0) {
			len--;
		}
		key->subject[len] = '\0';
	}
	BIO_free(out);
}

static bool read_expiry(X509 *certificate, struct key *key)
{
	struct tm at;
	return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &at) == 1 &&
		strftime(key->expires_at, sizeof(key->expires_at), "%Y-%m-%dT%H:%M:%SZ", &at) > 0;
}

bool key_from_x509(X509 *certificate, struct key *key_out)
{
	*key_out = (struct key){.hex = ""};
	read_subject(certificate, key_out);
	return read_digest(certificate, key_out) && read_expiry(certificate, key_out);
}

bool key_from_file(const char *path, struct key *key_out, struct err *err)
{
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		return err_set(err, "%s cannot be opened: %s", path, strerror(errno));
	}
	X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
	fclose(file);
	bool is_done = certificate != NULL && key_from_x509(certificate, key_out);
	X509_free(certificate);
	return is_done || err_set(err, "%s holds no certificate in PEM form", path);
}

bool key_enrol(struct database *database, const char *partner, const struct key *key,
	const char *note, const char *expires_at, bool *is_new_out, struct err *err)
{
	const char *parameters[] = {partner, key->hex, note, expires_at};
	PGresult *rows = database_query(database,
		"SELECT intake.key_enrol($1, decode($2, 'hex'), $3, $4::timestamptz)", parameters,
		4, err);
	*is_new_out = rows != NULL && strcmp(PQgetvalue(rows, 0, 0), "t") == 0;
	PQclear(rows);
	return rows != NULL;
}
