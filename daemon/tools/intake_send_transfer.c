// SPDX-License-Identifier: Apache-2.0
/*
 * Under TLS 1.3 a server refuses the client's certificate after the handshake is over for the
 * client, so the refusal shows as a read that failed. The alert it came with is caught as OpenSSL
 * sees it: it tells a refusal from a connection that broke.
 */
#include "intake_send_transfer_int.h"

#include "base/buf.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_TIMEOUT_MS 10000L
/* Less than a byte a second for so long: the connection is dead, or the server is. */
#define STALL_TIMEOUT_S 60L
/* The longest line, or body that is not given by lines. */
#define ANSWER_BYTES_MAX ((size_t)8 << 20)

struct lane {
	struct transfer *transfer;
	unsigned number;
	CURL *easy;
	struct curl_slist *headers;
	bool is_busy;
	bool wants_lines;
	struct buf answer;
	char fault[CURL_ERROR_SIZE];
};

struct transfer {
	const struct options *options;
	const struct credential *credential;
	struct transfer_events events;
	CURLM *multi;
	struct lane *lanes;
	int alert;    /* the last fatal one that a server sent; 0: none */
	long verdict; /* of OpenSSL on the server's last certificate */
};

/* --- TLS --- */

static int transfer_index(void)
{
	static int index = -1;
	if (index < 0) {
		index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
		ENSURE(index >= 0);
	}
	return index;
}

static void on_tls_info(const SSL *ssl, int where, int value)
{
	struct transfer *transfer = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), transfer_index());
	/* Of all lanes the last that is a fault: each begins with none. */
	if (SSL_get_verify_result(ssl) != X509_V_OK) {
		transfer->verdict = SSL_get_verify_result(ssl);
	}
	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && value >> 8 == SSL3_AL_FATAL) {
		transfer->alert = value & 0xff;
	}
}

static CURLcode on_tls_context(CURL *easy, void *tls_context, void *ctx)
{
	struct transfer *transfer = ctx;
	(void)easy;
	if (SSL_CTX_set_ex_data(tls_context, transfer_index(), transfer) != 1) {
		return CURLE_OUT_OF_MEMORY;
	}
	SSL_CTX_set_info_callback(tls_context, on_tls_info);
	return transfer->credential->is_for_engine ||
			credential_use(transfer->credential, tls_context)
		? CURLE_OK
		: CURLE_SSL_CERTPROBLEM;
}

/* --- what an end means --- */

static const struct hopeless {
	CURLcode code;
	enum outcome outcome;
	const char *what; /* before libcurl's own words */
} hopeless_ends[] = {
	{CURLE_PEER_FAILED_VERIFICATION, OUTCOME_TLS, "the server is not trusted"},
	{CURLE_SSL_CACERT_BADFILE, OUTCOME_LOCAL, "the file of --ca cannot be used"},
	{CURLE_SSL_CERTPROBLEM, OUTCOME_LOCAL, "what --cert or --key names cannot be used"},
	{CURLE_SSL_CIPHER, OUTCOME_TLS, "TLS cannot be agreed on"},
	{CURLE_OUT_OF_MEMORY, OUTCOME_LOCAL, "memory is short"},
	{CURLE_URL_MALFORMAT, OUTCOME_USAGE, "--url cannot be used"},
};

/* What helps against a server that is not trusted. */
static const char *trust_hint(long verdict)
{
	switch (verdict) {
	case X509_V_OK:
		return "; --url has to name the server as its certificate does";
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "; ask its operator, if the clock here is right";
	default:
		return "; --ca says who may vouch for it";
	}
}

/* What may help, behind libcurl's own words. */
static const char *hint(const struct transfer *transfer, CURLcode code)
{
	if (code == CURLE_PEER_FAILED_VERIFICATION) {
		return trust_hint(transfer->verdict);
	}
	/* To libcurl an engine that is not there is like a key that is not in the token. */
	if (code == CURLE_SSL_CERTPROBLEM && transfer->credential->is_for_engine) {
		return "; PKCS#11 URIs are served by OpenSSL's engine, in Debian's package "
		       "libengine-pkcs11-openssl";
	}
	return "";
}

