// SPDX-License-Identifier: Apache-2.0
#include "generate_report.h"

#include "generate_indicator.h"
#include "generate_put.h"
#include "generate_random.h"
#include "generate_text.h"

#include <inttypes.h>
#include <math.h>

enum { DAY_S = 86400, STREAM_CONTENT = 6, STREAM_IDENTITY, STREAM_FATE };

/* The most frequent categories; the others follow in the order of the taxonomy. */
static const char *const frequent[] = {"phishing", "online-scam", "intrusion-attempt",
	"infected-system", "ransomware", "spam", "business-email-compromise", "denial-of-service",
	"investment-fraud", "vulnerable-system", "payment-fraud", "personal-data-breach",
	"illegal-access", "malware-infrastructure", "identity-theft", "data-theft"};
static const char *const labels[] = {
	"TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"};
static const uint16_t label_weights[] = {130, 280, 460, 90, 40};
static const uint16_t severity_weights[] = {120, 330, 310, 160, 60, 20};
static const char *const sectors[] = {"health", "banking", "public-administration", "education",
	"manufacturing", "household", "commerce", "energy", "transport", "ict-services", "food",
	"digital-infrastructure", "media", "civil-society", "research", "other"};
static const char *const countries[] = {"DE", "FR", "US", "GB", "ES", "IT", "PL", "NL", "BR", "IN",
	"JP", "TR", "UA", "SE", "CA", "AU", "MX", "ZA", "KE", "EG", "AR", "CH", "AT", "FI"};
static const char *const currencies[] = {"EUR", "USD", "GBP", "PLN", "JPY", "BRL", "TRY", "INR"};
static const char *const actors[] = {
	"criminal", "unknown", "state-linked", "hacktivist", "insider"};
static const char *const techniques[] = {"T1566", "T1566.001", "T1566.002", "T1078", "T1190",
	"T1486", "T1059.001", "T1133", "T1110", "T1021.001", "T1003", "T1027", "T1105", "T1071.001",
	"T1055", "T1547.001", "T1204.002", "T1567.002", "T1490", "T1562.001", "T1018", "T1082",
	"T1036", "T1098", "T1136", "T1498", "T1499", "T1583.001", "T1588", "T1595", "T1557",
	"T1195"};
static const char *const sharing[] = {"yes", "ask-first", "no"};
static const char *const statuses[] = {"new", "ongoing", "contained", "resolved"};

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

/* One report in the making. */
struct draft {
	struct buf *out;
	struct random random;
	const struct report_plan *plan;
	uint64_t number;
	int64_t received_at_s;
	const struct taxonomy_category *category;
	uint32_t tlp;
};

static bool is_planned(const struct report_plan *plan, const struct taxonomy_category *category)
{
	for (uint32_t i = 0; i < plan->category_count; i++) {
		if (plan->categories[i] == category) {
			return true;
		}
	}
	return false;
}

void report_plan_categories(struct report_plan *plan, const struct taxonomy *taxonomy)
{
	plan->taxonomy = taxonomy;
	plan->category_count = 0;
	for (uint32_t i = 0; i < COUNT(frequent); i++) {
		const struct taxonomy_category *category =
			taxonomy_find_category(taxonomy, str_from(frequent[i]));
		if (category != NULL) {
			plan->categories[plan->category_count++] = category;
		}
	}
	ENSURE(taxonomy_category_count(taxonomy) <= REPORT_CATEGORIES_MAX);
	for (size_t i = 0; i < taxonomy_category_count(taxonomy); i++) {
		const struct taxonomy_category *category = taxonomy_category(taxonomy, i);
		if (!is_planned(plan, category)) {
			plan->categories[plan->category_count++] = category;
		}
	}
}

int64_t report_received_at_us(const struct report_plan *plan, uint64_t number)
{
	double share = ((double)number + 0.5) / (double)plan->reports;
	double time =
		sqrt(1 + 3 * share) - 1; /* from 0 to 1; the inverse of (t + t * t / 2) / 1.5 */
	return plan->starts_at_us +
		(int64_t)(time * (double)(plan->ends_at_us - plan->starts_at_us));
}

