// SPDX-License-Identifier: Apache-2.0
/*
 * The process, as its main thread sees it: lifecycle.c owns it, the modules beside it that run in
 * the main thread read and change their part.
 */
#pragma once

#include "admin_int.h"
#include "base/err.h"
#include "control_int.h"
#include "file_watch_int.h"
#include "history_int.h"
#include "net/listener.h"
#include "server/generation.h"
#include "server/shared.h"
#include "server/worker.h"
#include "store/housekeeper.h"
#include "store/registry.h"
#include "watchdog_int.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#define MAX_WORKERS 256

/* What became of reloads. */
struct reload_state {
	uint64_t taken;
	uint64_t refused;
	int64_t last_at_us;       /* wall clock; 0: none yet */
	bool was_refused;         /* the last one */
	struct err fault;         /* the first of the last one */
	struct buf faults;        /* all of the last one, a JSON array */
	struct buf needs_restart; /* settings that the file has changed and the process has not */
};

struct process {
	const char *conf_path;
	struct generation *generation;
	struct event_base *base;
	struct event *signals[4];
	struct event *start_timer;
	struct event *stop_timer;
	struct listener_socket partners;
	struct listener_socket admin_socket;
	struct listener_socket control_socket;
	struct admin *admin;
	struct control *control;
	struct registry_reader *reader;
	struct housekeeper *housekeeper;
	struct registry *registry;
	enum link_state reader_link;
	bool is_schema_wrong;
	struct shared *shared;
	struct worker *workers[MAX_WORKERS];
	int worker_count;
	struct watchdog *watchdog;
	struct file_watch *file_watch;
	bool is_serving;
	bool is_stopping;
	const char *told_state; /* to the service manager */
	const char *told_shut;  /* to the log: why nobody is let in, or NULL */
	struct reload_state reload;
	int64_t started_at_us; /* wall clock */
	struct history history;
	struct event *history_timer;
	int exit_status;
};

/* Tells the service manager in a few words how it is. */
void process_notify_status(struct process *process);
/* The same, if that has changed since. */
void process_notify_change(struct process *process);
/* Why no partner can be let in; NULL: they can. */
const char *process_shut_reason(const struct process *process);
