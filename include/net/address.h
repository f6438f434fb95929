// SPDX-License-Identifier: Apache-2.0
/*
 * Addresses of sockets: from the configuration's text, to the log's text, and to the key under
 * which connections of one peer are counted.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* Holds any address_format: "[v6%scope]:port" or a unix path. */
#define ADDRESS_TEXT_SIZE 128

/*
 * "host:port", "[v6]:port" or the absolute path of a unix socket. A name is resolved, which may
 * block: for start and reload only.
 */
MUST_CHECK bool address_parse(const char *text, struct sockaddr_storage *address_out,
	socklen_t *len_out, struct err *err);
/* Numeric; a v4-mapped address as the IPv4 one it is, an unnamed unix peer as "unix". Returns out.
 */
const char *address_format(const struct sockaddr_storage *address, char out[ADDRESS_TEXT_SIZE]);
/* A unix socket or a loopback address: not reachable from another machine. */
bool address_is_local(const struct sockaddr_storage *address);
/*
 * Equal for what counts as one peer: a whole IPv4 address, v4-mapped or not, an IPv6 /64, all unix
 * peers together. Not to be guessed by who does not know the seed.
 */
uint64_t address_hash(const struct sockaddr_storage *address, uint64_t seed);