static struct random start(const struct report_plan *plan, uint32_t stream, uint64_t number)
{
	return random_start(plan->seed, number * 16 + stream);
}

static bool is_revision(const struct report_plan *plan, uint64_t number)
{
	struct random r = start(plan, STREAM_FATE, number);
	return number >= plan->revision_after && random_chance(&r, 20);
}

bool report_is_retracted(const struct report_plan *plan, uint64_t number)
{
	struct random r = start(plan, STREAM_FATE, number);
	random_next(&r);
	return random_chance(&r, 5);
}

struct report_identity report_identity(const struct report_plan *plan, uint64_t number)
{
	struct report_identity identity = {.number = number, .revision = 1};
	while (is_revision(plan, identity.number)) {
		identity.number -= plan->revision_after;
		identity.revision++;
	}
	struct random r = start(plan, STREAM_IDENTITY, identity.number);
	identity.partner = random_rank(&r, REPORT_PARTNERS);
	return identity;
}

bool report_partner_is_live(uint32_t partner)
{
	return partner != REPORT_PARTNERS - 3 && partner != REPORT_PARTNERS - 1;
}

void report_append_id(struct buf *out, const struct report_identity *identity)
{
	put(out, "P%02" PRIu32 "-%09" PRIu64, identity->partner + 1, identity->number + 1);
}

/* The label and the category stay the same over all revisions. */
static void choose_handling(struct draft *draft, uint64_t first_number)
{
	struct random r = start(draft->plan, STREAM_IDENTITY, first_number);
	random_next(&r);
	draft->category = draft->plan->categories[random_rank(&r, draft->plan->category_count)];
	draft->tlp = random_weighted(&r, label_weights, COUNT(label_weights));
	if (draft->tlp < (uint32_t)draft->category->min_tlp) {
		draft->tlp = (uint32_t)draft->category->min_tlp;
	}
}

static void append_head(struct draft *draft, const struct report_identity *identity)
{
	struct str version = taxonomy_version(draft->plan->taxonomy);
	put(draft->out,
		"{\"schema\":\"intaked-report/"
		"1\",\"taxonomy\":{\"id\":\"%.*s\",\"version\":\"%.*s\"}"
		",\"report_id\":\"",
		STR_ARG(taxonomy_id(draft->plan->taxonomy)), STR_ARG(version));
	report_append_id(draft->out, identity);
	put(draft->out,
		"\",\"revision\":%" PRIu32 ",\"reporter\":{\"org\":\"cert-%02" PRIu32 ".example\"",
		identity->revision, identity->partner + 1);
	if (random_chance(&draft->random, 80)) {
		put(draft->out, ",\"contact_email\":\"duty@cert-%02" PRIu32 ".example\"",
			identity->partner + 1);
	}
	put(draft->out, "},\"tlp\":\"%s\"", labels[draft->tlp]);
}

static void append_sharing(struct draft *draft)
{
	struct random *r = &draft->random;
	if (random_chance(r, 250)) {
		put(draft->out, ",\"sharing\":{\"law_enforcement\":\"%s\"",
			sharing[random_rank(r, 3)]);
		if (random_chance(r, 40)) {
			put(draft->out, ",\"embargo_until\":\"");
			put_time(draft->out, draft->received_at_s + random_below(r, 60 * DAY_S));
			put(draft->out, "\"");
		}
		put(draft->out, "}");
	}
}

/* Another category that allows what the report has: its label, attachments. */
static void append_additional_category(struct draft *draft)
{
	const struct report_plan *plan = draft->plan;
	const struct taxonomy_category *other =
		plan->categories[random_rank(&draft->random, plan->category_count)];
	if (other != draft->category && other->is_countable && other->allows_attachments &&
		(uint32_t)other->min_tlp <= draft->tlp) {
		put(draft->out, ",\"additional_categories\":[\"%.*s\"]", STR_ARG(other->code));
	}
}