/*
 * A server that is ill sends internal_error, and one to which broken bytes came says so: both may
 * be over at the next attempt. Whatever else it says is about us.
 */
static bool alert_refuses(int alert)
{
	switch (alert) {
	case 0:
	case SSL_AD_INTERNAL_ERROR:
	case SSL_AD_USER_CANCELLED:
	case SSL_AD_UNEXPECTED_MESSAGE:
	case SSL_AD_BAD_RECORD_MAC:
	case SSL_AD_RECORD_OVERFLOW:
	case SSL_AD_DECODE_ERROR:
		return false;
	default:
		return true;
	}
}

/* The alert says what is wrong with a certificate, and not that it is ours. */
static void explain_refusal(const struct transfer *transfer, struct err *err)
{
	const char *certificate = transfer->options->certificate;
	if (!credential_check_time(transfer->credential, transfer->options, err)) {
		err_prefix(err, "the server refuses the connection");
	} else if (transfer->alert == SSL_AD_CERTIFICATE_EXPIRED &&
		!transfer->credential->is_for_engine) {
		err_set(err,
			"the server refuses certificates at the moment: the one in %s is valid, so "
			"most likely the server's revocation list has run out; ask its operator",
			certificate);
	} else {
		err_set(err,
			"the server refuses the connection, most likely the certificate in %s: %s",
			certificate, SSL_alert_desc_string_long(transfer->alert));
	}
}

static void set_lost(struct transfer *transfer, const struct lane *lane, CURLcode code,
	struct transfer_end *end, char *reason, size_t reason_size)
{
	const char *words = lane->fault[0] != '\0' ? lane->fault : curl_easy_strerror(code);
	end->result = TRANSFER_LOST;
	end->reason = reason;
	snprintf(reason, reason_size, "%s",
		code == CURLE_WRITE_ERROR ? "the answer is not understood" : words);
	for (size_t i = 0; i < sizeof(hopeless_ends) / sizeof(hopeless_ends[0]); i++) {
		if (hopeless_ends[i].code == code) {
			end->result = TRANSFER_HOPELESS;
			end->outcome = hopeless_ends[i].outcome;
			snprintf(reason, reason_size, "%s: %s%s", hopeless_ends[i].what, words,
				hint(transfer, code));
			return;
		}
	}
	if (alert_refuses(transfer->alert)) {
		end->result = TRANSFER_HOPELESS;
		end->outcome = OUTCOME_TLS;
		struct err err;
		explain_refusal(transfer, &err);
		snprintf(reason, reason_size, "%s", err.text);
	}
}

