// SPDX-License-Identifier: Apache-2.0
/*
 * What a partner has to know of the server, as far as the configuration and its files tell.
 */
#pragma once

#include "intakectl_int.h"

#include <openssl/x509.h>

struct server {
	char url[300];    /* https://HOST:PORT; HOST stands for a name that is not known */
	X509 *authority;  /* that signed the server's certificate; NULL: not known */
	char issuer[200]; /* its name; empty when the server's certificate cannot be read */
};

/*
 * The authority is the first of authority_path when that is not NULL, else looked for in the
 * server's own chain and among others, which may be NULL. False only when a file that the request
 * names is not what it should be.
 */
MUST_CHECK bool server_read(struct server *server, const struct conf *conf,
	const char *authority_path, STACK_OF(X509) * others, struct err *err);
void server_clear(struct server *server);
