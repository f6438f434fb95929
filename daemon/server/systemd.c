// SPDX-License-Identifier: Apache-2.0
#include "server/systemd.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

/* Kept: the watchdog is to be fed when there are no descriptors left, too. */
static int notify_fd = -1;

void systemd_notify(const char *fmt, ...)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char state[512];
	va_list args;

	if (path == NULL || path[0] == '\0' || strlen(path) >= sizeof(address.sun_path)) {
		return;
	}
	va_start(args, fmt);
	int len = vsnprintf(state, sizeof(state), fmt, args);
	va_end(args);
	if (len >= (int)sizeof(state)) {
		len = (int)sizeof(state) - 1;
	}
	memcpy(address.sun_path, path, strlen(path));
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (path[0] == '@') {
		address.sun_path[0] = '\0'; /* abstract */
	}
	if (notify_fd < 0) {
		notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	}
	/* A manager that does not listen at the moment must not hold up what else is served. */
	ssize_t sent = sendto(notify_fd, state, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT,
		(struct sockaddr *)(void *)&address, size);
	(void)sent;
}

int64_t systemd_watchdog_ms(void)
{
	uint64_t interval_us = 0;
	return sd_watchdog_enabled(0, &interval_us) > 0 ? (int64_t)(interval_us / 1000) : 0;
}
