// SPDX-License-Identifier: Apache-2.0
/*
 * Only what the RFC demands of every file is looked at, so a file may carry fields that are not
 * known here, and a signature around them. A file without a contact would be thrown away by whoever
 * reads it: the operator learns that before anybody needs it. So would one that has expired; but
 * that it is too old must not keep a new revocation list out, so it is left out with a warning.
 */
#include "security_txt_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "report/report_time.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/asn1.h>

#define EXPIRES_FORM "a line such as \"Expires: 2027-06-30T00:00:00Z\""
#define CONTACT_FORM "a line such as \"Contact: mailto:security@example.org\""

static bool read_file(struct buf *out, const char *path, struct err *err)
{
	char data[SECURITY_TXT_MAX_BYTES + 1];
	FILE *file = fopen(path, "rbe");
	if (file == NULL) {
		return err_set(err, "%s", strerror(errno));
	}
	size_t len = fread(data, 1, sizeof(data), file);
	bool is_read = ferror(file) == 0;
	fclose(file);
	if (!is_read) {
		return err_set(err, "it cannot be read");
	}
	if (len > SECURITY_TXT_MAX_BYTES) {
		return err_set(err, "expected at most %d bytes", SECURITY_TXT_MAX_BYTES);
	}
	return buf_append(out, data, len) || err_set(err, "no memory");
}

static bool is_text(struct str content)
{
	const unsigned char *at = (const unsigned char *)content.data;
	int left = (int)content.len;
	while (left > 0) {
		unsigned long c;
		int len = UTF8_getc(at, left, &c);
		bool is_control = c < 0x20 || (c >= 0x7f && c < 0xa0);
		if (len <= 0 || (is_control && c != '\n' && c != '\r' && c != '\t')) {
			return false;
		}
		at += len;
		left -= len;
	}
	return true;
}

/* Takes the next line off the content, without its line end. */
static struct str take_line(struct str *content)
{
	const char *end = memchr(content->data, '\n', content->len);
	struct str line = {
		content->data, end != NULL ? (size_t)(end - content->data) : content->len};
	size_t taken = line.len + (end != NULL);
	*content = (struct str){content->data + taken, content->len - taken};
	if (line.len > 0 && line.data[line.len - 1] == '\r') {
		line.len--;
	}
	return line;
}

/* The value of a line "name: value"; data NULL in every other line. */
static struct str field_value(struct str line, const char *name)
{
	size_t len = strlen(name);
	if (line.len <= len || line.data[len] != ':' || strncasecmp(line.data, name, len) != 0) {
		return (struct str){NULL, 0};
	}
	struct str value = {line.data + len + 1, line.len - len - 1};
	while (value.len > 0 && value.data[0] == ' ') {
		value = (struct str){value.data + 1, value.len - 1};
	}
	return value;
}

/* An address without mailto: in front of it is what goes wrong most. */
static bool is_uri(struct str value)
{
	const char *colon = value.len > 0 ? memchr(value.data, ':', value.len) : NULL;
	return colon != NULL && colon > value.data && colon + 1 < value.data + value.len &&
		memchr(value.data, '@', (size_t)(colon - value.data)) == NULL &&
		memchr(value.data, ' ', value.len) == NULL;
}

static bool check_fields(struct str content, int64_t *expires_us_out, struct err *err)
{
	int contacts = 0;
	int expiries = 0;
	while (content.len > 0) {
		struct str line = take_line(&content);
		struct str contact = field_value(line, "Contact");
		struct str expires = field_value(line, "Expires");
		if (contact.data != NULL && !is_uri(contact)) {
			return err_set(err, "Contact is no URI, expected " CONTACT_FORM);
		}
		if (expires.data != NULL && !report_time_parse(expires, expires_us_out)) {
			return err_set(err, "Expires is no time, expected " EXPIRES_FORM);
		}
		contacts += contact.data != NULL;
		expiries += expires.data != NULL;
	}
	if (contacts == 0) {
		return err_set(err, "it has no Contact, expected " CONTACT_FORM);
	}
	return expiries == 1 ||
		err_set(err, "it has %s, expected one, " EXPIRES_FORM,
			expiries == 0 ? "no Expires" : "several Expires");
}

static void leave_out(struct buf *out, const char *path, int64_t expires_us)
{
	char expires[CLOCK_RFC3339_SIZE];
	char escaped[1024];
	clock_format_rfc3339(expires_us, expires);
	log_warn("security-txt-expired", "file=%s at=%s effect=\"it is not served\"",
		log_escape(escaped, sizeof(escaped), str_from(path)), expires);
	buf_clear(out);
}

bool security_txt_load(struct buf *out, const char *path, int64_t now_us, struct err *err)
{
	if (!read_file(out, path, err)) {
		return err_prefix(err, "%s", path);
	}
	if (!is_text(buf_str(out))) {
		err_set(err, "it is no text, expected UTF-8 without control characters");
		return err_prefix(err, "%s", path);
	}
	int64_t expires_us = 0;
	if (!check_fields(buf_str(out), &expires_us, err)) {
		return err_prefix(err, "%s", path);
	}
	if (expires_us <= now_us) {
		leave_out(out, path, expires_us);
	}
	return true;
}
