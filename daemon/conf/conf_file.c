// SPDX-License-Identifier: Apache-2.0
/*
 * Reading a file through libconfuse. The library stops at the first fault, so its own checks are
 * kept out of its way: every value is text to it and checked in a callback that never fails, and a
 * name it does not know is reported, made known as one to tolerate, and the text parsed again.
 * What remains to stop it is broken syntax, after which nothing that follows can be trusted.
 *
 * At the end of a file the library is content even inside a section or a comment. A setting put
 * behind the text shows that: it must be met, and outside any section.
 *
 * The library's callbacks carry no context and its lexer is global, hence the static pointer: one
 * reading at a time.
 */
#include "conf_int.h"

#include "base/buf.h"
#include "base/log.h"

#include <confuse.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX_BYTES 1048576
#define UNKNOWN_MAX 64
#define SECTION_MAX 16
#define END_MARKER "\x04"
#define NO_MEMORY "the file was not read to its end: no memory"
/* The library's words; they stay English since no program here calls setlocale(3). */
#define UNKNOWN_NAME_FORMAT "no such option '%s'"
#define END_IN_DOUBLE_QUOTES_FORMAT "premature end of file"
#define END_IN_SINGLE_QUOTES_FORMAT "unterminated string constant"

/* A name that is in no table, made known to the library so that it reads on. */
struct unknown {
	char *section; /* empty: outside any section */
	char *name;
	cfg_type_t type;
};

struct reading {
	struct conf_draft *draft;
	cfg_t *root;
	struct unknown unknowns[UNKNOWN_MAX];
	size_t unknown_count;
	int last_line; /* of the file itself */
	bool has_met_end;
	bool must_read_again;
};

static struct reading *active;

static const char *section_name(const cfg_t *cfg)
{
	return cfg == active->root ? "" : cfg->name;
}

/* The sections when section is empty, else its settings. */
static void list_names(struct buf *out, const char *section)
{
	const char *last = "";
	for (size_t i = 0; i < conf_setting_count(); i++) {
		const struct conf_setting *setting = conf_setting(i);
		const char *name = section[0] == '\0' ? setting->section : setting->name;
		bool is_listed = section[0] == '\0' || strcmp(setting->section, section) == 0;
		if (is_listed && strcmp(name, last) != 0) {
			ENSURE(buf_printf(out, "%s%s", out->len == 0 ? "" : ", ", name));
			last = name;
		}
	}
}

static bool is_setting_somewhere(const char *name)
{
	for (size_t i = 0; i < conf_setting_count(); i++) {
		if (strcmp(conf_setting(i)->name, name) == 0) {
			return true;
		}
	}
	return false;
}

static void report_unknown(const char *section, const char *name, int line)
{
	char shown[160];
	struct buf names;
	buf_init(&names, 4096);
	list_names(&names, section);
	log_escape(shown, sizeof(shown), str_from(name));
	if (section[0] != '\0') {
		conf_draft_fault(active->draft, line, "%s has no setting %s, expected one of %.*s",
			section, shown, STR_ARG(buf_str(&names)));
	} else if (is_setting_somewhere(name)) {
		conf_draft_fault(active->draft, line,
			"%s stands outside of any section, expected a section around it: one of "
			"%.*s",
			shown, STR_ARG(buf_str(&names)));
	} else {
		conf_draft_fault(active->draft, line,
			"there is no section %s, expected one of %.*s", shown,
			STR_ARG(buf_str(&names)));
	}
	buf_fini(&names);
}

static struct unknown *find_unknown(const char *section, const char *name)
{
	for (size_t i = 0; i < active->unknown_count; i++) {
		struct unknown *unknown = &active->unknowns[i];
		if (strcmp(unknown->section, section) == 0 && strcmp(unknown->name, name) == 0) {
			return unknown;
		}
	}
	return NULL;
}

static void tolerate_unknown(const char *section, const char *name)
{
	if (active->unknown_count == UNKNOWN_MAX || find_unknown(section, name) != NULL) {
		active->draft->is_cut = true;
		return;
	}
	struct unknown *unknown = &active->unknowns[active->unknown_count++];
	unknown->section = strdup(section);
	unknown->name = strdup(name);
	unknown->type = section[0] == '\0' ? CFGT_SEC : CFGT_STR;
	ENSURE(unknown->section != NULL && unknown->name != NULL);
	active->must_read_again = true;
}

__attribute__((format(printf, 2, 3))) static void cut_at(int line, const char *fmt, ...)
{
	char text[256];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	active->draft->is_cut = true;
	conf_draft_fault(
		active->draft, line < active->last_line ? line : active->last_line, "%s", text);
}

