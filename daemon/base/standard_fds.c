// SPDX-License-Identifier: Apache-2.0
#include "base/standard_fds.h"

#include "base/attr.h"

#include <fcntl.h>
#include <unistd.h>

void standard_fds_hold(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0) {
			continue;
		}
		/* Opened for what it is not used for; the lowest number that is free is this. */
		int opened = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
		ENSURE(opened == fd);
	}
}
