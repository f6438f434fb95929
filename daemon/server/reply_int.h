// SPDX-License-Identifier: Apache-2.0
/*
 * The answer of a request, from a verdict to bytes in the connection's output.
 */
#pragma once

#include "base/attr.h"
#include "conn_int.h"
#include "http/http_response.h"
#include "report/reject.h"
#include "report/report.h"

#include <stdbool.h>

/*
 * Takes away the answer that was prepared: a receipt that may not be sent, most of all. Where no
 * memory is left for another one, closing without a word is the answer.
 */
void reply_discard(struct conn *conn);
/* Puts the answer into out, where there is none. Nothing is sent yet. */
MUST_CHECK bool reply_render(struct conn *conn, struct http_response *response, struct str body);
/* Counts an answer that is whole, and how long it took. */
void reply_count_request(struct conn *conn, int status);
/* Counts it, and keeps it among the worker's latest. */
void reply_count_refusal(struct conn *conn, enum reject reject, struct refusal_codes codes);
/* Of an answer in out that waited: it says that the connection ends, if that is so by now. */
void reply_review_close(struct conn *conn);
/* Lets what is in out go. */
void reply_send(struct conn *conn);
/* Starts a problem in the worker's body; the caller adds members. */
MUST_CHECK bool reply_open_problem(struct conn *conn, enum reject reject, const char *detail);
/* The problem in the worker's body, complete but for its closing brace, as the answer. */
void reply_close_problem(struct conn *conn, enum reject reject);
/* A refusal of whatever is being read or waited for; detail may be NULL. */
void reply_refuse(struct conn *conn, enum reject reject, const char *detail);
/* The refusal behind a fault of HTTP's framing. */
void reply_refuse_framing(struct conn *conn, enum http_fault fault, const char *detail);
/*
 * Keeps that, not what, was refused. Best effort: no answer waits for it. sha256: of the body, NULL
 * without one.
 */
void reply_trace(struct conn *conn, enum reject reject, struct str_list codes,
	struct str_list pointers, const uint8_t *sha256, size_t size);
/* The same of the whole request, with the digest of its body where that was judged. */
void reply_trace_request(struct conn *conn, enum reject reject);
/* A time to wait as Retry-After has it: whole seconds, at least one. */
int reply_seconds(int64_t ms);
struct partner_metrics *reply_partner_metrics(const struct conn *conn);
