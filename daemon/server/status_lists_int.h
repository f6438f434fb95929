// SPDX-License-Identifier: Apache-2.0
/*
 * The parts of the status that grow with what has happened.
 */
#pragma once

#include "json_writer_int.h"
#include "status_int.h"

#define STATUS_MAX_PARTNERS 100
#define STATUS_MAX_REFUSALS 50

/* Refusals by problem and handshakes by why they failed: only what was counted. */
void status_add_reasons(struct json_writer *json, const struct status_values *values);
/* By what they sent, at most STATUS_MAX_PARTNERS of them; and how many there are. */
void status_add_partners(struct json_writer *json, const struct status_values *values);
/* Newest first, at most STATUS_MAX_REFUSALS. */
void status_add_refusals(struct json_writer *json, const struct status_values *values);
