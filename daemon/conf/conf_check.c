// SPDX-License-Identifier: Apache-2.0
/*
 * The rules that a type and a range cannot say: the form of addresses, what may be empty, what
 * must hold between two settings. A rule is passed over when a value it needs is already at fault.
 * Whether files exist and certificates are good is for those who open them.
 */
#include "conf_int.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define ADDRESS_FORMS "an address and a port, as 192.0.2.1:8443, [2001:db8::1]:8443 or name:8443"

struct endpoint {
	int family; /* AF_UNSPEC: a name, which is resolved by whoever opens it */
	unsigned char bytes[16];
	char host[256];
	int port; /* 0: the kernel picks one */
};

static bool parse_port(const char *text, int *port_out)
{
	size_t len = strlen(text);
	if (len == 0 || len > 5 || strspn(text, "0123456789") != len) {
		return false;
	}
	*port_out = (int)strtol(text, NULL, 10);
	return *port_out <= 65535;
}

static bool parse_host(struct endpoint *endpoint, bool is_bracketed)
{
	static const char name_bytes[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
	if (is_bracketed) {
		char address[sizeof(endpoint->host)];
		size_t len = strcspn(endpoint->host, "%"); /* a scope is for the kernel to judge */
		memcpy(address, endpoint->host, len);
		address[len] = '\0';
		endpoint->family = AF_INET6;
		return inet_pton(AF_INET6, address, endpoint->bytes) == 1;
	}
	if (inet_pton(AF_INET, endpoint->host, endpoint->bytes) == 1) {
		endpoint->family = AF_INET;
		return true;
	}
	/* A name does not end in a number: what does is an IPv4 address with a fault. */
	size_t len = strlen(endpoint->host);
	return len > 0 && strspn(endpoint->host, name_bytes) == len &&
		strspn(endpoint->host, "0123456789.") != len;
}

static bool parse_endpoint(const char *text, struct endpoint *endpoint_out)
{
	bool is_bracketed = text[0] == '[';
	const char *host = text + is_bracketed;
	const char *end = strchr(host, is_bracketed ? ']' : ':');
	*endpoint_out = (struct endpoint){.family = AF_UNSPEC};
	if (end == NULL || (size_t)(end - host) >= sizeof(endpoint_out->host)) {
		return false;
	}
	const char *colon = end + is_bracketed;
	memcpy(endpoint_out->host, host, (size_t)(end - host));
	return *colon == ':' && parse_port(colon + 1, &endpoint_out->port) &&
		parse_host(endpoint_out, is_bracketed);
}

static bool endpoint_is_any(const struct endpoint *endpoint)
{
	static const unsigned char zeros[16];
	return endpoint->family != AF_UNSPEC && memcmp(endpoint->bytes, zeros, sizeof(zeros)) == 0;
}

static bool endpoint_is_loopback(const struct endpoint *endpoint)
{
	static const unsigned char one[16] = {[15] = 1};
	if (endpoint->family == AF_UNSPEC) {
		return strcmp(endpoint->host, "localhost") == 0;
	}
	if (endpoint->family == AF_INET6) {
		return memcmp(endpoint->bytes, one, sizeof(one)) == 0;
	}
	return endpoint->bytes[0] == 127;
}

/* Whether the loopback endpoint lies on the port that partners connect to. */
static bool endpoints_clash(const struct endpoint *partners, const struct endpoint *loopback)
{
	if (partners->port != loopback->port || partners->port == 0) {
		return false;
	}
	if (endpoint_is_any(partners)) {
		return partners->family == AF_INET6 || loopback->family != AF_INET6;
	}
	return strcmp(partners->host, loopback->host) == 0;
}

static bool is_good(const struct conf_draft *draft, enum conf_row row)
{
	return !draft->marks[row].is_bad;
}

static int line_of(const struct conf_draft *draft, enum conf_row row)
{
	return draft->marks[row].line;
}

/* Where a rule between two settings is broken: at the later of the lines that set them. */
static int later_line(const struct conf_draft *draft, enum conf_row one, enum conf_row other)
{
	int a = line_of(draft, one);
	int b = line_of(draft, other);
	return a > b ? a : b;
}

/* Marks the row as bad, so that rules between settings do not complain about it once more. */
static void refuse(struct conf_draft *draft, enum conf_row row, const char *expected)
{
	const struct conf_setting *setting = conf_setting(row);
	char shown[160];
	draft->marks[row].is_bad = true;
	conf_draft_fault(draft, line_of(draft, row), "%s.%s is %s, expected %s", setting->section,
		setting->name,
		log_escape(shown, sizeof(shown), str_from(conf_value_text(draft->conf, row))),
		expected);
}

static void check_paths(struct conf_draft *draft)
{
	for (enum conf_row row = 0; row < CONF_ROW_COUNT; row++) {
		bool may_be_empty = row == CONF_ROW_tls_partner_crl ||
			row == CONF_ROW_control_path || row == CONF_ROW_security_txt_file;
		if (conf_setting(row)->type == CONF_PATH && !may_be_empty && is_good(draft, row) &&
			conf_value_text(draft->conf, row)[0] == '\0') {
			refuse(draft, row, "the path of a file");
		}
	}
}

/* Whether libpq, which has read nothing, had no memory to do it with. */
static bool is_for_memory(const char *words)
{
	return words == NULL || strcmp(words, "out of memory\n") == 0;
}

/* Neither the text nor libpq's words on it are shown: both may hold a password. */
static void check_connection(struct conf_draft *draft, enum conf_row row)
{
	const struct conf_setting *setting = conf_setting(row);
	char *words = NULL;
	PQconninfoOption *options = PQconninfoParse(conf_value_text(draft->conf, row), &words);
	if (options == NULL) {
		draft->marks[row].is_bad = true;
		conf_draft_fault(draft, line_of(draft, row), "%s.%s %s", setting->section,
			setting->name,
			is_for_memory(words)
				? "was not looked at: no memory"
				: "is not understood by libpq, expected keyword = value with "
				  "quotes around what has spaces in it, or a postgresql:// "
				  "address");
	}
	PQfreemem(words);
	PQconninfoFree(options);
}

static void check_connections(struct conf_draft *draft)
{
	static const enum conf_row rows[] = {CONF_ROW_database_connection,
		CONF_ROW_database_operator_connection, CONF_ROW_database_owner_connection};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (is_good(draft, rows[i])) {
			check_connection(draft, rows[i]);
		}
	}
}

