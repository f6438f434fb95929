// SPDX-License-Identifier: Apache-2.0
/*
 * The server's stream against OpenSSL's client over a socket pair: who is let in, that nothing is
 * resumed, and that bytes and ends arrive as what they are.
 */
#include "net/tls_stream.h"

#include "net/peer.h"
#include "net/tls_context.h"
#include "pki.h"
#include "tls_time_int.h"
#include "verified_chains_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

static struct pki_folder folder;
static struct pki_pair root;
static struct pki_pair other_root;
static struct pki_pair intermediate;
static struct pki_pair server_pair;
static struct pki_pair good;

static int make_files(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	pki_folder_open(&folder);
	root = pki_authority("partner root", NULL);
	other_root = pki_authority("other root", NULL);
	intermediate = pki_authority("partner intermediate", &root);
	server_pair = pki_make(&(struct pki_spec){
		.common_name = "server", .issuer = &other_root, .usage = "serverAuth"});
	good = pki_make(&(struct pki_spec){
		.common_name = "partner", .issuer = &root, .usage = "clientAuth"});
	pki_write_certificates(&folder, "server.crt", server_pair.certificate, NULL);
	pki_write_key(&folder, "server.key", server_pair.key, NULL);
	pki_write_certificates(&folder, "ca.crt", root.certificate, NULL);
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	pki_free(&root);
	pki_free(&other_root);
	pki_free(&intermediate);
	pki_free(&server_pair);
	pki_free(&good);
	pki_folder_close(&folder);
	return 0;
}

static struct conf good_conf(void)
{
	return (struct conf){
		.tls_certificate = pki_path(&folder, "server.crt"),
		.tls_key = pki_path(&folder, "server.key"),
		.tls_partner_ca = pki_path(&folder, "ca.crt"),
		.tls_partner_crl = "",
	};
}

static SSL_CTX *server_context(const struct conf *conf)
{
	struct err err = {{0}};
	SSL_CTX *ctx = tls_context_new(conf, &err);
	if (ctx == NULL) {
		fail_msg("%s", err.text);
	}
	return ctx;
}

/* pair NULL: a client without a certificate. */
static SSL_CTX *client_context(const struct pki_pair *pair, X509 *intermediate_certificate)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	assert_non_null(ctx);
	if (pair != NULL) {
		assert_true(SSL_CTX_use_certificate(ctx, pair->certificate));
		assert_true(SSL_CTX_use_PrivateKey(ctx, pair->key));
	}
	if (intermediate_certificate != NULL) {
		assert_true(SSL_CTX_add1_chain_cert(ctx, intermediate_certificate));
	}
	return ctx;
}

struct link {
	struct tls_stream server;
	SSL *client;
	int client_fd;
};

static void link_open_on(struct link *link, int fds[2], SSL_CTX *server, SSL_CTX *client)
{
	*link = (struct link){.client_fd = fds[1]};
	assert_true(tls_stream_init(&link->server, fds[0], server));
	if (client != NULL) {
		link->client = SSL_new(client);
		assert_non_null(link->client);
		assert_true(SSL_set_fd(link->client, fds[1]));
		SSL_set_connect_state(link->client);
	}
}

/* client NULL: the test speaks for the client on the bare socket. server NULL: a plain stream. */
static void link_open(struct link *link, SSL_CTX *server, SSL_CTX *client)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	link_open_on(link, fds, server, client);
}

static void link_close(struct link *link)
{
	SSL_free(link->client);
	tls_stream_close(&link->server);
	tls_stream_close(&link->server);
	if (link->client_fd >= 0) {
		close(link->client_fd);
	}
	ERR_clear_error();
}

static bool is_waiting(enum stream_result result)
{
	return result == STREAM_WANT_READ || result == STREAM_WANT_WRITE;
}

/* Lets both sides go on until the server has decided. */
static enum stream_result link_shake(struct link *link)
{
	enum stream_result result = STREAM_WANT_READ;

	for (int i = 0; i < 20 && is_waiting(result); i++) {
		SSL_do_handshake(link->client);
		result = tls_stream_handshake(&link->server);
		assert_int_equal(ERR_peek_error(), 0);
	}
	SSL_do_handshake(link->client);
	ERR_clear_error();
	return result;
}

static void assert_shakes(struct link *link)
{
	if (link_shake(link) != STREAM_DONE) {
		fail_msg("%s: %s", handshake_failure_name(link->server.failure),
			link->server.detail == NULL ? "" : link->server.detail);
	}
	assert_int_equal(link->server.failure, HANDSHAKE_FAILURE_NONE);
}

/* One handshake of this client; the failure, NONE when it is let in. */
static enum handshake_failure try_client(
	SSL_CTX *server, const struct pki_pair *pair, X509 *intermediate_certificate)
{
	SSL_CTX *client = client_context(pair, intermediate_certificate);
	struct link link;

	link_open(&link, server, client);
	enum stream_result result = link_shake(&link);
	assert_int_equal(result,
		link.server.failure == HANDSHAKE_FAILURE_NONE ? STREAM_DONE : STREAM_FAILED);
	enum handshake_failure failure = link.server.failure;
	link_close(&link);
	SSL_CTX_free(client);
	return failure;
}

