// SPDX-License-Identifier: Apache-2.0
/*
 * The rules of the partner interface that tie fields together, in its order. A rule looks only at
 * parts whose schema holds, and says nothing that putting another finding right could make untrue.
 */
#include "report_walk_int.h"

#include "report_indicator_int.h"
#include "report_text_int.h"

#define FUTURE_TOLERANCE_US (INT64_C(5) * 60 * 1000000)
#define TRAIL(...) (const size_t[]){__VA_ARGS__}, sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t)

/* Position of a member in document order. */
static uint32_t member_position(json_t *object, struct str name, const char **key_out)
{
	uint32_t position = 0;
	for (void *at = json_object_iter(object); at != NULL;
		at = json_object_iter_next(object, at)) {
		struct str key = {json_object_iter_key(at), json_object_iter_key_len(at)};
		if (str_equal(key, name)) {
			*key_out = key.data;
			return position;
		}
		position++;
	}
	*key_out = name.data;
	return position;
}

/*
 * The path of a part, given by positions in the table of fields for members and by index for
 * elements. Costs a search, which only findings pay.
 */
static struct report_draft *add_at(struct report_context *context, struct report_findings *findings,
	enum report_code code, const size_t *trail, size_t trail_len)
{
	const struct report_field *field = &report_field_root;
	const struct report_checked *at = &context->root;
	struct report_path *path = &context->path;
	path->depth = 0;
	for (size_t i = 0; i < trail_len; i++) {
		struct report_step *step = &path->steps[path->depth++];
		*step = (struct report_step){.position = (uint32_t)trail[i]};
		if (field->type == FIELD_ARRAY) {
			field = field->element;
		} else {
			field = &field->object->fields[trail[i]];
			step->position = member_position(at->value, field->name, &step->key);
			step->key_len = (uint32_t)field->name.len;
		}
		at = report_checked_child(at, trail[i]);
	}
	return report_findings_add(findings, path, code);
}

static struct report_draft *add_error(struct report_context *context, enum report_code code,
	const size_t *trail, size_t trail_len)
{
	return add_at(context, &context->errors, code, trail, trail_len);
}

static void add_warning(struct report_context *context, enum report_code code, const size_t *trail,
	size_t trail_len)
{
	add_at(context, &context->warnings, code, trail, trail_len);
}

static const struct report_checked *root_child(
	const struct report_context *context, size_t position)
{
	return report_checked_child(&context->root, position);
}

/* ---- What the categories of a report demand together. ---- */

struct category_rules {
	const struct taxonomy_category *category; /* NULL when it is not known */
	const struct taxonomy_category *additional[8];
	size_t additional_count;
	bool is_complete; /* every category is known */
};

static const struct taxonomy_category *category_of(
	const struct report_context *context, const struct report_checked *code)
{
	if (!report_checked_holds(code)) {
		return NULL;
	}
	return taxonomy_category(context->rules->taxonomy, (size_t)code->position);
}

static void gather_categories(const struct report_context *context, struct category_rules *rules)
{
	const struct report_checked *list = root_child(context, ROOT_ADDITIONAL_CATEGORIES);
	const size_t max = sizeof(rules->additional) / sizeof(rules->additional[0]);
	*rules = (struct category_rules){
		.category = category_of(context, root_child(context, ROOT_CATEGORY)),
		.is_complete = list->value == NULL || json_is_array(list->value),
	};
	for (size_t i = 0; i < list->count; i++) {
		const struct taxonomy_category *category =
			category_of(context, report_checked_child(list, i));
		if (category == NULL || rules->additional_count == max) {
			rules->is_complete = false;
		} else {
			rules->additional[rules->additional_count++] = category;
		}
	}
}

/* The i-th of all known categories, or NULL behind the last. */
static const struct taxonomy_category *known_category(const struct category_rules *rules, size_t i)
{
	if (rules->category != NULL) {
		if (i == 0) {
			return rules->category;
		}
		i--;
	}
	return i < rules->additional_count ? rules->additional[i] : NULL;
}

static struct str_list list_areas(struct report_context *context, uint32_t areas)
{
	const struct taxonomy *taxonomy = context->rules->taxonomy;
	size_t total = taxonomy_area_count(taxonomy);
	struct str *items = report_context_alloc(context, total, sizeof(*items));
	size_t count = 0;
	for (size_t i = 0; items != NULL && i < total; i++) {
		if ((areas & (UINT32_C(1) << i)) != 0) {
			items[count++] = taxonomy_area(taxonomy, i)->code;
		}
	}
	return (struct str_list){items, count};
}

