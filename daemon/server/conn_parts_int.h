// SPDX-License-Identifier: Apache-2.0
/*
 * A connection as its parts share it: conn.c is the loop over the states and the connection's life,
 * and each other file has the functions of some states.
 */
#pragma once

#include "conn_int.h"

#define ANSWER_NOT_TAKEN "the peer did not take its answer"

/* What a state's function says to the loop that calls it. */
enum step { STEP_MORE, STEP_WAIT, STEP_CLOSE };

/* conn.c */
void conn_set_state(struct conn *conn, enum conn_state state);
/* Watches for what is needed; 0 for nothing. */
void conn_watch(struct conn *conn, short mask);
/* Until the socket is ready for what the stream wants. */
enum step conn_wait_for(struct conn *conn, enum stream_result result);
enum step conn_close_because(struct conn *conn, const char *reason);

/* conn_peer.c */
enum step conn_step_handshake(struct conn *conn);
/* It is not among its address's unidentified ones any more. */
void conn_leave_gate(struct conn *conn);
void conn_log_handshake_failure(struct conn *conn, enum handshake_failure failure);
/* It does not count in its partner's quotas any more, and nor does its report. */
void conn_uncount_partner(struct conn *conn);
void conn_leave_report(struct conn *conn);

/* conn_request.c */
enum step conn_step_idle(struct conn *conn);
enum step conn_step_head(struct conn *conn);
enum step conn_step_body(struct conn *conn);
/* Why no further request is waited for; NULL when one is. */
const char *conn_reason_to_part(const struct conn *conn);
/* Waits for a request, without a buffer for it. */
enum step conn_await_request(struct conn *conn);
/* A request has begun, in what the input buffer holds or will. */
void conn_start_request(struct conn *conn);
/* Bytes that a request and what is pipelined behind it may take. */
size_t conn_input_max(const struct conf *conf);
/* Makes room and reads once into the input buffer. False without memory: result_out is not set. */
MUST_CHECK bool conn_read(struct conn *conn, size_t room, enum stream_result *result_out);
/* Takes what has arrived of the body out of its framing; false when that is broken. */
MUST_CHECK bool conn_decode_body(struct conn *conn);
/*
 * For room bytes more: for the moment, or for good where the request alone would take more than
 * there is. What is left of it stays unread, so nothing can follow it.
 */
void conn_refuse_for_memory(struct conn *conn, size_t room);
/* Once, if the client waits for it; false when it cannot be written. */
MUST_CHECK bool conn_send_continue(struct conn *conn);
void conn_release_input(struct conn *conn);

/* conn_batch.c */
enum step conn_step_batch(struct conn *conn);

/* conn_answer.c */
enum step conn_step_held(struct conn *conn);
enum step conn_step_answer(struct conn *conn);
enum step conn_step_linger(struct conn *conn);
/* The state of a batch is over: its answer was taken whole, or is broken. */
enum step conn_end_batch(struct conn *conn, bool is_broken);
