// SPDX-License-Identifier: Apache-2.0
/*
 * One value: from its text in the file to its field, with its type and range checked. Numbers are
 * plain decimal digits; signs, other bases, trailing junk and overflow are faults, which the
 * parser's own conversion would let through in part.
 */
#include "conf_int.h"

#include "base/log.h"

#include <confuse.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void *field_of(struct conf *conf, enum conf_row row)
{
	return (char *)conf + conf_setting(row)->offset;
}

static const void *const_field_of(const struct conf *conf, enum conf_row row)
{
	return (const char *)conf + conf_setting(row)->offset;
}

const char *conf_value_text(const struct conf *conf, enum conf_row row)
{
	return *(const char *const *)const_field_of(conf, row);
}

int64_t conf_value_number(const struct conf *conf, enum conf_row row)
{
	return *(const int64_t *)const_field_of(conf, row);
}

bool conf_value_switch(const struct conf *conf, enum conf_row row)
{
	return *(const bool *)const_field_of(conf, row);
}

void conf_value_store_text(struct conf *conf, enum conf_row row, const char *value)
{
	char **field = field_of(conf, row);
	free(*field);
	*field = value == NULL ? NULL : strdup(value);
	ENSURE(value == NULL || *field != NULL);
}

static bool ends_with(const char *text, const char *end)
{
	size_t text_len = strlen(text);
	size_t end_len = strlen(end);
	return text_len >= end_len && strcmp(text + text_len - end_len, end) == 0;
}

static const char *unit_of(const struct conf_setting *setting)
{
	if (ends_with(setting->name, "_ms")) {
		return " of milliseconds";
	}
	if (ends_with(setting->name, "_bytes")) {
		return " of bytes";
	}
	if (ends_with(setting->name, "_bytes_per_s")) {
		return " of bytes a second";
	}
	return "";
}

static bool parse_number(const char *value, int64_t *number_out)
{
	if (value[0] == '\0' || strspn(value, "0123456789") != strlen(value)) {
		return false;
	}
	errno = 0;
	*number_out = strtoll(value, NULL, 10);
	return errno == 0;
}

bool conf_value_is_one_line(const char *value)
{
	for (; *value != '\0'; value++) {
		if (((unsigned char)*value < 0x20 && *value != '\t') || *value == 0x7f) {
			return false;
		}
	}
	return true;
}

static bool set_number(struct conf_draft *draft, enum conf_row row, const char *value, int line)
{
	const struct conf_setting *setting = conf_setting(row);
	int64_t number = 0;
	if (parse_number(value, &number) && number >= setting->min && number <= setting->max) {
		*(int64_t *)field_of(draft->conf, row) = number;
		return true;
	}
	char shown[128];
	conf_draft_fault(draft, line,
		"%s.%s is %s, expected a whole number%s from %" PRId64 " to %" PRId64,
		setting->section, setting->name, log_escape(shown, sizeof(shown), str_from(value)),
		unit_of(setting), setting->min, setting->max);
	return false;
}

static bool set_switch(struct conf_draft *draft, enum conf_row row, const char *value, int line)
{
	const struct conf_setting *setting = conf_setting(row);
	int truth = cfg_parse_boolean(value);
	if (truth == 0 || truth == 1) {
		*(bool *)field_of(draft->conf, row) = truth == 1;
		return true;
	}
	char shown[128];
	conf_draft_fault(draft, line, "%s.%s is %s, expected true or false", setting->section,
		setting->name, log_escape(shown, sizeof(shown), str_from(value)));
	return false;
}

static bool set_value(struct conf_draft *draft, enum conf_row row, const char *value, int line)
{
	switch (conf_setting(row)->type) {
	case CONF_NUMBER:
		return set_number(draft, row, value, line);
	case CONF_SWITCH:
		return set_switch(draft, row, value, line);
	case CONF_TEXT:
	case CONF_PATH:
		break;
	}
	conf_value_store_text(draft->conf, row, value);
	return true;
}

void conf_value_set(struct conf_draft *draft, enum conf_row row, const char *value, int line)
{
	const struct conf_setting *setting = conf_setting(row);
	struct conf_mark *mark = &draft->marks[row];
	if (mark->line != 0) {
		conf_draft_fault(draft, line, "%s.%s is set again, expected once: line %d has it",
			setting->section, setting->name, mark->line);
		return;
	}
	mark->line = line;
	mark->is_bad = !set_value(draft, row, value, line);
}