static void check_primary_area(
	struct report_context *context, const struct taxonomy_category *category)
{
	const struct report_checked *list = root_child(context, ROOT_ACTION_AREAS);
	for (size_t i = 0; i < list->count; i++) {
		if (str_equal(report_checked_text(&list->items[i]), category->primary_area)) {
			return;
		}
	}
	if (report_checked_holds(list)) {
		add_warning(context, REPORT_CODE_AREA_PRIMARY_MISSING, TRAIL(ROOT_ACTION_AREAS));
	}
}

static void check_areas(struct report_context *context, const struct category_rules *rules)
{
	const struct report_checked *list = root_child(context, ROOT_ACTION_AREAS);
	if (rules->category == NULL) {
		return;
	}
	uint32_t all_allowed = rules->category->areas;
	for (size_t i = 0; i < rules->additional_count; i++) {
		all_allowed |= rules->additional[i]->areas;
	}
	for (size_t i = 0; i < list->count; i++) {
		const struct report_checked *area = &list->items[i];
		uint32_t allowed = i == 0 ? rules->category->areas : all_allowed;
		/* A category that is not known yet might allow it. */
		bool is_certain = i == 0 || rules->is_complete;
		if (is_certain && report_checked_holds(area) &&
			(allowed & (UINT32_C(1) << area->position)) == 0) {
			add_error(
				context, REPORT_CODE_AREA_NOT_ALLOWED, TRAIL(ROOT_ACTION_AREAS, i))
				->allowed = list_areas(context, allowed);
		}
	}
	check_primary_area(context, rules->category);
}

static struct str_list labels_from(
	struct report_context *context, const struct report_field *field, enum tlp strictest)
{
	struct str *items = report_context_alloc(context, TLP_RED + 1, sizeof(*items));
	size_t count = 0;
	for (int label = (int)strictest; items != NULL && label <= TLP_RED; label++) {
		items[count++] = report_vocabulary_code(
			field->vocabulary, context->rules->taxonomy, (size_t)label);
	}
	return (struct str_list){items, count};
}

static void check_label(struct report_context *context, const struct category_rules *rules)
{
	const struct report_checked *label = root_child(context, ROOT_TLP);
	const struct taxonomy_category *category;
	enum tlp strictest = TLP_CLEAR;
	for (size_t i = 0; (category = known_category(rules, i)) != NULL; i++) {
		strictest = category->min_tlp > strictest ? category->min_tlp : strictest;
	}
	if (report_checked_holds(label) && label->position < (int)strictest) {
		add_error(context, REPORT_CODE_TLP_TOO_OPEN, TRAIL(ROOT_TLP))->allowed =
			labels_from(
				context, &report_field_root.object->fields[ROOT_TLP], strictest);
	}
}

static void check_own_labels(
	struct report_context *context, size_t list_position, size_t label_position)
{
	const struct report_checked *label = root_child(context, ROOT_TLP);
	const struct report_checked *list = root_child(context, list_position);
	for (size_t i = 0; report_checked_holds(label) && i < list->count; i++) {
		const struct report_checked *own =
			report_checked_child(report_checked_child(list, i), label_position);
		if (report_checked_holds(own) && own->position < label->position) {
			add_error(context, REPORT_CODE_TLP_LOOSER,
				TRAIL(list_position, i, label_position))
				->allowed =
				labels_from(context, &report_field_root.object->fields[ROOT_TLP],
					(enum tlp)label->position);
		}
	}
}

static void check_victims(struct report_context *context)
{
	const struct report_checked *list = root_child(context, ROOT_VICTIMS);
	for (size_t i = 0; i < list->count; i++) {
		const struct report_checked *victim = report_checked_child(list, i);
		const struct report_checked *kind = report_checked_child(victim, VICTIM_KIND);
		bool is_person = report_checked_holds(kind) &&
			(kind->position == VICTIM_KIND_INDIVIDUAL ||
				kind->position == VICTIM_KIND_GROUP);
		if (is_person && report_checked_holds(report_checked_child(victim, VICTIM_NAME))) {
			add_error(context, REPORT_CODE_VICTIM_NAMED,
				TRAIL(ROOT_VICTIMS, i, VICTIM_NAME));
		}
	}
}

static void check_handling(struct report_context *context, const struct category_rules *rules)
{
	const struct taxonomy_category *category;
	bool protects_victim = false;
	bool allows_attachments = true;
	for (size_t i = 0; (category = known_category(rules, i)) != NULL; i++) {
		protects_victim = protects_victim || category->protects_victim;
		allows_attachments = allows_attachments && category->allows_attachments;
	}
	if (protects_victim) {
		check_victims(context);
	}
	const struct report_checked *attachments = root_child(context, ROOT_ATTACHMENTS);
	if (!allows_attachments && attachments->count > 0 && report_checked_holds(attachments)) {
		add_error(context, REPORT_CODE_ATTACHMENTS_REFUSED, TRAIL(ROOT_ATTACHMENTS));
	}
}

