// SPDX-License-Identifier: Apache-2.0
#include "net/address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static bool parse_unix(
	const char *path, struct sockaddr_storage *address_out, socklen_t *len_out, struct err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t path_len = strlen(path);

	if (path_len >= sizeof(address.sun_path)) {
		return err_set(err, "%s: the path of a unix socket has at most %zu bytes", path,
			sizeof(address.sun_path) - 1);
	}
	memcpy(address.sun_path, path, path_len);
	memset(address_out, 0, sizeof(*address_out));
	memcpy(address_out, &address, sizeof(address));
	*len_out = sizeof(address);
	return true;
}

static bool is_port(const char *text)
{
	size_t len = strlen(text);
	unsigned port = 0;

	for (size_t i = 0; i < len && i < 6; i++) {
		if (text[i] < '0' || text[i] > '9') {
			return false;
		}
		port = port * 10 + (unsigned)(text[i] - '0');
	}
	return len >= 1 && len <= 5 && port <= 65535;
}

/* Cuts "host:port" or "[v6]:port" in two. The port points into text, the host is copied. */
static bool split_host(const char *text, char host[NI_MAXHOST], const char **port_out)
{
	bool is_bracketed = text[0] == '[';
	const char *start = text + is_bracketed;
	const char *end = strchr(start, is_bracketed ? ']' : ':');

	if (end == NULL || end == start || end - start >= NI_MAXHOST) {
		return false;
	}
	const char *colon = end + is_bracketed;
	if (*colon != ':' || !is_port(colon + 1)) {
		return false;
	}
	memcpy(host, start, (size_t)(end - start));
	host[end - start] = '\0';
	*port_out = colon + 1;
	return true;
}

bool address_parse(
	const char *text, struct sockaddr_storage *address_out, socklen_t *len_out, struct err *err)
{
	if (text[0] == '/') {
		return parse_unix(text, address_out, len_out, err);
	}
	char host[NI_MAXHOST];
	const char *port;
	if (!split_host(text, host, &port)) {
		return err_set(err, "%s: not host:port, [IPv6]:port or an absolute path", text);
	}
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_family = text[0] == '[' ? AF_INET6 : AF_UNSPEC,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	struct addrinfo *found = NULL;
	int fault = getaddrinfo(host, port, &hints, &found);
	if (fault != 0) {
		return err_set(err, "%s: %s", text, gai_strerror(fault));
	}
	memset(address_out, 0, sizeof(*address_out));
	memcpy(address_out, found->ai_addr, found->ai_addrlen);
	*len_out = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

/* The IPv4 address in a v4-mapped one. */
static bool unmap(const struct sockaddr_storage *address, struct sockaddr_in *mapped_out)
{
	if (address->ss_family != AF_INET6) {
		return false;
	}
	struct sockaddr_in6 in6;
	memcpy(&in6, address, sizeof(in6));
	if (!IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
		return false;
	}
	*mapped_out = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = in6.sin6_port};
	memcpy(&mapped_out->sin_addr, in6.sin6_addr.s6_addr + 12, sizeof(mapped_out->sin_addr));
	return true;
}

static const char *format_ip(
	const struct sockaddr *address, socklen_t len, char out[ADDRESS_TEXT_SIZE])
{
	char host[INET6_ADDRSTRLEN + 1 + 16];
	char port[sizeof("65535")];

	if (getnameinfo(address, len, host, sizeof(host), port, sizeof(port),
		    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
		snprintf(out, ADDRESS_TEXT_SIZE, "unknown");
		return out;
	}
	snprintf(out, ADDRESS_TEXT_SIZE, address->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
		port);
	return out;
}

const char *address_format(const struct sockaddr_storage *address, char out[ADDRESS_TEXT_SIZE])
{
	struct sockaddr_in mapped;

	if (address->ss_family == AF_UNIX) {
		struct sockaddr_un local;
		memcpy(&local, address, sizeof(local));
		snprintf(out, ADDRESS_TEXT_SIZE, "%.*s", (int)sizeof(local.sun_path),
			local.sun_path[0] == '\0' ? "unix" : local.sun_path);
		return out;
	}
	if (unmap(address, &mapped)) {
		return format_ip((const struct sockaddr *)&mapped, sizeof(mapped), out);
	}
	return format_ip((const struct sockaddr *)address,
		address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					       : sizeof(struct sockaddr_in),
		out);
}

bool address_is_local(const struct sockaddr_storage *address)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	switch (address->ss_family) {
	case AF_UNIX:
		return true;
	case AF_INET:
		memcpy(&in, address, sizeof(in));
		return ntohl(in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	case AF_INET6:
		if (unmap(address, &in)) {
			return ntohl(in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
		}
		memcpy(&in6, address, sizeof(in6));
		return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
	default:
		return false;
	}
}

/* The finaliser of splitmix64: every bit of the input moves every bit of the result. */
static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

uint64_t address_hash(const struct sockaddr_storage *address, uint64_t seed)
{
	struct sockaddr_in in = {0};
	uint64_t prefix = 0;
	uint64_t family = address->ss_family;

	if (family == AF_INET || unmap(address, &in)) {
		if (family == AF_INET) {
			memcpy(&in, address, sizeof(in));
		}
		family = AF_INET;
		prefix = in.sin_addr.s_addr;
	} else if (family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, address, sizeof(in6));
		memcpy(&prefix, &in6.sin6_addr, sizeof(prefix));
	}
	return mix(mix(prefix ^ seed) + (seed ^ family));
}
