// SPDX-License-Identifier: Apache-2.0
/*
 * OpenAPI 3.1 out of the table of resources, the table of refusals and the schemas of the report
 * floor. What it says of a status is all that this status can mean there. Of NDJSON, which OpenAPI
 * 3.1 has no word for, the schema of a line stands in x-itemSchema; the limits that a client has to
 * keep stand in x-limits, by the names of the settings.
 */
#include "api_document_int.h"

#include "api_int.h"
#include "report/answer_schema.h"
#include "report/report_schema.h"

#include <inttypes.h>
#include <string.h>

#define STATUS_MIN 200
#define STATUS_MAX 599

/* Once something did not fit, nothing more is put. */
struct page {
	struct buf *out;
	bool failed;
};

// clang-format off
static const char head[] =
	"{'openapi':'3.1.0','info':{'title':'intaked','version':'" INTAKED_VERSION "',"
	"'summary':'Intake of cybercrime incident reports from partner CERTs',"
	"'description':'Reports are sent as JSON over mutual TLS and answered with a receipt once "
		"they are stored durably. The manual page intake-protocol(7) says how a client "
		"behaves, intake-report(5) names every field of a report and every code.',"
	"'license':{'name':'Apache-2.0','identifier':'Apache-2.0'}},"
	"'servers':[{'url':'/'}],'security':[{'mutualTLS':[]}],";

static const char components[] =
	"},'components':{'securitySchemes':{'mutualTLS':{'type':'mutualTLS','description':"
		"'A client certificate of an enrolled partner, demanded in the handshake.'}},"
	"'parameters':{"
	"'ReportId':{'name':'report_id','in':'path','required':true,"
		"'schema':{'$ref':'#/components/schemas/Report/properties/report_id'}},"
	"'Revision':{'name':'revision','in':'query','description':'Without it: the newest.',"
		"'schema':{'$ref':'#/components/schemas/Report/properties/revision'}},"
	"'Atomic':{'name':'atomic','in':'query','schema':{'type':'boolean','default':false},"
		"'description':'Of a batch: all of its reports are stored, or none.'},"
	"'IfNoneMatch':{'name':'If-None-Match','in':'header','schema':{'type':'string'}},"
	"'ContentEncoding':{'name':'Content-Encoding','in':'header',"
		"'schema':{'type':'string','enum':['gzip','identity']}}},"
	"'headers':{"
	"'Location':{'description':'Where the receipt is.','schema':{'type':'string'}},"
	"'ETag':{'description':'For If-None-Match.','schema':{'type':'string'}},"
	"'Allow':{'description':'The methods of the resource.','schema':{'type':'string'}},"
	"'Retry-After':{'description':'Seconds.','schema':{'type':'integer','minimum':1}}},"
	"'schemas':{";

static const char small_schemas[] =
	",'Whoami':{'type':'object','required':"
		"['partner','organisations','mode','may_relay','quota','certificate'],'properties':{"
	"'partner':{'type':'string','pattern':'^[a-z0-9][a-z0-9-]{0,62}$'},"
	"'organisations':{'type':'array','items':{'type':'string'},"
		"'description':'Those that it reports for.'},"
	"'mode':{'type':'string','enum':['test','live']},"
	"'may_relay':{'type':'boolean','description':'It reports for any organisation.'},"
	"'quota':{'type':'object','description':'Of this server process; null: no limit.',"
		"'required':['connections','reports_in_flight','reports','bytes'],'properties':{"
		"'connections':{'$ref':'#/components/schemas/QuotaCount'},"
		"'reports_in_flight':{'$ref':'#/components/schemas/QuotaCount'},"
		"'reports':{'$ref':'#/components/schemas/QuotaRate'},"
		"'bytes':{'$ref':'#/components/schemas/QuotaRate'}}},"
	"'certificate':{'type':'object','required':['expires_at'],'properties':{"
		"'expires_at':{'type':'string'}}}}},"
	"'QuotaCount':{'type':'object','required':['limit','left'],'properties':{"
		"'limit':{'type':['integer','null']},'left':{'type':['integer','null']}}},"
	"'QuotaRate':{'type':'object','required':['per_s','burst','left'],'properties':{"
		"'per_s':{'type':['integer','null']},'burst':{'type':['integer','null']},"
		"'left':{'type':['integer','null']}}},"
	"'Taxonomy':{'type':'object','required':['id','version','action_areas','categories'],"
	"'properties':{'id':{'type':'string'},'version':{'type':'string'},"
		"'action_areas':{'type':'array','items':{'type':'object','required':['code']}},"
		"'categories':{'type':'array','items':{'type':'object','required':['code']}}}},";
// clang-format on

static void put(struct page *page, const char *json)
{
	page->failed = page->failed || !buf_append_json(page->out, json);
}

