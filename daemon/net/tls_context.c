// SPDX-License-Identifier: Apache-2.0
/*
 * The policy. Whatever OpenSSL's defaults or the system's openssl.cnf say, what matters here is set
 * here. Both kinds of resumption are off, since a resumed session skips the verification: a
 * revoked certificate would go on working.
 */
#include "net/tls_context.h"

#include "tls_files_int.h"
#include "tls_self_test_int.h"
#include "tls_time_int.h"
#include "verified_chains_int.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#define SECURITY_LEVEL 2
#define CHAIN_DEPTH_MAX 2
#define CHAIN_BYTES_MAX (16L * 1024)

/*
 * OpenSSL's purpose check lets a certificate without any extended key usage pass; here it must
 * be there and name client authentication.
 */
static int demand_client_usage(int is_good, X509_STORE_CTX *chain)
{
	if (!is_good || X509_STORE_CTX_get_error_depth(chain) != 0) {
		return is_good;
	}
	X509 *certificate = X509_STORE_CTX_get_current_cert(chain);
	if ((X509_get_extension_flags(certificate) & EXFLAG_XKUSAGE) == 0 ||
		(X509_get_extended_key_usage(certificate) & XKU_SSL_CLIENT) == 0) {
		X509_STORE_CTX_set_error(chain, X509_V_ERR_INVALID_PURPOSE);
		return 0;
	}
	return 1;
}

static bool set_ciphers(SSL_CTX *ctx, bool is_tls12_allowed)
{
	return SSL_CTX_set_min_proto_version(
		       ctx, is_tls12_allowed ? TLS1_2_VERSION : TLS1_3_VERSION) &&
		SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) &&
		SSL_CTX_set_ciphersuites(ctx,
			"TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
			"TLS_AES_128_GCM_SHA256") &&
		SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") &&
		SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384");
}

static bool set_session_policy(SSL_CTX *ctx)
{
	SSL_CTX_set_security_level(ctx, SECURITY_LEVEL);
	SSL_CTX_set_options(ctx,
		SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
			SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_SINGLE_ECDH_USE);
#ifdef SSL_OP_NO_RX_CERTIFICATE_COMPRESSION /* OpenSSL 3.2 */
	/* Nothing that a stranger sends is unpacked before he is known. */
	SSL_CTX_set_options(
		ctx, SSL_OP_NO_RX_CERTIFICATE_COMPRESSION | SSL_OP_NO_TX_CERTIFICATE_COMPRESSION);
#endif
	SSL_CTX_clear_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	/* Without NO_AUTO_CHAIN every handshake looks for the server's issuer among the partners'
	 * authorities. */
	SSL_CTX_set_mode(ctx,
		SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
			SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
	/* One read(2) a record instead of one for its header and one for the rest. */
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_max_cert_list(ctx, CHAIN_BYTES_MAX);
	return SSL_CTX_set_num_tickets(ctx, 0) && SSL_CTX_set_max_early_data(ctx, 0) &&
		SSL_CTX_set_recv_max_early_data(ctx, 0);
}

static bool set_verification(SSL_CTX *ctx, bool is_crl_demanded)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
	unsigned long flags = X509_V_FLAG_X509_STRICT;

	if (is_crl_demanded) {
		flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
	}
	SSL_CTX_set_verify(
		ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, demand_client_usage);
	SSL_CTX_set_verify_depth(ctx, CHAIN_DEPTH_MAX);
	X509_VERIFY_PARAM_clear_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
	X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
	return X509_VERIFY_PARAM_set_flags(param, flags) &&
		X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT);
}

static bool has_crl_file(const struct conf *conf)
{
	return conf->tls_partner_crl != NULL && conf->tls_partner_crl[0] != '\0';
}

static bool load_files(SSL_CTX *ctx, const struct conf *conf, struct err *err)
{
	return tls_files_load_identity(ctx, conf->tls_certificate, conf->tls_key, err) &&
		tls_files_load_authorities(ctx, conf->tls_partner_ca, err) &&
		(!has_crl_file(conf) || tls_files_load_crls(ctx, conf->tls_partner_crl, err));
}

/* No list has a next update of 0: then it would have been refused. */
static bool remember_verified(SSL_CTX *ctx, struct err *err)
{
	return verified_chains_attach(ctx, tls_context_expiry(ctx).crl_s) ||
		err_set(err, "TLS cannot be set up: not enough memory");
}

