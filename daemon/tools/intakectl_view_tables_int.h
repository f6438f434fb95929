// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "intakectl_view_int.h"

/* How much a counter of an object grew each second; a daemon that was restarted counts anew. */
double view_rate(const json_t *object, const json_t *before, const char *counter, double elapsed_s);
/* Refusals, handshakes, partners, the latest refusals; what is empty is left out. */
void view_print_tables(const struct view *view, FILE *out);
