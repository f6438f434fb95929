// SPDX-License-Identifier: Apache-2.0
/*
 * Enrolment in one step: from a partner's certificate request to what the partner needs. Everything
 * that can be wrong is found before anything changes; then the rows are written, then the files,
 * and the rows are committed once the files are there. The partner's own key is never seen.
 */
#include "intakectl_authority_int.h"
#include "intakectl_csr_int.h"
#include "intakectl_key_int.h"
#include "intakectl_outbox_int.h"
#include "intakectl_partner_int.h"
#include "intakectl_server_int.h"

#include <jansson.h>
#include <openssl/x509v3.h>
#include <string.h>

#define DAYS_DEFAULT 90
#define NAME_MAX_LEN 63
#define SERVER_AUTHORITY_FILE "server-ca.crt"

struct enrolment {
	const struct request *request;
	struct authority authority;
	X509 *certificate;
	bool is_checked; /* against the authorities that the daemon trusts */
	struct key key;
	struct server server;
	char mode[8];
	bool is_new_partner;
	struct outbox outbox;
	char certificate_path[OUTBOX_PATH_SIZE];
	char authority_path[OUTBOX_PATH_SIZE]; /* empty: the server's authority is not known */
};

static bool check_name(const char *name, struct err *err)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
	return (name[len] == '\0' && len > 0 && len <= NAME_MAX_LEN && name[0] != '-') ||
		err_set(err,
			"\"%s\" is not a partner's name; it has up to 63 lower-case letters, "
			"digits and hyphens and begins with a letter or digit",
			name);
}

static bool make_certificate(struct enrolment *enrolment, struct err *err)
{
	const struct request *request = enrolment->request;
	EVP_PKEY *key = csr_read_key(request->csr, request->argument, err);
	if (key == NULL) {
		return false;
	}
	if (authority_open(&enrolment->authority, request->ca, request->ca_key,
		    request->ca_password_file, err)) {
		enrolment->certificate = authority_issue(&enrolment->authority, key,
			request->argument, request->days == 0 ? DAYS_DEFAULT : request->days, err);
	}
	EVP_PKEY_free(key);
	return enrolment->certificate != NULL &&
		authority_check(&enrolment->authority, enrolment->certificate,
			request->conf->tls_partner_ca, &enrolment->is_checked, err) &&
		(key_from_x509(enrolment->certificate, &enrolment->key) ||
			err_set(err, "there is no memory left"));
}

static bool describes_partner(const struct request *request)
{
	return request->organisations.count > 0 || request->title != NULL || request->is_live ||
		request->relay != NULL || request->quotas.count > 0;
}

static bool enrol_partner(struct enrolment *enrolment, struct database *database, struct err *err)
{
	const struct request *request = enrolment->request;
	if (!partner_find_mode(database, request->argument, enrolment->mode, err)) {
		return false;
	}
	enrolment->is_new_partner = enrolment->mode[0] == '\0';
	if (!enrolment->is_new_partner) {
		return !describes_partner(request) ||
			err_set(err,
				"partner %s is enrolled already; \"intakectl partner set %s\" "
				"changes what it may do, and without such options this command "
				"gives it another certificate",
				request->argument, request->argument);
	}
	if (request->organisations.count == 0) {
		return err_set(err,
			"there is no partner \"%s\" yet; at least one --org says for whom it "
			"reports",
			request->argument);
	}
	snprintf(enrolment->mode, sizeof(enrolment->mode), request->is_live ? "live" : "test");
	return partner_insert(database, request, err);
}

static bool enrol_key(struct enrolment *enrolment, struct database *database, struct err *err)
{
	const struct request *request = enrolment->request;
	const struct key *key = &enrolment->key;
	const char *note = request->note != NULL ? request->note : key->subject;
	bool is_new = false;
	return key_enrol(database, request->argument, key, note, key->expires_at, &is_new, err);
}

static bool put_files(struct enrolment *enrolment, struct err *err)
{
	char name[NAME_MAX_LEN + sizeof(".crt")];
	struct outbox *outbox = &enrolment->outbox;
	const char *folder = enrolment->request->out;
	STACK_OF(X509) *files = sk_X509_new_null();
	snprintf(name, sizeof(name), "%s.crt", enrolment->request->argument);
	ENSURE(files != NULL && sk_X509_push(files, enrolment->certificate) > 0);
	/* What lies between the partner and an authority that daemons know by themselves. */
	for (int i = 0; i < sk_X509_num(enrolment->authority.chain); i++) {
		X509 *above = sk_X509_value(enrolment->authority.chain, i);
		if ((X509_get_extension_flags(above) & EXFLAG_SS) == 0) {
			ENSURE(sk_X509_push(files, above) > 0);
		}
	}
	bool is_done = outbox_open(outbox, folder == NULL ? "." : folder, err) &&
		outbox_put(outbox, name, files, false, enrolment->certificate_path, err);
	sk_X509_zero(files);
	if (is_done && enrolment->server.authority != NULL) {
		ENSURE(sk_X509_push(files, enrolment->server.authority) > 0);
		is_done = outbox_put(
			outbox, SERVER_AUTHORITY_FILE, files, true, enrolment->authority_path, err);
	}
	sk_X509_free(files);
	return is_done;
}

