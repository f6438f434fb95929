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

/* NULL, with the verdict in result_out, when there is nothing to judge. */
static json_t *parse(struct arena *arena, const struct report_rules *rules, struct str body,
	struct report_result *result_out)
{
	const struct report_json_limits limits = {rules->max_depth, rules->max_values};
	json_t *tree = NULL;
	*result_out = (struct report_result){.verdict = REPORT_OVERLOAD};
	switch (report_json_parse(
		arena, body, &limits, &tree, result_out->detail, sizeof(result_out->detail))) {
	case REPORT_JSON_BROKEN:
		result_out->verdict = REPORT_NOT_JSON;
		return NULL;
	case REPORT_JSON_NO_MEMORY:
		return NULL;
	case REPORT_JSON_PARSED:
		break;
	}
	return tree;
}

static void init_context(struct report_context *context, struct arena *arena,
	const struct report_rules *rules, struct str body)
{
	context->arena = arena;
	context->rules = rules;
	context->body = body;
	context->path.depth = 0;
	context->errors = (struct report_findings){.arena = arena};
	context->warnings = (struct report_findings){.arena = arena};
	context->root = (struct report_checked){0};
	context->is_out_of_memory = false;
}

static bool is_out_of_memory(const struct report_context *context)
{
	return context->is_out_of_memory || context->errors.is_out_of_memory ||
		context->warnings.is_out_of_memory;
}

/* The findings, and the verdict that follows: no errors mean nothing where memory was short. */
static void conclude(struct report_context *context, struct report_result *result)
{
	const struct taxonomy *taxonomy = context->rules->taxonomy;
	report_findings_finish(&context->errors, taxonomy, &result->errors, &result->error_count);
	report_findings_finish(
		&context->warnings, taxonomy, &result->warnings, &result->warning_count);
	if (is_out_of_memory(context)) {
		result->verdict = REPORT_OVERLOAD;
	} else {
		result->verdict = result->error_count > 0 ? REPORT_INVALID : REPORT_VALID;
	}
}

void report_check(struct arena *arena, const struct report_rules *rules, struct str body,
	struct report_result *result_out)
{
	struct report_context context;
	json_t *tree = parse(arena, rules, body, result_out);
	if (tree == NULL) {
		return;
	}
	init_context(&context, arena, rules, body);
	report_walk(&context, &report_field_root, tree);
	report_rules_apply(&context);
	read_key(&context, result_out);
	conclude(&context, result_out);
	if (result_out->verdict == REPORT_VALID) {
		report_fill(&context, &result_out->report);
	}
	if (is_out_of_memory(&context)) {
		*result_out = (struct report_result){.verdict = REPORT_OVERLOAD};
	}
}

void report_check_retraction(struct arena *arena, const struct report_rules *rules, struct str body,
	struct report_result *result_out, struct report_retraction *retraction_out)
{
	struct report_context context;
	json_t *tree = parse(arena, rules, body, result_out);
	if (tree == NULL) {
		return;
	}
	init_context(&context, arena, rules, body);
	report_walk(&context, &report_field_retraction, tree);
	conclude(&context, result_out);
	if (is_out_of_memory(&context)) {
		*result_out = (struct report_result){.verdict = REPORT_OVERLOAD};
	}
	if (result_out->verdict == REPORT_VALID) {
		*retraction_out = (struct report_retraction){
			.revision =
				(int32_t)report_checked_child(&context.root, RETRACTION_REVISION)
					->number,
			.reason = report_checked_text(
				report_checked_child(&context.root, RETRACTION_REASON)),
		};
	}
}
