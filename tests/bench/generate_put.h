// SPDX-License-Identifier: Apache-2.0
/*
 * Appending where a shortage of memory ends the program.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"

#include <stdint.h>

#define put(out, ...) ENSURE(buf_printf((out), __VA_ARGS__))

/* RFC 3339, UTC. */
void put_time(struct buf *out, int64_t unix_s);
