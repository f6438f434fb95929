// SPDX-License-Identifier: Apache-2.0
/*
 * What is answered changes by addition, so no schema forbids other members. Problem types and codes
 * come from the tables that the daemon answers with; a test holds real answers against the rest.
 */
#include "report/answer_schema.h"

#include "report/reject.h"
#include "report/report_check.h"

// clang-format off
static const char finding_head[] =
	"'Finding':{'type':'object','description':'One error or warning of a report.',"
	"'required':['pointer','code','detail'],'properties':{"
	"'pointer':{'type':'string','pattern':'^(/|$)','description':"
		"'JSON Pointer (RFC 6901) to the element, as sent; of a missing member: its object.'},"
	"'detail':{'type':'string','minLength':1,'description':'A sentence for people.'},"
	"'member':{'type':'string','description':'The name of the missing member.'},"
	"'allowed':{'type':'array','items':{'type':'string'},'minItems':1,'maxItems':60,"
		"'description':'The values that are allowed, where they are few.'},"
	"'did_you_mean':{'type':'string','description':'The code that was probably meant.'},"
	"'code':{'type':'string','description':'What is wrong; clients go by it.','enum':[";

static const char problem_head[] =
	"]}}},"
	"'Problem':{'type':'object','description':'A refusal (RFC 9457).',"
	"'required':['type','title','status'],'properties':{"
	"'title':{'type':'string','minLength':1},"
	"'status':{'type':'integer','minimum':400,'maximum':599},"
	"'detail':{'type':'string','minLength':1},"
	"'errors':{'type':'array','items':{'$ref':'#/components/schemas/Finding'},"
		"'minItems':1,'maxItems':100,'description':'All errors, in document order.'},"
	"'receipt':{'$ref':'#/components/schemas/Receipt','description':"
		"'What is stored in the place of what was refused.'},"
	"'type':{'type':'string','description':'Why; clients go by it.','enum':[";

/* A verdict is what a receipt has without having stored anything. */
#define VERDICT_REQUIRED \
	"'status','partner','report_id','revision','sha256','taxonomy','category'," \
	"'action_areas','primary_area','test','warnings'"
#define VERDICT_MEMBERS \
	"'partner':{'type':'string','pattern':'^[a-z0-9][a-z0-9-]{0,62}$'}," \
	"'report_id':{'type':'string','minLength':1,'maxLength':128}," \
	"'revision':{'type':'integer','minimum':1,'maximum':1000000}," \
	"'sha256':{'type':'string','pattern':'^[0-9a-f]{64}$','description':" \
		"'Of the exact bytes received, after content decoding.'}," \
	"'taxonomy':{'type':'string','description':" \
		"'Id and version of the one in force when it was judged.'}," \
	"'category':{'type':'string'}," \
	"'action_areas':{'type':'array','items':{'type':'string'}}," \
	"'primary_area':{'type':'string','description':'That of the category.'}," \
	"'test':{'type':'boolean','description':'The partner was in test mode.'}," \
	"'warnings':{'type':'array','items':{'$ref':'#/components/schemas/Finding'}}"
#define TIME_PATTERN "'^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}Z$'"

static const char others[] =
	"]}}},"
	"'Receipt':{'type':'object','description':"
		"'The report is stored durably. It comes back unchanged for ever, but for status and, "
		"while that is retracted, the retraction.',"
	"'required':['id','received_at'," VERDICT_REQUIRED "],'properties':{"
	"'status':{'type':'string','enum':['stored','duplicate','retracted','erased']},"
	"'id':{'type':'string','description':'UUIDv7 made by the server.','pattern':"
		"'^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'},"
	"'received_at':{'type':'string','pattern':" TIME_PATTERN "},"
	"'retracted_at':{'type':'string','pattern':" TIME_PATTERN "},"
	"'reason':{'type':'string','minLength':1,'maxLength':1000,'description':"
		"'Why it was retracted.'},"
	VERDICT_MEMBERS "},"
	"'if':{'properties':{'status':{'const':'retracted'}}},"
	"'then':{'required':['retracted_at','reason']}},"
	"'Verdict':{'type':'object','description':"
		"'The report would be stored. Nothing was.',"
	"'required':[" VERDICT_REQUIRED "],'properties':{"
	"'status':{'type':'string','const':'valid'}," VERDICT_MEMBERS "}},"
	"'Result':{'type':'object','description':'What became of one line of a batch.',"
	"'required':['line','status'],'properties':{"
	"'line':{'type':'integer','minimum':1,'description':'Physical lines, from 1.'},"
	"'status':{'type':'integer','minimum':200,'maximum':599,'description':"
		"'As HTTP would say it, were the line a request of its own.'},"
	"'receipt':{'anyOf':[{'$ref':'#/components/schemas/Receipt'},"
		"{'$ref':'#/components/schemas/Verdict'}]},"
	"'problem':{'$ref':'#/components/schemas/Problem'},"
	"'retry_after':{'type':'integer','minimum':1,'description':'Seconds.'}},"
	"'oneOf':[{'required':['receipt']},{'required':['problem']}]}";
// clang-format on

static bool render_code(struct buf *out, size_t i)
{
	return buf_printf(
		out, "%s\"%s\"", i == 0 ? "" : ",", report_code_text((enum report_code)i));
}

static bool render_type(struct buf *out, size_t i)
{
	return buf_printf(out, "%s\"%s\"", i == 0 ? "" : ",", reject_info((enum reject)i)->urn);
}

bool answer_schemas_render(struct buf *out)
{
	bool done = buf_append_json(out, finding_head);
	for (size_t i = 0; done && i < REPORT_CODE_COUNT; i++) {
		done = render_code(out, i);
	}
	done = done && buf_append_json(out, problem_head);
	for (size_t i = 0; done && i < REJECT_COUNT; i++) {
		done = render_type(out, i);
	}
	return done && buf_append_json(out, others);
}