static void test_only_a_current_client_certificate_of_the_authority_gets_in(void **state)
{
	(void)state;
	static const struct {
		struct pki_spec spec;
		const struct pki_pair *issuer;
		enum handshake_failure expected;
	} cases[] = {
		{{.usage = "clientAuth"}, &root, HANDSHAKE_FAILURE_NONE},
		{{.usage = "serverAuth,clientAuth"}, &root, HANDSHAKE_FAILURE_NONE},
		{{.usage = "clientAuth"}, &other_root, HANDSHAKE_FAILURE_UNKNOWN_CA},
		{{.usage = "clientAuth"}, NULL, HANDSHAKE_FAILURE_UNKNOWN_CA},
		{{.usage = "clientAuth", .starts_s = -PKI_DAY, .ends_s = -60}, &root,
			HANDSHAKE_FAILURE_EXPIRED},
		{{.usage = "clientAuth", .starts_s = 3600}, &root, HANDSHAKE_FAILURE_NOT_YET_VALID},
		{{.usage = NULL}, &root, HANDSHAKE_FAILURE_PURPOSE},
		{{.usage = "serverAuth"}, &root, HANDSHAKE_FAILURE_PURPOSE},
		{{.usage = "anyExtendedKeyUsage"}, &root, HANDSHAKE_FAILURE_PURPOSE},
		{{.usage = "clientAuth", .purpose = "critical,keyEncipherment"}, &root,
			HANDSHAKE_FAILURE_PURPOSE},
	};
	struct conf conf = good_conf();
	SSL_CTX *server = server_context(&conf);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pki_spec spec = cases[i].spec;
		spec.common_name = "partner";
		spec.issuer = cases[i].issuer;
		struct pki_pair pair = pki_make(&spec);
		/* And again: only who got in is remembered. */
		for (int turn = 1; turn <= 2; turn++) {
			enum handshake_failure failure = try_client(server, &pair, NULL);
			if (failure != cases[i].expected) {
				fail_msg("case %zu, turn %d: %s", i, turn,
					handshake_failure_name(failure));
			}
		}
		pki_free(&pair);
	}
	assert_int_equal(try_client(server, NULL, NULL), HANDSHAKE_FAILURE_NO_CERTIFICATE);
	SSL_CTX_free(server);
}

static void test_a_weak_key_is_refused(void **state)
{
	(void)state;
	struct pki_pair weak = {
		.key = EVP_RSA_gen(1024), .certificate = X509_dup(good.certificate)};
	assert_true(X509_set_pubkey(weak.certificate, weak.key));
	assert_true(X509_sign(weak.certificate, root.key, EVP_sha256()));
	struct conf conf = good_conf();
	SSL_CTX *server = server_context(&conf);
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_security_level(client, 0);
	assert_true(SSL_CTX_use_certificate(client, weak.certificate));
	assert_true(SSL_CTX_use_PrivateKey(client, weak.key));
	struct link link;
	link_open(&link, server, client);
	assert_int_equal(link_shake(&link), STREAM_FAILED);
	assert_int_equal(link.server.failure, HANDSHAKE_FAILURE_MALFORMED);
	link_close(&link);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
	pki_free(&weak);
}

/* With URIs that take so many bytes: a chain is bounded at 16 KiB. */
static enum handshake_failure try_large_certificate(SSL_CTX *server, size_t uri_bytes)
{
	char *text = malloc(uri_bytes);
	assert_non_null(text);
	memset(text, 'a', uri_bytes);
	const struct str uri = {text, uri_bytes};
	struct pki_pair pair = pki_make(&(struct pki_spec){.common_name = "partner",
		.issuer = &root,
		.usage = "clientAuth",
		.uris = &uri,
		.uri_count = 1});
	enum handshake_failure failure = try_client(server, &pair, NULL);
	pki_free(&pair);
	free(text);
	return failure;
}

static void test_a_chain_is_bounded(void **state)
{
	(void)state;
	struct conf conf = good_conf();
	SSL_CTX *server = server_context(&conf);
	assert_int_equal(try_large_certificate(server, 15 * 1024), HANDSHAKE_FAILURE_NONE);
	assert_int_equal(try_large_certificate(server, 17 * 1024), HANDSHAKE_FAILURE_OTHER);
	SSL_CTX_free(server);
}

static void test_a_chain_has_at_most_two_intermediates(void **state)
{
	(void)state;
	struct conf conf = good_conf();
	SSL_CTX *server = server_context(&conf);
	struct pki_pair second = pki_authority("second", &intermediate);
	struct pki_pair third = pki_authority("third", &second);
	const struct pki_pair *issuers[] = {&intermediate, &second, &third};
	for (size_t i = 0; i < 3; i++) {
		struct pki_pair leaf = pki_make(&(struct pki_spec){
			.common_name = "partner", .issuer = issuers[i], .usage = "clientAuth"});
		SSL_CTX *client = client_context(&leaf, NULL);
		for (size_t j = 0; j <= i; j++) {
			SSL_CTX_add1_chain_cert(client, issuers[i - j]->certificate);
		}
		struct link link;
		link_open(&link, server, client);
		link_shake(&link);
		assert_int_equal(link.server.failure,
			i < 2 ? HANDSHAKE_FAILURE_NONE : HANDSHAKE_FAILURE_UNKNOWN_CA);
		link_close(&link);
		SSL_CTX_free(client);
		pki_free(&leaf);
	}
	pki_free(&second);
	pki_free(&third);
	SSL_CTX_free(server);
}

static void test_the_servers_authority_does_not_vouch_for_clients(void **state)
{
	(void)state;
	struct conf conf = good_conf();
	pki_write_certificates(
		&folder, "chained.crt", server_pair.certificate, other_root.certificate, NULL);
	conf.tls_certificate = pki_path(&folder, "chained.crt");
	SSL_CTX *server = server_context(&conf);
	struct pki_pair foreign = pki_make(&(struct pki_spec){
		.common_name = "partner", .issuer = &other_root, .usage = "clientAuth"});
	assert_int_equal(try_client(server, &foreign, NULL), HANDSHAKE_FAILURE_UNKNOWN_CA);
	pki_free(&foreign);
	SSL_CTX_free(server);
}

