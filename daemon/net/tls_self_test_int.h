// SPDX-License-Identifier: Apache-2.0
/*
 * One handshake in memory, before a context meets a partner. OpenSSL takes keys that no group or
 * signature of the policy can use, and leaves out without an error what it had no memory for when
 * the context was made; either would turn every partner away.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>

#include <openssl/ssl.h>

/* The client's side checks nothing: what is tested is that the server can come to an end. */
MUST_CHECK bool tls_self_test(SSL_CTX *ctx, struct err *err);