static void on_unknown_name(const cfg_t *cfg, const char *name)
{
	char shown[160];
	const char *section = section_name(cfg);
	if (strcmp(name, END_MARKER) == 0) {
		cut_at(active->last_line,
			"the file ends inside section %s, expected } after its last setting",
			conf_section_exists(section)
				? section
				: log_escape(shown, sizeof(shown), str_from(section)));
	} else if (section[0] != '\0' && !conf_section_exists(section)) {
		return; /* inside a section that was itself reported */
	} else if (section[0] == '\0' && conf_section_exists(name)) {
		cut_at(cfg->line, "the name of section %s goes on, expected { after it", name);
	} else if (conf_row_find(section, name) != CONF_ROW_COUNT) {
		cut_at(cfg->line, "the name %s.%s goes on, expected = after it", section, name);
	} else {
		report_unknown(section, name, cfg->line);
		tolerate_unknown(section, name);
	}
}

/* A name outside of any section is taken for a section first, then for a setting. */
static bool retry_as_setting(const cfg_t *cfg)
{
	if (cfg != active->root || active->unknown_count == 0) {
		return false;
	}
	struct unknown *newest = &active->unknowns[active->unknown_count - 1];
	if (newest->type != CFGT_SEC) {
		return false;
	}
	newest->type = CFGT_STR;
	return true;
}

__attribute__((format(printf, 2, 0))) static void on_syntax_fault(
	const cfg_t *cfg, const char *fmt, va_list args)
{
	char text[128];
	char shown[160];
	struct conf_draft *draft = active->draft;
	if (conf_draft_has_fault_at(draft, cfg->line)) {
		if (retry_as_setting(cfg)) {
			active->must_read_again = true;
		} else {
			draft->is_cut = true;
		}
		return;
	}
	if (strcmp(fmt, END_IN_DOUBLE_QUOTES_FORMAT) == 0 ||
		strcmp(fmt, END_IN_SINGLE_QUOTES_FORMAT) == 0) {
		cut_at(active->last_line,
			"the file ends inside a quoted text, expected a closing quote");
		return;
	}
	vsnprintf(text, sizeof(text), fmt, args);
	cut_at(cfg->line, "%s, expected section { and lines of setting = \"value\" and }",
		log_escape(shown, sizeof(shown), str_from(text)));
}

__attribute__((format(printf, 2, 0))) static void on_library_fault(
	cfg_t *cfg, const char *fmt, va_list args)
{
	if (active->draft->is_cut) {
		return;
	}
	if (strcmp(fmt, UNKNOWN_NAME_FORMAT) == 0) {
		on_unknown_name(cfg, va_arg(args, const char *));
	} else {
		on_syntax_fault(cfg, fmt, args);
	}
}

/*
 * Neither the value is shown nor a name that is in no table, nor anything that follows: what lost
 * its quotes, or was taken into others, may hold a password.
 */
static void refuse_lines(enum conf_row row, int line)
{
	const struct conf_setting *setting = row != CONF_ROW_COUNT ? conf_setting(row) : NULL;
	cut_at(line,
		"%s%s%s goes over the end of a line, or has another control character in it, "
		"expected one line of text (is a closing quote missing?)",
		setting != NULL ? setting->section : "a value", setting != NULL ? "." : "",
		setting != NULL ? setting->name : "");
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	char shown[160];
	const char *section = section_name(cfg);
	*(const char **)result = value;
	if (active->draft->is_cut) {
		return 0; /* the library goes on for a moment; nothing is to be trusted now */
	}
	if (section[0] == '\0' && strcmp(opt->name, END_MARKER) == 0) {
		active->has_met_end = true;
		return 0;
	}
	enum conf_row row = conf_row_find(section, opt->name);
	if (strcmp(value, END_MARKER) == 0) {
		cut_at(active->last_line, "the file ends after %s =, expected a value",
			row != CONF_ROW_COUNT
				? opt->name
				: log_escape(shown, sizeof(shown), str_from(opt->name)));
	} else if (!conf_value_is_one_line(value)) {
		refuse_lines(row, cfg->line);
	} else if (row == CONF_ROW_COUNT) {
		report_unknown(section, opt->name, cfg->line);
	} else {
		conf_value_set(active->draft, row, value, cfg->line);
	}
	return 0;
}

static cfg_opt_t text_option(const char *name)
{
	return (cfg_opt_t)CFG_STR_CB(name, NULL, CFGF_NODEFAULT, on_value);
}

/* The settings of one section, and what is tolerated in it. The caller frees. */
static cfg_opt_t *section_options(const char *section)
{
	size_t used = 0;
	cfg_opt_t *options = calloc(CONF_ROW_COUNT + UNKNOWN_MAX + 1, sizeof(*options));
	ENSURE(options != NULL);
	for (size_t i = 0; i < conf_setting_count(); i++) {
		if (strcmp(conf_setting(i)->section, section) == 0) {
			options[used++] = text_option(conf_setting(i)->name);
		}
	}
	for (size_t i = 0; i < active->unknown_count; i++) {
		if (strcmp(active->unknowns[i].section, section) == 0) {
			options[used++] = text_option(active->unknowns[i].name);
		}
	}
	options[used] = (cfg_opt_t)CFG_END();
	return options;
}

