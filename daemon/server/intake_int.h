// SPDX-License-Identifier: Apache-2.0
/*
 * What a request means: routes, verdicts, answers.
 */
#pragma once

#include "conn_int.h"
#include "report/reject.h"
#include "report/report_check.h"
#include "store/store.h"

#include <stdbool.h>

/*
 * The head is complete: is the body wanted? False when the request was answered already (the answer
 * is in conn->out), before a byte of its body was read.
 */
bool intake_accepts_head(struct conn *conn);
/* By what gzip may lengthen content that it cannot shorten: a header, and some of each block. */
#define INTAKE_GZIP_OVERHEAD(len) ((len) / 64 + 1024)
/* Most bytes of body that this request may have, decoded. */
size_t intake_body_limit(const struct conn *conn);
/* Most of them as they come. */
size_t intake_coded_limit(const struct conn *conn);
/* Refuses a body that has more, and says how much it may have. */
void intake_refuse_too_large(struct conn *conn);
/*
 * Of a whole body: was there quota enough for it, and for one more in flight? When not, it was
 * refused.
 */
bool intake_is_within_quota(struct conn *conn);
/* The same of one that was unzipped to so many bytes, which count instead of those that came. */
bool intake_unzipped_is_within_quota(struct conn *conn, size_t len);
/* Borrows from the input buffer. */
struct str intake_path(const struct conn *conn);
/* Answers a GET that needs no database. */
void intake_document(struct conn *conn);
/* The request is whole: answers it, or asks the store (conn_wait). */
void intake_request(struct conn *conn);
/* The store's answer to what the connection waits for. */
void intake_store_result(struct conn *conn, const struct store_result *result);
/* What a repeat's receipt says: that it is one, or that what it repeats is erased. */
enum receipt_status intake_repeat_status(const struct receipt *receipt);
/* All or nothing was asked for. */
bool intake_is_atomic(const struct conn *conn);
/* The refusal of a whole body whose digest was taken: json-invalid, or the errors found. */
void intake_refuse_body(struct conn *conn, enum reject reject, const struct report_result *result);