static void append_classes(struct draft *draft)
{
	const struct taxonomy_category *category = draft->category;
	struct random *r = &draft->random;
	put(draft->out, ",\"category\":\"%.*s\"", STR_ARG(category->code));
	if (random_chance(r, 150)) {
		append_additional_category(draft);
	}
	put(draft->out, ",\"action_areas\":[\"%.*s\"]", STR_ARG(category->primary_area));
	if (category->rsit_count > 0 && random_chance(r, 700)) {
		struct str code = category->rsit[random_rank(r, (uint32_t)category->rsit_count)];
		put(draft->out, ",\"rsit\":[\"%.*s\"]", STR_ARG(code));
	}
	if (!category->is_countable || random_chance(r, 10)) {
		put(draft->out, ",\"exercise\":true");
	}
}

static void append_texts(struct draft *draft)
{
	struct random *r = &draft->random;
	const struct language *language = text_language(r);
	put(draft->out, ",\"language\":\"%s\",\"title\":\"", text_language_tag(language));
	text_append_title(draft->out, r, language);
	put(draft->out, "\",\"narrative\":\"");
	text_append_narrative(draft->out, r, language, 550 + random_below(r, 280));
	put(draft->out, "\"");
	if (random_chance(r, 500)) {
		put(draft->out, ",\"status\":\"%s\",\"determination\":\"%s\"",
			statuses[random_below(r, 4)],
			random_chance(r, 500) ? "confirmed" : "suspected");
	}
}

static void append_times(struct draft *draft)
{
	struct random *r = &draft->random;
	int64_t detected_s = draft->received_at_s - random_below(r, 3 * DAY_S);
	put(draft->out, ",\"times\":{\"detected\":\"");
	put_time(draft->out, detected_s);
	if (random_chance(r, 500)) {
		put(draft->out, "\",\"started\":\"");
		put_time(draft->out, detected_s - random_below(r, 20 * DAY_S));
	}
	if (random_chance(r, 300)) {
		put(draft->out, "\",\"contained\":\"");
		put_time(draft->out, detected_s + random_below(r, DAY_S));
	}
	put(draft->out, "\"},\"severity\":{\"level\":%" PRIu32,
		random_weighted(r, severity_weights, COUNT(severity_weights)));
	if (random_chance(r, 300)) {
		put(draft->out, ",\"score\":%" PRIu32, random_below(r, 101));
	}
	put(draft->out, "},\"confidence\":%" PRIu32, 10 * random_below(r, 11));
}

static void append_impact(struct draft *draft)
{
	struct random *r = &draft->random;
	if (!random_chance(r, 600)) {
		return;
	}
	put(draft->out, ",\"impact\":{\"sectors\":[\"%s\"],\"countries\":[\"%s\"]",
		sectors[random_rank(r, COUNT(sectors))],
		countries[random_rank(r, COUNT(countries))]);
	if (random_chance(r, 500)) {
		put(draft->out, ",\"people_affected\":%" PRIu32, random_rank(r, 5000000));
	}
	if (random_chance(r, 250)) {
		put(draft->out,
			",\"loss\":{\"amount\":\"%" PRIu32 ".%02" PRIu32 "\",\"currency\":\"%s\"}",
			random_rank(r, 20000000), random_below(r, 100),
			currencies[random_rank(r, COUNT(currencies))]);
	}
	put(draft->out, "}");
}

/* Persons have no names: most categories would refuse them. */
static void append_victims(struct draft *draft)
{
	struct random *r = &draft->random;
	uint32_t count = random_chance(r, 400) ? 1 + random_rank(r, 3) : 0;
	for (uint32_t i = 0; i < count; i++) {
		bool is_organisation = random_chance(r, 600);
		put(draft->out, "%s{\"kind\":\"%s\",\"sector\":\"%s\",\"country\":\"%s\"",
			i == 0 ? ",\"victims\":[" : ",",
			is_organisation ? "organisation" : "individual",
			sectors[random_rank(r, COUNT(sectors))],
			countries[random_rank(r, COUNT(countries))]);
		if (is_organisation) {
			put(draft->out, ",\"name\":\"");
			text_append_word(draft->out, random_rank(r, TEXT_WORDS));
			put(draft->out, " %" PRIu32 " Ltd\"", random_below(r, 1000));
		} else if (random_chance(r, 200)) {
			put(draft->out, ",\"protected\":true");
		}
		put(draft->out, "}");
	}
	put(draft->out, "%s", count > 0 ? "]" : "");
}

