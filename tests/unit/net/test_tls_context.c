// SPDX-License-Identifier: Apache-2.0
#include "net/tls_context.h"

#include "pki.h"

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/err.h>

static struct pki_folder folder;
static struct pki_pair root;
static struct pki_pair other_root;
static struct pki_pair intermediate;
static struct pki_pair server;

static int make_files(void **state)
{
	(void)state;
	pki_folder_open(&folder);
	root = pki_authority("partner root", NULL);
	other_root = pki_authority("other root", NULL);
	intermediate = pki_authority("partner intermediate", &root);
	server = pki_make(&(struct pki_spec){
		.common_name = "server", .issuer = &root, .usage = "serverAuth"});
	pki_write_certificates(&folder, "server.crt", server.certificate, NULL);
	pki_write_key(&folder, "server.key", server.key, NULL);
	pki_write_certificates(&folder, "ca.crt", root.certificate, NULL);
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	pki_free(&root);
	pki_free(&other_root);
	pki_free(&intermediate);
	pki_free(&server);
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

static void assert_loads(const struct conf *conf)
{
	struct err err = {{0}};
	SSL_CTX *ctx = tls_context_new(conf, &err);
	if (ctx == NULL) {
		fail_msg("refused: %s", err.text);
	}
	SSL_CTX_free(ctx);
	assert_int_equal(ERR_peek_error(), 0);
}

/* The sentence names the file and says what is wrong with it. */
static void assert_refused(const struct conf *conf, const char *file, const char *what)
{
	struct err err = {{0}};
	SSL_CTX *ctx = tls_context_new(conf, &err);
	assert_null(ctx);
	if (strstr(err.text, file) == NULL || strstr(err.text, what) == NULL) {
		fail_msg("\"%s\" does not say \"%s\" of %s", err.text, what, file);
	}
	assert_int_equal(ERR_peek_error(), 0);
}

static void test_good_files_load(void **state)
{
	(void)state;
	struct conf conf = good_conf();
	assert_loads(&conf);
	conf.tls_partner_crl = NULL;
	assert_loads(&conf);
	conf.tls_allow_tls12 = true;
	assert_loads(&conf);
}

static void test_a_file_that_cannot_be_read_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *file;
		size_t field;
	} cases[] = {
		{"no.crt", offsetof(struct conf, tls_certificate)},
		{"no.key", offsetof(struct conf, tls_key)},
		{"no-ca.crt", offsetof(struct conf, tls_partner_ca)},
		{"no.crl", offsetof(struct conf, tls_partner_crl)},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf conf = good_conf();
		const char *path = pki_path(&folder, cases[i].file);
		memcpy((char *)&conf + cases[i].field, &path, sizeof(path));
		assert_refused(&conf, cases[i].file, "No such file");
		pki_write_text(&folder, cases[i].file, "this is no PEM\n");
		assert_refused(&conf, cases[i].file, i == 1 ? "holds no private key" : "holds no");
		unlink(path);
	}
}

