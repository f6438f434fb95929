// SPDX-License-Identifier: Apache-2.0
/*
 * What a worker is given by the main thread: a generation, read from a real configuration file, and
 * the partners.
 */
#include "replay.h"

#include "../unit/store/samples.h"
#include "registry_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SETTINGS_MAX 64
/* A file that can be read, where one is wanted and nobody looks into it. */
#define SOME_FILE SOURCE_DIR "/LICENSE"

struct setting {
	char section[32];
	char name[64];
	char value[256];
};

static struct setting settings[SETTINGS_MAX] = {
	{"tls", "certificate", "\"" SOME_FILE "\""},
	{"tls", "key", "\"" SOME_FILE "\""},
	{"tls", "partner_ca", "\"" SOME_FILE "\""},
	{"taxonomy", "file", "\"" SOURCE_DIR "/config/taxonomy.json\""},
};
static size_t setting_count = 4;

void script_configure(const char *section, const char *name, const char *value)
{
	size_t i = 0;
	while (i < setting_count &&
		(strcmp(settings[i].section, section) != 0 ||
			strcmp(settings[i].name, name) != 0)) {
		i++;
	}
	ENSURE(i < SETTINGS_MAX);
	setting_count += i == setting_count;
	snprintf(settings[i].section, sizeof(settings[i].section), "%s", section);
	snprintf(settings[i].name, sizeof(settings[i].name), "%s", name);
	snprintf(settings[i].value, sizeof(settings[i].value), "%s", value);
}

static bool is_first_of_section(size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (strcmp(settings[i].section, settings[index].section) == 0) {
			return false;
		}
	}
	return true;
}

static void write_section(FILE *out, const char *section)
{
	fprintf(out, "%s {\n", section);
	for (size_t i = 0; i < setting_count; i++) {
		if (strcmp(settings[i].section, section) == 0) {
			fprintf(out, "\t%s = %s\n", settings[i].name, settings[i].value);
		}
	}
	fputs("}\n", out);
}

static void on_fault(void *ctx, const char *sentence)
{
	(void)ctx;
	script_fail("%s", sentence);
}

struct generation *script_generation(void)
{
	char path[] = "/tmp/intaked-replay-XXXXXX";
	int fd = mkstemp(path);
	ENSURE(fd >= 0);
	FILE *out = fdopen(fd, "w");
	ENSURE(out != NULL);
	for (size_t i = 0; i < setting_count; i++) {
		if (is_first_of_section(i)) {
			write_section(out, settings[i].section);
		}
	}
	fclose(out);
	struct generation *generation = generation_load(path, on_fault, NULL);
	unlink(path);
	return generation;
}

/* Columns of the registry's statement; those of quotas are null. */
enum { COLUMN_ID, COLUMN_NAME, COLUMN_QUOTAS = 8, COLUMNS = 14 };

struct registry *script_registry(int count, char *const *words)
{
	PGresult *result = sample_result(COLUMNS);
	for (int row = 0; row < count; row++) {
		char id[16];
		char name[64];
		const char *status = strchr(words[row], '=');
		size_t len = status != NULL ? (size_t)(status - words[row]) : strlen(words[row]);
		snprintf(id, sizeof(id), "%d", row + 1);
		snprintf(name, sizeof(name), "%.*s", (int)len, words[row]);
		bool is_suspended = status != NULL && strcmp(status, "=suspended") == 0;
		const char *columns[] = {
			id, name, "cert.example.org", "f", "t", is_suspended ? "t" : "f", "", ""};
		for (int column = 0; column < COLUMN_QUOTAS; column++) {
			sample_set_text(result, row, column, columns[column]);
		}
		for (int column = COLUMN_QUOTAS; column < COLUMNS; column++) {
			sample_set(result, row, column, NULL, -1);
		}
	}
	struct registry *registry = registry_from_result(result);
	ENSURE(registry != NULL);
	PQclear(result);
	return registry;
}
