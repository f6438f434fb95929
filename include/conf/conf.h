// SPDX-License-Identifier: Apache-2.0
/*
 * The configuration: one table of settings, an immutable snapshot made from it. Threads share a
 * snapshot by reference count; a reload makes a new one, complete before it is shared.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum conf_type { CONF_TEXT, CONF_PATH, CONF_NUMBER, CONF_SWITCH };

struct conf {
#define SETTING(section, name, type, default_value, min, max, reloadable, why) \
	SETTING_FIELD_##type(section##_##name);
#define SETTING_FIELD_TEXT(field) const char *field
#define SETTING_FIELD_PATH(field) const char *field
#define SETTING_FIELD_NUMBER(field) int64_t field
#define SETTING_FIELD_SWITCH(field) bool field
#include "conf/conf_table.h"
#undef SETTING
#undef SETTING_FIELD_TEXT
#undef SETTING_FIELD_PATH
#undef SETTING_FIELD_NUMBER
#undef SETTING_FIELD_SWITCH
};

/* One row of the table, for those who print or check it. */
struct conf_setting {
	const char *section;
	const char *name;
	enum conf_type type;
	const char *default_text; /* as it stands in a file */
	int64_t min;
	int64_t max;
	bool is_reloadable;
	const char *why;
	size_t offset; /* of the field in struct conf */
};

size_t conf_setting_count(void);
const struct conf_setting *conf_setting(size_t index);
/* True when the setting has the same value in both. */
bool conf_setting_equal(
	const struct conf_setting *setting, const struct conf *a, const struct conf *b);

/*
 * Reads path (NULL: defaults only). Every fault is reported through on_fault as one sentence with
 * file and line; NULL is returned when there was any. Relative paths are taken from the file's
 * folder. The result has one reference.
 */
typedef void conf_fault_fn(void *ctx, const char *sentence);
MUST_CHECK struct conf *conf_load(const char *path, conf_fault_fn *on_fault, void *ctx);
/*
 * The same in spite of faults: what was read before one that ends reading, and defaults for the
 * rest. Nothing to serve with; it is for those who ask a daemon that serves with an older one.
 */
MUST_CHECK struct conf *conf_load_in_part(const char *path, conf_fault_fn *on_fault, void *ctx);
struct conf *conf_ref(struct conf *conf);
void conf_unref(struct conf **conf);
#define CONF_FILES_MAX 8

/* The files that are read with the configuration; unset ones are left out. Returns their number. */
size_t conf_files(const struct conf *conf, const char *paths_out[CONF_FILES_MAX]);
/*
 * Reports each of the daemon's files that this process cannot read, with the place that names it,
 * and returns whether there was none. Not a part of loading: who only asks for a connection string
 * need not read the key.
 */
MUST_CHECK bool conf_files_are_readable(
	const struct conf *conf, conf_fault_fn *on_fault, void *ctx);
/*
 * Hands on a fault of a file that settings name, text beginning with its path, with their names and
 * the place of the first in front.
 */
void conf_report_file_fault(
	const struct conf *conf, const char *text, conf_fault_fn *on_fault, void *ctx);
/* Gives the settings that are fixed until a restart the values they have in running. */
void conf_keep_fixed(struct conf *loaded, const struct conf *running);
/* Writes every setting with its value as a configuration file. */
void conf_print(const struct conf *conf, FILE *out);
