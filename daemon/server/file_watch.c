// SPDX-License-Identifier: Apache-2.0
#include "file_watch_int.h"

#include "base/clock.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETTLE_MS 250
#define FILES_MAX 32
#define CLOCK_TICK_US 20000
#define FOLDER_EVENTS \
	(IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB)

/* What a name leads to; all 0: nothing. */
struct file_identity {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed_at;
};

struct file_watch {
	int fd;
	struct event *events;
	struct event *settled;
	void (*on_change)(void *ctx);
	void *ctx;
	size_t count;
	char *paths[FILES_MAX];
	struct file_identity known[FILES_MAX]; /* when it was told last */
	struct file_identity seen[FILES_MAX];  /* at the last look */
};

static void identify(const struct file_watch *watch, struct file_identity out[FILES_MAX])
{
	memset(out, 0, FILES_MAX * sizeof(out[0]));
	for (size_t i = 0; i < watch->count; i++) {
		struct stat st;
		if (stat(watch->paths[i], &st) == 0) {
			out[i].device = st.st_dev;
			out[i].inode = st.st_ino;
			out[i].size = st.st_size;
			out[i].changed_at = st.st_ctim;
		}
	}
}

static bool is_same(
	const struct file_identity a[FILES_MAX], const struct file_identity b[FILES_MAX])
{
	for (size_t i = 0; i < FILES_MAX; i++) {
		if (a[i].device != b[i].device || a[i].inode != b[i].inode ||
			a[i].size != b[i].size ||
			a[i].changed_at.tv_sec != b[i].changed_at.tv_sec ||
			a[i].changed_at.tv_nsec != b[i].changed_at.tv_nsec) {
			return false;
		}
	}
	return true;
}

static void look_again_soon(struct file_watch *watch)
{
	static const struct timeval delay = {0, SETTLE_MS * 1000L};
	if (!evtimer_pending(watch->settled, NULL)) {
		evtimer_add(watch->settled, &delay);
	}
}

static void on_settled(evutil_socket_t fd, short what, void *ctx)
{
	struct file_watch *watch = ctx;
	struct file_identity now[FILES_MAX];
	(void)fd;
	(void)what;
	identify(watch, now);
	if (is_same(now, watch->known)) {
		return;
	}
	if (!is_same(now, watch->seen)) {
		memcpy(watch->seen, now, sizeof(now));
		look_again_soon(watch);
		return;
	}
	memcpy(watch->known, now, sizeof(now));
	watch->on_change(watch->ctx);
}

/* What happened in a folder does not matter: the names are looked at when it is quiet. */
static void on_events(evutil_socket_t fd, short what, void *ctx)
{
	char events[4096];
	(void)what;
	while (read(fd, events, sizeof(events)) > 0) {
	}
	look_again_soon(ctx);
}

/* The folder of path; a folder that is not there yet is no fault. */
static bool watch_folder(struct file_watch *watch, const char *path, struct err *err)
{
	char copy[PATH_MAX];
	size_t size = strlen(path) + 1;
	if (size > sizeof(copy)) {
		return err_set(err, "%s: the name is too long", path);
	}
	memcpy(copy, path, size);
	const char *folder = dirname(copy);
	if (inotify_add_watch(watch->fd, folder, FOLDER_EVENTS) < 0 && errno != ENOENT) {
		return err_set(err, "%s cannot be watched: %s", folder, strerror(errno));
	}
	return true;
}

static bool watch_file(struct file_watch *watch, const char *path, struct err *err)
{
	char target[PATH_MAX];
	char *copy = strdup(path);
	if (copy == NULL) {
		return err_set(err, "no memory");
	}
	watch->paths[watch->count++] = copy;
	return watch_folder(watch, path, err) &&
		(realpath(path, target) == NULL || watch_folder(watch, target, err));
}

static bool start(struct file_watch *watch, struct event_base *base, struct err *err)
{
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->fd < 0) {
		return err_set(err, "inotify: %s", strerror(errno));
	}
	watch->events = event_new(base, watch->fd, EV_READ | EV_PERSIST, on_events, watch);
	watch->settled = evtimer_new(base, on_settled, watch);
	if (watch->events == NULL || watch->settled == NULL ||
		event_add(watch->events, NULL) != 0) {
		return err_set(err, "no memory");
	}
	return true;
}

/* The kernel's clock of files ticks. A time that has not come says nothing: the clock went back. */
static bool may_be_later(struct timespec at, int64_t wall_us)
{
	int64_t at_us = (int64_t)at.tv_sec * 1000000 + at.tv_nsec / 1000;
	return at_us + CLOCK_TICK_US >= wall_us && at_us <= clock_wall_us() + CLOCK_TICK_US;
}

/* What may have changed after it was read counts as not known. */
static void begin_at(struct file_watch *watch, int64_t read_at_us)
{
	identify(watch, watch->seen);
	for (size_t i = 0; i < watch->count; i++) {
		if (may_be_later(watch->seen[i].changed_at, read_at_us)) {
			look_again_soon(watch);
		} else {
			watch->known[i] = watch->seen[i];
		}
	}
}

struct file_watch *file_watch_new(struct event_base *base, const char *const *paths, size_t count,
	int64_t read_at_us, void (*on_change)(void *ctx), void *ctx, struct err *err)
{
	struct file_watch *watch = calloc(1, sizeof(*watch));
	ENSURE(count <= FILES_MAX);
	if (watch == NULL) {
		err_set(err, "no memory");
		return NULL;
	}
	watch->on_change = on_change;
	watch->ctx = ctx;
	watch->fd = -1;
	bool is_started = start(watch, base, err);
	for (size_t i = 0; i < count && is_started; i++) {
		is_started = watch_file(watch, paths[i], err);
	}
	if (!is_started) {
		file_watch_free(&watch);
		return NULL;
	}
	begin_at(watch, read_at_us);
	return watch;
}

void file_watch_free(struct file_watch **watch)
{
	if (*watch == NULL) {
		return;
	}
	if ((*watch)->events != NULL) {
		event_free((*watch)->events);
	}
	if ((*watch)->settled != NULL) {
		event_free((*watch)->settled);
	}
	if ((*watch)->fd >= 0) {
		close((*watch)->fd);
	}
	for (size_t i = 0; i < (*watch)->count; i++) {
		free((*watch)->paths[i]);
	}
	free(*watch);
	*watch = NULL;
}