/* As the inside of a string. */
static void put_text(struct page *page, const char *text)
{
	page->failed = page->failed || !buf_append_json_text(page->out, str_from(text));
}

/* before opens a string, which is closed behind the text. */
static void put_string(struct page *page, const char *before, const char *text)
{
	put(page, before);
	put_text(page, text);
	put(page, "'");
}

/* before, and the comma that everything but the first of a list needs. */
static void put_next(struct page *page, bool *is_first, const char *before)
{
	put(page, *is_first ? "" : ",");
	put(page, before);
	*is_first = false;
}

static void put_reference(struct page *page, const char *kind, const char *name)
{
	put(page, "{'$ref':'#/components/");
	put_text(page, kind);
	put_string(page, "/", name);
	put(page, "}");
}

/* --- a body --- */

static bool is_lines(const struct api_media *media)
{
	return strcmp(media->type, "application/x-ndjson") == 0;
}

static void put_media(struct page *page, const struct api_media *media)
{
	put_string(page, "'", media->type);
	put(page, ":{'schema':");
	if (is_lines(media)) {
		put(page, "{'type':'string'},'x-itemSchema':");
		put_reference(page, "schemas", media->schema);
	} else if (media->schema != NULL) {
		put_reference(page, "schemas", media->schema);
	} else {
		put(page,
			strstr(media->type, "json") != NULL ? "{'type':'object'}"
							    : "{'type':'string'}");
	}
	put(page, "}");
}

static void put_request_body(struct page *page, const struct api_operation *operation)
{
	bool is_first = true;
	put(page, ",'requestBody':{'required':true,'content':{");
	for (size_t i = 0; i < API_MEDIA && operation->takes[i].type != NULL; i++) {
		put_next(page, &is_first, "");
		put_media(page, &operation->takes[i]);
	}
	put(page, "}}");
}

/* --- an answer --- */

static bool has_reject(const struct api_operation *operation, int i, int status)
{
	enum reject reject = (enum reject)i;
	return api_has_reject(operation, reject) && reject_info(reject)->status == status;
}

static bool is_refused_with(const struct api_operation *operation, int status)
{
	for (int i = 0; i < REJECT_COUNT; i++) {
		if (has_reject(operation, i, status)) {
			return true;
		}
	}
	return false;
}

static bool is_answered_with(const struct api_operation *operation, int status)
{
	for (size_t i = 0; i < API_ANSWERS; i++) {
		if (operation->answers[i].status == status) {
			return true;
		}
	}
	return is_refused_with(operation, status);
}

static void put_description(struct page *page, const struct api_operation *operation, int status)
{
	const char *between = "'description':'";
	for (size_t i = 0; i < API_ANSWERS; i++) {
		if (operation->answers[i].status == status) {
			put(page, between);
			put_text(page, operation->answers[i].what);
			between = ". ";
		}
	}
	for (int i = 0; i < REJECT_COUNT; i++) {
		if (has_reject(operation, i, status)) {
			put(page, between);
			put_text(page, reject_info((enum reject)i)->name);
			put(page, ": ");
			put_text(page, reject_info((enum reject)i)->title);
			between = ". ";
		}
	}
	put(page, ".'");
}

static const char *reject_header(int status)
{
	return status == 405 ? "Allow" : status == 429 || status == 503 ? "Retry-After" : NULL;
}

static void put_header(struct page *page, const struct api_operation *operation, int status)
{
	const char *header = reject_header(status);
	for (size_t i = 0; i < API_ANSWERS; i++) {
		if (operation->answers[i].status == status &&
			operation->answers[i].header != NULL) {
			header = operation->answers[i].header;
		}
	}
	if (header != NULL) {
		put_string(page, ",'headers':{'", header);
		put(page, ":");
		put_reference(page, "headers", header);
		put(page, "}");
	}
}

static void put_problem(struct page *page, const struct api_operation *operation, int status)
{
	bool is_first = true;
	put(page, "'application/problem+json':{'schema':{'allOf':[");
	put_reference(page, "schemas", "Problem");
	put(page, ",{'properties':{'type':{'enum':[");
	for (int i = 0; i < REJECT_COUNT; i++) {
		if (has_reject(operation, i, status)) {
			put_next(page, &is_first, "");
			put_string(page, "'", reject_info((enum reject)i)->urn);
		}
	}
	put(page, "]}}}]}}");
}

static void put_content(struct page *page, const struct api_operation *operation, int status)
{
	bool is_first = true;
	if (status == 304) {
		return;
	}
	put(page, ",'content':{");
	for (size_t i = 0; i < API_ANSWERS; i++) {
		if (operation->answers[i].status == status) {
			put_next(page, &is_first, "");
			put_media(page, &operation->answers[i].media);
		}
	}
	if (is_refused_with(operation, status)) {
		put_next(page, &is_first, "");
		put_problem(page, operation, status);
	}
	put(page, "}");
}

