// SPDX-License-Identifier: Apache-2.0
/*
 * evconnlistener accepts until the queue is empty. Here the callback disables it after one
 * connection and a timer of no time enables it at the next turn; after a fault the same timer
 * runs for 100 ms, since a queue that cannot be emptied would wake the loop without end.
 */
#include "net/listener.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/address.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/listener.h>

#define REST_MS 100
/* A peer whose machine is gone is noticed within two minutes. */
#define KEEPALIVE_IDLE_S 60
#define KEEPALIVE_INTERVAL_S 15
#define KEEPALIVE_PROBES 4
/* Accepting works again when it has for so long: a fault that comes and goes is one fault. */
#define RECOVERED_AFTER_MS 10000

struct listener {
	struct evconnlistener *acceptor;
	struct event *resume_timer;
	listener_accept_fn *on_accept;
	void *ctx;
	uint64_t failures;
	uint64_t failures_reported;
	int64_t failed_at; /* monotonic ms */
	bool is_paused;
	bool is_failing;
};

/* A socket file nobody listens on any more is left over from a process that died. */
static bool remove_dead_socket(const struct sockaddr_un *address, struct err *err)
{
	struct stat found;

	if (lstat(address->sun_path, &found) != 0) {
		return true;
	}
	if (!S_ISSOCK(found.st_mode)) {
		return err_set(err, "%s: exists and is no socket", address->sun_path);
	}
	int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0) {
		return err_set(err, "%s: socket: %s", address->sun_path, strerror(errno));
	}
	bool is_dead = connect(probe, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
		errno == ECONNREFUSED;
	close(probe);
	if (!is_dead) {
		return err_set(err, "%s: another process listens there", address->sun_path);
	}
	unlink(address->sun_path);
	return true;
}

static bool bind_unix(int fd, const struct sockaddr_storage *address, mode_t mode, const char *text,
	struct err *err)
{
	struct sockaddr_un local;

	memcpy(&local, address, sizeof(local));
	if (!remove_dead_socket(&local, err)) {
		return false;
	}
	/* The mode of the unbound socket bounds that of its file, so there is no moment of wider
	 * access; the umask may have taken bits away, which chmod gives back. */
	if (fchmod(fd, mode) != 0 ||
		bind(fd, (const struct sockaddr *)&local, sizeof(local)) != 0 ||
		chmod(local.sun_path, mode) != 0) {
		return err_set(err, "%s: %s", text, strerror(errno));
	}
	return true;
}

static bool bind_ip(int fd, const struct sockaddr_storage *address, socklen_t len, const char *text,
	struct err *err)
{
	const int on = 1;
	const int off = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
		(address->ss_family == AF_INET6 &&
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0) ||
		bind(fd, (const struct sockaddr *)address, len) != 0) {
		return err_set(err, "%s: %s", text, strerror(errno));
	}
	return true;
}

/* What is accepted inherits it. A socket of another kind has no such option and needs none. */
static void keep_alive(int fd)
{
	const int on = 1;
	const int idle_s = KEEPALIVE_IDLE_S;
	const int interval_s = KEEPALIVE_INTERVAL_S;
	const int probes = KEEPALIVE_PROBES;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

/* Where a system has no IPv6, all addresses are those of IPv4: address is made to say so. */
static int open_socket(struct sockaddr_storage *address, socklen_t *len)
{
	struct sockaddr_in6 in6;

	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	memcpy(&in6, address, sizeof(in6));
	if (fd >= 0 || errno != EAFNOSUPPORT || address->ss_family != AF_INET6 ||
		!IN6_IS_ADDR_UNSPECIFIED(&in6.sin6_addr)) {
		return fd;
	}
	const struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = in6.sin6_port};
	memcpy(address, &in4, sizeof(in4));
	*len = sizeof(in4);
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

bool listener_socket_open(struct listener_socket *listening, const char *address, int backlog,
	mode_t unix_mode, struct err *err)
{
	struct sockaddr_storage parsed;
	socklen_t len;

	*listening = (struct listener_socket){.fd = -1};
	if (!address_parse(address, &parsed, &len, err)) {
		return false;
	}
	int fd = open_socket(&parsed, &len);
	if (fd < 0) {
		return err_set(err, "%s: socket: %s", address, strerror(errno));
	}
	bool is_bound = parsed.ss_family == AF_UNIX
		? bind_unix(fd, &parsed, unix_mode, address, err)
		: bind_ip(fd, &parsed, len, address, err);
	if (!is_bound) {
		close(fd);
		return false;
	}
	keep_alive(fd);
	listening->fd = fd;
	len = sizeof(listening->address);
	if (listen(fd, backlog) != 0 ||
		getsockname(fd, (struct sockaddr *)&listening->address, &len) != 0) {
		err_set(err, "%s: listen: %s", address, strerror(errno));
		listener_socket_close(listening);
		return false;
	}
	return true;
}

/* Whether fd is a stream socket that listens. */
static bool is_listening(int fd)
{
	int type = 0;
	int listens = 0;
	socklen_t len = sizeof(int);
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM &&
		getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens != 0;
}

bool listener_socket_adopt(struct listener_socket *listening, int fd, struct err *err)
{
	socklen_t len = sizeof(listening->address);
	*listening = (struct listener_socket){.fd = -1, .is_passed = true};
	if (!is_listening(fd)) {
		return err_set(err, "is no stream socket that listens");
	}
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
		getsockname(fd, (struct sockaddr *)&listening->address, &len) != 0) {
		return err_set(err, "%s", strerror(errno));
	}
	keep_alive(fd);
	listening->fd = fd;
	return true;
}

