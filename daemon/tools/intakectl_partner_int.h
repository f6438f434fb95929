// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "intakectl_int.h"

/* Whether it is KEY=VALUE with a value of a quota; which keys there are the database knows. */
bool partner_is_quota(const char *text);
/* Adds the partner that the request describes. A step of a transaction that the caller opened. */
MUST_CHECK bool partner_insert(
	struct database *database, const struct request *request, struct err *err);
/* "live" or "test"; empty when there is no such partner. */
MUST_CHECK bool partner_find_mode(
	struct database *database, const char *name, char mode_out[8], struct err *err);
