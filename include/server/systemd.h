// SPDX-License-Identifier: Apache-2.0
/*
 * What the service manager is told, and asks for.
 */
#pragma once

#include "base/attr.h"

#include <stdint.h>

/*
 * sd_notify(3)'s protocol: a datagram to the socket named by NOTIFY_SOCKET. Nothing happens where
 * that is not set, and, unlike with sd_notify itself, nothing waits where the other side does not
 * read. state: lines such as "READY=1\nSTATUS=serving".
 */
void systemd_notify(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* WatchdogSec of the unit in milliseconds; 0: nobody watches. */
int64_t systemd_watchdog_ms(void);