void listener_socket_close(struct listener_socket *listening)
{
	if (listening->fd < 0) {
		return;
	}
	if (listening->address.ss_family == AF_UNIX && !listening->is_passed) {
		struct sockaddr_un local;
		memcpy(&local, &listening->address, sizeof(local));
		unlink(local.sun_path);
	}
	close(listening->fd);
	listening->fd = -1;
}

void listener_rest(struct listener *listener, int ms)
{
	const struct timeval delay = {.tv_usec = ms * 1000L};

	evconnlistener_disable(listener->acceptor);
	if (event_add(listener->resume_timer, &delay) != 0) {
		evconnlistener_enable(listener->acceptor);
	}
}

static void resume_now(evutil_socket_t fd, short what, void *arg)
{
	struct listener *listener = arg;

	(void)fd;
	(void)what;
	/* Without memory for it in the kernel nothing would call again: it is tried until it works.
	 */
	if (!listener->is_paused && evconnlistener_enable(listener->acceptor) != 0) {
		listener_rest(listener, REST_MS);
	}
}

static void note_success(struct listener *listener)
{
	if (!listener->is_failing ||
		clock_monotonic_ms() - listener->failed_at < RECOVERED_AFTER_MS) {
		return;
	}
	listener->is_failing = false;
	log_info("accept-recovered", "failures=%" PRIu64,
		listener->failures - listener->failures_reported);
	listener->failures_reported = listener->failures;
}

static void accepted(struct evconnlistener *acceptor, evutil_socket_t fd, struct sockaddr *address,
	int len, void *arg)
{
	struct listener *listener = arg;
	struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};

	(void)acceptor;
	memcpy(&peer, address, (size_t)len < sizeof(peer) ? (size_t)len : sizeof(peer));
	listener_rest(listener, 0);
	note_success(listener);
	listener->on_accept(listener->ctx, fd, &peer);
}

static void accept_failed(struct evconnlistener *acceptor, void *arg)
{
	struct listener *listener = arg;
	int fault = errno;

	(void)acceptor;
	listener_rest(listener, REST_MS);
	listener->failures++;
	listener->failed_at = clock_monotonic_ms();
	if (!listener->is_failing) {
		listener->is_failing = true;
		log_error("accept-failing", "error=\"%s\"", strerror(fault));
	}
}

struct listener *listener_new(
	struct event_base *base, int fd, listener_accept_fn *on_accept, void *ctx)
{
	const int on = 1;
	struct listener *listener = calloc(1, sizeof(*listener));

	if (listener == NULL) {
		return NULL;
	}
	listener->on_accept = on_accept;
	listener->ctx = ctx;
	listener->resume_timer = evtimer_new(base, resume_now, listener);
	/* Enabled by hand: whether it could be watched evconnlistener_new does not tell. */
	listener->acceptor = evconnlistener_new(
		base, accepted, listener, LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED, 0, fd);
	if (listener->resume_timer == NULL || listener->acceptor == NULL ||
		evconnlistener_enable(listener->acceptor) != 0) {
		listener_free(&listener);
		return NULL;
	}
	evconnlistener_set_error_cb(listener->acceptor, accept_failed);
	/* Accepted sockets inherit it. A unix socket has no such option, and no such delay. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return listener;
}

void listener_free(struct listener **listener)
{
	if (*listener == NULL) {
		return;
	}
	if ((*listener)->acceptor != NULL) {
		evconnlistener_free((*listener)->acceptor);
	}
	if ((*listener)->resume_timer != NULL) {
		event_free((*listener)->resume_timer);
	}
	free(*listener);
	*listener = NULL;
}

void listener_pause(struct listener *listener)
{
	listener->is_paused = true;
	event_del(listener->resume_timer);
	evconnlistener_disable(listener->acceptor);
}

void listener_resume(struct listener *listener)
{
	if (!listener->is_paused) {
		return;
	}
	listener->is_paused = false;
	listener_rest(listener, 0);
}

uint64_t listener_failures(const struct listener *listener)
{
	return listener->failures;
}
