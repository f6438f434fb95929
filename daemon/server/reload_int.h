// SPDX-License-Identifier: Apache-2.0
/*
 * A reload: everything is read and checked before anything changes; on a fault the old serves on.
 */
#pragma once

#include "process_int.h"

void reload_init(struct reload_state *state);
void reload_fini(struct reload_state *state);
/* False when it was refused. What was wrong was logged and stands in process->reload. */
bool reload_run(struct process *process);
/* The command of intakectl: reloads, and appends what became of it. */
MUST_CHECK bool reload_command(void *ctx, struct buf *out);
/* Watches the files of the generation in force, read at read_at_us, if the configuration says so.
 */
void reload_watch_files(struct process *process, int64_t read_at_us);
/* A configuration's fault, to the log. For conf_fault_fn; ctx is not used. */
void reload_log_fault(void *ctx, const char *sentence);
/* By log.level. */
void reload_set_log_level(const struct conf *conf);
