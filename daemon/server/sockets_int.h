// SPDX-License-Identifier: Apache-2.0
/*
 * The listening sockets: those that the service manager passes (sd_listen_fds(3)), by name, and
 * those of the configuration for the rest. What was passed stays open in the manager when the
 * process ends, so whoever connects during a restart waits for the next process.
 */
#pragma once

#include "process_int.h"

MUST_CHECK bool sockets_open(struct process *process, struct err *err);
void sockets_close(struct process *process);
