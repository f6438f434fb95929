// SPDX-License-Identifier: Apache-2.0
/*
 * POST /v1/reports/{report_id}/retraction.
 */
#pragma once

#include "conn_int.h"

/* The request is whole: answers it, or asks the store. */
void retraction_request(struct conn *conn, struct str body);
