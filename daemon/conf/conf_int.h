// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of this floor share: a draft, which is a configuration in the making together
 * with the faults found so far and the line that set each value.
 */
#pragma once

#include "conf/conf.h"

#include "base/attr.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

/* The index of each row of the table, CONF_ROW_listen_address and so on. */
enum conf_row {
#define SETTING(section, name, type, default_value, min, max, reloadable, why) \
	CONF_ROW_##section##_##name,
#include "conf/conf_table.h"
#undef SETTING
	CONF_ROW_COUNT
};

/* Where a value comes from. */
struct conf_mark {
	int line; /* 0: the default */
	bool is_bad;
};

struct conf_fault {
	int line; /* 0: the file as a whole */
	char *text;
};

struct conf_draft {
	struct conf *conf;
	const char *path; /* NULL: no file */
	struct conf_mark marks[CONF_ROW_COUNT];
	struct conf_fault *faults;
	size_t fault_count;
	bool is_cut; /* reading stopped early: what follows is unknown */
};

/* One sentence without file and line; the same one at the same line is kept once. */
void conf_draft_fault(struct conf_draft *draft, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);
bool conf_draft_has_fault_at(const struct conf_draft *draft, int line);
/* Hands every fault to on_fault, by line, with file and line in front; then forgets them. */
void conf_draft_report(struct conf_draft *draft, conf_fault_fn *on_fault, void *ctx);

/* The row of a setting; CONF_ROW_COUNT when there is none. */
enum conf_row conf_row_find(const char *section, const char *name);
bool conf_section_exists(const char *section);

/* A tab may be part of a text that is continued on the next line. */
bool conf_value_is_one_line(const char *value);
/* Puts a value as it stands in the file into the draft, or reports why not. */
void conf_value_set(struct conf_draft *draft, enum conf_row row, const char *value, int line);
/* Frees what a text field holds and puts a copy of value there. */
void conf_value_store_text(struct conf *conf, enum conf_row row, const char *value);
const char *conf_value_text(const struct conf *conf, enum conf_row row);
int64_t conf_value_number(const struct conf *conf, enum conf_row row);
bool conf_value_switch(const struct conf *conf, enum conf_row row);

/* Puts blanks in the place of comments, line ends excepted. */
void conf_blank_comments(char *text);
/* Reads draft->path into the draft. */
void conf_file_read(struct conf_draft *draft);
/* What must hold between settings, and the forms that a type does not say. */
void conf_check_rules(struct conf_draft *draft);