static bool is_socket_path(const char *path)
{
	return path[0] == '/' && strlen(path) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
}

static void check_control(struct conf_draft *draft)
{
	const char *path = draft->conf->control_path;
	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
		refuse(draft, CONF_ROW_control_path,
			"a path of at most 107 bytes, which is all that a unix socket can have");
	}
}

static void check_admin_form(struct conf_draft *draft)
{
	const char *address = draft->conf->admin_address;
	struct endpoint endpoint;
	if (address[0] == '\0' || is_socket_path(address) ||
		(parse_endpoint(address, &endpoint) && endpoint_is_loopback(&endpoint))) {
		return;
	}
	refuse(draft, CONF_ROW_admin_address,
		"a loopback address such as 127.0.0.1:8444 or [::1]:8444, an absolute path of a "
		"unix socket of at most 107 bytes, or nothing");
}

static void check_admin_apart(struct conf_draft *draft)
{
	struct endpoint partners;
	struct endpoint admin;
	const struct conf *conf = draft->conf;
	if (!is_good(draft, CONF_ROW_listen_address) || !is_good(draft, CONF_ROW_admin_address)) {
		return;
	}
	if (parse_endpoint(conf->listen_address, &partners) &&
		parse_endpoint(conf->admin_address, &admin) && endpoints_clash(&partners, &admin)) {
		conf_draft_fault(draft,
			later_line(draft, CONF_ROW_listen_address, CONF_ROW_admin_address),
			"admin.address is \"%s\", which is also the partners' port "
			"(listen.address is \"%s\"), expected another port",
			conf->admin_address, conf->listen_address);
	}
	if (conf->admin_address[0] == '/' && is_good(draft, CONF_ROW_control_path) &&
		strcmp(conf->admin_address, conf->control_path) == 0) {
		conf_draft_fault(draft,
			later_line(draft, CONF_ROW_admin_address, CONF_ROW_control_path),
			"admin.address and control.path are both \"%s\", expected two sockets",
			conf->control_path);
	}
}

static void check_addresses(struct conf_draft *draft)
{
	struct endpoint endpoint;
	if (is_good(draft, CONF_ROW_listen_address) &&
		!parse_endpoint(draft->conf->listen_address, &endpoint)) {
		refuse(draft, CONF_ROW_listen_address, ADDRESS_FORMS);
	}
	if (is_good(draft, CONF_ROW_admin_address)) {
		check_admin_form(draft);
	}
	if (is_good(draft, CONF_ROW_control_path)) {
		check_control(draft);
	}
	check_admin_apart(draft);
}

static void check_log_level(struct conf_draft *draft)
{
	static const char *const levels[] = {"debug", "info", "warn", "error"};
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(draft->conf->log_level, levels[i]) == 0) {
			return;
		}
	}
	if (is_good(draft, CONF_ROW_log_level)) {
		refuse(draft, CONF_ROW_log_level, "debug, info, warn or error");
	}
}

static void check_order(struct conf_draft *draft, enum conf_row small, enum conf_row large)
{
	int64_t small_value = conf_value_number(draft->conf, small);
	int64_t large_value = conf_value_number(draft->conf, large);
	if (!is_good(draft, small) || !is_good(draft, large) || small_value <= large_value) {
		return;
	}
	conf_draft_fault(draft, later_line(draft, small, large),
		"%s.%s is %" PRId64 ", expected at most %s.%s, which is %" PRId64,
		conf_setting(small)->section, conf_setting(small)->name, small_value,
		conf_setting(large)->section, conf_setting(large)->name, large_value);
}

void conf_check_rules(struct conf_draft *draft)
{
	check_paths(draft);
	check_connections(draft);
	check_addresses(draft);
	check_log_level(draft);
	check_order(draft, CONF_ROW_limits_head_timeout_ms, CONF_ROW_limits_request_timeout_ms);
	check_order(draft, CONF_ROW_limits_report_bytes, CONF_ROW_limits_input_pool_bytes);
}
