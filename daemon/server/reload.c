// SPDX-License-Identifier: Apache-2.0
#include "reload_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "json_writer_int.h"
#include "server/systemd.h"
#include "store/database_check.h"

#include <stdio.h>
#include <string.h>

#define FAULTS_MAX_BYTES ((size_t)1 << 20)

void reload_init(struct reload_state *state)
{
	*state = (struct reload_state){0};
	buf_init(&state->faults, FAULTS_MAX_BYTES);
	buf_init(&state->needs_restart, FAULTS_MAX_BYTES);
}

void reload_fini(struct reload_state *state)
{
	buf_fini(&state->faults);
	buf_fini(&state->needs_restart);
}

/* Of the array so far: where memory is short, a part of what was logged. */
static void add_text(struct buf *array, struct str text)
{
	size_t len = array->len;
	if (!buf_append_str(array, len == 0 ? STR("\"") : STR(",\"")) ||
		!buf_append_json_text(array, text) || !buf_append_str(array, STR("\""))) {
		array->len = len;
	}
}

void reload_log_fault(void *ctx, const char *sentence)
{
	char escaped[1024];
	(void)ctx;
	log_error("configuration-fault", "text=%s",
		log_escape(escaped, sizeof(escaped), str_from(sentence)));
}

/* Files' names and content need not be UTF-8. */
static void on_fault(void *ctx, const char *sentence)
{
	struct reload_state *state = ctx;
	char plain[sizeof(state->fault.text)];
	reload_log_fault(NULL, sentence);
	json_plain(plain, sizeof(plain), sentence);
	if (state->faults.len == 0) {
		err_set(&state->fault, "%s", plain);
	}
	add_text(&state->faults, str_from(plain));
}

/* --- checking --- */

static void note_fixed_settings(
	struct reload_state *state, const struct conf *old, const struct conf *new)
{
	char name[128];
	for (size_t i = 0; i < conf_setting_count(); i++) {
		const struct conf_setting *setting = conf_setting(i);
		if (!setting->is_reloadable && !conf_setting_equal(setting, old, new)) {
			snprintf(name, sizeof(name), "%s.%s", setting->section, setting->name);
			log_warn("reload-needs-restart", "setting=%s", name);
			add_text(&state->needs_restart, str_from(name));
		}
	}
}

/* Every code of the file must be in the database before reports are judged by it. */
static bool taxonomy_can_change(struct process *process, struct generation *generation)
{
	struct err err = {{0}};
	if (str_equal(taxonomy_document(process->generation->taxonomy),
		    taxonomy_document(generation->taxonomy)) ||
		database_check(generation->conf, generation->taxonomy, &err)) {
		return true;
	}
	on_fault(&process->reload, err.text);
	return false;
}

/* NULL on any fault. */
static struct generation *load_checked(struct process *process)
{
	struct generation *generation =
		generation_load(process->conf_path, on_fault, &process->reload);
	if (generation == NULL) {
		return NULL;
	}
	note_fixed_settings(&process->reload, process->generation->conf, generation->conf);
	conf_keep_fixed(generation->conf, process->generation->conf);
	if (!taxonomy_can_change(process, generation)) {
		generation_unref(&generation);
	}
	return generation;
}

/* --- taking --- */

void reload_set_log_level(const struct conf *conf)
{
	enum log_severity severity;
	if (log_severity_from_name(conf->log_level, &severity)) {
		log_set_threshold(severity);
	}
}

static void on_files_changed(void *ctx)
{
	log_info("files-changed", "effect=reload");
	reload_run(ctx);
}

static void ignore_fault(void *ctx, const char *sentence)
{
	(void)ctx;
	(void)sentence;
}

void reload_watch_files(struct process *process, int64_t read_at_us)
{
	struct err err = {{0}};
	const struct conf *conf = process->generation->conf;
	const char *paths[1 + 2 * CONF_FILES_MAX] = {process->conf_path};
	file_watch_free(&process->file_watch);
	if (!conf->control_reload_on_change) {
		return;
	}
	size_t served = 1 + conf_files(conf, paths + 1);
	size_t count = served;
	/* After a refusal one of the files that were asked for may be what comes next. */
	struct conf *refused = process->reload.was_refused
		? conf_load_in_part(process->conf_path, ignore_fault, NULL)
		: NULL;
	if (refused != NULL) {
		count += conf_files(refused, paths + count);
	}
	process->file_watch = file_watch_new(
		process->base, paths, count, read_at_us, on_files_changed, process, &err);
	if (process->file_watch == NULL && count > served) {
		process->file_watch = file_watch_new(
			process->base, paths, served, read_at_us, on_files_changed, process, &err);
	}
	if (process->file_watch == NULL) {
		log_error("files-not-watched", "text=\"%s\"", err.text);
	}
	conf_unref(&refused);
}

static void take_generation(struct process *process, struct generation *generation)
{
	registry_reader_set_conf(process->reader, generation->conf, generation->taxonomy);
	housekeeper_set_conf(process->housekeeper, generation->conf, generation->taxonomy);
	for (int i = 0; i < process->worker_count; i++) {
		worker_send_generation(process->workers[i], generation);
	}
	generation_unref(&process->generation);
	process->generation = generation;
	reload_set_log_level(generation->conf);
	log_info("reloaded", "taxonomy=%.*s", STR_ARG(buf_str(&generation->taxonomy_label)));
}

/* The service manager is told of what it sees as reloading: not of a start or stop. */
bool reload_run(struct process *process)
{
	struct reload_state *state = &process->reload;
	int64_t began_at_us = clock_wall_us();
	bool is_told = process->is_serving && !process->is_stopping;
	if (is_told) {
		systemd_notify("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_monotonic_us());
	}
	buf_clear(&state->faults);
	buf_clear(&state->needs_restart);
	struct generation *generation = load_checked(process);
	bool is_taken = generation != NULL;
	state->last_at_us = clock_wall_us();
	state->was_refused = !is_taken;
	if (is_taken) {
		state->taken++;
		take_generation(process, generation);
	} else {
		state->refused++;
		log_error("reload-refused", "text=\"the old configuration serves on\"");
	}
	/* Also after a refusal: what was mended since then is noticed. */
	reload_watch_files(process, began_at_us);
	if (is_told) {
		systemd_notify("READY=1");
		process_notify_status(process);
	}
	return is_taken;
}

bool reload_command(void *ctx, struct buf *out)
{
	struct process *process = ctx;
	const struct reload_state *state = &process->reload;
	bool is_taken = reload_run(process);
	return buf_printf(out, "{\"reloaded\":%s%s,\"faults\":[%.*s],\"needs_restart\":[%.*s]}",
		is_taken ? "true" : "false",
		is_taken ? "" : ",\"error\":\"the new configuration was refused\"",
		STR_ARG(buf_str(&state->faults)), STR_ARG(buf_str(&state->needs_restart)));
}
