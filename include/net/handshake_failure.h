// SPDX-License-Identifier: Apache-2.0
/*
 * Why a handshake failed: few enough for a metric's label, each with a sentence for the log.
 */
#pragma once

/* X(enumerator, name in metrics, text for the log) */
#define HANDSHAKE_FAILURE_TABLE(X)                                                             \
	X(NONE, "none", "no failure")                                                          \
	X(NO_CERTIFICATE, "no_certificate", "the client sent no certificate")                  \
	X(UNKNOWN_CA, "unknown_ca", "no configured authority issued the certificate")          \
	X(EXPIRED, "expired", "a certificate of the chain has expired")                        \
	X(NOT_YET_VALID, "not_yet_valid", "a certificate of the chain is not valid yet")       \
	X(REVOKED, "revoked", "a certificate of the chain is revoked")                         \
	X(CRL, "crl_missing_or_expired", "no current revocation list of the issuer")           \
	X(PURPOSE, "purpose", "the certificate is not made for client authentication")         \
	X(MALFORMED, "malformed", "a certificate of the chain breaks RFC 5280 or is too weak") \
	X(PROTOCOL, "protocol", "no common protocol version, cipher or group")                 \
	X(NOT_TLS, "not_tls", "the client does not speak TLS")                                 \
	X(CLIENT_ALERT, "client_alert", "the client refused us with an alert")                 \
	X(TIMEOUT, "timeout", "the handshake took too long")                                   \
	X(CLOSED, "closed", "the client closed the connection")                                \
	X(OTHER, "other", "another fault")

enum handshake_failure {
#define X(enumerator, name, text) HANDSHAKE_FAILURE_##enumerator,
	HANDSHAKE_FAILURE_TABLE(X)
#undef X
		HANDSHAKE_FAILURE_COUNT
};

const char *handshake_failure_name(enum handshake_failure failure);
const char *handshake_failure_text(enum handshake_failure failure);
/* The failure behind an X509_V_ERR_ code of a chain that was refused. */
enum handshake_failure handshake_failure_from_verify(long verify_error);
/* The failure behind an entry of OpenSSL's error queue. */
enum handshake_failure handshake_failure_from_error(unsigned long ssl_error);