static void test_revocation_fails_closed_for_every_authority_of_the_chain(void **state)
{
	(void)state;
	struct pki_pair leaf = pki_make(&(struct pki_spec){
		.common_name = "partner", .issuer = &intermediate, .usage = "clientAuth"});
	const struct {
		const X509 *revoked_by_root;
		const X509 *revoked_by_intermediate;
		bool has_root_list;
		bool has_intermediate_list;
		enum handshake_failure of_good; /* issued by the root */
		enum handshake_failure of_leaf; /* issued by the intermediate */
	} cases[] = {
		{NULL, NULL, true, true, HANDSHAKE_FAILURE_NONE, HANDSHAKE_FAILURE_NONE},
		{good.certificate, NULL, true, true, HANDSHAKE_FAILURE_REVOKED,
			HANDSHAKE_FAILURE_NONE},
		{NULL, leaf.certificate, true, true, HANDSHAKE_FAILURE_NONE,
			HANDSHAKE_FAILURE_REVOKED},
		{intermediate.certificate, NULL, true, true, HANDSHAKE_FAILURE_NONE,
			HANDSHAKE_FAILURE_REVOKED},
		{NULL, NULL, true, false, HANDSHAKE_FAILURE_NONE, HANDSHAKE_FAILURE_CRL},
		{NULL, NULL, false, true, HANDSHAKE_FAILURE_CRL, HANDSHAKE_FAILURE_CRL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		X509_CRL *lists[3] = {NULL};
		size_t count = 0;
		if (cases[i].has_root_list) {
			lists[count++] = pki_crl(&root, cases[i].revoked_by_root, -60, 3600);
		}
		if (cases[i].has_intermediate_list) {
			lists[count++] =
				pki_crl(&intermediate, cases[i].revoked_by_intermediate, -60, 3600);
		}
		struct conf conf = good_conf();
		conf.tls_partner_ca = pki_write_certificates(
			&folder, "both.crt", root.certificate, intermediate.certificate, NULL);
		conf.tls_partner_crl =
			pki_write_crls(&folder, "both.crl", lists[0], lists[1], NULL);
		SSL_CTX *server = server_context(&conf);
		assert_int_equal(try_client(server, &good, NULL), cases[i].of_good);
		assert_int_equal(
			try_client(server, &leaf, intermediate.certificate), cases[i].of_leaf);
		SSL_CTX_free(server);
	}
	pki_free(&leaf);
}

static void test_a_crl_that_runs_out_while_running_refuses(void **state)
{
	(void)state;
	struct conf conf = good_conf();
	conf.tls_partner_crl =
		pki_write_crls(&folder, "short.crl", pki_crl(&root, NULL, -60, 3600), NULL);
	SSL_CTX *server = server_context(&conf);
	assert_int_equal(try_client(server, &good, NULL), HANDSHAKE_FAILURE_NONE);
	X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(server), time(NULL) + 7200);
	assert_int_equal(try_client(server, &good, NULL), HANDSHAKE_FAILURE_CRL);
	SSL_CTX_free(server);
}

/* Revokes in the store of a context that is used: only who is verified again is refused. */
static void revoke_live(
	SSL_CTX *server, const struct pki_pair *issuer, const X509 *certificate, long starts_s)
{
	X509_CRL *made = pki_crl(issuer, certificate, starts_s, 30 * PKI_DAY);
	/* One that was not decoded has no fingerprint, and a store holds all such for the same. */
	X509_CRL *list = X509_CRL_dup(made);
	assert_true(X509_STORE_add_crl(SSL_CTX_get_cert_store(server), list));
	X509_CRL_free(list);
	X509_CRL_free(made);
}

static enum handshake_failure try_at(
	SSL_CTX *server, int64_t time_s, const struct pki_pair *pair, X509 *issuer)
{
	X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(server), time_s);
	return try_client(server, pair, issuer);
}

static void test_who_was_verified_is_known_until_something_of_it_ends(void **state)
{
	(void)state;
	static const struct {
		long leaf_s;
		long issuer_s;
		long list_s;
	} cases[] = {
		{3 * PKI_DAY, 4 * PKI_DAY, 5 * PKI_DAY},
		{4 * PKI_DAY, 3 * PKI_DAY, 5 * PKI_DAY},
		{4 * PKI_DAY, 5 * PKI_DAY, 3 * PKI_DAY},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pki_pair issuer = pki_make(&(struct pki_spec){.common_name = "issuer",
			.issuer = &root,
			.ends_s = cases[i].issuer_s,
			.is_ca = true});
		struct pki_pair leaf = pki_make(&(struct pki_spec){.common_name = "partner",
			.issuer = &issuer,
			.usage = "clientAuth",
			.ends_s = cases[i].leaf_s});
		X509_CRL *list = pki_crl(&issuer, NULL, -60, cases[i].list_s);
		const int64_t ends_s[] = {
			tls_unix_seconds(X509_get0_notAfter(leaf.certificate)),
			tls_unix_seconds(X509_get0_notAfter(issuer.certificate)),
			tls_unix_seconds(X509_CRL_get0_nextUpdate(list)),
		};
		struct conf conf = good_conf();
		conf.tls_partner_ca = pki_write_certificates(
			&folder, "both.crt", root.certificate, issuer.certificate, NULL);
		conf.tls_partner_crl = pki_write_crls(
			&folder, "both.crl", pki_crl(&root, NULL, -60, 30 * PKI_DAY), list, NULL);
		SSL_CTX *server = server_context(&conf);
		int64_t now_s = time(NULL);
		assert_int_equal(
			try_at(server, now_s, &leaf, issuer.certificate), HANDSHAKE_FAILURE_NONE);
		revoke_live(server, &issuer, leaf.certificate, -30);
		assert_int_equal(
			try_at(server, now_s, &leaf, issuer.certificate), HANDSHAKE_FAILURE_NONE);
		assert_int_equal(try_at(server, ends_s[i] - 1, &leaf, issuer.certificate),
			HANDSHAKE_FAILURE_NONE);
		assert_int_not_equal(try_at(server, ends_s[i], &leaf, issuer.certificate),
			HANDSHAKE_FAILURE_NONE);
		assert_int_equal(try_at(server, now_s - 1, &leaf, issuer.certificate),
			HANDSHAKE_FAILURE_REVOKED);
		SSL_CTX_free(server);
		pki_free(&leaf);
		pki_free(&issuer);
	}
}

static unsigned place_of(const X509 *certificate)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	assert_true(X509_digest(certificate, EVP_sha256(), digest, NULL));
	return (unsigned)(digest[0] << 8 | digest[1]) % VERIFIED_CHAINS;
}

