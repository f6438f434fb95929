// SPDX-License-Identifier: Apache-2.0
#include "journal_int.h"

#include "base/log.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define FIELD_PREFIX "INTAKED_"
#define NAME_MAX_LEN 48

static void add_field(struct journal_entry *entry, const char *name, struct str value)
{
	size_t room = sizeof(entry->text) - entry->used;
	int len = snprintf(entry->text + entry->used, room, "%s=%.*s\n", name, STR_ARG(value));
	if (len >= 0 && (size_t)len < room) {
		entry->used += (size_t)len;
	}
}

/* A quoted value ends at its quote, of which it holds none: log_escape writes \x22. */
static struct str take_value(const char **rest)
{
	const char *begin = *rest;
	if (*begin == '"') {
		begin++;
		size_t len = strcspn(begin, "\"");
		*rest = begin + len + (begin[len] == '"');
		return (struct str){begin, len};
	}
	size_t len = strcspn(begin, " ");
	*rest = begin + len;
	return (struct str){begin, len};
}

/* Text that is no key=value is passed over: the message has it. */
static void add_pairs(struct journal_entry *entry, const char *text)
{
	char name[sizeof(FIELD_PREFIX) + NAME_MAX_LEN] = FIELD_PREFIX;
	while (*text != '\0') {
		size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");
		if (len == 0 || len > NAME_MAX_LEN || text[len] != '=') {
			text += strcspn(text, " ");
			text += strspn(text, " ");
			continue;
		}
		char *end = name + strlen(FIELD_PREFIX);
		for (size_t i = 0; i < len; i++) {
			*end++ = (char)toupper((unsigned char)text[i]);
		}
		*end = '\0';
		text += len + 1;
		add_field(entry, name, take_value(&text));
		text += strspn(text, " ");
	}
}

void journal_entry_make(struct journal_entry *entry, int syslog_priority, const char *line)
{
	char priority[16];
	entry->used = 0;
	snprintf(priority, sizeof(priority), "%d", syslog_priority);
	add_field(entry, "MESSAGE", str_from(line));
	add_field(entry, "PRIORITY", str_from(priority));
	add_field(entry, "SYSLOG_IDENTIFIER", STR("intaked"));
	add_pairs(entry, line);
}

static int journal_fd = -1;

/* sd_journal_sendv(3) would wait for a journal that does not read. */
static bool write_entry(int syslog_priority, const char *line)
{
	static const struct sockaddr_un address = {
		.sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET};
	struct journal_entry entry;
	journal_entry_make(&entry, syslog_priority, line);
	return sendto(journal_fd, entry.text, entry.used, MSG_NOSIGNAL | MSG_DONTWAIT,
		       (const struct sockaddr *)&address, sizeof(address)) == (ssize_t)entry.used;
}

/* systemd names the journal's socket in JOURNAL_STREAM as device:inode (systemd.exec(5)). */
void journal_use_if_it_is_stderr(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char expected[64];
	struct stat st;
	if (stream == NULL || fstat(STDERR_FILENO, &st) != 0) {
		return;
	}
	snprintf(expected, sizeof(expected), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	if (strcmp(stream, expected) != 0) {
		return;
	}
	journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (journal_fd >= 0) {
		log_set_sink(write_entry);
	}
}
