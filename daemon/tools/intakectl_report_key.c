// SPDX-License-Identifier: Apache-2.0
#include "intakectl_report_key_int.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static bool is_uuid(const char *text)
{
	for (size_t i = 0; i < 36; i++) {
		bool is_hyphen = i == 8 || i == 13 || i == 18 || i == 23;
		if (is_hyphen ? text[i] != '-' : isxdigit((unsigned char)text[i]) == 0) {
			return false;
		}
	}
	return text[36] == '\0';
}

bool report_key_read(
	struct report_key *key_out, const char *text, const char *partner, struct err *err)
{
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : partner != NULL ? strlen(partner) : 0;
	*key_out = (struct report_key){0};
	if (slash == NULL && partner == NULL && is_uuid(text)) {
		key_out->id = text;
		return true;
	}
	key_out->report_id = slash != NULL ? slash + 1 : text;
	if (len == 0 || len >= sizeof(key_out->partner) || key_out->report_id[0] == '\0') {
		return err_set(err,
			"\"%s\" names no report; it is PARTNER/REPORT_ID, or the id in its receipt",
			text);
	}
	if (slash != NULL && partner != NULL &&
		(strlen(partner) != len || strncmp(partner, text, len) != 0)) {
		return err_set(
			err, "\"%s\" is of another partner than --partner %s", text, partner);
	}
	snprintf(key_out->partner, sizeof(key_out->partner), "%.*s", (int)len,
		slash != NULL ? text : partner);
	return true;
}

bool report_key_is_number(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	return digits > 0 && digits <= 18 && text[digits] == '\0';
}
