// SPDX-License-Identifier: Apache-2.0
/*
 * Partners' keys. What is enrolled is the SHA-256 of a certificate's SubjectPublicKeyInfo, so a
 * certificate renewed over the same key goes on working, and one over another key does not.
 */
#include "intakectl_int.h"

#include "base/buf.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST_BYTES 32
#define DIGEST_HEX_LEN 64
#define NOTE_MAX 200

/* One key, as the command line names it. */
struct key {
	char hex[DIGEST_HEX_LEN + 1];
	char subject[NOTE_MAX + 1]; /* of the certificate it came from; empty: none */
};

static const char list_sql[] =
	"SELECT partner, encode(spki_sha256, 'hex') AS spki_sha256,"
	" added_at::timestamptz(0) AS added, revoked_at::timestamptz(0) AS revoked, note"
	" FROM intake.keys($1)";
static const char list_json_sql[] =
	"SELECT coalesce(json_agg(row_to_json(k)), '[]') FROM (SELECT partner,"
	" encode(spki_sha256, 'hex') AS spki_sha256, note, added_at, revoked_at"
	" FROM intake.keys($1)) AS k";
static const char show_json_sql[] =
	"SELECT row_to_json(k) FROM (SELECT partner, encode(spki_sha256, 'hex') AS spki_sha256,"
	" note, added_at, revoked_at FROM intake.keys()) AS k WHERE k.spki_sha256 = $1";

/* Takes what openssl prints as well: upper case, and colons between bytes. */
static bool key_from_hex(const char *text, struct key *key_out, struct err *err)
{
	size_t len = 0;
	for (const char *c = text; *c != '\0'; c++) {
		if (*c == ':') {
			continue;
		}
		if (!isxdigit((unsigned char)*c) || len == DIGEST_HEX_LEN) {
			len = 0;
			break;
		}
		key_out->hex[len++] = (char)tolower((unsigned char)*c);
	}
	key_out->hex[len] = '\0';
	return len == DIGEST_HEX_LEN ||
		err_set(err, "\"%s\" is not the SHA-256 of a public key; expected 64 hex digits",
			text);
}

static bool key_from_x509(X509 *certificate, struct key *key_out)
{
	unsigned char *der = NULL;
	unsigned char digest[DIGEST_BYTES];
	int der_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
	bool is_done = der_len > 0 &&
		EVP_Digest(der, (size_t)der_len, digest, NULL, EVP_sha256(), NULL) == 1;
	OPENSSL_free(der);
	for (size_t i = 0; i < DIGEST_BYTES && is_done; i++) {
		snprintf(key_out->hex + 2 * i, 3, "%02x", digest[i]);
	}
	BIO *out = BIO_new(BIO_s_mem());
	if (out != NULL &&
		X509_NAME_print_ex(out, X509_get_subject_name(certificate), 0,
			XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0) {
		/* Cut where it is too long, at a character. */
		int len = BIO_read(out, key_out->subject, NOTE_MAX);
		len = len < 0 ? 0 : len;
		while (len == NOTE_MAX && len > 0 &&
			((unsigned char)key_out->subject[len - 1] & 0x80) != 0) {
			len--;
		}
		key_out->subject[len] = '\0';
	}
	BIO_free(out);
	return is_done;
}

static bool key_from_file(const char *path, struct key *key_out, struct err *err)
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

static bool key_from_request(
	const struct request *request, const char *hex, struct key *key_out, struct err *err)
{
	*key_out = (struct key){.subject = ""};
	if (request->certificate != NULL) {
		return key_from_file(request->certificate, key_out, err);
	}
	return key_from_hex(hex, key_out, err);
}

static bool print_key(struct database *database, const struct key *key, struct err *err)
{
	const char *parameters[] = {key->hex};
	PGresult *rows = database_query(database, show_json_sql, parameters, 1, err);
	if (rows != NULL && PQntuples(rows) == 1) {
		puts(PQgetvalue(rows, 0, 0));
	}
	PQclear(rows);
	return rows != NULL;
}

static bool add_key(struct database *database, const struct request *request, const struct key *key,
	struct err *err)
{
	const char *parameters[] = {
		request->argument, key->hex, request->note == NULL ? key->subject : request->note};
	PGresult *done = database_query(
		database, "SELECT intake.key_add($1, decode($2, 'hex'), $3)", parameters, 3, err);
	PQclear(done);
	if (done == NULL || request->is_json) {
		return done != NULL && print_key(database, key, err);
	}
	printf("key %s is enrolled for partner %s: only enrolled keys are taken of it now\n",
		key->hex, request->argument);
	return true;
}

static bool revoke_key(struct database *database, const struct request *request,
	const struct key *key, struct err *err)
{
	const char *parameters[] = {key->hex};
	PGresult *done = database_query(
		database, "SELECT intake.key_revoke(decode($1, 'hex'))", parameters, 1, err);
	PQclear(done);
	if (done == NULL || request->is_json) {
		return done != NULL && print_key(database, key, err);
	}
	printf("key %s is revoked: within 5 seconds it is refused, for ever\n", key->hex);
	return true;
}

enum outcome cert_command_add(const struct request *request)
{
	struct err err;
	struct key key;
	struct database database = {.link = NULL};
	bool is_done = key_from_request(request, request->spki, &key, &err) &&
		database_open(&database, DATABASE_OPERATOR, request, &err) &&
		add_key(&database, request, &key, &err);
	database_close(&database);
	return is_done ? OUTCOME_DONE : outcome_failed("%s", err.text);
}

enum outcome cert_command_revoke(const struct request *request)
{
	struct err err;
	struct key key;
	struct database database = {.link = NULL};
	bool is_done = key_from_request(request, request->argument, &key, &err) &&
		database_open(&database, DATABASE_OPERATOR, request, &err) &&
		revoke_key(&database, request, &key, &err);
	database_close(&database);
	return is_done ? OUTCOME_DONE : outcome_failed("%s", err.text);
}

enum outcome cert_command_list(const struct request *request)
{
	struct err err;
	struct database database;
	PGresult *rows = NULL;
	if (database_open(&database, DATABASE_OPERATOR, request, &err)) {
		rows = database_query(&database, request->is_json ? list_json_sql : list_sql,
			&request->argument, 1, &err);
	}
	if (rows != NULL && request->is_json) {
		puts(PQgetvalue(rows, 0, 0));
	} else if (rows != NULL) {
		table_print(rows);
	}
	bool is_done = rows != NULL;
	PQclear(rows);
	database_close(&database);
	return is_done ? OUTCOME_DONE : outcome_failed("%s", err.text);
}