/* One whose first place is that of the other. */
static struct pki_pair make_neighbour(const struct pki_pair *issuer, const struct pki_pair *other)
{
	const struct pki_spec spec = {
		.common_name = "partner", .issuer = issuer, .usage = "clientAuth"};
	struct pki_pair pair = pki_make(&spec);
	while (place_of(pair.certificate) != place_of(other->certificate)) {
		pki_free(&pair);
		pair = pki_make(&spec);
	}
	return pair;
}

static void test_who_shares_the_place_of_one_that_is_known_is_verified(void **state)
{
	(void)state;
	struct pki_pair stranger = make_neighbour(&other_root, &good);
	struct conf conf = good_conf();
	SSL_CTX *server = server_context(&conf);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(try_client(server, &good, NULL), HANDSHAKE_FAILURE_NONE);
		assert_int_equal(try_client(server, &stranger, NULL), HANDSHAKE_FAILURE_UNKNOWN_CA);
	}
	SSL_CTX_free(server);
	pki_free(&stranger);
}

/* The last of them is one past the limit: he gets in, and is verified each time. */
static void test_as_many_as_have_a_place_are_known(void **state)
{
	(void)state;
	struct pki_pair pairs[VERIFIED_CHAINS_TRIES + 1];
	struct conf conf = good_conf();
	conf.tls_partner_crl =
		pki_write_crls(&folder, "root.crl", pki_crl(&root, NULL, -60, 3600), NULL);
	SSL_CTX *server = server_context(&conf);
	for (size_t i = 0; i <= VERIFIED_CHAINS_TRIES; i++) {
		pairs[i] = make_neighbour(&root, i == 0 ? &good : &pairs[0]);
		assert_int_equal(try_client(server, &pairs[i], NULL), HANDSHAKE_FAILURE_NONE);
	}
	for (size_t i = 0; i <= VERIFIED_CHAINS_TRIES; i++) {
		/* Each list is newer than the one before it, and so the one in force. */
		revoke_live(server, &root, pairs[i].certificate, -30 + (long)i);
		assert_int_equal(try_client(server, &pairs[i], NULL),
			i < VERIFIED_CHAINS_TRIES ? HANDSHAKE_FAILURE_NONE
						  : HANDSHAKE_FAILURE_REVOKED);
		pki_free(&pairs[i]);
	}
	SSL_CTX_free(server);
}

static void test_a_live_connection_is_judged_again_by_a_new_context(void **state)
{
	(void)state;
	struct pki_pair leaf = pki_make(&(struct pki_spec){
		.common_name = "partner", .issuer = &intermediate, .usage = "clientAuth"});
	struct conf conf = good_conf();
	SSL_CTX *server = server_context(&conf);
	SSL_CTX *client = client_context(&leaf, intermediate.certificate);
	struct link link;
	link_open(&link, server, client);
	assert_shakes(&link);
	SSL_CTX_free(server);

	server = server_context(&conf);
	assert_true(tls_context_reverify(server, link.server.ssl));
	X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(server), time(NULL) + 60 * PKI_DAY);
	assert_false(tls_context_reverify(server, link.server.ssl));
	SSL_CTX_free(server);

	conf.tls_partner_ca = pki_write_certificates(
		&folder, "both.crt", root.certificate, intermediate.certificate, NULL);
	conf.tls_partner_crl =
		pki_write_crls(&folder, "revoked.crl", pki_crl(&root, NULL, -60, 3600),
			pki_crl(&intermediate, leaf.certificate, -60, 3600), NULL);
	server = server_context(&conf);
	assert_false(tls_context_reverify(server, link.server.ssl));
	SSL_CTX_free(server);

	conf = good_conf();
	conf.tls_partner_ca =
		pki_write_certificates(&folder, "other.crt", other_root.certificate, NULL);
	server = server_context(&conf);
	assert_false(tls_context_reverify(server, link.server.ssl));
	assert_int_equal(ERR_peek_error(), 0);
	SSL_CTX_free(server);

	link_close(&link);
	SSL_CTX_free(client);
	pki_free(&leaf);
}

static void test_tls12_needs_the_switch_and_tls11_never_works(void **state)
{
	(void)state;
	const struct {
		int version;
		bool is_tls12_allowed;
		enum handshake_failure expected;
	} cases[] = {
		{TLS1_3_VERSION, false, HANDSHAKE_FAILURE_NONE},
		{TLS1_2_VERSION, false, HANDSHAKE_FAILURE_PROTOCOL},
		{TLS1_3_VERSION, true, HANDSHAKE_FAILURE_NONE},
		{TLS1_2_VERSION, true, HANDSHAKE_FAILURE_NONE},
		{TLS1_1_VERSION, true, HANDSHAKE_FAILURE_PROTOCOL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf conf = good_conf();
		conf.tls_allow_tls12 = cases[i].is_tls12_allowed;
		SSL_CTX *server = server_context(&conf);
		SSL_CTX *client = client_context(&good, NULL);
		SSL_CTX_set_security_level(client, 0);
		SSL_CTX_set_min_proto_version(client, TLS1_VERSION);
		SSL_CTX_set_max_proto_version(client, cases[i].version);
		struct link link;
		link_open(&link, server, client);
		link_shake(&link);
		assert_int_equal(link.server.failure, cases[i].expected);
		link_close(&link);
		SSL_CTX_free(client);
		SSL_CTX_free(server);
	}
}

static void test_tls12_takes_no_cipher_without_forward_secrecy_or_aead(void **state)
{
	(void)state;
	const struct {
		const char *ciphers;
		enum handshake_failure expected;
	} cases[] = {
		{"ECDHE-ECDSA-AES128-GCM-SHA256", HANDSHAKE_FAILURE_NONE},
		{"ECDHE-ECDSA-CHACHA20-POLY1305", HANDSHAKE_FAILURE_NONE},
		{"ECDHE-ECDSA-AES256-SHA384", HANDSHAKE_FAILURE_PROTOCOL},
		{"ECDHE-ECDSA-AES128-SHA", HANDSHAKE_FAILURE_PROTOCOL},
	};
	struct conf conf = good_conf();
	conf.tls_allow_tls12 = true;
	SSL_CTX *server = server_context(&conf);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		SSL_CTX *client = client_context(&good, NULL);
		SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
		assert_true(SSL_CTX_set_cipher_list(client, cases[i].ciphers));
		struct link link;
		link_open(&link, server, client);
		link_shake(&link);
		assert_int_equal(link.server.failure, cases[i].expected);
		link_close(&link);
		SSL_CTX_free(client);
	}
	SSL_CTX_free(server);
}