static void put_responses(struct page *page, const struct api_operation *operation, bool is_head)
{
	bool is_first = true;
	put(page, ",'responses':{");
	for (int status = STATUS_MIN; status <= STATUS_MAX; status++) {
		if (!is_answered_with(operation, status)) {
			continue;
		}
		put_next(page, &is_first, "'");
		page->failed = page->failed || !buf_printf(page->out, "%d", status);
		put(page, "':{");
		put_description(page, operation, status);
		put_header(page, operation, status);
		if (!is_head) {
			put_content(page, operation, status);
		}
		put(page, "}");
	}
	put(page, "}");
}

/* --- an operation --- */

static bool has_etag(const struct api_operation *operation)
{
	return is_answered_with(operation, 304);
}

static void put_parameters(struct page *page, const struct api_operation *operation)
{
	bool is_first = true;
	put(page, ",'parameters':[");
	for (size_t i = 0; i < API_PARAMETERS && operation->parameters[i] != NULL; i++) {
		put_next(page, &is_first, "");
		put_reference(page, "parameters", operation->parameters[i]);
	}
	if (has_etag(operation)) {
		put_next(page, &is_first, "");
		put_reference(page, "parameters", "IfNoneMatch");
	}
	if (operation->method == HTTP_POST) {
		put_next(page, &is_first, "");
		put_reference(page, "parameters", "ContentEncoding");
	}
	put(page, "]");
}

static void put_operation(
	struct page *page, const struct api_operation *operation, const char *method)
{
	bool is_head = strcmp(method, "head") == 0;
	put_string(page, "'", method);
	put(page, ":{'operationId':'");
	put_text(page, method);
	put_string(page, "", operation->name);
	put_string(page, ",'summary':'", operation->summary);
	if (is_head) {
		put(page, ",'description':'The headers of GET.'");
	} else if (operation->description != NULL) {
		put_string(page, ",'description':'", operation->description);
	}
	put_parameters(page, operation);
	if (operation->method == HTTP_POST) {
		put_request_body(page, operation);
	}
	put_responses(page, operation, is_head);
	put(page, "}");
}

static void put_path(struct page *page, enum route route)
{
	bool is_first = true;
	const char *path = metrics_route_path(route);
	put_string(page, "'", path);
	put(page, ":{");
	if (strstr(path, "{report_id}") != NULL) {
		put_next(page, &is_first, "'parameters':[");
		put_reference(page, "parameters", "ReportId");
		put(page, "]");
	}
	for (size_t i = 0; i < api_operation_count(); i++) {
		const struct api_operation *operation = api_operation(i);
		if (operation->route != route) {
			continue;
		}
		put_next(page, &is_first, "");
		put_operation(page, operation, operation->method == HTTP_POST ? "post" : "get");
		if (operation->method == HTTP_GET) {
			put_next(page, &is_first, "");
			put_operation(page, operation, "head");
		}
	}
	put(page, "}");
}

static void put_limits(struct page *page, const struct conf *conf)
{
#define LIMIT(name)                        \
	{                                  \
#name, conf->limits_##name \
	}
	const struct {
		const char *name;
		int64_t limit;
	} limits[] = {
		LIMIT(report_bytes),
		LIMIT(report_depth),
		LIMIT(report_values),
		LIMIT(max_batch_reports),
		LIMIT(max_batch_bytes),
		LIMIT(max_atomic_reports),
		LIMIT(max_atomic_bytes),
	};
#undef LIMIT
	bool is_first = true;
	put(page, "'x-limits':{");
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		put_next(page, &is_first, "");
		put_string(page, "'", limits[i].name);
		page->failed = page->failed || !buf_printf(page->out, ":%" PRId64, limits[i].limit);
	}
	put(page, "},");
}

bool api_document_render(struct buf *out, const struct conf *conf, const struct taxonomy *taxonomy)
{
	struct page page = {out, false};
	bool is_first = true;
	put(&page, head);
	put_limits(&page, conf);
	put(&page, "'paths':{");
	for (int route = 0; route < ROUTE_COUNT; route++) {
		if (api_has_route((enum route)route)) {
			put_next(&page, &is_first, "");
			put_path(&page, (enum route)route);
		}
	}
	put(&page, components);
	put(&page, "'Report':");
	page.failed = page.failed || !report_schema_render(out, taxonomy);
	put(&page, ",'Retraction':");
	page.failed = page.failed || !report_schema_render_retraction(out, taxonomy);
	put(&page, small_schemas);
	page.failed = page.failed || !answer_schemas_render(out);
	put(&page, "}}}\n");
	return !page.failed;
}
