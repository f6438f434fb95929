// SPDX-License-Identifier: Apache-2.0
/*
 * Nothing is judged here: the tree has no errors when this runs. Strings stay where the parser put
 * them, in the arena.
 */
#include "report_walk_int.h"

#include "report_indicator_int.h"

static const struct report_checked *member(const struct report_checked *parent, size_t position)
{
	return report_checked_child(parent, position);
}

static int64_t number_of(const struct report_checked *checked)
{
	return checked->value == NULL ? REPORT_NO_NUMBER : checked->number;
}

static int64_t time_of(const struct report_checked *checked)
{
	return checked->value == NULL ? REPORT_NO_TIME : checked->time_us;
}

static struct str_list list_of(struct report_context *context, const struct report_checked *array)
{
	if (array->count == 0) {
		return (struct str_list){0};
	}
	struct str *items = report_context_alloc(context, array->count, sizeof(*items));
	for (size_t i = 0; items != NULL && i < array->count; i++) {
		items[i] = report_checked_text(member(array, i));
	}
	return (struct str_list){items, items == NULL ? 0 : array->count};
}

static void add_once(struct str *items, size_t *count, const struct report_checked *text)
{
	struct str added = report_checked_text(text);
	if (added.data == NULL) {
		return;
	}
	for (size_t i = 0; i < *count; i++) {
		if (str_equal(items[i], added)) {
			return;
		}
	}
	items[(*count)++] = added;
}

/* The values of a list of impact and of one member of each victim, each once. */
static struct str_list unite(struct report_context *context, const struct report_checked *impact,
	const struct report_checked *victims, size_t victim_member)
{
	size_t max = (size_t)impact->count + victims->count;
	size_t count = 0;
	if (max == 0) {
		return (struct str_list){0};
	}
	struct str *items = report_context_alloc(context, max, sizeof(*items));
	if (items == NULL) {
		return (struct str_list){0};
	}
	for (size_t i = 0; i < impact->count; i++) {
		add_once(items, &count, member(impact, i));
	}
	for (size_t i = 0; i < victims->count; i++) {
		add_once(items, &count, member(member(victims, i), victim_member));
	}
	return (struct str_list){items, count};
}

static void fill_indicator(const struct report_checked *checked, enum tlp report_tlp,
	struct report_indicator *indicator)
{
	const struct report_checked *type = member(checked, INDICATOR_TYPE);
	const struct report_checked *tlp = member(checked, INDICATOR_TLP);
	struct report_address address;
	*indicator = (struct report_indicator){
		.type = report_checked_text(type),
		.value = report_checked_text(member(checked, INDICATOR_VALUE)),
		.role = report_checked_text(member(checked, INDICATOR_ROLE)),
		.first_seen_us = time_of(member(checked, INDICATOR_FIRST_SEEN)),
		.last_seen_us = time_of(member(checked, INDICATOR_LAST_SEEN)),
		.confidence = number_of(member(checked, INDICATOR_CONFIDENCE)),
		.port = number_of(member(checked, INDICATOR_PORT)),
		.protocol = report_checked_text(member(checked, INDICATOR_PROTOCOL)),
		.tlp = tlp->value == NULL ? report_tlp : (enum tlp)tlp->position,
	};
	if (type->position <= INDICATOR_CIDR) {
		report_indicator_judge((unsigned)type->position, indicator->value, &address);
		indicator->address_family = address.family;
		indicator->prefix_len = address.prefix_len;
		memcpy(indicator->address, address.bytes, sizeof(indicator->address));
	}
}

static void fill_indicators(struct report_context *context, struct report *report)
{
	const struct report_checked *list = member(&context->root, ROOT_INDICATORS);
	if (list->count == 0) {
		return;
	}
	struct report_indicator *indicators =
		report_context_alloc(context, list->count, sizeof(*indicators));
	size_t count = 0;
	for (size_t i = 0; indicators != NULL && i < list->count; i++) {
		if (!list->items[i].is_repeated) {
			fill_indicator(&list->items[i], report->tlp, &indicators[count++]);
		}
	}
	report->indicators = indicators;
	report->indicator_count = count;
}

static void tighten(enum tlp *strictest, enum tlp label)
{
	if (label > *strictest) {
		*strictest = label;
	}
}

static enum tlp strictest_label(const struct report_context *context, const struct report *report)
{
	const struct report_checked *root = &context->root;
	const struct report_checked *reporter = member(root, ROOT_REPORTER);
	const struct report_checked *victims = member(root, ROOT_VICTIMS);
	const struct report_checked *attachments = member(root, ROOT_ATTACHMENTS);
	enum tlp strictest = report->tlp;

	for (size_t i = 0; i < report->indicator_count; i++) {
		tighten(&strictest, report->indicators[i].tlp);
	}
	for (size_t i = 0; i < attachments->count; i++) {
		tighten(&strictest,
			(enum tlp)member(member(attachments, i), ATTACHMENT_TLP)->position);
	}
	for (size_t i = 0; i < victims->count; i++) {
		if (json_is_true(member(member(victims, i), VICTIM_PROTECTED)->value)) {
			tighten(&strictest, TLP_AMBER_STRICT);
		}
	}
	if (member(reporter, REPORTER_CONTACT_EMAIL)->value != NULL ||
		member(reporter, REPORTER_CONTACT_PHONE)->value != NULL) {
		tighten(&strictest, TLP_AMBER_STRICT);
	}
	return strictest;
}

