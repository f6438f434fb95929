// SPDX-License-Identifier: Apache-2.0
/*
 * Shared by the registry and its reader.
 */
#pragma once

#include "base/attr.h"
#include "store/registry.h"

#include <libpq-fe.h>

/* A snapshot with one reference from rows of STATEMENT_REGISTRY as text; NULL without memory. */
MUST_CHECK struct registry *registry_from_result(const PGresult *result);
