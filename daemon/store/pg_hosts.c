// SPDX-License-Identifier: Apache-2.0
#include "pg_hosts_int.h"

#include <stdbool.h>
#include <string.h>

static size_t count_entries(const char *list)
{
	size_t count = 1;
	for (; *list != '\0'; list++) {
		count += *list == ',' ? 1 : 0;
	}
	return count;
}

static char *value_of(const PQconninfoOption *options, const char *keyword)
{
	for (; options->keyword != NULL; options++) {
		if (strcmp(options->keyword, keyword) == 0) {
			return options->val != NULL && options->val[0] != '\0' ? options->val
									       : NULL;
		}
	}
	return NULL;
}

void pg_hosts_init(struct pg_hosts *hosts, const char *connection)
{
	*hosts = (struct pg_hosts){.options = PQconninfoParse(connection, NULL)};
	if (hosts->options == NULL) {
		return;
	}
	hosts->names = value_of(hosts->options, "host");
	hosts->addresses = value_of(hosts->options, "hostaddr");
	hosts->ports = value_of(hosts->options, "port");
	hosts->session_options = value_of(hosts->options, "options");
	const char *each = hosts->addresses != NULL ? hosts->addresses : hosts->names;
	hosts->count = each != NULL ? count_entries(each) : 0;
}

void pg_hosts_fini(struct pg_hosts *hosts)
{
	PQconninfoFree(hosts->options);
	*hosts = (struct pg_hosts){0};
}

static void reverse(char *text, size_t len)
{
	for (size_t i = 0; i < len / 2; i++) {
		char swapped = text[i];
		text[i] = text[len - 1 - i];
		text[len - 1 - i] = swapped;
	}
}

/* The first entry becomes the last: "a,b,c" is turned into "b,c,a" by three reversals. */
static void rotate(char *list, size_t count)
{
	if (list == NULL || count_entries(list) != count) {
		return; /* one port for all of them */
	}
	size_t len = strlen(list);
	size_t first = strcspn(list, ",");
	reverse(list, first);
	reverse(list + first + 1, len - first - 1);
	reverse(list, len);
}

static bool begins_with_entry(const char *list, const char *entry)
{
	size_t len = strcspn(list, ",");
	return len == strlen(entry) && memcmp(list, entry, len) == 0;
}

static bool is_first(const struct pg_hosts *hosts, const char *host, const char *port)
{
	bool is_named = hosts->names != NULL && strcspn(hosts->names, ",") > 0;
	const char *each = is_named ? hosts->names : hosts->addresses;
	bool is_host = each != NULL && begins_with_entry(each, host);
	bool has_port = hosts->ports != NULL && strcspn(hosts->ports, ",") > 0;
	return is_host && (!has_port || begins_with_entry(hosts->ports, port));
}

static void rotate_all(struct pg_hosts *hosts)
{
	rotate(hosts->names, hosts->count);
	rotate(hosts->addresses, hosts->count);
	rotate(hosts->ports, hosts->count);
}

void pg_hosts_put_last(struct pg_hosts *hosts, const char *host, const char *port)
{
	if (hosts->count < 2 || host == NULL || port == NULL) {
		return;
	}
	/* All the way round when it is not found: the order is what it was. */
	bool was_first = false;
	for (size_t i = 0; i < hosts->count && !was_first; i++) {
		was_first = is_first(hosts, host, port);
		rotate_all(hosts);
	}
}