static void end_request(struct lane *lane, CURLcode code)
{
	struct transfer *transfer = lane->transfer;
	struct transfer_end end = {.result = TRANSFER_ANSWERED, .body = buf_str(&lane->answer)};
	char reason[CURL_ERROR_SIZE + 256];
	long status = 0;
	curl_off_t retry_after_s = 0;
	curl_easy_getinfo(lane->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(lane->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
	end.status = (int)status;
	end.retry_after_s = retry_after_s;
	if (code == CURLE_OK) {
		transfer->alert = 0;
	} else {
		set_lost(transfer, lane, code, &end, reason, sizeof(reason));
	}
	transfer_drop(transfer, lane->number);
	transfer->events.on_end(transfer->events.ctx, lane->number, &end);
}

/* --- answers --- */

/* Gives every whole line of what has arrived. */
static bool give_lines(struct lane *lane)
{
	const struct transfer_events *events = &lane->transfer->events;
	size_t given = 0;
	const char *end = NULL;
	while ((end = memchr(lane->answer.data + given, '\n', lane->answer.len - given)) != NULL) {
		struct str line = {lane->answer.data + given, 0};
		line.len = (size_t)(end - line.data);
		given += line.len + 1;
		if (!events->on_line(events->ctx, lane->number, line)) {
			return false;
		}
	}
	buf_consume(&lane->answer, given);
	return true;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
	struct lane *lane = ctx;
	size_t len = size * count;
	long status = 0;
	if (!buf_append(&lane->answer, data, len)) {
		return 0;
	}
	curl_easy_getinfo(lane->easy, CURLINFO_RESPONSE_CODE, &status);
	bool is_taken = !lane->wants_lines || status != 200 || give_lines(lane);
	return is_taken ? len : 0;
}

/* --- life --- */

/* Both report whether libcurl took the value. */
static bool set_text(CURL *easy, CURLoption option, const char *value)
{
	return curl_easy_setopt(easy, option, value) == CURLE_OK;
}

static bool set_number(CURL *easy, CURLoption option, long value)
{
	return curl_easy_setopt(easy, option, value) == CURLE_OK;
}

static bool set_place(CURL *easy, CURLoption option, CURLoption type_option, const char *place)
{
	return set_text(easy, option, place) &&
		set_text(easy, type_option, credential_is_token(place) ? "ENG" : "PEM");
}

static bool set_engine(struct lane *lane)
{
	const struct options *options = lane->transfer->options;
	const char *passphrase = lane->transfer->credential->passphrase;
	return set_place(lane->easy, CURLOPT_SSLCERT, CURLOPT_SSLCERTTYPE, options->certificate) &&
		set_place(lane->easy, CURLOPT_SSLKEY, CURLOPT_SSLKEYTYPE, options->key) &&
		(passphrase[0] == '\0' || set_text(lane->easy, CURLOPT_KEYPASSWD, passphrase));
}

/* The system's authorities stay out when --ca names others. */
static bool set_tls(struct lane *lane)
{
	const char *ca = lane->transfer->options->ca;
	return set_number(lane->easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_3) &&
		curl_easy_setopt(lane->easy, CURLOPT_SSL_CTX_FUNCTION, on_tls_context) ==
		CURLE_OK &&
		curl_easy_setopt(lane->easy, CURLOPT_SSL_CTX_DATA, lane->transfer) == CURLE_OK &&
		(ca == NULL ||
			(set_text(lane->easy, CURLOPT_CAINFO, ca) &&
				set_text(lane->easy, CURLOPT_CAPATH, NULL))) &&
		(!lane->transfer->credential->is_for_engine || set_engine(lane));
}

static bool lane_init(struct lane *lane, struct transfer *transfer, unsigned number)
{
	*lane = (struct lane){.transfer = transfer, .number = number, .easy = curl_easy_init()};
	buf_init(&lane->answer, ANSWER_BYTES_MAX);
	/* At the end a name server that does not answer is not waited for. */
	return lane->easy != NULL && set_number(lane->easy, CURLOPT_NOSIGNAL, 1) &&
		set_number(lane->easy, CURLOPT_QUICK_EXIT, 1) &&
		set_text(lane->easy, CURLOPT_PROTOCOLS_STR, "https") &&
		set_number(lane->easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1) &&
		set_text(lane->easy, CURLOPT_USERAGENT, "intake-send/" INTAKED_VERSION) &&
		set_number(lane->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS) &&
		set_number(lane->easy, CURLOPT_LOW_SPEED_LIMIT, 1) &&
		set_number(lane->easy, CURLOPT_LOW_SPEED_TIME, STALL_TIMEOUT_S) &&
		curl_easy_setopt(lane->easy, CURLOPT_ERRORBUFFER, lane->fault) == CURLE_OK &&
		curl_easy_setopt(lane->easy, CURLOPT_PRIVATE, lane) == CURLE_OK &&
		curl_easy_setopt(lane->easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
		curl_easy_setopt(lane->easy, CURLOPT_WRITEDATA, lane) == CURLE_OK && set_tls(lane);
}

static void lane_fini(struct lane *lane)
{
	curl_easy_cleanup(lane->easy);
	curl_slist_free_all(lane->headers);
	buf_fini(&lane->answer);
}

struct transfer *transfer_new(const struct options *options, const struct credential *credential,
	const struct transfer_events *events, struct err *err)
{
	struct transfer *transfer = calloc(1, sizeof(*transfer));
	ENSURE(transfer != NULL);
	transfer->options = options;
	transfer->credential = credential;
	transfer->events = *events;
	transfer->multi = curl_multi_init();
	transfer->lanes = calloc(options->connections, sizeof(*transfer->lanes));
	ENSURE(transfer->multi != NULL && transfer->lanes != NULL);
	curl_multi_setopt(transfer->multi, CURLMOPT_MAXCONNECTS, (long)options->connections);
	for (unsigned i = 0; i < options->connections; i++) {
		if (!lane_init(&transfer->lanes[i], transfer, i)) {
			transfer_free(&transfer);
			err_set(err, "this libcurl (%s) lacks what is needed, OpenSSL most likely",
				curl_version());
			return NULL;
		}
	}
	return transfer;
}

void transfer_free(struct transfer **transfer)
{
	struct transfer *old = *transfer;
	*transfer = NULL;
	if (old == NULL) {
		return;
	}
	for (unsigned i = 0; i < old->options->connections; i++) {
		transfer_drop(old, i);
	}
	curl_multi_cleanup(old->multi);
	for (unsigned i = 0; i < old->options->connections; i++) {
		lane_fini(&old->lanes[i]);
	}
	free(old->lanes);
	free(old);
}

static void set_request(struct lane *lane, const struct transfer_request *request)
{
	char *url = NULL;
	ENSURE(asprintf(&url, "%s%s", lane->transfer->options->url, request->path) >= 0);
	bool is_set = set_text(lane->easy, CURLOPT_URL, url);
	free(url);
	if (request->content_type == NULL) {
		is_set = is_set && set_number(lane->easy, CURLOPT_HTTPGET, 1);
	} else {
		char header[128];
		snprintf(header, sizeof(header), "Content-Type: %s", request->content_type);
		lane->headers = curl_slist_append(NULL, header);
		is_set = is_set && lane->headers != NULL &&
			set_number(lane->easy, CURLOPT_POST, 1) &&
			curl_easy_setopt(lane->easy, CURLOPT_POSTFIELDS, request->body.data) ==
				CURLE_OK &&
			curl_easy_setopt(lane->easy, CURLOPT_POSTFIELDSIZE_LARGE,
				(curl_off_t)request->body.len) == CURLE_OK;
	}
	ENSURE(is_set &&
		curl_easy_setopt(lane->easy, CURLOPT_HTTPHEADER, lane->headers) == CURLE_OK);
}

void transfer_start(
	struct transfer *transfer, unsigned number, const struct transfer_request *request)
{
	struct lane *lane = &transfer->lanes[number];
	ENSURE(!lane->is_busy);
	buf_clear(&lane->answer);
	lane->fault[0] = '\0';
	lane->wants_lines = request->wants_lines;
	set_request(lane, request);
	lane->is_busy = true;
	ENSURE(curl_multi_add_handle(transfer->multi, lane->easy) == CURLM_OK);
}

void transfer_drop(struct transfer *transfer, unsigned number)
{
	struct lane *lane = &transfer->lanes[number];
	if (lane->is_busy) {
		curl_multi_remove_handle(transfer->multi, lane->easy);
		curl_easy_setopt(lane->easy, CURLOPT_HTTPHEADER, NULL);
		curl_slist_free_all(lane->headers);
		lane->headers = NULL;
		lane->is_busy = false;
	}
}

void transfer_run(struct transfer *transfer, int wait_ms, int wait_fd)
{
	int running = 0;
	int left = 0;
	CURLMsg *message = NULL;
	bool has_ended = false;
	curl_multi_perform(transfer->multi, &running);
	while ((message = curl_multi_info_read(transfer->multi, &left)) != NULL) {
		struct lane *lane = NULL;
		CURLcode code = message->data.result;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&lane);
		end_request(lane, code);
		has_ended = true;
	}
	if (!has_ended) {
		struct curl_waitfd also = {.fd = wait_fd, .events = CURL_WAIT_POLLIN};
		curl_multi_poll(transfer->multi, &also, wait_fd >= 0 ? 1 : 0, wait_ms, NULL);
	}
}
