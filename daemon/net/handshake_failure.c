// SPDX-License-Identifier: Apache-2.0
/*
 * OpenSSL's several hundred reasons, folded into those an operator acts upon.
 */
#include "net/handshake_failure.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

static const struct {
	const char *name;
	const char *text;
} failures[] = {
#define X(enumerator, failure_name, failure_text) {failure_name, failure_text},
	HANDSHAKE_FAILURE_TABLE(X)
#undef X
};

const char *handshake_failure_name(enum handshake_failure failure)
{
	return failures[failure].name;
}

const char *handshake_failure_text(enum handshake_failure failure)
{
	return failures[failure].text;
}

enum handshake_failure handshake_failure_from_verify(long verify_error)
{
	switch (verify_error) {
	case X509_V_OK:
		return HANDSHAKE_FAILURE_NONE;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return HANDSHAKE_FAILURE_EXPIRED;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return HANDSHAKE_FAILURE_NOT_YET_VALID;
	case X509_V_ERR_CERT_REVOKED:
		return HANDSHAKE_FAILURE_REVOKED;
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
	case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
	case X509_V_ERR_CRL_SIGNATURE_FAILURE:
	case X509_V_ERR_CRL_NOT_YET_VALID:
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
	case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
	case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
	case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
	case X509_V_ERR_DIFFERENT_CRL_SCOPE:
	case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
		return HANDSHAKE_FAILURE_CRL;
	case X509_V_ERR_INVALID_PURPOSE:
		return HANDSHAKE_FAILURE_PURPOSE;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
	case X509_V_ERR_CERT_CHAIN_TOO_LONG:
	case X509_V_ERR_CERT_UNTRUSTED:
	case X509_V_ERR_CERT_REJECTED:
	case X509_V_ERR_SUBJECT_ISSUER_MISMATCH:
	case X509_V_ERR_AKID_SKID_MISMATCH:
	case X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH:
		return HANDSHAKE_FAILURE_UNKNOWN_CA;
	case X509_V_ERR_OUT_OF_MEM:
	case X509_V_ERR_UNSPECIFIED:
		return HANDSHAKE_FAILURE_OTHER;
	default:
		return HANDSHAKE_FAILURE_MALFORMED;
	}
}

enum handshake_failure handshake_failure_from_error(unsigned long ssl_error)
{
	int reason = ERR_GET_REASON(ssl_error);

	if (ERR_GET_LIB(ssl_error) != ERR_LIB_SSL) {
		return HANDSHAKE_FAILURE_OTHER;
	}
	if (reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256) {
		return HANDSHAKE_FAILURE_CLIENT_ALERT;
	}
	switch (reason) {
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		return HANDSHAKE_FAILURE_NO_CERTIFICATE;
	case SSL_R_UNEXPECTED_EOF_WHILE_READING:
		return HANDSHAKE_FAILURE_CLOSED;
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
	case SSL_R_WRONG_VERSION_NUMBER:
		return HANDSHAKE_FAILURE_NOT_TLS;
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_VERSION_TOO_LOW:
	case SSL_R_INAPPROPRIATE_FALLBACK:
	case SSL_R_NO_PROTOCOLS_AVAILABLE:
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_NO_SHARED_GROUPS:
	case SSL_R_NO_SUITABLE_KEY_SHARE:
	case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
	case SSL_R_WRONG_SIGNATURE_TYPE:
		return HANDSHAKE_FAILURE_PROTOCOL;
	case SSL_R_EE_KEY_TOO_SMALL:
	case SSL_R_CA_KEY_TOO_SMALL:
	case SSL_R_CA_MD_TOO_WEAK:
		return HANDSHAKE_FAILURE_MALFORMED;
	default:
		return HANDSHAKE_FAILURE_OTHER;
	}
}
