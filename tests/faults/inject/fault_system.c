// SPDX-License-Identifier: Apache-2.0
/*
 * What gives descriptors, and what else of the system the daemon and its libraries call.
 */
#include "fault_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define DESCRIPTOR(function, parameters, arguments) \
	FALLIBLE(FAULT_DESCRIPTOR, int, function, parameters, arguments, errno = EMFILE, -1)
#define SYSTEM(function, parameters, arguments, error) \
	FALLIBLE(FAULT_SYSTEM, int, function, parameters, arguments, errno = (error), -1)

DESCRIPTOR(socket, (int domain, int type, int protocol), (domain, type, protocol))
DESCRIPTOR(accept, (int fd, struct sockaddr *address, socklen_t *len), (fd, address, len))
DESCRIPTOR(accept4, (int fd, struct sockaddr *address, socklen_t *len, int flags),
	(fd, address, len, flags))
DESCRIPTOR(eventfd, (unsigned int value, int flags), (value, flags))
DESCRIPTOR(timerfd_create, (clockid_t clock, int flags), (clock, flags))
DESCRIPTOR(epoll_create1, (int flags), (flags))
DESCRIPTOR(inotify_init1, (int flags), (flags))
DESCRIPTOR(pipe2, (int ends[2], int flags), (ends, flags))
FALLIBLE(FAULT_DESCRIPTOR, FILE *, fopen, (const char *path, const char *mode), (path, mode),
	errno = EMFILE, NULL)
FALLIBLE(FAULT_DESCRIPTOR, FILE *, fopen64, (const char *path, const char *mode), (path, mode),
	errno = EMFILE, NULL)

/* The mode is there only where a file may be made; it is harmless where it is not. */
static int mode_of(va_list args, int flags)
{
	return (flags & O_CREAT) != 0 ? va_arg(args, int) : 0;
}

#define OPENS(function)                                          \
	int function(const char *path, int flags, ...)           \
	{                                                        \
		NEXT(function)                                   \
		va_list args;                                    \
		va_start(args, flags);                           \
		int mode = mode_of(args, flags);                 \
		va_end(args);                                    \
		if (fault_is_due(FAULT_DESCRIPTOR, #function)) { \
			errno = EMFILE;                          \
			return -1;                               \
		}                                                \
		return next(path, flags, mode);                  \
	}

OPENS(open)
OPENS(open64)

SYSTEM(bind, (int fd, const struct sockaddr *address, socklen_t len), (fd, address, len),
	EADDRINUSE)
SYSTEM(listen, (int fd, int backlog), (fd, backlog), EADDRINUSE)
SYSTEM(connect, (int fd, const struct sockaddr *address, socklen_t len), (fd, address, len),
	ECONNREFUSED)
SYSTEM(setsockopt, (int fd, int level, int name, const void *value, socklen_t len),
	(fd, level, name, value, len), ENOBUFS)
SYSTEM(getsockopt, (int fd, int level, int name, void *value, socklen_t *len),
	(fd, level, name, value, len), ENOBUFS)
SYSTEM(getsockname, (int fd, struct sockaddr *address, socklen_t *len), (fd, address, len), ENOBUFS)
SYSTEM(fstat, (int fd, struct stat *out), (fd, out), EIO)
SYSTEM(stat, (const char *path, struct stat *out), (path, out), EIO)
SYSTEM(lstat, (const char *path, struct stat *out), (path, out), EIO)
SYSTEM(chmod, (const char *path, mode_t mode), (path, mode), EIO)
SYSTEM(fchmod, (int fd, mode_t mode), (fd, mode), EIO)
SYSTEM(inotify_add_watch, (int fd, const char *path, uint32_t mask), (fd, path, mask), ENOSPC)
SYSTEM(timerfd_settime, (int fd, int flags, const struct itimerspec *value, struct itimerspec *old),
	(fd, flags, value, old), ENOMEM)
FALLIBLE(FAULT_SYSTEM, ssize_t, getrandom, (void *out, size_t len, unsigned int flags),
	(out, len, flags), errno = ENOSYS, -1)
FALLIBLE(FAULT_SYSTEM, int, pthread_create,
	(pthread_t * out, const pthread_attr_t *attributes, void *(*main)(void *), void *ctx),
	(out, attributes, main, ctx), (void)0, EAGAIN)
FALLIBLE(FAULT_SYSTEM, int, getaddrinfo,
	(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **out),
	(node, service, hints, out), (void)0, EAI_MEMORY)
FALLIBLE(FAULT_SYSTEM, void *, mmap,
	(void *at, size_t len, int protection, int flags, int fd, off_t offset),
	(at, len, protection, flags, fd, offset), errno = ENOMEM, MAP_FAILED)

int fcntl(int fd, int command, ...)
{
	NEXT(fcntl)
	va_list args;
	va_start(args, command);
	void *argument = va_arg(args, void *);
	va_end(args);
	if (fault_is_due(FAULT_SYSTEM, "fcntl")) {
		errno = EBADF;
		return -1;
	}
	return next(fd, command, argument);
}

/* Taking a socket out of the set needs nothing that may be short. */
int epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
	NEXT(epoll_ctl)
	if (operation != EPOLL_CTL_DEL && fault_is_due(FAULT_SYSTEM, "epoll_ctl")) {
		errno = ENOMEM;
		return -1;
	}
	return next(set, operation, fd, event);
}
