// SPDX-License-Identifier: Apache-2.0
/*
 * Every SQL statement the daemon runs, prepared by name at each connection.
 */
#pragma once

#include "pg_link_int.h"

#define STATEMENT_STORE "store"
#define STATEMENT_STORE_ATOMIC "store_atomic"
#define STATEMENT_FIND "find"
#define STATEMENT_RETRACT "retract"
#define STATEMENT_NOTE_REFUSALS "note_refusals"
#define STATEMENT_REGISTRY "registry"
#define STATEMENT_HOUSEKEEP "housekeep"

extern const struct pg_statement store_statements[];
extern const size_t store_statement_count;
extern const struct pg_statement registry_statements[];
extern const size_t registry_statement_count;
extern const struct pg_statement housekeeping_statements[];
extern const size_t housekeeping_statement_count;
