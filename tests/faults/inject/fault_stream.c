// SPDX-License-Identifier: Apache-2.0
/*
 * Reading and writing. What can fail depends on what the descriptor is: the kernel never interrupts
 * or postpones the reading of a file, and an eventfd between two threads has no failure but that it
 * is full. A socket that was reset stays dead. Standard error is left alone: there the log goes,
 * by which the test tells an orderly end.
 */
#include "fault_plan.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum verdict { VERDICT_GO_ON, VERDICT_FAIL, VERDICT_ONE_BYTE };

static enum verdict judge_socket(int fd, const char *name)
{
	if (fault_is_due(FAULT_RESET, name)) {
		shutdown(fd, SHUT_RDWR);
		errno = ECONNRESET;
		return VERDICT_FAIL;
	}
	if (fault_is_due(FAULT_INTERRUPT, name)) {
		errno = EINTR;
		return VERDICT_FAIL;
	}
	if (fault_is_due(FAULT_AGAIN, name)) {
		errno = EAGAIN;
		return VERDICT_FAIL;
	}
	return fault_is_due(FAULT_SHORT, name) ? VERDICT_ONE_BYTE : VERDICT_GO_ON;
}

static bool is_asked(int fd)
{
	return fd != STDERR_FILENO &&
		(fault_is_armed(FAULT_RESET) || fault_is_armed(FAULT_INTERRUPT) ||
			fault_is_armed(FAULT_AGAIN) || fault_is_armed(FAULT_SHORT));
}

static enum verdict judge(int fd, const char *name)
{
	struct stat status;
	if (!is_asked(fd) || fstat(fd, &status) != 0) {
		return VERDICT_GO_ON;
	}
	if (S_ISSOCK(status.st_mode)) {
		return judge_socket(fd, name);
	}
	if (S_ISREG(status.st_mode) && fault_is_due(FAULT_RESET, name)) {
		errno = EIO;
		return VERDICT_FAIL;
	}
	return VERDICT_GO_ON;
}

/* Has the length in a variable len, which becomes 1 where only one byte is to pass. */
#define STREAM(function, parameters, arguments)  \
	ssize_t function parameters              \
	{                                        \
		NEXT(function)                   \
		switch (judge(fd, #function)) {  \
		case VERDICT_FAIL:               \
			return -1;               \
		case VERDICT_ONE_BYTE:           \
			len = len > 1 ? 1 : len; \
			break;                   \
		case VERDICT_GO_ON:              \
			break;                   \
		}                                \
		return next arguments;           \
	}

STREAM(read, (int fd, void *out, size_t len), (fd, out, len))
STREAM(write, (int fd, const void *data, size_t len), (fd, data, len))
STREAM(recv, (int fd, void *out, size_t len, int flags), (fd, out, len, flags))
STREAM(send, (int fd, const void *data, size_t len, int flags), (fd, data, len, flags))
/* Of these len is the number of pieces: one piece is short as well. */
STREAM(readv, (int fd, const struct iovec *pieces, int len), (fd, pieces, len))
STREAM(writev, (int fd, const struct iovec *pieces, int len), (fd, pieces, len))

FALLIBLE(FAULT_INTERRUPT, int, epoll_wait,
	(int set, struct epoll_event *events, int count, int timeout_ms),
	(set, events, count, timeout_ms), errno = EINTR, -1)