static cfg_opt_t unknown_option(const struct unknown *unknown, cfg_opt_t *no_options)
{
	if (unknown->type == CFGT_SEC) {
		return (cfg_opt_t)CFG_SEC(
			unknown->name, no_options, CFGF_NODEFAULT | CFGF_KEYSTRVAL);
	}
	return text_option(unknown->name);
}

static void parse_with(cfg_opt_t *root_options, const char *text)
{
	memset(active->draft->marks, 0, sizeof(active->draft->marks));
	active->has_met_end = false;
	active->must_read_again = false;
	active->root = cfg_init(root_options, CFGF_NONE);
	ENSURE(active->root != NULL);
	cfg_set_error_function(active->root, on_library_fault);
	int result = cfg_parse_buf(active->root, text);
	if (result == CFG_SUCCESS && !active->has_met_end && !active->draft->is_cut) {
		cut_at(active->last_line,
			"the file ends inside a comment or a quoted text, expected */ or a closing "
			"quote");
	}
	/* Without memory for a value the library stops and says nothing; the settings that follow
	 * would have their defaults. */
	if (result != CFG_SUCCESS && !active->must_read_again && !active->draft->is_cut) {
		cut_at(active->last_line, NO_MEMORY);
	}
	cfg_free(active->root);
	active->root = NULL;
}

/* Builds what the library may meet from the table, and lets it parse. */
static void parse_once(const char *text)
{
	cfg_opt_t no_options[] = {CFG_END()};
	cfg_opt_t options[SECTION_MAX + UNKNOWN_MAX + 2] = {CFG_END()};
	size_t used = 0;
	size_t section_count = 0;
	const char *section = "";
	for (size_t i = 0; i < conf_setting_count(); i++) {
		if (strcmp(conf_setting(i)->section, section) != 0) {
			section = conf_setting(i)->section;
			ENSURE(section_count < SECTION_MAX);
			options[used++] = (cfg_opt_t)CFG_SEC(
				section, section_options(section), CFGF_NODEFAULT);
			section_count = used;
		}
	}
	for (size_t i = 0; i < active->unknown_count; i++) {
		if (active->unknowns[i].section[0] == '\0') {
			options[used++] = unknown_option(&active->unknowns[i], no_options);
		}
	}
	options[used++] = text_option(END_MARKER);
	options[used] = (cfg_opt_t)CFG_END();
	parse_with(options, text);
	for (size_t i = 0; i < section_count; i++) {
		free(options[i].subopts);
	}
}

/* The marker behind the text has a line of its own, which is not the file's. */
static int last_line_of(const char *text)
{
	int line = -1;
	for (; *text != '\0'; text++) {
		line += *text == '\n';
	}
	return line > 0 ? line : 1;
}

static void parse_text(struct conf_draft *draft, const char *text)
{
	struct reading reading = {.draft = draft};
	active = &reading;
	reading.last_line = last_line_of(text);
	do {
		parse_once(text);
	} while (reading.must_read_again && !draft->is_cut);
	active = NULL;
	for (size_t i = 0; i < reading.unknown_count; i++) {
		free(reading.unknowns[i].section);
		free(reading.unknowns[i].name);
	}
}

/* The whole of the open file as text that ends in a newline; false is reported already. */
static bool read_text(struct conf_draft *draft, FILE *file, struct buf *text)
{
	char piece[4096];
	size_t len = 0;
	while ((len = fread(piece, 1, sizeof(piece), file)) > 0) {
		if (text->len + len > FILE_MAX_BYTES) {
			conf_draft_fault(draft, 0, "is too large, expected at most %d bytes",
				FILE_MAX_BYTES);
			return false;
		}
		if (!buf_append(text, piece, len)) {
			conf_draft_fault(draft, 0, NO_MEMORY);
			return false;
		}
	}
	if (ferror(file)) {
		conf_draft_fault(draft, 0, "cannot be read: %s", strerror(errno));
		return false;
	}
	if (text->len > 0 && memchr(text->data, '\0', text->len) != NULL) {
		conf_draft_fault(draft, 0, "holds a byte 0, expected text");
		return false;
	}
	bool ends_line = text->len == 0 || text->data[text->len - 1] == '\n';
	/* Room for this is kept apart from the maximum that a file may use. */
	text->max += 16;
	if (!buf_printf(text, "%s%s = -\n", ends_line ? "" : "\n", END_MARKER) ||
		!buf_append(text, "", 1)) {
		conf_draft_fault(draft, 0, NO_MEMORY);
		return false;
	}
	return true;
}

void conf_file_read(struct conf_draft *draft)
{
	struct buf text;
	FILE *file = fopen(draft->path, "re");
	if (file == NULL) {
		draft->is_cut = true;
		conf_draft_fault(draft, 0, "cannot be opened: %s", strerror(errno));
		return;
	}
	buf_init(&text, FILE_MAX_BYTES);
	if (read_text(draft, file, &text)) {
		conf_blank_comments(text.data);
		parse_text(draft, text.data);
	} else {
		draft->is_cut = true;
	}
	fclose(file);
	buf_fini(&text);
}
