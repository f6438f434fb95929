// SPDX-License-Identifier: Apache-2.0
/*
 * The servers that a connection string names, in the order in which they are tried, and the
 * settings that it has for a session.
 *
 * libpq goes on to the next one when a server refuses, but waits for ever for one that takes the
 * connection, or not even that, and says nothing. The link gives such an attempt up and has the
 * server tried last from then on: else the one that took its place would never be asked.
 */
#pragma once

#include <libpq-fe.h>
#include <stddef.h>

struct pg_hosts {
	PQconninfoOption *options; /* owns what is pointed to below */
	/* Comma-separated, each NULL when the string does not have it. */
	char *names;
	char *addresses;
	char *ports;
	size_t count;                /* below 2 there is nothing to choose from */
	const char *session_options; /* as -c name=value, for the server; NULL: none */
};

/* The string was checked; options is NULL where there is no memory to read it. */
void pg_hosts_init(struct pg_hosts *hosts, const char *connection);
void pg_hosts_fini(struct pg_hosts *hosts);
/* host and port as libpq calls the server it is busy with (PQhost, PQport). */
void pg_hosts_put_last(struct pg_hosts *hosts, const char *host, const char *port);
