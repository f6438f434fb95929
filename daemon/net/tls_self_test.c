// SPDX-License-Identifier: Apache-2.0
#include "tls_self_test_int.h"

#include <openssl/bio.h>
#include <openssl/err.h>

/* A handshake of TLS 1.3 takes three steps; one that has not come to its end by then never does. */
#define STEPS_MAX 8

/* The client has finished when the server has shown that it has the key: one without a certificate
 * is turned away only after that. */
static bool shake_hands(SSL *client, SSL *server)
{
	for (int i = 0; i < STEPS_MAX; i++) {
		if (SSL_do_handshake(client) == 1) {
			return true;
		}
		(void)SSL_do_handshake(server);
	}
	return false;
}

static bool connect_pair(SSL *client, SSL *server)
{
	BIO *client_end = NULL;
	BIO *server_end = NULL;

	if (BIO_new_bio_pair(&client_end, 0, &server_end, 0) != 1) {
		return false;
	}
	SSL_set_bio(client, client_end, client_end);
	SSL_set_bio(server, server_end, server_end);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	return true;
}

bool tls_self_test(SSL_CTX *ctx, struct err *err)
{
	SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());
	SSL *client = client_ctx == NULL ? NULL : SSL_new(client_ctx);
	SSL *server = SSL_new(ctx);

	ERR_clear_error();
	bool is_good = client != NULL && server != NULL && connect_pair(client, server) &&
		shake_hands(client, server);
	const char *reason = ERR_reason_error_string(ERR_peek_error());
	if (!is_good) {
		err_set(err, "no handshake works with them: %s",
			reason == NULL ? "unknown fault" : reason);
	}
	ERR_clear_error();
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(client_ctx);
	return is_good;
}
