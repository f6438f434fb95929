// SPDX-License-Identifier: Apache-2.0
/*
 * Writes the manual page intake-report(5) at build time, from the tables that the daemon judges
 * with: fields, error codes, problem types. Not installed.
 */
#include "report/reject.h"
#include "report/report_check.h"
#include "report/report_schema.h"

#include <stdio.h>

#define PAGE_MAX_BYTES ((size_t)4 << 20)

static const char page_head[] =
	".Dd November 23, 2026\n"
	".Dt INTAKE-REPORT 5\n"
	".Os\n"
	".Sh NAME\n"
	".Nm intake-report\n"
	".Nd incident report that intaked takes\n"
	".Sh DESCRIPTION\n"
	"A report is one JSON object (RFC 8259, restricted to I-JSON, RFC 7493) in UTF-8.\n"
	"Members other than those below are refused, but inside\n"
	".Va extensions .\n"
	"A running daemon serves the same as JSON Schema at\n"
	".Pa /v1/schema ,\n"
	"and the taxonomy at\n"
	".Pa /v1/taxonomy .\n"
	"The categories are this project's own construction on the four areas of action of the\n"
	"2024 U.S. International Cyberspace and Digital Policy Strategy, which holds no incident\n"
	"taxonomy itself.\n"
	".Sh FIELDS\n";

static const char codes_head[] = ".Sh CODES\n"
				 "Errors and warnings carry a JSON Pointer to the element, one of "
				 "these codes, and a sentence;\n"
				 "clients go by the code.\n"
				 ".Bl -tag -width Ds\n";

static const char problems_head[] = ".El\n"
				    ".Sh PROBLEMS\n"
				    "A refusal is\n"
				    ".Ql application/problem+json\n"
				    "(RFC 9457) with one of these types behind\n"
				    ".Ql urn:intaked:problem: .\n"
				    ".Bl -tag -width Ds\n";

static const char page_tail[] = ".El\n"
				".Sh SEE ALSO\n"
				".Xr intake-protocol 7 ,\n"
				".Xr intaked 8\n";

static bool render_retraction(struct buf *out, const struct taxonomy *taxonomy)
{
	return buf_printf(out,
		       ".Sh RETRACTION\n"
		       "A report is retracted by a\n"
		       ".Li POST\n"
		       "of one such object, of at most %d bytes, to\n"
		       ".Pa /v1/reports/{report_id}/retraction .\n"
		       "Its receipt says so from then on, with time and reason.\n"
		       "A newer revision makes the report current again.\n",
		       REPORT_RETRACTION_MAX_BYTES) &&
		report_reference_render_retraction(out, taxonomy);
}

static bool render_codes(struct buf *out)
{
	static const struct {
		const char *text;
		const char *sentence;
	} codes[] = {
#define REPORT_CODE(id, text, sentence) {text, sentence},
#include "report/report_codes.h"
#undef REPORT_CODE
	};
	bool done = true;
	for (size_t i = 0; done && i < sizeof(codes) / sizeof(codes[0]); i++) {
		done = buf_printf(out, ".It Li %s\n%s.\n", codes[i].text, codes[i].sentence);
	}
	return done;
}

static bool render_problems(struct buf *out)
{
	bool done = true;
	for (int i = 0; done && i < REJECT_COUNT; i++) {
		const struct reject_info *info = reject_info((enum reject)i);
		done = buf_printf(out, ".It Li %s Pq %d\n%s%s.\n", info->name, info->status,
			info->title, info->closes ? "; the connection is closed" : "");
	}
	return done;
}

static bool render_page(struct buf *out, const struct taxonomy *taxonomy)
{
	return buf_append_str(out, str_from(page_head)) && report_reference_render(out, taxonomy) &&
		render_retraction(out, taxonomy) && buf_append_str(out, str_from(codes_head)) &&
		render_codes(out) && buf_append_str(out, str_from(problems_head)) &&
		render_problems(out) && buf_append_str(out, str_from(page_tail));
}

int main(int argc, char **argv)
{
	struct err err = {{0}};
	struct buf page;

	if (argc != 2) {
		fputs("usage: report_page TAXONOMY-FILE\n", stderr);
		return 2;
	}
	report_check_init();
	struct taxonomy *taxonomy = taxonomy_load(argv[1], &err);
	if (taxonomy == NULL) {
		fprintf(stderr, "report_page: %s\n", err.text);
		return 1;
	}
	buf_init(&page, PAGE_MAX_BYTES);
	bool done = render_page(&page, taxonomy) &&
		fwrite(page.data, 1, page.len, stdout) == page.len && fflush(stdout) == 0;
	buf_fini(&page);
	taxonomy_free(&taxonomy);
	return done ? 0 : 1;
}
