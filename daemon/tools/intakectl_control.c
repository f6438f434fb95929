// SPDX-License-Identifier: Apache-2.0
#include "intakectl_control_int.h"

#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX_BYTES ((size_t)4 << 20)

static bool say_nothing_came(int timeout_s, struct err *err)
{
	return err_set(err, "the daemon gave no answer within %d seconds", timeout_s);
}

static int open_control(const struct request *request, int timeout_s, struct err *err)
{
	const char *path = request->conf->control_path;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval timeout = {.tv_sec = timeout_s};
	if (path[0] == '\0') {
		err_set(err, "control.path is empty in %s; without it the daemon cannot be asked",
			request->conf_path);
		return -1;
	}
	if (strlen(path) >= sizeof(address.sun_path)) {
		err_set(err, "control.path in %s is longer than a socket's path can be",
			request->conf_path);
		return -1;
	}
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0 &&
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) == 0 &&
		connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
		return fd;
	}
	if (errno == EACCES) {
		err_set(err,
			"the daemon at %s may not be asked by this user; be root or a member of "
			"the daemon's group",
			path);
	} else if (errno == EAGAIN) {
		/* Others wait already, as many as its queue holds. */
		say_nothing_came(timeout_s, err);
	} else {
		err_set(err, "the daemon does not answer at %s: %s; is it running, with %s?", path,
			strerror(errno), request->conf_path);
	}
	if (fd >= 0) {
		close(fd);
	}
	return -1;
}

static bool send_command(int fd, const char *command, struct err *err)
{
	char line[64];
	int len = snprintf(line, sizeof(line), "%s\n", command);
	return send(fd, line, (size_t)len, MSG_NOSIGNAL) == len ||
		err_set(err, "the daemon took no command: %s", strerror(errno));
}

static bool read_answer(int fd, int timeout_s, struct buf *answer, struct err *err)
{
	char piece[4096];
	for (;;) {
		ssize_t len = recv(fd, piece, sizeof(piece), 0);
		if (len == 0) {
			return true;
		}
		if (len < 0 && errno == EAGAIN) {
			return say_nothing_came(timeout_s, err);
		}
		if (len < 0 && errno == EINTR) {
			continue;
		}
		if (len < 0) {
			return err_set(err, "the daemon gave no answer: %s; its log may say why",
				strerror(errno));
		}
		if (!buf_append(answer, piece, (size_t)len)) {
			return err_set(err, "the daemon's answer is longer than %zu bytes",
				ANSWER_MAX_BYTES);
		}
	}
}

static json_t *parse_answer(const struct buf *answer, struct err *err)
{
	json_t *object = json_loadb(answer->data == NULL ? "" : answer->data, answer->len, 0, NULL);
	if (!json_is_object(object)) {
		json_decref(object);
		err_set(err,
			"the daemon's answer is not a JSON object; are daemon and intakectl "
			"of one version?");
		return NULL;
	}
	return object;
}

json_t *control_ask(
	const struct request *request, const char *command, int timeout_s, struct err *err)
{
	struct buf answer;
	json_t *object = NULL;
	int fd = open_control(request, timeout_s, err);
	if (fd < 0) {
		return NULL;
	}
	buf_init(&answer, ANSWER_MAX_BYTES);
	if (send_command(fd, command, err) && read_answer(fd, timeout_s, &answer, err)) {
		object = parse_answer(&answer, err);
	}
	close(fd);
	buf_fini(&answer);
	return object;
}

bool control_is_answer(const json_t *answer, struct err *err)
{
	const char *fault = json_string_value(json_object_get(answer, "error"));
	return fault == NULL || err_set(err, "the daemon says: %s", fault);
}

void control_print(const json_t *answer)
{
	json_dumpf(answer, stdout, JSON_COMPACT);
	putchar('\n');
}
