// SPDX-License-Identifier: Apache-2.0
/*
 * Asks the running daemon how it is. The control socket takes one line and answers with one JSON
 * object, then closes. What the object holds is the daemon's business: it is shown as it comes.
 */
#include "intakectl_int.h"

#include "base/buf.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX_BYTES 1048576
#define ANSWER_TIMEOUT_S 10
#define NAME_MAX_BYTES 256

static int open_control(const struct request *request, struct err *err)
{
	const char *path = request->conf->control_path;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
	if (path[0] == '\0') {
		err_set(err, "control.path is empty in %s; without it the daemon cannot be asked",
			request->conf_path);
		return -1;
	}
	/* The configuration does not let a longer one through. */
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0 &&
		connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
		return fd;
	}
	err_set(err, "the daemon does not answer at %s: %s; is it running, with %s?", path,
		strerror(errno), request->conf_path);
	if (fd >= 0) {
		close(fd);
	}
	return -1;
}

static bool read_answer(int fd, struct buf *answer, struct err *err)
{
	static const char command[] = "status\n";
	char piece[4096];
	if (send(fd, command, sizeof(command) - 1, MSG_NOSIGNAL) != sizeof(command) - 1) {
		return err_set(err, "the daemon took no command: %s", strerror(errno));
	}
	for (;;) {
		ssize_t len = recv(fd, piece, sizeof(piece), 0);
		if (len == 0) {
			return true;
		}
		if (len < 0 && errno == EAGAIN) {
			return err_set(err, "the daemon gave no answer within %d seconds",
				ANSWER_TIMEOUT_S);
		}
		if (len < 0) {
			return err_set(err, "the daemon gave no answer: %s; its log may say why",
				strerror(errno));
		}
		if (!buf_append(answer, piece, (size_t)len)) {
			return err_set(err, "the daemon's answer is longer than %d bytes",
				ANSWER_MAX_BYTES);
		}
	}
}

static json_t *parse_answer(const struct buf *answer, struct err *err)
{
	json_t *status = json_loadb(answer->data == NULL ? "" : answer->data, answer->len, 0, NULL);
	if (!json_is_object(status)) {
		json_decref(status);
		err_set(err,
			"the daemon's answer is not a JSON object; are daemon and intakectl "
			"of one version?");
		return NULL;
	}
	const char *fault = json_string_value(json_object_get(status, "error"));
	if (fault != NULL) {
		err_set(err, "the daemon says: %s", fault);
		json_decref(status);
		return NULL;
	}
	return status;
}

typedef void line_fn(void *ctx, const char *name, const char *value);

static void each_value(const char *name, const json_t *value, line_fn *on_line, void *ctx);

static void each_member(const char *prefix, const json_t *value, line_fn *on_line, void *ctx)
{
	const char *key;
	json_t *member;
	char name[NAME_MAX_BYTES];
	json_object_foreach((json_t *)value, key, member)
	{
		snprintf(name, sizeof(name), "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".", key);
		each_value(name, member, on_line, ctx);
	}
}

/* Calls on_line for every value that holds no others, under the names that lead to it. */
static void each_value(const char *name, const json_t *value, line_fn *on_line, void *ctx)
{
	char inner[NAME_MAX_BYTES];
	if (json_is_object(value)) {
		each_member(name, value, on_line, ctx);
		return;
	}
	for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++) {
		snprintf(inner, sizeof(inner), "%s.%zu", name, i + 1);
		each_value(inner, json_array_get(value, i), on_line, ctx);
	}
	if (json_is_string(value)) {
		on_line(ctx, name, json_string_value(value));
	} else if (!json_is_array(value)) {
		char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
		on_line(ctx, name, text == NULL ? "?" : text);
		free(text);
	}
}

static void measure_line(void *ctx, const char *name, const char *value)
{
	int *width = ctx;
	int name_width = table_cell_width(name);
	(void)value;
	*width = name_width > *width ? name_width : *width;
}

static void print_line(void *ctx, const char *name, const char *value)
{
	const int *width = ctx;
	table_print_cell(stdout, name, *width + 2);
	table_print_cell(stdout, value, 0);
	putchar('\n');
}

static void print_status(const json_t *status, bool is_json)
{
	int width = 0;
	if (is_json) {
		json_dumpf(status, stdout, JSON_COMPACT);
		putchar('\n');
		return;
	}
	each_member("", status, measure_line, &width);
	each_member("", status, print_line, &width);
}

enum outcome status_command_show(const struct request *request)
{
	struct err err;
	struct buf answer;
	json_t *status = NULL;
	int fd = open_control(request, &err);
	if (fd < 0) {
		return outcome_failed("%s", err.text);
	}
	buf_init(&answer, ANSWER_MAX_BYTES);
	if (read_answer(fd, &answer, &err)) {
		status = parse_answer(&answer, &err);
	}
	close(fd);
	buf_fini(&answer);
	if (status == NULL) {
		return outcome_failed("%s", err.text);
	}
	print_status(status, request->is_json);
	json_decref(status);
	return OUTCOME_DONE;
}
