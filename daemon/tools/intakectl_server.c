// SPDX-License-Identifier: Apache-2.0
#include "intakectl_server_int.h"

#include "intakectl_pem_int.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#define HOST_SIZE 256
#define UNKNOWN_HOST "HOST"

/* An address as a URL holds it. */
static bool format_address(const ASN1_OCTET_STRING *bytes, char host[HOST_SIZE])
{
	char text[INET6_ADDRSTRLEN];
	bool is_ipv6 = ASN1_STRING_length(bytes) == 16;
	if (inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, ASN1_STRING_get0_data(bytes), text,
		    sizeof(text)) == NULL) {
		return false;
	}
	snprintf(host, HOST_SIZE, is_ipv6 ? "[%s]" : "%s", text);
	return true;
}

/* The first name without a wildcard, else the first address. */
static void read_host(X509 *certificate, char host[HOST_SIZE])
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	bool has_address = false;
	snprintf(host, HOST_SIZE, UNKNOWN_HOST);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		const char *text = name->type != GEN_DNS
			? NULL
			: (const char *)ASN1_STRING_get0_data(name->d.dNSName);
		if (text != NULL && text[0] != '*') {
			snprintf(
				host, HOST_SIZE, "%.*s", ASN1_STRING_length(name->d.dNSName), text);
			break;
		}
		if (name->type == GEN_IPADD && !has_address) {
			has_address = format_address(name->d.iPAddress, host);
		}
	}
	GENERAL_NAMES_free(names);
	ERR_clear_error();
}

static X509 *find_issuer(X509 *certificate, STACK_OF(X509) * candidates)
{
	for (int i = 0; i < sk_X509_num(candidates); i++) {
		X509 *candidate = sk_X509_value(candidates, i);
		if (X509_check_issued(candidate, certificate) == X509_V_OK &&
			X509_verify(certificate, X509_get0_pubkey(candidate)) == 1) {
			return candidate;
		}
	}
	ERR_clear_error();
	return NULL;
}

/* From the server's certificate upwards, as far as anything is known. */
static X509 *find_authority(STACK_OF(X509) * chain, STACK_OF(X509) * others)
{
	X509 *top = sk_X509_value(chain, 0);
	for (int steps = 0; steps < 8; steps++) {
		X509 *above = find_issuer(top, chain);
		above = above != NULL ? above : find_issuer(top, others);
		if (above == NULL || above == top) {
			return above;
		}
		top = above;
	}
	return NULL;
}

static bool read_given_authority(struct server *server, const char *path, struct err *err)
{
	STACK_OF(X509) *given = pem_read_certificates(path, err);
	if (given == NULL) {
		return false;
	}
	server->authority = sk_X509_shift(given);
	sk_X509_pop_free(given, X509_free);
	return true;
}

bool server_read(struct server *server, const struct conf *conf, const char *authority_path,
	STACK_OF(X509) * others, struct err *err)
{
	struct err ignored;
	char host[HOST_SIZE] = UNKNOWN_HOST;
	const char *colon = strrchr(conf->listen_address, ':');
	STACK_OF(X509) *chain = pem_read_certificates(conf->tls_certificate, &ignored);
	*server = (struct server){.authority = NULL};
	if (chain != NULL) {
		read_host(sk_X509_value(chain, 0), host);
		X509_NAME_oneline(X509_get_issuer_name(sk_X509_value(chain, 0)), server->issuer,
			sizeof(server->issuer));
	}
	bool is_usual = colon == NULL || strcmp(colon, ":443") == 0;
	snprintf(server->url, sizeof(server->url), "https://%s%s", host, is_usual ? "" : colon);
	if (authority_path == NULL && chain != NULL) {
		server->authority = find_authority(chain, others);
		if (server->authority != NULL) {
			X509_up_ref(server->authority);
		}
	}
	sk_X509_pop_free(chain, X509_free);
	return authority_path == NULL || read_given_authority(server, authority_path, err);
}

void server_clear(struct server *server)
{
	X509_free(server->authority);
	server->authority = NULL;
}
