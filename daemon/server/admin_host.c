// SPDX-License-Identifier: Apache-2.0
#include "admin_host_int.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* Without the port; of an IPv6 address without the brackets. */
static struct str name_of(struct str host, int *family_out)
{
	const char *end = memchr(host.data, ']', host.len);
	*family_out = AF_INET;
	if (host.data[0] == '[' && end != NULL) {
		*family_out = AF_INET6;
		return (struct str){host.data + 1, (size_t)(end - host.data) - 1};
	}
	end = memchr(host.data, ':', host.len);
	return (struct str){host.data, end != NULL ? (size_t)(end - host.data) : host.len};
}

bool admin_host_is_taken(struct str host)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char address[sizeof(struct in6_addr)];
	int family;
	if (host.len == 0) {
		return true;
	}
	struct str name = name_of(host, &family);
	if (name.len >= sizeof(text)) {
		return false;
	}
	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	return (family == AF_INET && strcasecmp(text, "localhost") == 0) ||
		inet_pton(family, text, address) == 1;
}