/* Equal ones among the additional categories are the schema's to find. */
static void check_categories_once(struct report_context *context)
{
	const struct report_checked *category = root_child(context, ROOT_CATEGORY);
	const struct report_checked *list = root_child(context, ROOT_ADDITIONAL_CATEGORIES);
	for (size_t i = 0; report_checked_holds(category) && i < list->count; i++) {
		const struct report_checked *additional = report_checked_child(list, i);
		if (report_checked_holds(additional) &&
			additional->position == category->position) {
			add_error(context, REPORT_CODE_CATEGORY_REPEATED,
				TRAIL(ROOT_ADDITIONAL_CATEGORIES, i));
		}
	}
}

static void check_exercise(struct report_context *context, const struct category_rules *rules)
{
	const struct report_checked *exercise = root_child(context, ROOT_EXERCISE);
	const struct taxonomy_category *category;
	bool is_test_report = false;
	for (size_t i = 0; (category = known_category(rules, i)) != NULL; i++) {
		is_test_report = is_test_report || str_equal(category->code, STR("test-report"));
	}
	if (!is_test_report || json_is_true(exercise->value)) {
		return;
	}
	if (exercise->value == NULL) {
		context->path.depth = 0;
		struct report_draft *draft = report_findings_add(
			&context->errors, &context->path, REPORT_CODE_EXERCISE_EXPECTED);
		draft->member = STR("exercise");
		draft->is_missing = true;
	} else if (report_checked_holds(exercise)) {
		add_error(context, REPORT_CODE_EXERCISE_EXPECTED, TRAIL(ROOT_EXERCISE));
	}
}

static bool is_usual(const struct category_rules *rules, struct str code)
{
	const struct taxonomy_category *category;
	for (size_t i = 0; (category = known_category(rules, i)) != NULL; i++) {
		for (size_t j = 0; j < category->rsit_count; j++) {
			if (str_equal(category->rsit[j], code)) {
				return true;
			}
		}
	}
	return false;
}

static void check_rsit(struct report_context *context, const struct category_rules *rules)
{
	const struct report_checked *list = root_child(context, ROOT_RSIT);
	for (size_t i = 0; i < list->count; i++) {
		const struct report_checked *code = report_checked_child(list, i);
		if (report_checked_holds(code) && !is_usual(rules, report_checked_text(code))) {
			add_warning(context, REPORT_CODE_RSIT_UNUSUAL, TRAIL(ROOT_RSIT, i));
		}
	}
}

/* ---- Who and which taxonomy. ---- */

static void check_reporter(struct report_context *context)
{
	const struct report_rules *rules = context->rules;
	const struct report_checked *org =
		report_checked_child(root_child(context, ROOT_REPORTER), REPORTER_ORG);
	if (rules->may_relay || !report_checked_holds(org)) {
		return;
	}
	for (size_t i = 0; i < rules->organisation_count; i++) {
		if (str_equal(rules->organisations[i], report_checked_text(org))) {
			return;
		}
	}
	add_error(context, REPORT_CODE_REPORTER_NOT_YOURS, TRAIL(ROOT_REPORTER, REPORTER_ORG));
}

static void check_taxonomy_version(struct report_context *context)
{
	const struct report_checked *version =
		report_checked_child(root_child(context, ROOT_TAXONOMY), TAXONOMY_VERSION);
	if (!report_checked_holds(version)) {
		return;
	}
	int major = 0;
	for (const char *at = json_string_value(version->value); *at != '.'; at++) {
		major = major * 10 + (*at - '0');
	}
	if (major != taxonomy_major(context->rules->taxonomy)) {
		add_error(context, REPORT_CODE_TAXONOMY_VERSION,
			TRAIL(ROOT_TAXONOMY, TAXONOMY_VERSION));
	}
}

/* ---- Times. ---- */

static bool is_before(const struct report_checked *later, const struct report_checked *earlier)
{
	return report_checked_holds(later) && report_checked_holds(earlier) &&
		later->time_us < earlier->time_us;
}

static bool is_future(const struct report_context *context, const struct report_checked *time)
{
	return report_checked_holds(time) &&
		time->time_us > context->rules->now_us + FUTURE_TOLERANCE_US;
}

static void check_times(struct report_context *context)
{
	const struct report_checked *times = root_child(context, ROOT_TIMES);
	const struct report_checked *started = report_checked_child(times, TIMES_STARTED);
	const struct report_checked *detected = report_checked_child(times, TIMES_DETECTED);
	for (size_t i = 0; i < times->count; i++) {
		const struct report_checked *time = report_checked_child(times, i);
		bool may_lie_ahead =
			i == TIMES_CONTAINED || i == TIMES_ENDED || i == TIMES_RECOVERED;
		if (is_before(time, started) ||
			(i == TIMES_REPORTED && is_before(time, detected))) {
			add_error(context, REPORT_CODE_TIME_ORDER, TRAIL(ROOT_TIMES, i));
		}
		if (!may_lie_ahead && is_future(context, time)) {
			add_error(context, REPORT_CODE_TIME_FUTURE, TRAIL(ROOT_TIMES, i));
		}
	}
}

