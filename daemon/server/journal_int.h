// SPDX-License-Identifier: Apache-2.0
/*
 * Log lines as entries of the journal with a field for each key, for "journalctl -u intaked
 * INTAKED_EVENT=reload-refused": the message is the line, INTAKED_EVENT the event, and key=value
 * is INTAKED_KEY=value.
 */
#pragma once

#include <stddef.h>

/* One entry as the journal's socket takes it: a NAME=value a line. */
struct journal_entry {
	char text[6144];
	size_t used;
};

/*
 * Of a line as log.h describes it, which has no line feed. What finds no room is in the message all
 * the same.
 */
void journal_entry_make(struct journal_entry *entry, int syslog_priority, const char *line);
/* If standard error is the journal, lines go there from now on. Before threads start. */
void journal_use_if_it_is_stderr(void);