static int count_sessions(SSL *ssl, SSL_SESSION *session)
{
	(void)session;
	int *count = SSL_get_app_data(ssl);
	(*count)++;
	return 0;
}

/* Both ways, so that a ticket would have been seen. */
static void exchange(struct link *link)
{
	char byte = 'x';
	size_t n;
	assert_int_equal(tls_stream_write(&link->server, &byte, 1, &n), STREAM_DONE);
	assert_int_equal(SSL_read(link->client, &byte, 1), 1);
	assert_int_equal(SSL_write(link->client, &byte, 1), 1);
	assert_int_equal(tls_stream_read(&link->server, &byte, 1, &n), STREAM_DONE);
}

static void test_no_session_is_resumed_in_either_version(void **state)
{
	(void)state;
	const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	for (size_t i = 0; i < 2; i++) {
		struct conf conf = good_conf();
		conf.tls_allow_tls12 = true;
		SSL_CTX *server = server_context(&conf);
		SSL_CTX *client = client_context(&good, NULL);
		SSL_CTX_set_max_proto_version(client, versions[i]);
		SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT);
		SSL_CTX_sess_set_new_cb(client, count_sessions);
		int ticket_count = 0;
		struct link link;
		link_open(&link, server, client);
		SSL_set_app_data(link.client, &ticket_count);
		assert_shakes(&link);
		exchange(&link);
		SSL_SESSION *session = SSL_get1_session(link.client);
		assert_false(SSL_SESSION_is_resumable(session));
		assert_false(SSL_SESSION_has_ticket(session));
		if (versions[i] == TLS1_3_VERSION) {
			assert_int_equal(ticket_count, 0);
		}
		link_close(&link);

		link_open(&link, server, client);
		SSL_set_app_data(link.client, &ticket_count);
		SSL_set_session(link.client, session);
		assert_shakes(&link);
		assert_false(SSL_session_reused(link.client));
		assert_false(SSL_session_reused(link.server.ssl));
		SSL_SESSION_free(session);
		link_close(&link);
		SSL_CTX_free(client);
		SSL_CTX_free(server);
	}
}

/* The link has the contexts. */
static void open_link_of_tls12(struct link *link)
{
	struct conf conf = good_conf();
	conf.tls_allow_tls12 = true;
	SSL_CTX *server = server_context(&conf);
	SSL_CTX *client = client_context(&good, NULL);
	SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(client, "ECDHE-ECDSA-AES128-GCM-SHA256");
	link_open(link, server, client);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
	assert_shakes(link);
}

static void test_renegotiation_is_refused(void **state)
{
	(void)state;
	struct link link;
	open_link_of_tls12(&link);
	assert_true(SSL_renegotiate(link.client));
	for (int i = 0; i < 5; i++) {
		char byte;
		size_t n;
		SSL_do_handshake(link.client);
		enum stream_result result = tls_stream_read(&link.server, &byte, 1, &n);
		assert_int_not_equal(result, STREAM_DONE);
		if (!is_waiting(result)) {
			break;
		}
	}
	assert_int_equal(SSL_total_renegotiations(link.server.ssl), 0);
	link_close(&link);
}

static void test_a_client_that_speaks_no_tls_or_hangs_up_is_told_apart(void **state)
{
	(void)state;
	static const struct {
		const char *sent;
		enum handshake_failure expected;
	} cases[] = {
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", HANDSHAKE_FAILURE_NOT_TLS},
		{"SSH-2.0-OpenSSH_9.2\r\n", HANDSHAKE_FAILURE_NOT_TLS},
		{"", HANDSHAKE_FAILURE_CLOSED},
		{"\x16\x03\x01", HANDSHAKE_FAILURE_CLOSED},
	};
	struct conf conf = good_conf();
	SSL_CTX *server = server_context(&conf);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct link link;
		link_open(&link, server, NULL);
		assert_int_equal(tls_stream_handshake(&link.server), STREAM_WANT_READ);
		size_t len = strlen(cases[i].sent);
		assert_int_equal(write(link.client_fd, cases[i].sent, len), len);
		close(link.client_fd);
		link.client_fd = -1;
		assert_int_equal(tls_stream_handshake(&link.server), STREAM_FAILED);
		if (link.server.failure != cases[i].expected) {
			fail_msg("case %zu: %s", i, handshake_failure_name(link.server.failure));
		}
		assert_int_equal(ERR_peek_error(), 0);
		link_close(&link);
	}
	SSL_CTX_free(server);
}

static void test_a_client_that_refuses_us_is_named_so(void **state)
{
	(void)state;
	struct conf conf = good_conf();
	SSL_CTX *server = server_context(&conf);
	SSL_CTX *client = client_context(&good, NULL);
	SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
	struct link link;
	link_open(&link, server, client);
	assert_int_equal(link_shake(&link), STREAM_FAILED);
	assert_int_equal(link.server.failure, HANDSHAKE_FAILURE_CLIENT_ALERT);
	assert_non_null(link.server.detail);
	link_close(&link);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
}

static void open_link_of_good(struct link *link)
{
	struct conf conf = good_conf();
	SSL_CTX *server = server_context(&conf);
	SSL_CTX *client = client_context(&good, NULL);

	link_open(link, server, client);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	assert_shakes(link);
}