static void fill_categories(struct report_context *context, struct report *report)
{
	const struct taxonomy *taxonomy = context->rules->taxonomy;
	const struct report_checked *root = &context->root;
	const struct report_checked *additional = member(root, ROOT_ADDITIONAL_CATEGORIES);
	report->category =
		taxonomy_category(taxonomy, (size_t)member(root, ROOT_CATEGORY)->position);
	report->additional_categories = list_of(context, additional);
	report->is_critical = report->category->is_critical;
	for (size_t i = 0; i < additional->count; i++) {
		report->is_critical = report->is_critical ||
			taxonomy_category(taxonomy, (size_t)member(additional, i)->position)
				->is_critical;
	}
}

static void fill_times(const struct report_checked *times, struct report *report)
{
	report->detected_us = time_of(member(times, TIMES_DETECTED));
	report->started_us = time_of(member(times, TIMES_STARTED));
	report->reported_us = time_of(member(times, TIMES_REPORTED));
	report->contained_us = time_of(member(times, TIMES_CONTAINED));
	report->ended_us = time_of(member(times, TIMES_ENDED));
	report->recovered_us = time_of(member(times, TIMES_RECOVERED));
}

static void fill_impact(struct report_context *context, struct report *report)
{
	const struct report_checked *impact = member(&context->root, ROOT_IMPACT);
	const struct report_checked *victims = member(&context->root, ROOT_VICTIMS);
	const struct report_checked *loss = member(impact, IMPACT_LOSS);
	report->countries =
		unite(context, member(impact, IMPACT_COUNTRIES), victims, VICTIM_COUNTRY);
	report->sectors = unite(context, member(impact, IMPACT_SECTORS), victims, VICTIM_SECTOR);
	report->people_affected = number_of(member(impact, IMPACT_PEOPLE_AFFECTED));
	report->loss_amount = report_checked_text(member(loss, LOSS_AMOUNT));
	report->loss_currency = report_checked_text(member(loss, LOSS_CURRENCY));
}

static void fill_sharing(struct report_context *context, struct report *report)
{
	const struct report_checked *sharing = member(&context->root, ROOT_SHARING);
	report->sharing_law_enforcement =
		report_checked_text(member(sharing, SHARING_LAW_ENFORCEMENT));
	report->sharing_audience = list_of(context, member(sharing, SHARING_AUDIENCE));
	report->embargo_until_us = time_of(member(sharing, SHARING_EMBARGO_UNTIL));
}

/* No empty list: what the category is by default is what the reporter says. */
static void fill_rsit(struct report_context *context, struct report *report)
{
	report->rsit = list_of(context, member(&context->root, ROOT_RSIT));
	if (report->rsit.count == 0) {
		report->rsit = (struct str_list){report->category->rsit, 1};
	}
}

void report_fill(struct report_context *context, struct report *report_out)
{
	const struct report_checked *root = &context->root;
	const struct report_checked *severity = member(root, ROOT_SEVERITY);
	const struct report_checked *actor = member(root, ROOT_ACTOR);
	const struct report_checked *assistance = member(root, ROOT_ASSISTANCE);
	const struct report_checked *revision = member(root, ROOT_REVISION);

	*report_out = (struct report){
		.report_id = report_checked_text(member(root, ROOT_REPORT_ID)),
		.revision = revision->value == NULL ? 1 : (int32_t)revision->number,
		.reporter_org =
			report_checked_text(member(member(root, ROOT_REPORTER), REPORTER_ORG)),
		.taxonomy_version =
			report_checked_text(member(member(root, ROOT_TAXONOMY), TAXONOMY_VERSION)),
		.language = report_checked_text(member(root, ROOT_LANGUAGE)),
		.tlp = (enum tlp)member(root, ROOT_TLP)->position,
		.pap = report_checked_text(member(root, ROOT_PAP)),
		.action_areas = list_of(context, member(root, ROOT_ACTION_AREAS)),
		.title = report_checked_text(member(root, ROOT_TITLE)),
		.determination = report_checked_text(member(root, ROOT_DETERMINATION)),
		.status = report_checked_text(member(root, ROOT_STATUS)),
		.is_exercise = json_is_true(member(root, ROOT_EXERCISE)->value),
		.severity = number_of(member(severity, SEVERITY_LEVEL)),
		.score = number_of(member(severity, SEVERITY_SCORE)),
		.confidence = number_of(member(root, ROOT_CONFIDENCE)),
		.actor_kind = report_checked_text(member(actor, ACTOR_KIND)),
		.actor_name = report_checked_text(member(actor, ACTOR_NAME)),
		.malware = list_of(context, member(root, ROOT_MALWARE)),
		.has_assistance = assistance->value != NULL,
		.assistance_requested =
			json_is_true(member(assistance, ASSISTANCE_REQUESTED)->value),
		.law_enforcement_notified = report_checked_text(
			member(member(root, ROOT_LEGAL), LEGAL_LAW_ENFORCEMENT_NOTIFIED)),
	};
	fill_categories(context, report_out);
	fill_rsit(context, report_out);
	fill_times(member(root, ROOT_TIMES), report_out);
	fill_impact(context, report_out);
	fill_sharing(context, report_out);
	fill_indicators(context, report_out);
	report_out->tlp_strictest = strictest_label(context, report_out);
}
