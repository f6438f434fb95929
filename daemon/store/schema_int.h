// SPDX-License-Identifier: Apache-2.0
/*
 * What a fresh session must show before it may be used.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "pg_link_int.h"

#include <stdbool.h>

/* The migration this program was written for. */
#define SCHEMA_VERSION 15

extern const char SCHEMA_SESSION_SQL[];

/* The taxonomy's category codes as an array literal; freed by the caller, NULL without memory. */
MUST_CHECK char *schema_codes_literal(const struct taxonomy *taxonomy);
/* Judges the row of SCHEMA_SESSION_SQL; reason says what is wrong. */
enum pg_refusal schema_check_session(const PGresult *result, const struct conf *conf,
	struct pg_session *session_out, struct err *reason);
/* True for SQLSTATEs that mean that the schema is not there, or another one. */
bool schema_error_is_schema(const char *sqlstate);
