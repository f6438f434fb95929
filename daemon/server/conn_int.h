// SPDX-License-Identifier: Apache-2.0
/*
 * One partner's connection: a state machine over a TLS stream. One request at a time; what is
 * pipelined behind it waits in the input buffer.
 *
 *	HANDSHAKE -> IDLE -> HEAD -> BODY -> WAIT -> ANSWER -> IDLE ...
 *	                     HEAD -> BATCH -> IDLE   ANSWER -> LINGER -> CLOSED
 *
 * A state is also the list the connection is in, so that passed timeouts are found without a
 * search.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "base/list.h"
#include "http/http_chunked.h"
#include "http/http_request.h"
#include "net/peer.h"
#include "net/tls_stream.h"
#include "refusal_ring_int.h"
#include "server/metrics.h"
#include "server/quota.h"
#include "store/registry.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <stdint.h>

struct worker;

enum conn_state {
	CONN_HANDSHAKE, /* until the certificate is verified */
	CONN_IDLE,      /* no byte of a request yet */
	CONN_HEAD,      /* part of a request's head */
	CONN_BODY,      /* head accepted, body arriving */
	CONN_BATCH,     /* lines arrive and results leave */
	CONN_WAIT,      /* the store has it */
	CONN_HELD,      /* the answer 429 is not written yet */
	CONN_ANSWER,    /* bytes of the answer left to write */
	CONN_LINGER, /* closed for writing; drops input, so that the peer can read our last answer
		      */
	CONN_CLOSED, /* waits for the end of the loop turn */
	CONN_STATE_COUNT
};

/* What the store was asked for. */
enum conn_question {
	QUESTION_NONE,
	QUESTION_STORE,      /* out holds the receipt that is sent if it is stored */
	QUESTION_RECEIPT,    /* GET */
	QUESTION_RETRACTION, /* to retract a report */
	QUESTION_REPEAT      /* out holds the refusal that is sent unless it was stored before */
};

struct intake_batch;

/* A ticket has the use in its upper half, then the slot, then the name of a result. */
#define TICKET_SLOT_BITS 20
#define TICKET_NAME_BITS 12

#define CONN_ID_SIZE 32

struct conn {
	uint32_t magic;
	uint32_t slot;
	uint32_t use; /* number of this use of the slot: a late answer finds a stranger */
	enum conn_state state;
	struct worker *worker;
	struct list link;      /* in the list of its state, or of free slots */
	struct list turn_link; /* among those that go on in the next loop turn */
	struct list room_link; /* among those that wait for room in the store */
	uint64_t number;       /* of the connection in this worker, for the log */
	int64_t opened_at_ms;
	int64_t since_ms; /* from when its state's timeout runs; in ANSWER from the last progress */
	int64_t request_at_ms; /* its first byte */
	struct tls_stream stream;
	struct event io;
	short io_mask; /* what io is added for */
	int priority;  /* enum worker_priority */
	bool is_at_gate;
	bool is_counted; /* among its partner's connections */
	bool is_over_cap;
	bool has_report_in_flight; /* counted in its partner's quota */
	bool closes;               /* after this answer */
	bool continued;            /* 100 Continue was sent */
	bool body_is_ended;
	struct sockaddr_in6 address; /* or a sockaddr_in */
	struct peer peer;
	const struct partner *partner; /* of the worker's registry; NULL: nobody */
	bool is_suspended;
	bool is_revoked; /* or expired, since its handshake: no further request */
	int32_t counted_partner_id;
	struct quota *quota;    /* of that partner */
	int64_t quota_retry_ms; /* when a quota will have what the request needs; 0: it has */
	struct quota_demand quota_taken; /* for the request */
	uint32_t owed; /* reports that were in flight when it was closed, and still are */

	struct buf in;
	size_t in_charged; /* bytes of it in the worker's input_bytes */
	struct http_request request;
	enum route route;
	struct http_chunked chunked;
	size_t body_start;  /* offset in in */
	size_t body_len;    /* so far, decoded */
	uint64_t body_used; /* bytes in front of body_start that were dropped already */
	size_t request_end; /* offset of the first byte after the request, once whole */

	struct buf out;
	size_t out_sent;
	enum conn_question question;
	int status;         /* of the answer in out */
	enum reject reject; /* what it refuses; REJECT_COUNT: it does not */
	struct refusal_codes refusal_codes;
	bool has_sha256; /* the body was judged: what follows is of it, unzipped */
	uint8_t sha256[32];
	size_t judged_bytes;
	uint64_t requests;
	const char *close_reason;
	bool is_ndjson; /* the request is a batch */
	bool is_gzip;
	struct intake_batch *batch; /* in state BATCH */
	int64_t willing_ms;         /* how long more of the body was wanted, up to */
	int64_t willing_since_ms;   /* this time, from which it is wanted; 0: it is not */
	int64_t held_up_since_ms;   /* nothing goes on until the client takes results; 0: it does */
};

/* Takes the descriptor; closes it when a cap is met or memory is short. */
void conn_open(struct worker *worker, int fd, const struct sockaddr_storage *peer);
/* For worker-wide changes: the registry is a new one. */
void conn_identify(struct conn *conn);
/* The generation is a new one: was the certificate revoked? */
void conn_verify_again(struct conn *conn);
/* By the present configuration, so that a reload holds for what waits already. */
int64_t conn_timeout_ms(const struct conf *conf, enum conn_state state);
void conn_deadline_passed(struct conn *conn);
/* The answer is complete in out; the connection goes on with it. */
void conn_answer_ready(struct conn *conn);
/* The answer was held back long enough. */
void conn_end_hold(struct conn *conn);
/* The answer is not there yet: the store was asked. */
void conn_wait(struct conn *conn, enum conn_question question);
/* Moves on as far as it goes, or until others have to have their turn. */
void conn_drive(struct conn *conn);
/* The same, unless the store has the request. */
void conn_go_on(struct conn *conn);
void conn_close(struct conn *conn, const char *reason);
/* Frees what a closed connection holds, for its slot's next use if the store owes it nothing. */
void conn_reap(struct conn *conn);
/* The store has answered somebody who is gone. */
void conn_settle_owed(struct worker *worker, uint64_t ticket);
/* At the worker's end: what they hold is freed too. */
void conn_close_all(struct worker *worker);
/* Names the connection, and which of a batch's results, to the store. */
uint64_t conn_ticket(const struct conn *conn, uint32_t name);
/* NULL when the client is gone. */
struct conn *conn_from_ticket(struct worker *worker, uint64_t ticket, uint32_t *name_out);
/* conn=1.42, for the log. */
const char *conn_id(const struct conn *conn, char out[CONN_ID_SIZE]);
/* The whole request's body as it arrived; borrows from the input buffer. */
struct str conn_body(const struct conn *conn);

/* What to do about a batch at this time: a deadline may have passed. */
void conn_batch_check(struct conn *conn, int64_t now_ms);
/* Of the partner, who must be there. */
struct quota_limits conn_quota_limits(const struct conn *conn);
/* One report in flight more; left again with the answer, or the connection. */
MUST_CHECK bool conn_enter_report(struct conn *conn);
/* Goes on in the next loop turn. */
void conn_wake(struct conn *conn);
/* Bytes of requests that a worker's connections may hold together. */
size_t conn_input_share(const struct worker *worker);
/* Counts in the worker's pool what the connection holds of requests. */
void conn_charge_input(struct conn *conn);
/* Drops the first bytes of the body. */
void conn_consume_body(struct conn *conn, size_t len);
