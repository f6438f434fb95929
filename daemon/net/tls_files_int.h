// SPDX-License-Identifier: Apache-2.0
/*
 * Reads the files of the tls section into an SSL_CTX and checks them, so that what is wrong shows
 * when the daemon starts or reloads and not at the first partner. Every fault names the file.
 * Nothing here ever asks for a passphrase.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>

#include <openssl/ssl.h>

/* The server's chain and its key: they belong together, and every certificate is valid now. */
MUST_CHECK bool tls_files_load_identity(
	SSL_CTX *ctx, const char *certificate_path, const char *key_path, struct err *err);
/* Each is an authority up to a root that is in the file too, and valid now. */
MUST_CHECK bool tls_files_load_authorities(SSL_CTX *ctx, const char *path, struct err *err);
/* After the authorities: each list is signed by one of them, and in force now. */
MUST_CHECK bool tls_files_load_crls(SSL_CTX *ctx, const char *path, struct err *err);