static void test_the_peer_of_a_handshake_is_its_certificate(void **state)
{
	(void)state;
	struct link link;
	struct peer seen;
	struct peer expected;
	open_link_of_good(&link);
	assert_true(peer_from_certificate(&seen, SSL_get0_peer_certificate(link.server.ssl)));
	assert_true(peer_from_certificate(&expected, good.certificate));
	assert_memory_equal(seen.spki_sha256, expected.spki_sha256, 32);
	link_close(&link);
}

static void test_a_shutdown_says_close_notify_once(void **state)
{
	(void)state;
	struct link link;
	char byte;
	open_link_of_good(&link);
	tls_stream_shutdown(&link.server);
	tls_stream_shutdown(&link.server);
	int returned = SSL_read(link.client, &byte, 1);
	assert_int_equal(SSL_get_error(link.client, returned), SSL_ERROR_ZERO_RETURN);
	assert_int_equal(recv(link.client_fd, &byte, 1, 0), 0);
	link_close(&link);
}

static void test_an_end_and_a_cut_are_told_apart(void **state)
{
	(void)state;
	struct link link;
	char byte;
	size_t n = 1;
	open_link_of_good(&link);
	assert_int_equal(tls_stream_read(&link.server, &byte, 1, &n), STREAM_WANT_READ);
	assert_int_equal(SSL_shutdown(link.client), 0);
	assert_int_equal(tls_stream_read(&link.server, &byte, 1, &n), STREAM_EOF);
	assert_int_equal(n, 0);
	link_close(&link);

	open_link_of_good(&link);
	shutdown(link.client_fd, SHUT_WR);
	assert_int_equal(tls_stream_read(&link.server, &byte, 1, &n), STREAM_CUT);
	/* No close_notify after a fatal error: OpenSSL has said so with an alert of its own. */
	tls_stream_shutdown(&link.server);
	int returned = SSL_read(link.client, &byte, 1);
	assert_int_equal(SSL_get_error(link.client, returned), SSL_ERROR_SSL);
	link_close(&link);
}

static void test_bytes_that_are_no_record_fail(void **state)
{
	(void)state;
	struct link link;
	char byte;
	size_t n;
	open_link_of_good(&link);
	const char forged[] = "\x17\x03\x03\x00\x20"
			      "0123456789abcdef0123456789abcdef";
	assert_int_equal(write(link.client_fd, forged, sizeof(forged) - 1), sizeof(forged) - 1);
	assert_int_equal(tls_stream_read(&link.server, &byte, 1, &n), STREAM_FAILED);
	assert_non_null(link.server.detail);
	assert_int_equal(ERR_peek_error(), 0);
	link_close(&link);
}

static void test_pending_bytes_are_announced(void **state)
{
	(void)state;
	struct link link;
	char data[8];
	size_t n;
	open_link_of_good(&link);
	/* Until a read has said that nothing came with the handshake. */
	assert_true(tls_stream_has_pending(&link.server));
	assert_int_equal(tls_stream_read(&link.server, data, 2, &n), STREAM_WANT_READ);
	assert_false(tls_stream_has_pending(&link.server));
	assert_int_equal(SSL_write(link.client, "abc", 3), 3);
	assert_int_equal(SSL_write(link.client, "de", 2), 2);
	assert_false(tls_stream_has_pending(&link.server));
	assert_int_equal(tls_stream_read(&link.server, data, 2, &n), STREAM_DONE);
	assert_int_equal(n, 2);
	assert_true(tls_stream_has_pending(&link.server));
	assert_int_equal(tls_stream_read(&link.server, data, 8, &n), STREAM_DONE);
	assert_int_equal(n, 1);
	/* The second record came with the first one's read(2). */
	assert_true(tls_stream_has_pending(&link.server));
	assert_int_equal(tls_stream_read(&link.server, data, 8, &n), STREAM_DONE);
	assert_memory_equal(data, "de", 2);
	assert_false(tls_stream_has_pending(&link.server));
	link_close(&link);
}

static void test_a_request_sent_with_the_last_handshake_bytes_is_not_lost(void **state)
{
	(void)state;
	struct conf conf = good_conf();
	SSL_CTX *server = server_context(&conf);
	SSL_CTX *client = client_context(&good, NULL);
	struct link link;
	char data[8];
	size_t n;
	link_open(&link, server, client);
	SSL_do_handshake(link.client);
	assert_int_equal(tls_stream_handshake(&link.server), STREAM_WANT_READ);
	assert_int_equal(SSL_do_handshake(link.client), 1);
	assert_int_equal(SSL_write(link.client, "early", 5), 5);
	assert_int_equal(tls_stream_handshake(&link.server), STREAM_DONE);
	assert_true(tls_stream_has_pending(&link.server));
	assert_int_equal(tls_stream_read(&link.server, data, 8, &n), STREAM_DONE);
	assert_int_equal(n, 5);
	link_close(&link);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
}

#define LONG_BYTES ((size_t)1 << 20)

static void fill_pattern(char *data)
{
	for (size_t i = 0; i < LONG_BYTES; i++) {
		data[i] = (char)(i * 7 + i / 251);
	}
}

/* Takes what has arrived; returns how far it got. */
static size_t client_drain(struct link *link, char *data, size_t done)
{
	for (;;) {
		char *into = data + done;
		int n = link->client != NULL
			? SSL_read(link->client, into, (int)(LONG_BYTES - done))
			: (int)recv(link->client_fd, into, LONG_BYTES - done, 0);
		if (n <= 0) {
			ERR_clear_error();
			return done;
		}
		done += (size_t)n;
	}
}

