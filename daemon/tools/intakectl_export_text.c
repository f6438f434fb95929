// SPDX-License-Identifier: Apache-2.0
/*
 * The exact bytes, one report a line; and the columns of analysis.report.
 */
#include "intakectl_export_int.h"

#include <string.h>

/* --- NDJSON --- */

static bool append_payload(struct buf *sql, const PGresult *of_report)
{
	(void)of_report;
	return buf_append_str(sql, STR("analysis.export_payload(r.id, $1::text)"));
}

/* A line break in JSON stands between values only: within strings it is spelt \n. */
static bool write_line(struct export *export, const PGresult *row, struct err *err)
{
	char *payload = PQgetvalue(row, 0, 0);
	size_t len = (size_t)PQgetlength(row, 0, 0);
	bool is_rewritten = false;
	(void)err;
	if (PQgetisnull(row, 0, 0)) {
		export->withheld++;
		return true;
	}
	for (size_t i = 0; i < len; i++) {
		if (payload[i] == '\n' || payload[i] == '\r') {
			payload[i] = ' ';
			is_rewritten = true;
		}
	}
	fwrite(payload, 1, len, export->out);
	putc('\n', export->out);
	export->reports++;
	export->rewritten += is_rewritten;
	return true;
}

const struct export_form export_ndjson = {
	.name = "ndjson",
	.is_binary = true,
	.append_columns = append_payload,
	.write = write_line,
};

/* --- CSV --- */

/* What is read of the payload follows the strictest label in it; the rest the report's own. */
static bool append_column(struct buf *sql, const char *name)
{
#define EXPORTED "convert_from(analysis.export_payload(r.id, $1::text), 'UTF8')::jsonb"
	if (strcmp(name, "narrative") == 0) {
		return buf_append_str(sql, STR(EXPORTED " ->> 'narrative' AS narrative"));
	}
	if (strcmp(name, "payload") == 0) {
		return buf_append_str(sql, STR(EXPORTED " AS payload"));
	}
#undef EXPORTED
	return buf_printf(sql, "r.\"%s\"", name);
}

static bool append_report_columns(struct buf *sql, const PGresult *of_report)
{
	bool is_good = true;
	for (int column = 0; is_good && column < PQnfields(of_report); column++) {
		is_good = (column == 0 || buf_append_str(sql, STR(", "))) &&
			append_column(sql, PQfname(of_report, column));
	}
	return is_good;
}

/* NULL is nothing at all, an empty text is "": they differ, as for COPY of PostgreSQL. */
static void write_field(FILE *out, const char *text, size_t len)
{
	bool is_plain = len > 0 && strpbrk(text, "\",\r\n") == NULL && text[0] != ' ' &&
		text[len - 1] != ' ';
	if (is_plain) {
		fwrite(text, 1, len, out);
		return;
	}
	putc('"', out);
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"') {
			putc('"', out);
		}
		putc(text[i], out);
	}
	putc('"', out);
}

static void write_names(struct export *export, const PGresult *row)
{
	for (int column = 0; column < PQnfields(row); column++) {
		fprintf(export->out, "%s%s", column == 0 ? "" : ",", PQfname(row, column));
	}
	fputs("\r\n", export->out);
}

static bool write_record(struct export *export, const PGresult *row, struct err *err)
{
	(void)err;
	for (int column = 0; column < PQnfields(row); column++) {
		if (column > 0) {
			putc(',', export->out);
		}
		if (!PQgetisnull(row, 0, column)) {
			write_field(export->out, PQgetvalue(row, 0, column),
				(size_t)PQgetlength(row, 0, column));
		}
	}
	fputs("\r\n", export->out);
	export->reports++;
	export->withheld += PQgetisnull(row, 0, PQfnumber(row, "payload"));
	return true;
}

const struct export_form export_csv = {
	.name = "csv",
	.append_columns = append_report_columns,
	.write_heading = write_names,
	.write = write_record,
};