/* ---- Indicators. ---- */

static void check_indicator_times(
	struct report_context *context, const struct report_checked *indicator, size_t index)
{
	const struct report_checked *first = report_checked_child(indicator, INDICATOR_FIRST_SEEN);
	const struct report_checked *last = report_checked_child(indicator, INDICATOR_LAST_SEEN);
	if (is_before(last, first)) {
		add_error(context, REPORT_CODE_TIME_ORDER,
			TRAIL(ROOT_INDICATORS, index, INDICATOR_LAST_SEEN));
	}
	if (is_future(context, first)) {
		add_error(context, REPORT_CODE_TIME_FUTURE,
			TRAIL(ROOT_INDICATORS, index, INDICATOR_FIRST_SEEN));
	}
	if (is_future(context, last)) {
		add_error(context, REPORT_CODE_TIME_FUTURE,
			TRAIL(ROOT_INDICATORS, index, INDICATOR_LAST_SEEN));
	}
}

static void check_override(struct report_context *context, unsigned type, size_t index)
{
	if (report_indicator_is_evidence(type)) {
		add_warning(context, REPORT_CODE_TEXT_SUSPICIOUS,
			TRAIL(ROOT_INDICATORS, index, INDICATOR_VALUE));
	} else {
		add_error(context, REPORT_CODE_TEXT_FORBIDDEN,
			TRAIL(ROOT_INDICATORS, index, INDICATOR_VALUE));
	}
}

static void check_indicator_value(
	struct report_context *context, const struct report_checked *indicator, size_t index)
{
	const struct report_checked *type = report_checked_child(indicator, INDICATOR_TYPE);
	const struct report_checked *value = report_checked_child(indicator, INDICATOR_VALUE);
	struct report_address address;
	if (!report_checked_holds(type) || !report_checked_holds(value)) {
		return;
	}
	if ((value->kinds & REPORT_TEXT_OVERRIDE) != 0) {
		check_override(context, (unsigned)type->position, index);
	}
	switch (report_indicator_judge(
		(unsigned)type->position, report_checked_text(value), &address)) {
	case INDICATOR_WRONG:
		add_error(context, REPORT_CODE_INDICATOR_VALUE,
			TRAIL(ROOT_INDICATORS, index, INDICATOR_VALUE))
			->detail = report_indicator_expects((unsigned)type->position);
		break;
	case INDICATOR_DEFANGED:
		add_error(context, REPORT_CODE_INDICATOR_DEFANGED,
			TRAIL(ROOT_INDICATORS, index, INDICATOR_VALUE));
		break;
	case INDICATOR_FITS:
		if (address.family != 0 && report_address_is_special(&address)) {
			add_warning(context, REPORT_CODE_ADDRESS_SPECIAL,
				TRAIL(ROOT_INDICATORS, index, INDICATOR_VALUE));
		}
		break;
	}
}

/* Marks the repeated ones, so that they are stored once. */
static void check_indicators_once(struct report_context *context)
{
	const struct report_checked *list = root_child(context, ROOT_INDICATORS);
	if (!report_checked_holds(list) || list->count < 2) {
		return;
	}
	const uint32_t *firsts = report_values_find_repeated(context, list->value, list->count);
	for (size_t i = 0; firsts != NULL && i < list->count; i++) {
		if (firsts[i] != i) {
			list->items[i].is_repeated = true;
			add_warning(
				context, REPORT_CODE_ELEMENT_REPEATED, TRAIL(ROOT_INDICATORS, i));
		}
	}
}

static void check_indicators(struct report_context *context)
{
	const struct report_checked *list = root_child(context, ROOT_INDICATORS);
	for (size_t i = 0; i < list->count; i++) {
		const struct report_checked *indicator = report_checked_child(list, i);
		check_indicator_value(context, indicator, i);
		check_indicator_times(context, indicator, i);
	}
	check_indicators_once(context);
}

void report_rules_apply(struct report_context *context)
{
	struct category_rules rules;
	gather_categories(context, &rules);
	check_taxonomy_version(context);
	check_reporter(context);
	check_areas(context, &rules);
	check_label(context, &rules);
	check_own_labels(context, ROOT_INDICATORS, INDICATOR_TLP);
	check_own_labels(context, ROOT_ATTACHMENTS, ATTACHMENT_TLP);
	check_handling(context, &rules);
	check_categories_once(context);
	check_times(context);
	check_indicators(context);
	check_exercise(context, &rules);
	check_rsit(context, &rules);
}
