// SPDX-License-Identifier: Apache-2.0
/*
 * What an answer of the server means for a report, for one report alone and for a line of a batch's
 * answer. Pure. An answer that is not understood is never taken for a receipt or for a refusal.
 */
#pragma once

#include "base/attr.h"
#include "base/str.h"
#include "intake_send_digests_int.h"

#include <jansson.h>
#include <stdint.h>

enum answer_kind {
	ANSWER_STORED,   /* now */
	ANSWER_REPEATED, /* stored before */
	ANSWER_VALID,    /* would be stored */
	ANSWER_REFUSED,  /* for good */
	ANSWER_LATER,    /* try again */
	ANSWER_SMALLER,  /* try again in a smaller batch */
	ANSWER_DENIED,   /* nothing this partner sends is taken there */
	ANSWER_UNKNOWN   /* not understood */
};

struct answer {
	enum answer_kind kind;
	int status;
	uint64_t line; /* of the batch, from 1; 0: of the whole request */
	int64_t retry_after_s;
	json_t *root;             /* owns the others */
	json_t *receipt;          /* of what is stored or valid */
	json_t *problem;          /* of the rest; NULL: the answer had none */
	const char *problem_name; /* the last part of its type; "" without */
};

/* Of a whole request; report_count says how many reports it carried. Finish it either way. */
void answer_read_body(struct answer *answer_out, int status, struct str body, size_t report_count);
/* One line of a batch's answer. */
void answer_read_line(struct answer *answer_out, struct str line);
void answer_fini(struct answer *answer);
/*
 * Whether the receipt is that of these bytes: an answer that went to another request must not make
 * a report count as stored.
 */
bool answer_is_about(const struct answer *answer, const struct digest *digest, struct str bytes);
/* The title of the problem, or what stands for it. */
const char *answer_title(const struct answer *answer);