/* Each write from other memory: an answer's buffer may be compacted between two. */
static void write_long(struct link *link)
{
	char *sent = malloc(LONG_BYTES);
	char *received = malloc(LONG_BYTES);
	assert_non_null(sent);
	assert_non_null(received);
	fill_pattern(sent);
	size_t done = 0;
	size_t got = 0;
	size_t waits = 0;
	while (done < LONG_BYTES) {
		size_t n;
		size_t rest = LONG_BYTES - done;
		char *moved = malloc(rest);
		assert_non_null(moved);
		memcpy(moved, sent + done, rest);
		enum stream_result result = tls_stream_write(&link->server, moved, rest, &n);
		free(moved);
		done += n;
		if (result == STREAM_WANT_WRITE) {
			assert_int_equal(n, 0);
			waits++;
			got = client_drain(link, received, got);
		} else {
			assert_int_equal(result, STREAM_DONE);
			assert_in_range(n, 1, rest);
		}
	}
	got = client_drain(link, received, got);
	assert_int_equal(got, LONG_BYTES);
	assert_memory_equal(sent, received, LONG_BYTES);
	assert_true(waits > 0);
	free(sent);
	free(received);
}

static void test_partial_writes_lose_nothing(void **state)
{
	(void)state;
	struct link link;
	open_link_of_good(&link);
	write_long(&link);
	link_close(&link);
	link_open(&link, NULL, NULL);
	write_long(&link);
	link_close(&link);
}

static void test_writing_to_a_peer_that_is_gone_is_a_cut(void **state)
{
	(void)state;
	struct link link;
	size_t n;
	open_link_of_good(&link);
	close(link.client_fd);
	link.client_fd = -1;
	assert_int_equal(tls_stream_write(&link.server, "x", 1, &n), STREAM_CUT);
	link_close(&link);
	link_open(&link, NULL, NULL);
	close(link.client_fd);
	link.client_fd = -1;
	assert_int_equal(tls_stream_write(&link.server, "x", 1, &n), STREAM_CUT);
	link_close(&link);
}

static void test_a_plain_stream_needs_no_handshake(void **state)
{
	(void)state;
	struct link link;
	char data[8];
	size_t n;
	link_open(&link, NULL, NULL);
	assert_int_equal(tls_stream_handshake(&link.server), STREAM_DONE);
	assert_int_equal(tls_stream_read(&link.server, data, 8, &n), STREAM_WANT_READ);
	assert_int_equal(write(link.client_fd, "hello", 5), 5);
	assert_int_equal(tls_stream_read(&link.server, data, 8, &n), STREAM_DONE);
	assert_int_equal(n, 5);
	assert_false(tls_stream_has_pending(&link.server));
	tls_stream_shutdown(&link.server);
	assert_int_equal(read(link.client_fd, data, 8), 0);
	shutdown(link.client_fd, SHUT_WR);
	assert_int_equal(tls_stream_read(&link.server, data, 8, &n), STREAM_EOF);
	link_close(&link);
}

static enum stream_result send_key_updates(struct link *link, int count)
{
	char byte;
	size_t n;
	for (int i = 0; i < count; i++) {
		assert_true(SSL_key_update(link->client, SSL_KEY_UPDATE_NOT_REQUESTED));
		assert_int_equal(SSL_do_handshake(link->client), 1);
	}
	return tls_stream_read(&link->server, &byte, 1, &n);
}

static void test_new_keys_are_taken_32_times(void **state)
{
	(void)state;
	struct link link;
	open_link_of_good(&link);
	assert_int_equal(send_key_updates(&link, 32), STREAM_WANT_READ);
	exchange(&link);
	assert_int_equal(send_key_updates(&link, 1), STREAM_FAILED);
	link_close(&link);
}

enum { GCM_KEY = 16, GCM_SALT = 4, GCM_NONCE = 8, GCM_TAG = 16 };

struct sealer {
	unsigned char key[GCM_KEY];
	unsigned char salt[GCM_SALT];
	unsigned char sequence; /* of the client's next record: few are sent */
};

/* RFC 5246, 6.3, and RFC 5288: the client's half of the keys that both have. */
static struct sealer sealer_of(const SSL *ssl)
{
	unsigned char master[SSL_MAX_MASTER_KEY_LENGTH];
	unsigned char seed[13 + 2 * SSL3_RANDOM_SIZE] = "key expansion";
	unsigned char block[2 * GCM_KEY + 2 * GCM_SALT];
	size_t master_len =
		SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof(master));
	SSL_get_server_random(ssl, seed + 13, SSL3_RANDOM_SIZE);
	SSL_get_client_random(ssl, seed + 13 + SSL3_RANDOM_SIZE, SSL3_RANDOM_SIZE);
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_utf8_string("digest", (char[]){"SHA256"}, 0),
		OSSL_PARAM_construct_octet_string("secret", master, master_len),
		OSSL_PARAM_construct_octet_string("seed", seed, sizeof(seed)),
		OSSL_PARAM_construct_end()};
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
	EVP_KDF_CTX *derivation = EVP_KDF_CTX_new(kdf);
	assert_int_equal(EVP_KDF_derive(derivation, block, sizeof(block), parameters), 1);
	EVP_KDF_CTX_free(derivation);
	EVP_KDF_free(kdf);
	struct sealer sealer = {.sequence = 1}; /* 0 was Finished */
	memcpy(sealer.key, block, GCM_KEY);
	memcpy(sealer.salt, block + sizeof(block) - 2 * GCM_SALT, GCM_SALT);
	return sealer;
}

/* A handshake record with a ClientHello of no content: what OpenSSL's client sends but once. */
static void send_hello(struct link *link, struct sealer *sealer)
{
	const unsigned char hello[4] = {SSL3_MT_CLIENT_HELLO};
	unsigned char record[5 + GCM_NONCE + sizeof(hello) + GCM_TAG] = {
		SSL3_RT_HANDSHAKE, 3, 3, 0, GCM_NONCE + sizeof(hello) + GCM_TAG};
	unsigned char nonce[GCM_SALT + GCM_NONCE] = {0};
	unsigned char about[13] = {0};
	unsigned char *sealed = record + 5 + GCM_NONCE;
	int len;
	memcpy(nonce, sealer->salt, GCM_SALT);
	nonce[sizeof(nonce) - 1] = sealer->sequence;
	memcpy(record + 5, nonce + GCM_SALT, GCM_NONCE);
	about[7] = sealer->sequence++;
	memcpy(about + 8, (unsigned char[]){SSL3_RT_HANDSHAKE, 3, 3, 0, sizeof(hello)}, 5);
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
	assert_true(EVP_EncryptInit_ex(cipher, EVP_aes_128_gcm(), NULL, sealer->key, nonce));
	assert_true(EVP_EncryptUpdate(cipher, NULL, &len, about, sizeof(about)));
	assert_true(EVP_EncryptUpdate(cipher, sealed, &len, hello, sizeof(hello)));
	assert_true(EVP_EncryptFinal_ex(cipher, sealed + sizeof(hello), &len));
	assert_true(
		EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, GCM_TAG, sealed + sizeof(hello)));
	EVP_CIPHER_CTX_free(cipher);
	assert_int_equal(write(link->client_fd, record, sizeof(record)), sizeof(record));
}

