// SPDX-License-Identifier: Apache-2.0
/*
 * sd_notify(3)'s protocol: a datagram to the socket named by NOTIFY_SOCKET. Nothing happens where
 * that is not set, and nothing waits where the other side does not read.
 */
#pragma once

#include "base/attr.h"

/* state: lines such as "READY=1\nSTATUS=serving". */
void systemd_notify(const char *fmt, ...) PRINTF_LIKE(1, 2);