SSL_CTX *tls_context_new(const struct conf *conf, struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL || !set_session_policy(ctx) || !set_ciphers(ctx, conf->tls_allow_tls12) ||
		!set_verification(ctx, has_crl_file(conf))) {
		const char *reason = ERR_reason_error_string(ERR_peek_error());
		err_set(err, "TLS cannot be set up: %s", reason == NULL ? "unknown fault" : reason);
		ERR_clear_error();
		SSL_CTX_free(ctx);
		return NULL;
	}
	if (!load_files(ctx, conf, err) || !remember_verified(ctx, err)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	if (!tls_self_test(ctx, err)) {
		err_prefix(err, "%s, %s", conf->tls_certificate, conf->tls_key);
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

static void keep_first(int64_t *first_s, const ASN1_TIME *time)
{
	int64_t one_s = tls_unix_seconds(time);
	if (one_s != 0 && (*first_s == 0 || one_s < *first_s)) {
		*first_s = one_s;
	}
}

static void add_time(struct tls_expiry *expiry, const ASN1_TIME *time)
{
	int64_t one_s = tls_unix_seconds(time);
	size_t place = expiry->time_count;
	if (one_s == 0) {
		return;
	}
	if (place == TLS_EXPIRY_TIMES) {
		place = 0;
		for (size_t i = 1; i < TLS_EXPIRY_TIMES; i++) {
			place = expiry->times_s[i] > expiry->times_s[place] ? i : place;
		}
		if (one_s >= expiry->times_s[place]) {
			return;
		}
	} else {
		expiry->time_count++;
	}
	expiry->times_s[place] = one_s;
}

/* Of the newest list of an authority; 0 without one, which lets nobody in. */
static int64_t crl_until(const STACK_OF(X509_OBJECT) * objects, const X509_NAME *issuer)
{
	int64_t until_s = 0;
	for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
		X509_CRL *crl = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(objects, i));
		if (crl != NULL && X509_NAME_cmp(X509_CRL_get_issuer(crl), issuer) == 0) {
			int64_t one_s = tls_unix_seconds(X509_CRL_get0_nextUpdate(crl));
			until_s = one_s > until_s ? one_s : until_s;
		}
	}
	return until_s;
}

/*
 * Every chain ends with a root, and lasts no longer than that and its list. An authority below may
 * end before: then those are let in whom the root or another one has issued, if there are any.
 */
static int64_t last_root_until(const STACK_OF(X509_OBJECT) * objects, bool has_crls)
{
	int64_t last_s = 0;
	for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
		X509 *root = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
		if (root == NULL ||
			X509_NAME_cmp(X509_get_subject_name(root), X509_get_issuer_name(root)) !=
				0) {
			continue;
		}
		int64_t until_s = tls_unix_seconds(X509_get0_notAfter(root));
		int64_t list_s =
			has_crls ? crl_until(objects, X509_get_subject_name(root)) : until_s;
		until_s = list_s < until_s ? list_s : until_s;
		last_s = until_s > last_s ? until_s : last_s;
	}
	return last_s;
}

struct tls_expiry tls_context_expiry(SSL_CTX *ctx)
{
	struct tls_expiry expiry = {
		.certificate_s =
			tls_unix_seconds(X509_get0_notAfter(SSL_CTX_get0_certificate(ctx))),
	};
	const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));

	for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
		X509_CRL *crl = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(objects, i));
		X509 *authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
		const ASN1_TIME *crl_time = crl == NULL ? NULL : X509_CRL_get0_nextUpdate(crl);
		const ASN1_TIME *time = authority == NULL ? NULL : X509_get0_notAfter(authority);
		keep_first(&expiry.crl_s, crl_time);
		keep_first(&expiry.partner_ca_s, time);
		add_time(&expiry, crl_time);
		add_time(&expiry, time);
	}
	expiry.shut_s = last_root_until(objects, expiry.crl_s != 0);
	return expiry;
}

bool tls_context_reverify(SSL_CTX *ctx, const SSL *ssl)
{
	X509 *certificate = SSL_get0_peer_certificate(ssl);
	X509_STORE_CTX *chain = X509_STORE_CTX_new();

	ERR_clear_error();
	bool is_good = certificate != NULL && chain != NULL &&
		X509_STORE_CTX_init(chain, SSL_CTX_get_cert_store(ctx), certificate,
			SSL_get_peer_cert_chain(ssl)) &&
		X509_STORE_CTX_set_default(chain, "ssl_client") &&
		X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(chain), SSL_CTX_get0_param(ctx));
	if (is_good) {
		X509_STORE_CTX_set_verify_cb(chain, demand_client_usage);
		is_good = X509_verify_cert(chain) == 1;
	}
	X509_STORE_CTX_free(chain);
	ERR_clear_error();
	return is_good;
}