static void test_hellos_are_refused_32_times(void **state)
{
	(void)state;
	struct link link;
	char byte;
	size_t n;
	open_link_of_tls12(&link);
	struct sealer sealer = sealer_of(link.client);
	for (int i = 0; i < 32; i++) {
		send_hello(&link, &sealer);
	}
	assert_int_equal(tls_stream_read(&link.server, &byte, 1, &n), STREAM_WANT_READ);
	send_hello(&link, &sealer);
	assert_int_equal(tls_stream_read(&link.server, &byte, 1, &n), STREAM_FAILED);
	link_close(&link);
}

/* A connected pair over TCP; [1] is the client's and blocks for at most ten seconds. */
static void connect_tcp(int fds[2])
{
	const struct timeval patience = {.tv_sec = 10};
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int listening = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listening, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &len), 0);
	fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fds[1], (struct sockaddr *)&address, len), 0);
	assert_int_equal(
		setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	fds[0] = accept(listening, NULL, NULL);
	assert_true(fds[0] >= 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	close(listening);
}

static void wait_readable(int fd)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&readable, 1, 10000), 1);
}

/* A client of TLS 1.3 sends its request before it can know that it was refused. */
static void test_a_refused_client_reads_the_alert_and_no_reset(void **state)
{
	(void)state;
	struct conf conf = good_conf();
	SSL_CTX *server = server_context(&conf);
	SSL_CTX *client = client_context(NULL, NULL);
	int fds[2];
	struct link link;
	char byte;
	connect_tcp(fds);
	link_open_on(&link, fds, server, client);
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	SSL_do_handshake(link.client);
	wait_readable(fds[0]);
	assert_int_equal(tls_stream_handshake(&link.server), STREAM_WANT_READ);
	fcntl(fds[1], F_SETFL, 0);
	assert_int_equal(SSL_do_handshake(link.client), 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(SSL_write(link.client, "POST", 4), 4);
	}
	wait_readable(fds[0]);
	while (tls_stream_handshake(&link.server) != STREAM_FAILED) {
		wait_readable(fds[0]);
	}
	tls_stream_close(&link.server);
	ERR_clear_error();
	assert_true(SSL_read(link.client, &byte, 1) <= 0);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED);
	link_close(&link);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
}

static void test_every_failure_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HANDSHAKE_FAILURE_COUNT; i++) {
		const char *name = handshake_failure_name((enum handshake_failure)i);
		assert_true(strspn(name, "abcdefghijklmnopqrstuvwxyz_") == strlen(name));
		assert_true(strlen(handshake_failure_text((enum handshake_failure)i)) > 0);
		for (unsigned j = 0; j < i; j++) {
			assert_string_not_equal(
				name, handshake_failure_name((enum handshake_failure)j));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_a_current_client_certificate_of_the_authority_gets_in),
		cmocka_unit_test(test_a_weak_key_is_refused),
		cmocka_unit_test(test_a_chain_is_bounded),
		cmocka_unit_test(test_a_chain_has_at_most_two_intermediates),
		cmocka_unit_test(test_the_servers_authority_does_not_vouch_for_clients),
		cmocka_unit_test(test_revocation_fails_closed_for_every_authority_of_the_chain),
		cmocka_unit_test(test_a_crl_that_runs_out_while_running_refuses),
		cmocka_unit_test(test_who_was_verified_is_known_until_something_of_it_ends),
		cmocka_unit_test(test_who_shares_the_place_of_one_that_is_known_is_verified),
		cmocka_unit_test(test_as_many_as_have_a_place_are_known),
		cmocka_unit_test(test_a_live_connection_is_judged_again_by_a_new_context),
		cmocka_unit_test(test_tls12_needs_the_switch_and_tls11_never_works),
		cmocka_unit_test(test_tls12_takes_no_cipher_without_forward_secrecy_or_aead),
		cmocka_unit_test(test_no_session_is_resumed_in_either_version),
		cmocka_unit_test(test_renegotiation_is_refused),
		cmocka_unit_test(test_a_client_that_speaks_no_tls_or_hangs_up_is_told_apart),
		cmocka_unit_test(test_a_client_that_refuses_us_is_named_so),
		cmocka_unit_test(test_the_peer_of_a_handshake_is_its_certificate),
		cmocka_unit_test(test_a_shutdown_says_close_notify_once),
		cmocka_unit_test(test_an_end_and_a_cut_are_told_apart),
		cmocka_unit_test(test_bytes_that_are_no_record_fail),
		cmocka_unit_test(test_pending_bytes_are_announced),
		cmocka_unit_test(test_a_request_sent_with_the_last_handshake_bytes_is_not_lost),
		cmocka_unit_test(test_partial_writes_lose_nothing),
		cmocka_unit_test(test_writing_to_a_peer_that_is_gone_is_a_cut),
		cmocka_unit_test(test_a_plain_stream_needs_no_handshake),
		cmocka_unit_test(test_new_keys_are_taken_32_times),
		cmocka_unit_test(test_hellos_are_refused_32_times),
		cmocka_unit_test(test_a_refused_client_reads_the_alert_and_no_reset),
		cmocka_unit_test(test_every_failure_has_a_name_of_its_own),
	};
	return cmocka_run_group_tests(tests, make_files, remove_files);
}
