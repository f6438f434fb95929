// SPDX-License-Identifier: Apache-2.0
/*
 * The settings with their values, as a daemon takes them from the file at its next start or reload.
 * Passwords of connection strings are not shown.
 */
#include "intakectl_int.h"

#include "base/buf.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define CONNECTION_MAX_BYTES 65536
#define MASK "***"

/* libpq marks so what must not be shown while it is typed. */
static bool is_secret(const PQconninfoOption *option)
{
	return option->val != NULL && option->val[0] != '\0' &&
		(strchr(option->dispchar, '*') != NULL ||
			strstr(option->keyword, "password") != NULL);
}

static bool has_secret(const PQconninfoOption *options)
{
	for (; options->keyword != NULL; options++) {
		if (is_secret(options)) {
			return true;
		}
	}
	return false;
}

static bool append_value(struct buf *out, const char *value)
{
	bool fits = buf_append(out, "'", 1);
	for (; *value != '\0' && fits; value++) {
		fits = (strchr("'\\", *value) == NULL || buf_append(out, "\\", 1)) &&
			buf_append(out, value, 1);
	}
	return fits && buf_append(out, "'", 1);
}

static bool append_options(struct buf *out, const PQconninfoOption *options)
{
	bool fits = true;
	for (; options->keyword != NULL && fits; options++) {
		if (options->val == NULL) {
			continue;
		}
		fits = buf_printf(out, "%s%s=", out->len == 0 ? "" : " ", options->keyword) &&
			append_value(out, is_secret(options) ? MASK : options->val);
	}
	return fits && buf_append(out, "", 1);
}

/*
 * The string itself when it holds no secret; else the same in other words, in out. What libpq
 * cannot read may hold anything.
 */
static const char *mask_connection(const char *connection, struct buf *out)
{
	const char *shown = connection;
	PQconninfoOption *options = PQconninfoParse(connection, NULL);
	buf_init(out, CONNECTION_MAX_BYTES);
	if (options == NULL) {
		shown = MASK;
	} else if (has_secret(options)) {
		shown = append_options(out, options) ? out->data : MASK;
	}
	PQconninfoFree(options);
	return shown;
}

static json_t *value_json(const struct conf_setting *setting, const struct conf *conf)
{
	const void *field = (const char *)conf + setting->offset;
	switch (setting->type) {
	case CONF_NUMBER:
		return json_integer(*(const int64_t *)field);
	case CONF_SWITCH:
		return json_boolean(*(const bool *)field);
	case CONF_TEXT:
	case CONF_PATH:
		break;
	}
	return json_string(*(const char *const *)field);
}

static void print_json(const struct conf *conf)
{
	json_t *sections = json_object();
	for (size_t i = 0; i < conf_setting_count(); i++) {
		const struct conf_setting *setting = conf_setting(i);
		json_t *section = json_object_get(sections, setting->section);
		if (section == NULL) {
			section = json_object();
			json_object_set_new(sections, setting->section, section);
		}
		json_object_set_new(section, setting->name, value_json(setting, conf));
	}
	json_dumpf(sections, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(sections);
}

enum outcome config_command_show(const struct request *request)
{
	struct buf masked[3];
	struct conf shown = *request->conf;
	shown.database_connection = mask_connection(shown.database_connection, &masked[0]);
	shown.database_operator_connection =
		mask_connection(shown.database_operator_connection, &masked[1]);
	shown.database_owner_connection =
		mask_connection(shown.database_owner_connection, &masked[2]);
	if (request->is_json) {
		print_json(&shown);
	} else {
		conf_print(&shown, stdout);
	}
	for (size_t i = 0; i < sizeof(masked) / sizeof(masked[0]); i++) {
		buf_fini(&masked[i]);
	}
	return OUTCOME_DONE;
}
