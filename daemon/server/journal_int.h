// SPDX-License-Identifier: Apache-2.0
/*
 * Log lines as entries of the journal with a field for each key, for "journalctl -u intaked
 * INTAKED_EVENT=reload-refused": the message is the line, INTAKED_EVENT the event, and key=value
 * is INTAKED_KEY=value.
 */
#pragma once

#include <stddef.h>
#include <sys/uio.h>

#define JOURNAL_FIELDS_MAX 32

/* One entry, as sd_journal_sendv takes it. Its fields point into itself. */
struct journal_entry {
	struct iovec fields[JOURNAL_FIELDS_MAX];
	int field_count;
	char text[6144]; /* of the fields, one behind the other */
	size_t used;
};

/* Of a line as log.h describes it. What finds no room is in the message all the same. */
void journal_entry_make(struct journal_entry *entry, int syslog_priority, const char *line);
/* If standard error is the journal, lines go there from now on. Before threads start. */
void journal_use_if_it_is_stderr(void);
