// SPDX-License-Identifier: Apache-2.0
/*
 * The taxonomy in force: areas, categories with their handling, RSIT codes. Read from a file as
 * data, immutable afterwards, so that threads share one without a lock.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct taxonomy;

/* TLP 2.0, least to most strict; the numbers are stored. */
enum tlp { TLP_CLEAR, TLP_GREEN, TLP_AMBER, TLP_AMBER_STRICT, TLP_RED };

struct taxonomy_area {
	struct str code;  /* AA1 */
	struct str title; /* of the launch announcement */
};

struct taxonomy_category {
	struct str code;
	struct str title;
	struct str definition;
	struct str primary_area; /* code */
	uint32_t areas;          /* bit i: area number i of the file is allowed */
	const struct str *rsit;  /* usual codes, the default first */
	size_t rsit_count;
	enum tlp min_tlp;
	bool is_critical;
	bool is_countable;
	bool protects_victim;
	bool allows_attachments;
};

/* After report_check_init. NULL on a fault, with what was expected and where in err. */
MUST_CHECK struct taxonomy *taxonomy_load(const char *path, struct err *err);
void taxonomy_free(struct taxonomy **taxonomy);

struct str taxonomy_id(const struct taxonomy *taxonomy);
struct str taxonomy_version(const struct taxonomy *taxonomy);
int taxonomy_major(const struct taxonomy *taxonomy);
/* The file's bytes, as GET /v1/taxonomy serves them. */
struct str taxonomy_document(const struct taxonomy *taxonomy);

size_t taxonomy_area_count(const struct taxonomy *taxonomy);
const struct taxonomy_area *taxonomy_area(const struct taxonomy *taxonomy, size_t index);
size_t taxonomy_category_count(const struct taxonomy *taxonomy);
const struct taxonomy_category *taxonomy_category(const struct taxonomy *taxonomy, size_t index);
/* By code, in constant time; NULL when there is no such category. */
const struct taxonomy_category *taxonomy_find_category(
	const struct taxonomy *taxonomy, struct str code);
/* -1 when there is no such code. */
int taxonomy_find_area(const struct taxonomy *taxonomy, struct str code);
size_t taxonomy_rsit_count(const struct taxonomy *taxonomy);
struct str taxonomy_rsit(const struct taxonomy *taxonomy, size_t index);
bool taxonomy_has_rsit(const struct taxonomy *taxonomy, struct str code);