static void append_threat(struct draft *draft)
{
	struct random *r = &draft->random;
	if (random_chance(r, 250)) {
		put(draft->out, ",\"actor\":{\"kind\":\"%s\"",
			actors[random_rank(r, COUNT(actors))]);
		if (random_chance(r, 300)) {
			put(draft->out, ",\"name\":\"Group ");
			text_append_word(draft->out, random_rank(r, 200));
			put(draft->out, "\"");
		}
		put(draft->out, "}");
	}
	if (random_chance(r, 350)) {
		uint32_t technique = random_rank(r, COUNT(techniques) - 1);
		put(draft->out, ",\"techniques\":[\"%s\",\"%s\"]", techniques[technique],
			techniques[technique + 1]);
	}
	if (random_chance(r, 250)) {
		put(draft->out, ",\"malware\":[\"");
		text_append_word(draft->out, 1000 + random_rank(r, 400));
		put(draft->out, "\"]");
	}
	if (random_chance(r, 120)) {
		uint32_t number = random_rank(r, 3000);
		put(draft->out, ",\"vulnerabilities\":[\"CVE-%" PRIu32 "-%" PRIu32 "\"]",
			2020 + number % 7, 1000 + number * 7);
	}
}

static void append_references(struct draft *draft)
{
	struct random *r = &draft->random;
	if (random_chance(r, 300)) {
		put(draft->out,
			",\"references\":[{\"kind\":\"ticket\",\"value\":\"RT-%" PRIu64 "\"}",
			draft->number);
		if (random_chance(r, 300)) {
			put(draft->out,
				",{\"kind\":\"advisory\",\"value\":\"https://advisory.example/"
				"%" PRIu32 "\"}",
				random_rank(r, 5000));
		}
		put(draft->out, "]");
	}
	if (draft->category->allows_attachments && random_chance(r, 30)) {
		put(draft->out,
			",\"attachments\":[{\"name\":\"mail.eml\",\"media_type\":\"message/"
			"rfc822\","
			"\"size\":%" PRIu32 ",\"sha256\":\"",
			random_below(r, 1U << 20));
		for (int i = 0; i < 4; i++) {
			put(draft->out, "%016" PRIx64, random_next(r));
		}
		put(draft->out, "\"}]");
	}
	if (random_chance(r, 100)) {
		put(draft->out, ",\"assistance\":{\"requested\":%s}",
			random_chance(r, 700) ? "true" : "false");
	}
	if (random_chance(r, 200)) {
		put(draft->out, ",\"legal\":{\"law_enforcement_notified\":\"%s\"}",
			random_chance(r, 500) ? "yes" : "no");
	}
}

void report_append(struct buf *out, const struct report_plan *plan, uint64_t number)
{
	struct report_identity identity = report_identity(plan, number);
	struct draft draft = {
		.out = out,
		.random = start(plan, STREAM_CONTENT, number),
		.plan = plan,
		.number = number,
		.received_at_s = report_received_at_us(plan, number) / 1000000,
	};
	choose_handling(&draft, identity.number);
	append_head(&draft, &identity);
	append_sharing(&draft);
	append_classes(&draft);
	append_texts(&draft);
	append_times(&draft);
	append_impact(&draft);
	append_victims(&draft);
	append_threat(&draft);
	struct indicator_source source = {plan->seed, number, draft.received_at_s, draft.tlp};
	indicators_append(out, &draft.random, &source);
	append_references(&draft);
	put(out, "}");
}
