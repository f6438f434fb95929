// SPDX-License-Identifier: Apache-2.0
/*
 * Whether a Host is one by which a browser can have been sent here on purpose. A page from
 * elsewhere whose name is made to point at this machine (DNS rebinding) counts as of one origin
 * with what is served under that name; it cannot use an address or localhost, which it does not
 * own.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>

/* True for an address literal or localhost, with or without a port, and for an empty one. */
bool admin_host_is_taken(struct str host);
