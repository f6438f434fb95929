// SPDX-License-Identifier: Apache-2.0
#include "watchdog_int.h"

#include "base/log.h"
#include "server/systemd.h"

#include <inttypes.h>
#include <stdlib.h>

/* Without a service manager that asks for more. */
#define LOOK_MS 10000
/* A worker that is late once may be late a second time before the manager gives up. */
#define LOOKS_A_PERIOD 3

struct watchdog {
	struct event *look;
	struct worker *const *workers;
	const int *worker_count;
	uint32_t number; /* that was sent last */
	int asked;       /* the first so many workers were sent it; those after them began later */
	int silent_workers;
	bool was_silent;
};

static int count_silent(const struct watchdog *watchdog)
{
	int silent = 0;
	for (int i = 0; i < watchdog->asked; i++) {
		const struct worker *worker = watchdog->workers[i];
		silent += !worker_is_done(worker) && worker_beat(worker) != watchdog->number;
	}
	return silent;
}

static void note_change(struct watchdog *watchdog)
{
	bool is_silent = watchdog->silent_workers > 0;
	if (is_silent && !watchdog->was_silent) {
		log_error("worker-silent", "workers=%d effect=\"the watchdog is not fed\"",
			watchdog->silent_workers);
	} else if (!is_silent && watchdog->was_silent) {
		log_info("worker-answers", "workers=%d", *watchdog->worker_count);
	}
	watchdog->was_silent = is_silent;
}

static void on_look(evutil_socket_t fd, short what, void *ctx)
{
	struct watchdog *watchdog = ctx;
	(void)fd;
	(void)what;
	watchdog->silent_workers = count_silent(watchdog);
	note_change(watchdog);
	if (watchdog->silent_workers > 0) {
		return;
	}
	systemd_notify("WATCHDOG=1");
	watchdog->number++;
	watchdog->asked = *watchdog->worker_count;
	for (int i = 0; i < watchdog->asked; i++) {
		worker_send_ping(watchdog->workers[i], watchdog->number);
	}
}

struct watchdog *watchdog_new(
	struct event_base *base, struct worker *const *workers, const int *worker_count)
{
	struct watchdog *watchdog = calloc(1, sizeof(*watchdog));
	if (watchdog == NULL) {
		return NULL;
	}
	watchdog->workers = workers;
	watchdog->worker_count = worker_count;
	watchdog->look = event_new(base, -1, EV_PERSIST, on_look, watchdog);
	int64_t look_ms = systemd_watchdog_ms() / LOOKS_A_PERIOD;
	if (look_ms == 0 || look_ms > LOOK_MS) {
		look_ms = LOOK_MS;
	}
	struct timeval interval = {look_ms / 1000, look_ms % 1000 * 1000};
	if (watchdog->look == NULL || event_add(watchdog->look, &interval) != 0) {
		watchdog_free(&watchdog);
	}
	return watchdog;
}

void watchdog_free(struct watchdog **watchdog)
{
	if (*watchdog == NULL) {
		return;
	}
	if ((*watchdog)->look != NULL) {
		event_free((*watchdog)->look);
	}
	free(*watchdog);
	*watchdog = NULL;
}

int watchdog_silent_workers(const struct watchdog *watchdog)
{
	return watchdog != NULL ? watchdog->silent_workers : 0;
}