static void test_a_broken_pem_block_is_refused(void **state)
{
	(void)state;
	struct conf conf = good_conf();
	conf.tls_partner_ca = pki_write_text(&folder, "broken.pem",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	assert_refused(&conf, "broken.pem", "not a PEM file of certificates");
	conf.tls_partner_ca = pki_path(&folder, "ca.crt");
	conf.tls_partner_crl = pki_write_text(
		&folder, "broken.pem", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
	assert_refused(&conf, "broken.pem", "not a PEM file of revocation lists");
}

static void test_a_key_of_another_certificate_is_refused(void **state)
{
	(void)state;
	struct conf conf = good_conf();
	conf.tls_key = pki_write_key(&folder, "mismatch.key", root.key, NULL);
	assert_refused(&conf, "mismatch.key", "does not belong to the certificate");
}

/* OpenSSL takes it, and would then turn every partner away. */
static void test_a_key_that_no_handshake_can_use_is_refused(void **state)
{
	(void)state;
	struct conf conf = good_conf();
	struct pki_pair odd = pki_make(&(struct pki_spec){.common_name = "odd",
		.issuer = &root,
		.usage = "serverAuth",
		.curve = "brainpoolP256r1"});
	conf.tls_certificate = pki_write_certificates(&folder, "odd.crt", odd.certificate, NULL);
	conf.tls_key = pki_write_key(&folder, "odd.key", odd.key, NULL);
	assert_refused(&conf, "odd.crt", "no handshake works with them");
	pki_free(&odd);
}

static void test_a_key_under_a_passphrase_is_refused_without_asking(void **state)
{
	(void)state;
	struct conf conf = good_conf();
	conf.tls_key = pki_write_key(&folder, "secret.key", server.key, "opensesame");
	assert_refused(&conf, "secret.key", "passphrase");
	BIO *file = BIO_new_file(pki_path(&folder, "old.key"), "w");
	char passphrase[] = "opensesame";
	assert_true(PEM_write_bio_PrivateKey_traditional(
		file, server.key, EVP_aes_128_cbc(), NULL, 0, NULL, passphrase));
	BIO_free(file);
	conf.tls_key = pki_path(&folder, "old.key");
	assert_refused(&conf, "old.key", "passphrase");
}

static void test_a_server_certificate_out_of_date_or_purpose_is_refused(void **state)
{
	(void)state;
	const struct {
		struct pki_spec spec;
		const char *what;
	} cases[] = {
		{{.usage = "serverAuth", .starts_s = -2 * PKI_DAY, .ends_s = -60}, "has expired"},
		{{.usage = "serverAuth", .starts_s = 3600}, "is not valid yet"},
		{{.usage = "clientAuth"}, "not made for a TLS server"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pki_spec spec = cases[i].spec;
		spec.common_name = "server";
		spec.issuer = &root;
		struct pki_pair bad = pki_make(&spec);
		struct conf conf = good_conf();
		conf.tls_certificate =
			pki_write_certificates(&folder, "bad.crt", bad.certificate, NULL);
		conf.tls_key = pki_write_key(&folder, "bad.key", bad.key, NULL);
		assert_refused(&conf, "bad.crt", cases[i].what);
		pki_free(&bad);
	}
}

static void test_authorities_must_be_authorities_with_their_root(void **state)
{
	(void)state;
	struct pki_pair expired = pki_make(&(struct pki_spec){
		.common_name = "old root", .is_ca = true, .starts_s = -2 * PKI_DAY, .ends_s = -60});
	const struct {
		X509 *first;
		X509 *second;
		const char *fault; /* NULL: fine */
	} cases[] = {
		{root.certificate, other_root.certificate, NULL},
		{root.certificate, intermediate.certificate, NULL},
		{intermediate.certificate, root.certificate, NULL},
		{intermediate.certificate, NULL, "unable to get local issuer certificate"},
		{root.certificate, server.certificate, "is not a certificate authority"},
		{root.certificate, expired.certificate, "certificate has expired"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf conf = good_conf();
		conf.tls_partner_ca = pki_write_certificates(
			&folder, "cas.crt", cases[i].first, cases[i].second, NULL);
		if (cases[i].fault == NULL) {
			assert_loads(&conf);
		} else {
			assert_refused(&conf, "cas.crt", cases[i].fault);
		}
	}
	pki_free(&expired);
}

static void test_a_crl_must_be_current_and_of_an_authority(void **state)
{
	(void)state;
	const struct pki_pair impostor = {.certificate = root.certificate, .key = other_root.key};
	const struct {
		const struct pki_pair *issuer;
		long starts_s;
		long ends_s;
		const char *fault; /* NULL: fine */
	} cases[] = {
		{&root, -60, 3600, NULL},
		{&root, -3600, -60, "has expired"},
		{&root, 3600, 7200, "is not valid yet"},
		{&root, -60, 0, "no next update"},
		{&other_root, -60, 3600, "signed by no configured authority"},
		{&impostor, -60, 3600, "signed by no configured authority"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf conf = good_conf();
		conf.tls_partner_crl = pki_write_crls(&folder, "list.crl",
			pki_crl(cases[i].issuer, NULL, cases[i].starts_s, cases[i].ends_s), NULL);
		if (cases[i].fault == NULL) {
			assert_loads(&conf);
		} else {
			assert_refused(&conf, "list.crl", cases[i].fault);
		}
	}
}

static void test_expiry_is_of_the_server_and_the_first_authority_and_crl(void **state)
{
	(void)state;
	struct err err;
	struct conf conf = good_conf();
	int64_t now_s = time(NULL);
	SSL_CTX *ctx = tls_context_new(&conf, &err);
	assert_non_null(ctx);
	struct tls_expiry expiry = tls_context_expiry(ctx);
	assert_in_range(expiry.certificate_s, now_s + 30 * PKI_DAY - 60, now_s + 30 * PKI_DAY);
	assert_int_equal(expiry.crl_s, 0);
	assert_in_range(expiry.partner_ca_s, now_s + 30 * PKI_DAY - 60, now_s + 30 * PKI_DAY);
	SSL_CTX_free(ctx);

	struct pki_pair brief = pki_make(&(struct pki_spec){
		.common_name = "brief root", .is_ca = true, .ends_s = 3 * PKI_DAY});
	conf.tls_partner_ca = pki_write_certificates(&folder, "three.crt", root.certificate,
		brief.certificate, other_root.certificate, NULL);
	ctx = tls_context_new(&conf, &err);
	assert_non_null(ctx);
	expiry = tls_context_expiry(ctx);
	assert_in_range(expiry.partner_ca_s, now_s + 3 * PKI_DAY - 60, now_s + 3 * PKI_DAY + 60);
	SSL_CTX_free(ctx);
	pki_free(&brief);

	conf.tls_partner_ca = pki_write_certificates(
		&folder, "two.crt", root.certificate, other_root.certificate, NULL);
	conf.tls_partner_crl =
		pki_write_crls(&folder, "two.crl", pki_crl(&root, NULL, -60, 5 * PKI_DAY),
			pki_crl(&other_root, NULL, -60, 2 * PKI_DAY), NULL);
	ctx = tls_context_new(&conf, &err);
	assert_non_null(ctx);
	expiry = tls_context_expiry(ctx);
	assert_in_range(expiry.crl_s, now_s + 2 * PKI_DAY - 60, now_s + 2 * PKI_DAY + 60);
	assert_in_range(expiry.shut_s, now_s + 5 * PKI_DAY - 60, now_s + 5 * PKI_DAY + 60);
	assert_int_equal(expiry.time_count, 4);
	SSL_CTX_free(ctx);
}

struct chain_case {
	int64_t intermediate_ends_s; /* its certificate */
	int64_t root_list_s;         /* 0: no lists at all */
	int64_t intermediate_list_s; /* 0: it has none */
	int64_t shut_s;
};

static void test_somebody_may_be_let_in_as_long_as_a_root_and_its_list_last(void **state)
{
	static const struct chain_case cases[] = {
		{20 * PKI_DAY, 0, 0, 30 * PKI_DAY},
		{20 * PKI_DAY, 9 * PKI_DAY, 5 * PKI_DAY, 9 * PKI_DAY},
		{20 * PKI_DAY, 5 * PKI_DAY, 9 * PKI_DAY, 5 * PKI_DAY},
		{4 * PKI_DAY, 5 * PKI_DAY, 9 * PKI_DAY, 5 * PKI_DAY},
		{20 * PKI_DAY, 9 * PKI_DAY, 0, 9 * PKI_DAY},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct chain_case *one = &cases[i];
		struct err err;
		struct conf conf = good_conf();
		struct pki_pair issuing = pki_make(&(struct pki_spec){.common_name = "issuing",
			.issuer = &root,
			.is_ca = true,
			.ends_s = one->intermediate_ends_s});
		conf.tls_partner_ca = pki_write_certificates(
			&folder, "chain.crt", root.certificate, issuing.certificate, NULL);
		if (one->root_list_s != 0) {
			conf.tls_partner_crl = pki_write_crls(&folder, "chain.crl",
				pki_crl(&root, NULL, -60, one->root_list_s),
				one->intermediate_list_s == 0
					? NULL
					: pki_crl(&issuing, NULL, -60, one->intermediate_list_s),
				NULL);
		}
		SSL_CTX *ctx = tls_context_new(&conf, &err);
		assert_non_null(ctx);
		struct tls_expiry expiry = tls_context_expiry(ctx);
		int64_t expected_s = one->shut_s == 0 ? 0 : time(NULL) + one->shut_s;
		assert_in_range(expiry.shut_s + 60, expected_s, expected_s + 120);
		SSL_CTX_free(ctx);
		pki_free(&issuing);
	}
}

static void test_of_many_lists_the_first_times_are_known(void **state)
{
	(void)state;
	struct err err;
	struct conf conf = good_conf();
	X509_CRL *lists[2 * TLS_EXPIRY_TIMES];
	int64_t now_s = time(NULL);
	FILE *file = fopen(pki_path(&folder, "many.crl"), "w");
	assert_non_null(file);
	for (int i = 0; i < 2 * TLS_EXPIRY_TIMES; i++) {
		/* The earliest in the middle. */
		long ends_s = PKI_DAY + labs((long)i - TLS_EXPIRY_TIMES) * 600;
		lists[i] = pki_crl(&root, NULL, -60 - i, ends_s);
		assert_true(PEM_write_X509_CRL(file, lists[i]));
		X509_CRL_free(lists[i]);
	}
	fclose(file);
	conf.tls_partner_crl = pki_path(&folder, "many.crl");
	SSL_CTX *ctx = tls_context_new(&conf, &err);
	assert_non_null(ctx);
	struct tls_expiry expiry = tls_context_expiry(ctx);
	assert_int_equal(expiry.time_count, TLS_EXPIRY_TIMES);
	for (size_t i = 0; i < expiry.time_count; i++) {
		assert_in_range(expiry.times_s[i], now_s + PKI_DAY,
			now_s + PKI_DAY + (TLS_EXPIRY_TIMES / 2 + 1) * 600);
	}
	SSL_CTX_free(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_files_load),
		cmocka_unit_test(test_a_file_that_cannot_be_read_is_named),
		cmocka_unit_test(test_a_broken_pem_block_is_refused),
		cmocka_unit_test(test_a_key_of_another_certificate_is_refused),
		cmocka_unit_test(test_a_key_that_no_handshake_can_use_is_refused),
		cmocka_unit_test(test_a_key_under_a_passphrase_is_refused_without_asking),
		cmocka_unit_test(test_a_server_certificate_out_of_date_or_purpose_is_refused),
		cmocka_unit_test(test_authorities_must_be_authorities_with_their_root),
		cmocka_unit_test(test_a_crl_must_be_current_and_of_an_authority),
		cmocka_unit_test(test_expiry_is_of_the_server_and_the_first_authority_and_crl),
		cmocka_unit_test(test_somebody_may_be_let_in_as_long_as_a_root_and_its_list_last),
		cmocka_unit_test(test_of_many_lists_the_first_times_are_known),
	};
	return cmocka_run_group_tests(tests, make_files, remove_files);
}
