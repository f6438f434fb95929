// SPDX-License-Identifier: Apache-2.0
/*
 * The snapshot's life: made from the table's defaults and one file, checked as a whole, never
 * changed afterwards. Whoever holds a reference may read it from any thread; the last one frees
 * it. Loading is for one thread at a time, since the parser underneath keeps state of its own.
 */
#include "conf_int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The settings come first, so that a pointer to them is a pointer to the whole. */
struct conf_snapshot {
	struct conf conf;
	atomic_uint reference_count;
	char *path; /* NULL: defaults only */
	struct conf_mark marks[CONF_ROW_COUNT];
};

static const struct conf_setting settings[] = {
#define SETTING(section, name, type, default_value, min, max, reloadable, why)    \
	{#section, #name, CONF_##type, #default_value, min, max, reloadable, why, \
		offsetof(struct conf, section##_##name)},
#include "conf/conf_table.h"
#undef SETTING
};

size_t conf_setting_count(void)
{
	return CONF_ROW_COUNT;
}

const struct conf_setting *conf_setting(size_t index)
{
	ENSURE(index < CONF_ROW_COUNT);
	return &settings[index];
}

bool conf_setting_equal(
	const struct conf_setting *setting, const struct conf *a, const struct conf *b)
{
	const char *left = (const char *)a + setting->offset;
	const char *right = (const char *)b + setting->offset;
	switch (setting->type) {
	case CONF_TEXT:
	case CONF_PATH:
		return strcmp(*(const char *const *)(const void *)left,
			       *(const char *const *)(const void *)right) == 0;
	case CONF_NUMBER:
		return *(const int64_t *)(const void *)left ==
			*(const int64_t *)(const void *)right;
	case CONF_SWITCH:
		return *(const bool *)left == *(const bool *)right;
	}
	return false;
}

enum conf_row conf_row_find(const char *section, const char *name)
{
	for (enum conf_row row = 0; row < CONF_ROW_COUNT; row++) {
		if (strcmp(settings[row].section, section) == 0 &&
			strcmp(settings[row].name, name) == 0) {
			return row;
		}
	}
	return CONF_ROW_COUNT;
}

bool conf_section_exists(const char *section)
{
	for (enum conf_row row = 0; row < CONF_ROW_COUNT; row++) {
		if (strcmp(settings[row].section, section) == 0) {
			return true;
		}
	}
	return false;
}

static void conf_set_defaults(struct conf *conf)
{
#define SETTING(section, name, type, default_value, min, max, reloadable, why) \
	SETTING_DEFAULT_##type(section##_##name, default_value);
#define SETTING_DEFAULT_TEXT(field, value) conf_value_store_text(conf, CONF_ROW_##field, value)
#define SETTING_DEFAULT_PATH(field, value) conf_value_store_text(conf, CONF_ROW_##field, value)
#define SETTING_DEFAULT_NUMBER(field, value) conf->field = (value)
#define SETTING_DEFAULT_SWITCH(field, value) conf->field = (value)
#include "conf/conf_table.h"
#undef SETTING
}

static bool is_text(enum conf_row row)
{
	return settings[row].type == CONF_TEXT || settings[row].type == CONF_PATH;
}

static void conf_free(struct conf_snapshot *snapshot)
{
	for (enum conf_row row = 0; row < CONF_ROW_COUNT; row++) {
		if (is_text(row)) {
			conf_value_store_text(&snapshot->conf, row, NULL);
		}
	}
	free(snapshot->path);
	free(snapshot);
}

/* A relative path means the same file whatever folder the daemon was started in. */
static void conf_resolve_paths(struct conf_draft *draft)
{
	const char *slash = strrchr(draft->path, '/');
	if (slash == NULL) {
		return;
	}
	int folder_len = (int)(slash - draft->path);
	for (enum conf_row row = 0; row < CONF_ROW_COUNT; row++) {
		const char *value = is_text(row) ? conf_value_text(draft->conf, row) : "";
		if (settings[row].type != CONF_PATH || value[0] == '\0' || value[0] == '/') {
			continue;
		}
		char *resolved = NULL;
		ENSURE(asprintf(&resolved, "%.*s/%s", folder_len, draft->path, value) >= 0);
		conf_value_store_text(draft->conf, row, resolved);
		free(resolved);
	}
}

static struct conf_snapshot *conf_read(
	const char *path, conf_fault_fn *on_fault, void *ctx, bool *is_good_out)
{
	struct conf_snapshot *snapshot = calloc(1, sizeof(*snapshot));
	ENSURE(snapshot != NULL);
	atomic_init(&snapshot->reference_count, 1);
	conf_set_defaults(&snapshot->conf);

	struct conf_draft draft = {.conf = &snapshot->conf, .path = path};
	if (path != NULL) {
		conf_file_read(&draft);
		conf_resolve_paths(&draft);
		snapshot->path = strdup(path);
		ENSURE(snapshot->path != NULL);
	}
	if (!draft.is_cut) {
		conf_check_rules(&draft);
	}
	*is_good_out = draft.fault_count == 0;
	conf_draft_report(&draft, on_fault, ctx);
	memcpy(snapshot->marks, draft.marks, sizeof(snapshot->marks));
	return snapshot;
}

struct conf *conf_load(const char *path, conf_fault_fn *on_fault, void *ctx)
{
	bool is_good = false;
	struct conf_snapshot *snapshot = conf_read(path, on_fault, ctx, &is_good);
	if (!is_good) {
		conf_free(snapshot);
		return NULL;
	}
	return &snapshot->conf;
}

/* A path that stays the same until a restart is that of something the daemon makes. */
static bool is_file_that_is_read(const struct conf *conf, enum conf_row row)
{
	return settings[row].type == CONF_PATH && settings[row].is_reloadable &&
		conf_value_text(conf, row)[0] != '\0';
}

size_t conf_files(const struct conf *conf, const char *paths_out[CONF_FILES_MAX])
{
	size_t count = 0;
	for (enum conf_row row = 0; row < CONF_ROW_COUNT; row++) {
		if (is_file_that_is_read(conf, row)) {
			ENSURE(count < CONF_FILES_MAX);
			paths_out[count++] = conf_value_text(conf, row);
		}
	}
	return count;
}

struct conf *conf_load_in_part(const char *path, conf_fault_fn *on_fault, void *ctx)
{
	bool is_good = false;
	return &conf_read(path, on_fault, ctx, &is_good)->conf;
}

bool conf_files_are_readable(const struct conf *conf, conf_fault_fn *on_fault, void *ctx)
{
	const struct conf_snapshot *snapshot = (const struct conf_snapshot *)conf;
	struct conf_draft draft = {.path = snapshot->path};

	for (enum conf_row row = 0; row < CONF_ROW_COUNT; row++) {
		const char *file =
			is_file_that_is_read(conf, row) ? conf_value_text(conf, row) : "";
		if (file[0] == '\0' || faccessat(AT_FDCWD, file, R_OK, AT_EACCESS) == 0) {
			continue;
		}
		conf_draft_fault(&draft, snapshot->marks[row].line, "%s.%s: %s: %s",
			settings[row].section, settings[row].name, file, strerror(errno));
	}
	bool is_good = draft.fault_count == 0;
	conf_draft_report(&draft, on_fault, ctx);
	return is_good;
}

static bool begins_with_path(const char *text, const char *path)
{
	size_t len = strlen(path);
	return len > 0 && strncmp(text, path, len) == 0 && (text[len] == ':' || text[len] == ',');
}

void conf_report_file_fault(
	const struct conf *conf, const char *text, conf_fault_fn *on_fault, void *ctx)
{
	const struct conf_snapshot *snapshot = (const struct conf_snapshot *)conf;
	struct conf_draft draft = {.path = snapshot->path};
	char names[512]; /* one file may be named by several */
	size_t len = 0;
	int line = 0;

	for (enum conf_row row = 0; row < CONF_ROW_COUNT; row++) {
		if (settings[row].type == CONF_PATH &&
			begins_with_path(text, conf_value_text(conf, row))) {
			line = line == 0 ? snapshot->marks[row].line : line;
			len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s.%s",
				len == 0 ? "" : ", ", settings[row].section, settings[row].name);
			ENSURE(len < sizeof(names));
		}
	}
	if (len == 0) {
		on_fault(ctx, text);
		return;
	}
	conf_draft_fault(&draft, line, "%s: %s", names, text);
	conf_draft_report(&draft, on_fault, ctx);
}

struct conf *conf_ref(struct conf *conf)
{
	struct conf_snapshot *snapshot = (struct conf_snapshot *)conf;
	atomic_fetch_add_explicit(&snapshot->reference_count, 1, memory_order_relaxed);
	return conf;
}

void conf_unref(struct conf **conf)
{
	struct conf_snapshot *snapshot = (struct conf_snapshot *)*conf;
	*conf = NULL;
	if (snapshot == NULL) {
		return;
	}
	if (atomic_fetch_sub_explicit(&snapshot->reference_count, 1, memory_order_acq_rel) == 1) {
		conf_free(snapshot);
	}
}

void conf_keep_fixed(struct conf *loaded, const struct conf *running)
{
	for (enum conf_row row = 0; row < CONF_ROW_COUNT; row++) {
		char *to = (char *)loaded + settings[row].offset;
		const char *from = (const char *)running + settings[row].offset;
		if (settings[row].is_reloadable) {
			continue;
		}
		switch (settings[row].type) {
		case CONF_TEXT:
		case CONF_PATH:
			conf_value_store_text(loaded, row, conf_value_text(running, row));
			break;
		case CONF_NUMBER:
			memcpy(to, from, sizeof(int64_t));
			break;
		case CONF_SWITCH:
			memcpy(to, from, sizeof(bool));
			break;
		}
	}
}

static void print_text(const char *value, FILE *out)
{
	fputc('"', out);
	for (; *value != '\0'; value++) {
		/* Unescaped, ${NAME} would be read back as an environment variable. */
		if (strchr("\"\\$", *value) != NULL) {
			fputc('\\', out);
		}
		fputc(*value, out);
	}
	fputc('"', out);
}

static void print_value(const struct conf *conf, enum conf_row row, FILE *out)
{
	switch (settings[row].type) {
	case CONF_TEXT:
	case CONF_PATH:
		print_text(conf_value_text(conf, row), out);
		break;
	case CONF_NUMBER:
		fprintf(out, "%" PRId64, conf_value_number(conf, row));
		break;
	case CONF_SWITCH:
		fputs(conf_value_switch(conf, row) ? "true" : "false", out);
		break;
	}
}

void conf_print(const struct conf *conf, FILE *out)
{
	const char *section = "";
	for (enum conf_row row = 0; row < CONF_ROW_COUNT; row++) {
		if (strcmp(section, settings[row].section) != 0) {
			fprintf(out, "%s%s {\n", row == 0 ? "" : "}\n", settings[row].section);
			section = settings[row].section;
		}
		fprintf(out, "\t%s = ", settings[row].name);
		print_value(conf, row, out);
		fputc('\n', out);
	}
	fputs("}\n", out);
}
