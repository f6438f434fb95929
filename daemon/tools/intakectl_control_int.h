// SPDX-License-Identifier: Apache-2.0
/*
 * Asks the running daemon. The control socket takes one line and answers with one JSON object, then
 * closes.
 */
#pragma once

#include "intakectl_int.h"

#include <jansson.h>

/* The object, for json_decref(); NULL with a sentence that ends in what to do. */
MUST_CHECK json_t *control_ask(
	const struct request *request, const char *command, int timeout_s, struct err *err);
/* "the daemon says: ...", when all that the answer says is that it cannot be given. */
MUST_CHECK bool control_is_answer(const json_t *answer, struct err *err);
/* The object on one line. */
void control_print(const json_t *answer);
