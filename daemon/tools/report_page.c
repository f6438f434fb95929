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
	".Dd November 29, 2026\n"
	".Dt INTAKE-REPORT 5\n"
	".Os\n"
	".Sh NAME\n"
	".Nm intake-report\n"
	".Nd incident report that intaked takes\n"
	".Sh DESCRIPTION\n"
	"A report is one JSON object (RFC 8259, restricted to I-JSON, RFC 7493) in UTF-8.\n"
	"Members other than those below are refused, but inside\n"
	".Va extensions .\n"
	"A running daemon serves the fields as JSON Schema at\n"
	".Pa /v1/schema ,\n"
	"and the taxonomy at\n"
	".Pa /v1/taxonomy .\n"
	"The categories are this project's own construction on the four areas of action of the\n"
	"2024 U.S. International Cyberspace and Digital Policy Strategy, which holds no incident\n"
	"taxonomy itself.\n"
	".Sh FIELDS\n";

static const char rules[] =
	".Sh RULES\n"
	"Beyond the type of each field these hold, and are looked at wherever the fields that they "
	"are about\n"
	"are in order.\n"
	"In parentheses is the code of the error or warning.\n"
	".Ss Taxonomy and handling\n"
	"What a category allows and demands is said by its members in\n"
	".Pa /v1/taxonomy .\n"
	".Bl -bullet -compact\n"
	".It\n"
	".Va taxonomy.id\n"
	"is that of the taxonomy in force\n"
	".Pq Li taxonomy-id ,\n"
	"and\n"
	".Va taxonomy.version\n"
	"has the same major number\n"
	".Pq Li taxonomy-version .\n"
	".It\n"
	".Va reporter.org\n"
	"is an organisation of the partner, unless that may relay\n"
	".Pq Li reporter-not-yours .\n"
	".It\n"
	"Each of\n"
	".Va action_areas\n"
	"is among the\n"
	".Li action_areas\n"
	"of\n"
	".Va category\n"
	"or of an additional category, the first one among those of\n"
	".Va category\n"
	".Pq Li area-not-allowed .\n"
	"A list without the\n"
	".Li primary_area\n"
	"of\n"
	".Va category\n"
	"is warned of\n"
	".Pq Li area-primary-missing .\n"
	".It\n"
	".Va additional_categories\n"
	"does not have\n"
	".Va category\n"
	"again\n"
	".Pq Li category-repeated .\n"
	".It\n"
	".Va tlp\n"
	"is at least as strict as\n"
	".Li min_tlp\n"
	"of every category\n"
	".Pq Li tlp-too-open ;\n"
	"an indicator's or attachment's own label is at least as strict as\n"
	".Va tlp\n"
	".Pq Li tlp-looser .\n"
	".It\n"
	"Where\n"
	".Li protect_victim\n"
	"of any category is true, victims of the kinds individual and group have no\n"
	".Va name\n"
	".Pq Li victim-named .\n"
	"Where\n"
	".Li attachments_allowed\n"
	"is false there are no\n"
	".Va attachments\n"
	".Pq Li attachments-refused .\n"
	".It\n"
	".Va exercise\n"
	"is true when a category is test-report\n"
	".Pq Li exercise-expected .\n"
	".It\n"
	"Codes of\n"
	".Va rsit\n"
	"that no category of the report has are warned of\n"
	".Pq Li rsit-unusual .\n"
	".El\n"
	".Ss Times\n"
	".Bl -bullet -compact\n"
	".It\n"
	"A time is a real date of the years 1970 to 2199\n"
	".Pq Li time-format .\n"
	".It\n"
	".Va times.detected\n"
	"is not before\n"
	".Va times.started ,\n"
	".Va times.reported\n"
	"not before\n"
	".Va times.detected ,\n"
	"no member of\n"
	".Va times\n"
	"before\n"
	".Va times.started ,\n"
	"and\n"
	".Va last_seen\n"
	"of an indicator not before its\n"
	".Va first_seen\n"
	".Pq Li time-order .\n"
	"They are compared where both are there.\n"
	".It\n"
	".Va started ,\n"
	".Va detected ,\n"
	".Va reported ,\n"
	".Va first_seen\n"
	"and\n"
	".Va last_seen\n"
	"are at most 5 minutes ahead of the server\n"
	".Pq Li time-future .\n"
	"All others may lie ahead.\n"
	".El\n"
	".Ss Text and numbers\n"
	".Bl -bullet -compact\n"
	".It\n"
	"Characters are counted as Unicode code points.\n"
	".It\n"
	"Text, names of members and all that is in\n"
	".Va extensions\n"
	"have no control characters (U+0000 to U+001F, U+007F to U+009F), no direction overrides "
	"(U+202D,\n"
	"U+202E) and no non-characters\n"
	".Pq Li text-forbidden .\n"
	"Where lines are allowed there may be tabs, LF, and CR directly before LF.\n"
	"In the value of an indicator of type file-name, mutex, registry-key, user-agent, account "
	"or other\n"
	"an override is evidence, and only warned of\n"
	".Pq Li text-suspicious .\n"
	".It\n"
	"A whole number is written as such: 3, not 3.0 or 3e0\n"
	".Pq Li not-integer .\n"
	"Within\n"
	".Va extensions\n"
	"numbers have a range\n"
	".Pq Li number-range .\n"
	".El\n"
	".Ss Values of indicators\n"
	"A value is sent as it is, not defanged with hxxp or [.]\n"
	".Pq Li indicator-defanged ,\n"
	"in the form of its type\n"
	".Pq Li indicator-value .\n"
	"An address or network that is not globally reachable is warned of\n"
	".Pq Li address-special ;\n"
	"so is an indicator that is equal to one before it, which is stored once\n"
	".Pq Li element-repeated .\n";

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
		buf_append_str(out, str_from(rules)) &&
		report_reference_render_indicators(out, taxonomy) &&
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
