// SPDX-License-Identifier: Apache-2.0
#include "base/standard_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#define FD_COUNT 3

/* With the descriptors of the mask closed: whether each fails for what it is there for. */
static void hold_without(unsigned closed, bool *is_held_out)
{
	int kept[FD_COUNT];
	char byte = 0;
	for (int fd = 0; fd < FD_COUNT; fd++) {
		kept[fd] = fcntl(fd, F_DUPFD_CLOEXEC, FD_COUNT);
	}
	for (int fd = 0; fd < FD_COUNT; fd++) {
		if ((closed & 1U << fd) != 0) {
			close(fd);
		}
	}
	standard_fds_hold();
	for (int fd = 0; fd < FD_COUNT; fd++) {
		errno = 0;
		ssize_t len = fd == 0 ? read(fd, &byte, 0) : write(fd, &byte, 0);
		is_held_out[fd] = len < 0 && errno == EBADF && fcntl(fd, F_GETFD) >= 0;
	}
	for (int fd = 0; fd < FD_COUNT; fd++) {
		dup2(kept[fd], fd);
		close(kept[fd]);
	}
}

static void test_only_what_is_closed_is_held(void **state)
{
	(void)state;
	for (unsigned closed = 0; closed < 1U << FD_COUNT; closed++) {
		bool is_held[FD_COUNT];
		hold_without(closed, is_held);
		for (int fd = 0; fd < FD_COUNT; fd++) {
			assert_int_equal(is_held[fd], (closed & 1U << fd) != 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_is_closed_is_held),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
