// SPDX-License-Identifier: Apache-2.0
#include "verified_chains_int.h"

#include "tls_time_int.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

enum verified_state {
	VERIFIED_NONE,
	VERIFIED_BEING_WRITTEN,
	VERIFIED_KNOWN /* and never changed again */
};

struct verified {
	_Atomic(enum verified_state) state;
	unsigned char digest[SHA256_DIGEST_LENGTH]; /* of the whole certificate */
	int64_t from_s;                             /* when it was verified */
	int64_t until_s;
};

struct verified_chains {
	int64_t lists_until_s;
	struct verified places[VERIFIED_CHAINS];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int place_in_context;

static void free_with_context(
	void *parent, void *value, CRYPTO_EX_DATA *data, int place, long number, void *pointer)
{
	(void)parent;
	(void)data;
	(void)place;
	(void)number;
	(void)pointer;
	free(value);
}

static void take_place_in_context(void)
{
	place_in_context = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_with_context);
}

/* A certificate that is not digested for want of memory is verified as a new one is. */
static bool digest_of(const X509 *certificate, unsigned char digest_out[SHA256_DIGEST_LENGTH])
{
	ERR_set_mark();
	bool is_done = certificate != NULL &&
		X509_digest(certificate, EVP_sha256(), digest_out, NULL) == 1;
	ERR_pop_to_mark();
	return is_done;
}

static struct verified *place_of(struct verified_chains *chains,
	const unsigned char digest[SHA256_DIGEST_LENGTH], unsigned try)
{
	unsigned own = (unsigned)digest[0] << 8 | digest[1];
	return &chains->places[(own + try) % VERIFIED_CHAINS];
}

/* As X509_verify_cert has it. */
static int64_t time_of(X509_STORE_CTX *check)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(check);
	bool is_told = (X509_VERIFY_PARAM_get_flags(param) & X509_V_FLAG_USE_CHECK_TIME) != 0;
	return is_told ? X509_VERIFY_PARAM_get_time(param) : time(NULL);
}

/* A clock that was set back is before what is known of. */
static bool is_known(struct verified_chains *chains, X509_STORE_CTX *check)
{
	int64_t now_s = time_of(check);
	unsigned char digest[SHA256_DIGEST_LENGTH];

	if (!digest_of(X509_STORE_CTX_get0_cert(check), digest)) {
		return false;
	}
	for (unsigned try = 0; try < VERIFIED_CHAINS_TRIES; try++) {
		struct verified *place = place_of(chains, digest, try);
		if (atomic_load_explicit(&place->state, memory_order_acquire) == VERIFIED_KNOWN &&
			now_s >= place->from_s && now_s < place->until_s &&
			memcmp(place->digest, digest, sizeof(place->digest)) == 0) {
			return true;
		}
	}
	return false;
}

/* 0 when a time cannot be read. */
static int64_t chain_until(const STACK_OF(X509) * chain, int64_t lists_until_s)
{
	int64_t until_s = lists_until_s == 0 ? INT64_MAX : lists_until_s;
	for (int i = 0; i < sk_X509_num(chain); i++) {
		int64_t one_s = tls_unix_seconds(X509_get0_notAfter(sk_X509_value(chain, i)));
		until_s = one_s < until_s ? one_s : until_s;
	}
	return until_s;
}

/* One that finds no place is verified each time. */
static void remember(struct verified_chains *chains, X509_STORE_CTX *check)
{
	int64_t now_s = time_of(check);
	int64_t until_s = chain_until(X509_STORE_CTX_get0_chain(check), chains->lists_until_s);
	unsigned char digest[SHA256_DIGEST_LENGTH];

	if (now_s >= until_s || !digest_of(X509_STORE_CTX_get0_cert(check), digest)) {
		return;
	}
	for (unsigned try = 0; try < VERIFIED_CHAINS_TRIES; try++) {
		struct verified *place = place_of(chains, digest, try);
		enum verified_state none = VERIFIED_NONE;
		if (atomic_compare_exchange_strong(&place->state, &none, VERIFIED_BEING_WRITTEN)) {
			memcpy(place->digest, digest, sizeof(place->digest));
			place->from_s = now_s;
			place->until_s = until_s;
			atomic_store_explicit(&place->state, VERIFIED_KNOWN, memory_order_release);
			return;
		}
	}
}

/* OpenSSL calls it in place of X509_verify_cert. */
static int verify(X509_STORE_CTX *check, void *ctx)
{
	struct verified_chains *chains = ctx;

	if (is_known(chains, check)) {
		X509_STORE_CTX_set_error(check, X509_V_OK);
		return 1;
	}
	int result = X509_verify_cert(check);
	if (result == 1) {
		remember(chains, check);
	}
	return result;
}

bool verified_chains_attach(SSL_CTX *ctx, int64_t lists_until_s)
{
	struct verified_chains *chains = calloc(1, sizeof(*chains));

	pthread_once(&once, take_place_in_context);
	if (chains == NULL || SSL_CTX_set_ex_data(ctx, place_in_context, chains) != 1) {
		free(chains);
		return false;
	}
	chains->lists_until_s = lists_until_s;
	SSL_CTX_set_cert_verify_callback(ctx, verify, chains);
	return true;
}
