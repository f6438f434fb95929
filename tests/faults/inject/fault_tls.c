// SPDX-License-Identifier: Apache-2.0
/*
 * OpenSSL says why in its queue of errors, and SSL_get_error(3) reads it there.
 */
#include "fault_plan.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

/* By name: the shell that starts the daemon has no OpenSSL. */
static void leave_error(void)
{
	void (*new_error)(void);
	void (*set_error)(int, int, const char *, ...);
	*(void **)&new_error = fault_hidden("ERR_new");
	*(void **)&set_error = fault_hidden("ERR_set_error");
	new_error();
	set_error(ERR_LIB_SSL, ERR_R_MALLOC_FAILURE, NULL);
}

#define TLS(type, function, parameters, arguments, failure) \
	FALLIBLE(FAULT_TLS, type, function, parameters, arguments, leave_error(), failure)

TLS(SSL *, SSL_new, (SSL_CTX * context), (context), NULL)
TLS(int, SSL_set_fd, (SSL * ssl, int fd), (ssl, fd), 0)
TLS(int, SSL_do_handshake, (SSL * ssl), (ssl), -1)
TLS(int, SSL_read_ex, (SSL * ssl, void *out, size_t len, size_t *len_out), (ssl, out, len, len_out),
	0)
TLS(int, SSL_write_ex, (SSL * ssl, const void *data, size_t len, size_t *len_out),
	(ssl, data, len, len_out), 0)
TLS(int, SSL_shutdown, (SSL * ssl), (ssl), -1)
TLS(X509 *, SSL_get0_peer_certificate, (const SSL *ssl), (ssl), NULL)
TLS(SSL_CTX *, SSL_CTX_new, (const SSL_METHOD *method), (method), NULL)
TLS(int, SSL_CTX_use_certificate, (SSL_CTX * context, X509 *certificate), (context, certificate), 0)
TLS(int, SSL_CTX_use_PrivateKey, (SSL_CTX * context, EVP_PKEY *key), (context, key), 0)
TLS(int, SSL_CTX_set_ciphersuites, (SSL_CTX * context, const char *names), (context, names), 0)
TLS(int, SSL_CTX_set_cipher_list, (SSL_CTX * context, const char *names), (context, names), 0)
TLS(int, SSL_CTX_add_client_CA, (SSL_CTX * context, X509 *certificate), (context, certificate), 0)
TLS(X509 *, PEM_read_X509, (FILE * file, X509 **out, pem_password_cb *ask, void *ctx),
	(file, out, ask, ctx), NULL)
TLS(X509_CRL *, PEM_read_X509_CRL, (FILE * file, X509_CRL **out, pem_password_cb *ask, void *ctx),
	(file, out, ask, ctx), NULL)
TLS(EVP_PKEY *, PEM_read_PrivateKey, (FILE * file, EVP_PKEY **out, pem_password_cb *ask, void *ctx),
	(file, out, ask, ctx), NULL)
TLS(X509_STORE_CTX *, X509_STORE_CTX_new, (void), (), NULL)
TLS(int, X509_STORE_CTX_init,
	(X509_STORE_CTX * context, X509_STORE *store, X509 *certificate, STACK_OF(X509) * chain),
	(context, store, certificate, chain), 0)
TLS(int, X509_STORE_add_cert, (X509_STORE * store, X509 *certificate), (store, certificate), 0)
TLS(int, X509_STORE_add_crl, (X509_STORE * store, X509_CRL *list), (store, list), 0)
TLS(int, X509_verify_cert, (X509_STORE_CTX * context), (context), -1)
/* Of an extension that is there: without *critical set it would pass for one that is not. */
FALLIBLE(FAULT_TLS, void *, X509_get_ext_d2i,
	 (const X509 *certificate, int nid, int *critical, int *index),
	 (certificate, nid, critical, index), leave_error();
	 *(critical != NULL ? critical : &(int){0}) = 0, NULL)
TLS(int, i2d_X509_PUBKEY, (const X509_PUBKEY *key, unsigned char **out), (key, out), -1)
TLS(EVP_MD_CTX *, EVP_MD_CTX_new, (void), (), NULL)
TLS(EVP_MD *, EVP_MD_fetch, (OSSL_LIB_CTX * library, const char *name, const char *properties),
	(library, name, properties), NULL)
