// SPDX-License-Identifier: Apache-2.0
/*
 * Parse, walk, rules, fill: each only adds findings, so that a partner learns all errors at once.
 */
#include "report/report_check.h"

#include "report_json_int.h"
#include "report_walk_int.h"

void report_check_init(void)
{
	report_json_init();
}

/* The key, where both of its parts can be read. */
static void read_key(const struct report_context *context, struct report_result *result)
{
	const struct report_checked *id = report_checked_child(&context->root, ROOT_REPORT_ID);
	const struct report_checked *revision = report_checked_child(&context->root, ROOT_REVISION);
	if (!report_checked_holds(id) || (revision->value != NULL && !revision->holds)) {
		return;
	}
	result->key_report_id = report_checked_text(id);
	result->key_revision = revision->value == NULL ? 1 : (int32_t)revision->number;
}

static void judge(struct report_context *context, json_t *tree, struct report_result *result)
{
	const struct taxonomy *taxonomy = context->rules->taxonomy;
	report_walk(context, tree);
	report_rules_apply(context);
	read_key(context, result);
	report_findings_finish(&context->errors, taxonomy, &result->errors, &result->error_count);
	report_findings_finish(
		&context->warnings, taxonomy, &result->warnings, &result->warning_count);
	result->verdict = result->error_count > 0 ? REPORT_INVALID : REPORT_VALID;
	if (result->verdict == REPORT_VALID) {
		report_fill(context, &result->report);
	}
}

void report_check(struct arena *arena, const struct report_rules *rules, struct str body,
	struct report_result *result_out)
{
	const struct report_json_limits limits = {rules->max_depth, rules->max_values};
	json_t *tree = NULL;
	*result_out = (struct report_result){.verdict = REPORT_OVERLOAD};
	switch (report_json_parse(
		arena, body, &limits, &tree, result_out->detail, sizeof(result_out->detail))) {
	case REPORT_JSON_BROKEN:
		result_out->verdict = REPORT_NOT_JSON;
		return;
	case REPORT_JSON_NO_MEMORY:
		return;
	case REPORT_JSON_PARSED:
		break;
	}

	struct report_context context;
	context.arena = arena;
	context.rules = rules;
	context.body = body;
	context.path.depth = 0;
	context.errors = (struct report_findings){.arena = arena};
	context.warnings = (struct report_findings){.arena = arena};
	context.root = (struct report_checked){0};
	context.is_out_of_memory = false;
	judge(&context, tree, result_out);
	if (context.is_out_of_memory || context.errors.is_out_of_memory ||
		context.warnings.is_out_of_memory) {
		*result_out = (struct report_result){.verdict = REPORT_OVERLOAD};
	}
}