/* Closing the connection undoes what is not committed. */
static bool change(struct enrolment *enrolment, struct err *err)
{
	struct database database;
	bool is_done = database_open(&database, DATABASE_OPERATOR, enrolment->request, err) &&
		database_run(&database, "BEGIN", NULL, 0, err) &&
		enrol_partner(enrolment, &database, err) && enrol_key(enrolment, &database, err) &&
		put_files(enrolment, err) && database_run(&database, "COMMIT", NULL, 0, err);
	if (!is_done) {
		outbox_take_back(&enrolment->outbox);
	}
	database_close(&database);
	return is_done;
}

/* The partner calls its key as the certificate is called. */
static void format_try(const struct enrolment *enrolment, char *out, size_t size)
{
	const char *name = enrolment->request->argument;
	snprintf(out, size, "curl --cert %s.crt --key %s.key %s%s/v1/whoami", name, name,
		enrolment->authority_path[0] == '\0' ? "" : "--cacert " SERVER_AUTHORITY_FILE " ",
		enrolment->server.url);
}

static void print_json(const struct enrolment *enrolment)
{
	char try[600];
	const struct key *key = &enrolment->key;
	const char *authority_path = enrolment->authority_path;
	format_try(enrolment, try, sizeof(try));
	json_t *said = json_pack("{s:s,s:s,s:b,s:s,s:s,s:s,s:s?,s:s,s:b,s:s}", "partner",
		enrolment->request->argument, "mode", enrolment->mode, "is_new",
		(int)enrolment->is_new_partner, "certificate", enrolment->certificate_path,
		"spki_sha256", key->hex, "expires_at", key->expires_at, "server_ca",
		authority_path[0] == '\0' ? NULL : authority_path, "url", enrolment->server.url,
		"is_checked", (int)enrolment->is_checked, "try", try);
	json_dumpf(said, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(said);
}

static void print_server_authority(const struct enrolment *enrolment)
{
	if (enrolment->authority_path[0] != '\0') {
		printf("  %s  the authority of the server's certificate\n",
			enrolment->authority_path);
	} else {
		printf("  the authority of the server's certificate, unless its systems know it"
		       "%s%s (--server-ca FILE gives it)\n",
			enrolment->server.issuer[0] == '\0' ? "" : " already: ",
			enrolment->server.issuer);
	}
}

static void print_enrolment(const struct enrolment *enrolment)
{
	char try[600];
	const char *name = enrolment->request->argument;
	format_try(enrolment, try, sizeof(try));
	printf("partner %s %s, in %s mode; only enrolled keys are taken of it now\n", name,
		enrolment->is_new_partner ? "is enrolled" : "has another certificate",
		enrolment->mode);
	printf("key %s\n\nIt needs, beside its own key:\n", enrolment->key.hex);
	printf("  %s  its certificate, until %s\n", enrolment->certificate_path,
		enrolment->key.expires_at);
	print_server_authority(enrolment);
	printf("  %s  the address\n\nThere it can try, within 5 seconds from now:\n  %s\n",
		enrolment->server.url, try);
	if (enrolment->outbox.has_made_folder) {
		printf("\nThe folder %s was not there and has been made.\n",
			enrolment->outbox.folder);
	}
	if (!enrolment->is_checked) {
		printf("\nWhether the daemon trusts this authority was not checked: %s cannot be "
		       "read here.\n",
			enrolment->request->conf->tls_partner_ca);
	}
}

enum outcome enrol_command_run(const struct request *request)
{
	struct err err;
	struct enrolment enrolment = {.request = request};
	bool is_done = check_name(request->argument, &err) && make_certificate(&enrolment, &err) &&
		server_read(&enrolment.server, request->conf, request->server_ca,
			enrolment.authority.chain, &err) &&
		change(&enrolment, &err);
	if (is_done && request->is_json) {
		print_json(&enrolment);
	} else if (is_done) {
		print_enrolment(&enrolment);
	}
	server_clear(&enrolment.server);
	X509_free(enrolment.certificate);
	authority_close(&enrolment.authority);
	return is_done ? OUTCOME_DONE : outcome_failed("%s", err.text);
}
