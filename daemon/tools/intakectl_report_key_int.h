// SPDX-License-Identifier: Apache-2.0
/*
 * How an operator names a report: by the id in its receipt, or by its partner and that one's own
 * id.
 */
#pragma once

#include "intakectl_int.h"

struct report_key {
	const char *id; /* a UUID, or NULL and the others */
	char partner[64];
	const char *report_id;
};

/* UUID, PARTNER/REPORT_ID or, where partner is not NULL, REPORT_ID. Borrows from text. */
MUST_CHECK bool report_key_read(
	struct report_key *key_out, const char *text, const char *partner, struct err *err);
/* A number of a row, from 1. */
bool report_key_is_number(const char *text);
