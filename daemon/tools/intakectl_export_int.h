// SPDX-License-Identifier: Apache-2.0
/*
 * Forms that reports are exported in. Rows come one by one, are written at once and forgotten.
 */
#pragma once

#include "intakectl_int.h"

#include "base/buf.h"

struct export
{
	FILE *out;
	long long reports;   /* written */
	long long withheld;  /* their bytes hold a stricter label than may leave */
	long long rewritten; /* their line breaks became spaces */
	long long objects;   /* of a bundle */
};

struct export_form {
	const char *name; /* of --format */
	bool is_binary;
	/*
	 * Appends what is selected of analysis.report AS r; $1 is the strictest label that may
	 * leave. of_report has the view's columns and no rows.
	 */
	bool (*append_columns)(struct buf *sql, const PGresult *of_report);
	/* All but write may be NULL. */
	void (*begin)(struct export *export);
	/* Each organisation that reported any that is not withheld, once, before the first. */
	void (*write_reporter)(struct export *export, const char *org);
	void (*write_heading)(struct export *export, const PGresult *row);
	bool (*write)(struct export *export, const PGresult *row, struct err *err);
	void (*end)(struct export *export);
};

extern const struct export_form export_csv;
extern const struct export_form export_ndjson;
extern const struct export_form export_stix;
