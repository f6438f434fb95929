// SPDX-License-Identifier: Apache-2.0
/*
 * Rows stand in the order in which the schema and the reference page show them. Adding a field is
 * adding a row and its position in report_fields_int.h.
 */
#include "report_fields_int.h"

size_t report_vocabulary_count(
	const struct report_vocabulary *vocabulary, const struct taxonomy *taxonomy)
{
	switch (vocabulary->source) {
	case VOCABULARY_CATEGORIES:
		return taxonomy_category_count(taxonomy);
	case VOCABULARY_AREAS:
		return taxonomy_area_count(taxonomy);
	case VOCABULARY_RSIT:
		return taxonomy_rsit_count(taxonomy);
	default:
		return vocabulary->count;
	}
}

struct str report_vocabulary_code(const struct report_vocabulary *vocabulary,
	const struct taxonomy *taxonomy, size_t position)
{
	switch (vocabulary->source) {
	case VOCABULARY_CATEGORIES:
		return taxonomy_category(taxonomy, position)->code;
	case VOCABULARY_AREAS:
		return taxonomy_area(taxonomy, position)->code;
	case VOCABULARY_RSIT:
		return taxonomy_rsit(taxonomy, position);
	default:
		return vocabulary->codes[position];
	}
}

static int find_fixed(const struct report_vocabulary *vocabulary, struct str code)
{
	for (size_t i = 0; i < vocabulary->count; i++) {
		if (str_equal(vocabulary->codes[i], code)) {
			return (int)i;
		}
	}
	return -1;
}

int report_vocabulary_find(const struct report_vocabulary *vocabulary,
	const struct taxonomy *taxonomy, struct str code)
{
	const struct taxonomy_category *category;
	switch (vocabulary->source) {
	case VOCABULARY_CATEGORIES:
		category = taxonomy_find_category(taxonomy, code);
		return category == NULL ? -1 : (int)(category - taxonomy_category(taxonomy, 0));
	case VOCABULARY_AREAS:
		return taxonomy_find_area(taxonomy, code);
	case VOCABULARY_RSIT:
		return taxonomy_has_rsit(taxonomy, code) ? 0 : -1;
	default:
		return find_fixed(vocabulary, code);
	}
}

#define C(literal)                           \
	{                                    \
		literal, sizeof(literal) - 1 \
	}
#define FIXED(id, ...)                                        \
	static const struct str id##_codes[] = {__VA_ARGS__}; \
	static const struct report_vocabulary id = {          \
		VOCABULARY_FIXED, id##_codes, sizeof(id##_codes) / sizeof(id##_codes[0])}

// clang-format off
FIXED(roles, C("cert"), C("law-enforcement"), C("operator"), C("vendor"), C("civil-society"),
	C("victim"), C("researcher"), C("other"));
FIXED(tlp_labels, C("TLP:CLEAR"), C("TLP:GREEN"), C("TLP:AMBER"), C("TLP:AMBER+STRICT"),
	C("TLP:RED"));
FIXED(pap_labels, C("PAP:CLEAR"), C("PAP:GREEN"), C("PAP:AMBER"), C("PAP:RED"));
FIXED(consents, C("yes"), C("no"), C("ask-first"));
FIXED(determinations, C("suspected"), C("confirmed"), C("near-miss"), C("false-positive"));
FIXED(statuses, C("new"), C("ongoing"), C("contained"), C("resolved"));
FIXED(reliabilities, C("A"), C("B"), C("C"), C("D"), C("E"), C("F"));
FIXED(credibilities, C("1"), C("2"), C("3"), C("4"), C("5"), C("6"));
FIXED(functional_impacts, C("none"), C("low"), C("medium"), C("high"), C("unknown"));
FIXED(information_impacts, C("none"), C("personal-data"), C("credentials"), C("proprietary"),
	C("classified"), C("configuration"));
FIXED(safety_impacts, C("none"), C("possible"), C("injury"), C("loss-of-life"), C("unknown"));
FIXED(answers, C("yes"), C("no"), C("unknown"));
FIXED(sectors, C("energy"), C("transport"), C("banking"), C("financial"), C("health"),
	C("drinking-water"), C("waste-water"), C("digital-infrastructure"), C("ict-services"),
	C("public-administration"), C("space"), C("courier"), C("waste-management"), C("chemical"),
	C("food"), C("manufacturing"), C("digital-providers"), C("research"), C("education"),
	C("elections"), C("media"), C("civil-society"), C("defence"), C("emergency-services"),
	C("justice"), C("commerce"), C("household"), C("other"));
FIXED(loss_bases, C("actual"), C("estimated"));
FIXED(victim_kinds, C("organisation"), C("individual"), C("group"), C("population"), C("unknown"));
FIXED(actor_kinds, C("state-linked"), C("criminal"), C("hacktivist"), C("insider"), C("unknown"));
FIXED(indicator_types, C("ipv4"), C("ipv6"), C("cidr"), C("asn"), C("domain"), C("url"), C("email"),
	C("phone"), C("account"), C("sha1"), C("sha256"), C("sha512"), C("md5"), C("file-name"),
	C("mutex"), C("registry-key"), C("user-agent"), C("x509-sha256"), C("ja3"),
	C("crypto-address"), C("other"));
FIXED(indicator_roles, C("source"), C("target"), C("intermediary"), C("infrastructure"),
	C("sensor"), C("artifact"));
FIXED(assistance_types, C("incident-response"), C("forensics"), C("malware-analysis"),
	C("takedown"), C("evidence-preservation"), C("legal"), C("victim-support"), C("training"),
	C("equipment"));
FIXED(urgencies, C("routine"), C("urgent"), C("emergency"));
FIXED(reference_kinds, C("ticket"), C("url"), C("advisory"), C("misp-event"), C("stix"), C("iodef"),
	C("idea"), C("xarf"), C("other"));
FIXED(relations, C("updates"), C("duplicates"), C("part-of"), C("related"));
// clang-format on

static const struct report_vocabulary categories = {.source = VOCABULARY_CATEGORIES};
static const struct report_vocabulary areas = {.source = VOCABULARY_AREAS};
static const struct report_vocabulary rsit = {.source = VOCABULARY_RSIT};

/* Parts of a row, not expressions. NOLINTBEGIN(bugprone-macro-parentheses) */
#define ROW(text, kind, ...)                                 \
	{                                                    \
		.name = C(text), .type = (kind), __VA_ARGS__ \
	}
#define REQUIRED .is_required = true
#define MULTILINE .is_multiline = true
#define UNIQUE .is_unique = true
#define WITHIN(low, high) .min = (low), .max = (high)
#define UNLIMITED WITHIN(FIELD_NO_LIMIT, FIELD_NO_LIMIT)
#define ONE_OF(id) .vocabulary = &(id)
#define LIKE(id) .pattern = &report_pattern_##id
#define MEMBERS(id) .object = &(id)
#define EACH(id) .element = &(id)
#define WHY(text) .reason = (text)
/* NOLINTEND(bugprone-macro-parentheses) */
#define OBJECT(id, count_of)                                              \
	static const struct report_object id = {id##_fields, (count_of)}; \
	_Static_assert(sizeof(id##_fields) / sizeof(id##_fields[0]) == (count_of), "rows")

/* Elements of arrays have no name of their own. */
// clang-format off
static const struct report_field organisation_element =
	{.type = FIELD_TEXT, WITHIN(3, 253), LIKE(organisation)};
static const struct report_field category_element = {.type = FIELD_CODE, ONE_OF(categories)};
static const struct report_field area_element = {.type = FIELD_CODE, ONE_OF(areas)};
static const struct report_field rsit_element = {.type = FIELD_CODE, ONE_OF(rsit)};
static const struct report_field information_element =
	{.type = FIELD_CODE, ONE_OF(information_impacts)};
static const struct report_field sector_element = {.type = FIELD_CODE, ONE_OF(sectors)};
static const struct report_field country_element = {.type = FIELD_TEXT, UNLIMITED, LIKE(country)};
static const struct report_field vulnerability_element =
	{.type = FIELD_TEXT, WITHIN(13, 28), LIKE(vulnerability)};
static const struct report_field technique_element =
	{.type = FIELD_TEXT, WITHIN(5, 9), LIKE(technique)};
static const struct report_field malware_element = {.type = FIELD_TEXT, WITHIN(1, 100)};
static const struct report_field offence_element =
	{.type = FIELD_TEXT, WITHIN(1, 16), LIKE(offence)};
static const struct report_field assistance_type_element =
	{.type = FIELD_CODE, ONE_OF(assistance_types)};

static const struct report_field taxonomy_fields[] = {
	[TAXONOMY_ID] = ROW("id", FIELD_TAXONOMY_ID, REQUIRED,
		WHY("Says which vocabulary the codes are of.")),
	[TAXONOMY_VERSION] = ROW("version", FIELD_TEXT, REQUIRED, WITHIN(5, 32), LIKE(version),
		WHY("Makes the verdict reproducible; any version of the same major is accepted.")),
};
OBJECT(taxonomy, TAXONOMY_COUNT);

static const struct report_field reporter_fields[] = {
	[REPORTER_ORG] = ROW("org", FIELD_TEXT, REQUIRED, WITHIN(3, 253), LIKE(organisation),
		WHY("Who says so; checked against the partner's organisations.")),
	[REPORTER_NAME] = ROW("name", FIELD_TEXT, WITHIN(1, 200),
		WHY("The organisation's name as people write it.")),
	[REPORTER_ROLE] = ROW("role", FIELD_CODE, ONE_OF(roles),
		WHY("What kind of source this is, for weighing it.")),
	[REPORTER_CONTACT_EMAIL] = ROW("contact_email", FIELD_TEXT, WITHIN(3, 254), LIKE(email),
		WHY("Where to write back; shown from TLP:AMBER+STRICT up only.")),
	[REPORTER_CONTACT_PHONE] = ROW("contact_phone", FIELD_TEXT, WITHIN(3, 32), LIKE(phone),
		WHY("Where to call back; shown from TLP:AMBER+STRICT up only.")),
};
OBJECT(reporter, REPORTER_COUNT);

static const struct report_field sharing_fields[] = {
	[SHARING_LAW_ENFORCEMENT] = ROW("law_enforcement", FIELD_CODE, ONE_OF(consents),
		WHY("Whether the victim agrees that police see the report.")),
	[SHARING_AUDIENCE] = ROW("audience", FIELD_ARRAY, UNIQUE, WITHIN(0, 50),
		EACH(organisation_element), WHY("Further recipients by name.")),
	[SHARING_EMBARGO_UNTIL] = ROW("embargo_until", FIELD_TIME, UNLIMITED, LIKE(time),
		WHY("No onward sharing before this time.")),
};
OBJECT(sharing, SHARING_COUNT);

static const struct report_field times_fields[] = {
	[TIMES_STARTED] = ROW("started", FIELD_TIME, UNLIMITED, LIKE(time),
		WHY("When the incident began, as far as known.")),
	[TIMES_DETECTED] = ROW("detected", FIELD_TIME, REQUIRED, UNLIMITED, LIKE(time),
		WHY("When it was noticed; the one time every format has.")),
	[TIMES_REPORTED] = ROW("reported", FIELD_TIME, UNLIMITED, LIKE(time),
		WHY("When the victim or its CERT first reported it.")),
	[TIMES_CONTAINED] = ROW("contained", FIELD_TIME, UNLIMITED, LIKE(time),
		WHY("When it stopped spreading.")),
	[TIMES_ENDED] = ROW("ended", FIELD_TIME, UNLIMITED, LIKE(time), WHY("When it was over.")),
	[TIMES_RECOVERED] = ROW("recovered", FIELD_TIME, UNLIMITED, LIKE(time),
		WHY("When normal work was possible again.")),
};
OBJECT(times, TIMES_COUNT);

static const struct report_field severity_fields[] = {
	[SEVERITY_LEVEL] = ROW("level", FIELD_INTEGER, REQUIRED, WITHIN(0, 5),
		WHY("Level of the Cyber Incident Severity Schema.")),
	[SEVERITY_SCORE] = ROW("score", FIELD_INTEGER, WITHIN(0, 100),
		WHY("A finer score in the manner of NCISS.")),
	[SEVERITY_RATIONALE] = ROW("rationale", FIELD_TEXT, MULTILINE, WITHIN(1, 1000),
		WHY("Why this level.")),
};
OBJECT(severity, SEVERITY_COUNT);

static const struct report_field assessment_fields[] = {
	[ASSESSMENT_SOURCE_RELIABILITY] = ROW("source_reliability", FIELD_CODE,
		ONE_OF(reliabilities), WHY("Admiralty scale: how reliable the source is.")),
	[ASSESSMENT_INFORMATION_CREDIBILITY] = ROW("information_credibility", FIELD_CODE,
		ONE_OF(credibilities), WHY("Admiralty scale: how credible the information is.")),
};
OBJECT(assessment, ASSESSMENT_COUNT);

static const struct report_field loss_fields[] = {
	[LOSS_AMOUNT] = ROW("amount", FIELD_TEXT, REQUIRED, WITHIN(1, 18), LIKE(amount),
		WHY("A decimal as text, so that no digit is lost.")),
	[LOSS_CURRENCY] = ROW("currency", FIELD_TEXT, REQUIRED, UNLIMITED, LIKE(currency),
		WHY("ISO 4217 code of the amount.")),
	[LOSS_BASIS] = ROW("basis", FIELD_CODE, ONE_OF(loss_bases),
		WHY("Whether the amount is known or estimated.")),
};
OBJECT(loss, LOSS_COUNT);

static const struct report_field impact_fields[] = {
	[IMPACT_FUNCTIONAL] = ROW("functional", FIELD_CODE, ONE_OF(functional_impacts),
		WHY("How much the service suffered.")),
	[IMPACT_INFORMATION] = ROW("information", FIELD_ARRAY, UNIQUE, WITHIN(0, 6),
		EACH(information_element), WHY("What was exposed.")),
	[IMPACT_SAFETY] = ROW("safety", FIELD_CODE, ONE_OF(safety_impacts),
		WHY("Whether people were hurt or might be.")),
	[IMPACT_MALICIOUS] = ROW("malicious", FIELD_CODE, ONE_OF(answers),
		WHY("Whether intent is assumed.")),
	[IMPACT_CROSS_BORDER] = ROW("cross_border", FIELD_CODE, ONE_OF(answers),
		WHY("Whether other countries are touched.")),
	[IMPACT_SECTORS] = ROW("sectors", FIELD_ARRAY, UNIQUE, WITHIN(0, 10), EACH(sector_element),
		WHY("Which sectors are touched, for routing.")),
	[IMPACT_COUNTRIES] = ROW("countries", FIELD_ARRAY, UNIQUE, WITHIN(0, 250),
		EACH(country_element), WHY("Which countries are touched, ISO 3166-1 alpha-2.")),
	[IMPACT_PEOPLE_AFFECTED] = ROW("people_affected", FIELD_INTEGER,
		WITHIN(0, INT64_C(10000000000)), WHY("How many people.")),
	[IMPACT_RECORDS_AFFECTED] = ROW("records_affected", FIELD_INTEGER,
		WITHIN(0, INT64_C(1000000000000)), WHY("How many records.")),
	[IMPACT_SYSTEMS_AFFECTED] = ROW("systems_affected", FIELD_INTEGER,
		WITHIN(0, INT64_C(1000000000)), WHY("How many systems.")),
	[IMPACT_DOWNTIME_MINUTES] = ROW("downtime_minutes", FIELD_INTEGER, WITHIN(0, 5256000),
		WHY("How long the service was away.")),
	[IMPACT_LOSS] = ROW("loss", FIELD_OBJECT, MEMBERS(loss), WHY("Money lost.")),
};
OBJECT(impact, IMPACT_COUNT);

static const struct report_field victim_fields[] = {
	[VICTIM_KIND] = ROW("kind", FIELD_CODE, REQUIRED, ONE_OF(victim_kinds),
		WHY("Natural persons are handled apart.")),
	[VICTIM_NAME] = ROW("name", FIELD_TEXT, WITHIN(1, 200),
		WHY("Refused for individuals and groups where a category protects victims.")),
	[VICTIM_SECTOR] = ROW("sector", FIELD_CODE, ONE_OF(sectors), WHY("The victim's sector.")),
	[VICTIM_COUNTRY] = ROW("country", FIELD_TEXT, UNLIMITED, LIKE(country),
		WHY("ISO 3166-1 alpha-2; XA to XZ are free for fiction.")),
	[VICTIM_COUNT_OF_PEOPLE] = ROW("count", FIELD_INTEGER, WITHIN(1, INT64_C(10000000000)),
		WHY("How many this entry stands for.")),
	[VICTIM_PROTECTED] = ROW("protected", FIELD_BOOLEAN,
		WHY("Shown from TLP:AMBER+STRICT up only.")),
	[VICTIM_NOTIFIED] = ROW("notified", FIELD_CODE, ONE_OF(answers),
		WHY("Whether the victim knows.")),
};
OBJECT(victim, VICTIM_COUNT);

static const struct report_field actor_fields[] = {
	[ACTOR_KIND] = ROW("kind", FIELD_CODE, REQUIRED, ONE_OF(actor_kinds),
		WHY("What kind of actor is assumed.")),
	[ACTOR_NAME] = ROW("name", FIELD_TEXT, WITHIN(1, 200), WHY("The name it is known by.")),
	[ACTOR_COUNTRY] = ROW("country", FIELD_TEXT, UNLIMITED, LIKE(country),
		WHY("ISO 3166-1 alpha-2.")),
	[ACTOR_CONFIDENCE] = ROW("confidence", FIELD_INTEGER, WITHIN(0, 100),
		WHY("How sure the attribution is.")),
	[ACTOR_BASIS] = ROW("basis", FIELD_TEXT, MULTILINE, WITHIN(1, 2000),
		WHY("What the attribution rests on.")),
};
OBJECT(actor, ACTOR_COUNT);

static const struct report_field indicator_fields[] = {
	[INDICATOR_TYPE] = ROW("type", FIELD_CODE, REQUIRED, ONE_OF(indicator_types),
		WHY("Decides the form of the value.")),
	[INDICATOR_VALUE] = ROW("value", FIELD_TEXT, REQUIRED, WITHIN(1, 2048),
		.takes_override = true, WHY("The observable itself, never defanged.")),
	[INDICATOR_ROLE] = ROW("role", FIELD_CODE, REQUIRED, ONE_OF(indicator_roles),
		WHY("What part it played.")),
	[INDICATOR_FIRST_SEEN] = ROW("first_seen", FIELD_TIME, UNLIMITED, LIKE(time),
		WHY("When it was first seen.")),
	[INDICATOR_LAST_SEEN] = ROW("last_seen", FIELD_TIME, UNLIMITED, LIKE(time),
		WHY("When it was last seen.")),
	[INDICATOR_PORT] = ROW("port", FIELD_INTEGER, WITHIN(1, 65535), WHY("Transport port.")),
	[INDICATOR_PROTOCOL] = ROW("protocol", FIELD_TEXT, WITHIN(1, 16), LIKE(protocol),
		WHY("Transport or application protocol.")),
	[INDICATOR_CONFIDENCE] = ROW("confidence", FIELD_INTEGER, WITHIN(0, 100),
		WHY("How sure the reporter is of it.")),
	[INDICATOR_TLP] = ROW("tlp", FIELD_CODE, ONE_OF(tlp_labels),
		WHY("A label of its own, at least as strict as the report's.")),
	[INDICATOR_NOTE] = ROW("note", FIELD_TEXT, MULTILINE, WITHIN(1, 500),
		WHY("What people should know of it.")),
};
OBJECT(indicator, INDICATOR_COUNT);

static const struct report_field legal_fields[] = {
	[LEGAL_LAW_ENFORCEMENT_NOTIFIED] = ROW("law_enforcement_notified", FIELD_CODE,
		ONE_OF(answers), WHY("Whether police know.")),
	[LEGAL_AGENCY] = ROW("agency", FIELD_TEXT, WITHIN(1, 200), WHY("Which agency.")),
	[LEGAL_CASE_REFERENCE] = ROW("case_reference", FIELD_TEXT, WITHIN(1, 128),
		WHY("The agency's number of the case.")),
	[LEGAL_OFFENCES] = ROW("offences", FIELD_ARRAY, UNIQUE, WITHIN(0, 20),
		EACH(offence_element), WHY("Articles of the treaties; statutes are for lawyers.")),
	[LEGAL_EVIDENCE_PRESERVED] = ROW("evidence_preserved", FIELD_BOOLEAN,
		WHY("Whether evidence is secured.")),
	[LEGAL_PRESERVATION_REQUESTED] = ROW("preservation_requested", FIELD_BOOLEAN,
		WHY("Whether others are asked to preserve data.")),
	[LEGAL_PRESERVE_UNTIL] = ROW("preserve_until", FIELD_TIME, UNLIMITED, LIKE(time),
		WHY("Until when data should be preserved.")),
};
OBJECT(legal, LEGAL_COUNT);

static const struct report_field assistance_fields[] = {
	[ASSISTANCE_REQUESTED] = ROW("requested", FIELD_BOOLEAN, REQUIRED,
		WHY("Whether help is asked for.")),
	[ASSISTANCE_TYPES] = ROW("types", FIELD_ARRAY, UNIQUE, WITHIN(0, 9),
		EACH(assistance_type_element), WHY("Which kinds of help.")),
	[ASSISTANCE_URGENCY] = ROW("urgency", FIELD_CODE, ONE_OF(urgencies), WHY("How soon.")),
	[ASSISTANCE_NOTE] = ROW("note", FIELD_TEXT, MULTILINE, WITHIN(1, 2000),
		WHY("What exactly is needed.")),
};
OBJECT(assistance, ASSISTANCE_COUNT);

static const struct report_field reference_fields[] = {
	[REFERENCE_KIND] = ROW("kind", FIELD_CODE, REQUIRED, ONE_OF(reference_kinds),
		WHY("What the reference points to.")),
	[REFERENCE_VALUE] = ROW("value", FIELD_TEXT, REQUIRED, WITHIN(1, 2048),
		WHY("Number, address or id.")),
	[REFERENCE_ORG] = ROW("org", FIELD_TEXT, WITHIN(3, 253), LIKE(organisation),
		WHY("Whose reference it is.")),
};
OBJECT(reference, REFERENCE_COUNT);

static const struct report_field related_fields[] = {
	[RELATED_ORG] = ROW("org", FIELD_TEXT, REQUIRED, WITHIN(3, 253), LIKE(organisation),
		WHY("Who reported the other one.")),
	[RELATED_REPORT_ID] = ROW("report_id", FIELD_TEXT, REQUIRED, WITHIN(1, 128),
		LIKE(report_id), WHY("Its id there.")),
	[RELATED_RELATION] = ROW("relation", FIELD_CODE, REQUIRED, ONE_OF(relations),
		WHY("How the two belong together.")),
};
OBJECT(related, RELATED_COUNT);

static const struct report_field attachment_fields[] = {
	[ATTACHMENT_NAME] = ROW("name", FIELD_TEXT, REQUIRED, WITHIN(1, 255), WHY("File name.")),
	[ATTACHMENT_MEDIA_TYPE] = ROW("media_type", FIELD_TEXT, REQUIRED, WITHIN(3, 127),
		LIKE(media_type), WHY("What kind of file it is.")),
	[ATTACHMENT_SIZE] = ROW("size", FIELD_INTEGER, REQUIRED, WITHIN(0, 104857600),
		WHY("Bytes.")),
	[ATTACHMENT_SHA256] = ROW("sha256", FIELD_TEXT, REQUIRED, UNLIMITED, LIKE(sha256),
		WHY("Digest of the content, which stays with the reporter.")),
	[ATTACHMENT_DESCRIPTION] = ROW("description", FIELD_TEXT, WITHIN(1, 500),
		WHY("What it shows.")),
	[ATTACHMENT_TLP] = ROW("tlp", FIELD_CODE, ONE_OF(tlp_labels),
		WHY("A label of its own, at least as strict as the report's.")),
};
OBJECT(attachment, ATTACHMENT_COUNT);

static const struct report_field victim_element = {.type = FIELD_OBJECT, MEMBERS(victim)};
static const struct report_field indicator_element = {.type = FIELD_OBJECT, MEMBERS(indicator)};
static const struct report_field reference_element = {.type = FIELD_OBJECT, MEMBERS(reference)};
static const struct report_field related_element = {.type = FIELD_OBJECT, MEMBERS(related)};
static const struct report_field attachment_element = {.type = FIELD_OBJECT, MEMBERS(attachment)};

static const struct report_field root_fields[] = {
	[ROOT_SCHEMA] = ROW("schema", FIELD_SCHEMA, REQUIRED,
		WHY("Names this format, so that a next one can be told apart.")),
	[ROOT_TAXONOMY] = ROW("taxonomy", FIELD_OBJECT, REQUIRED, MEMBERS(taxonomy),
		WHY("The vocabulary the codes are of.")),
	[ROOT_REPORT_ID] = ROW("report_id", FIELD_TEXT, REQUIRED, WITHIN(1, 128), LIKE(report_id),
		WHY("The reporter's own id: with the revision, the key of the report.")),
	[ROOT_REVISION] = ROW("revision", FIELD_INTEGER, WITHIN(1, 1000000),
		WHY("Counts corrections; 1 when absent; a higher one replaces a lower one.")),
	[ROOT_REPORTER] = ROW("reporter", FIELD_OBJECT, REQUIRED, MEMBERS(reporter),
		WHY("Who reports.")),
	[ROOT_LANGUAGE] = ROW("language", FIELD_TEXT, WITHIN(2, 35), LIKE(language),
		WHY("Language of title and narrative; en when absent.")),
	[ROOT_TLP] = ROW("tlp", FIELD_CODE, REQUIRED, ONE_OF(tlp_labels),
		WHY("Who may see it; there is no default on purpose.")),
	[ROOT_PAP] = ROW("pap", FIELD_CODE, ONE_OF(pap_labels),
		WHY("What recipients may do with it.")),
	[ROOT_SHARING] = ROW("sharing", FIELD_OBJECT, MEMBERS(sharing),
		WHY("Consent and limits beyond the label.")),
	[ROOT_CATEGORY] = ROW("category", FIELD_CODE, REQUIRED, ONE_OF(categories),
		WHY("What happened, most specific first.")),
	[ROOT_ADDITIONAL_CATEGORIES] = ROW("additional_categories", FIELD_ARRAY, UNIQUE,
		WITHIN(0, 4), EACH(category_element), WHY("What else it was.")),
	[ROOT_ACTION_AREAS] = ROW("action_areas", FIELD_ARRAY, REQUIRED, UNIQUE, WITHIN(1, 4),
		EACH(area_element), WHY("Areas of action, the reporter's primary one first.")),
	[ROOT_RSIT] = ROW("rsit", FIELD_ARRAY, UNIQUE, WITHIN(0, 5), EACH(rsit_element),
		WHY("Exact codes of the CERT taxonomy; the category's first when absent.")),
	[ROOT_TITLE] = ROW("title", FIELD_TEXT, REQUIRED, WITHIN(1, 200), WHY("One line.")),
	[ROOT_NARRATIVE] = ROW("narrative", FIELD_TEXT, REQUIRED, MULTILINE, WITHIN(1, 20000),
		WHY("What happened, as plain text.")),
	[ROOT_DETERMINATION] = ROW("determination", FIELD_CODE, ONE_OF(determinations),
		WHY("How sure it is that something happened; suspected when absent.")),
	[ROOT_STATUS] = ROW("status", FIELD_CODE, ONE_OF(statuses),
		WHY("Where the handling stands; new when absent.")),
	[ROOT_EXERCISE] = ROW("exercise", FIELD_BOOLEAN,
		WHY("Keeps drills out of statistics; false when absent.")),
	[ROOT_TIMES] = ROW("times", FIELD_OBJECT, REQUIRED, MEMBERS(times),
		WHY("When it happened.")),
	[ROOT_SEVERITY] = ROW("severity", FIELD_OBJECT, REQUIRED, MEMBERS(severity),
		WHY("How bad it is.")),
	[ROOT_CONFIDENCE] = ROW("confidence", FIELD_INTEGER, WITHIN(0, 100),
		WHY("How sure the reporter is, on the scale of STIX.")),
	[ROOT_ASSESSMENT] = ROW("assessment", FIELD_OBJECT, MEMBERS(assessment),
		WHY("Admiralty scale.")),
	[ROOT_IMPACT] = ROW("impact", FIELD_OBJECT, MEMBERS(impact), WHY("What it did.")),
	[ROOT_VICTIMS] = ROW("victims", FIELD_ARRAY, WITHIN(0, 100), EACH(victim_element),
		WHY("Who was hit.")),
	[ROOT_ACTOR] = ROW("actor", FIELD_OBJECT, MEMBERS(actor),
		WHY("Who is thought to have done it; a claim, not a finding.")),
	[ROOT_INDICATORS] = ROW("indicators", FIELD_ARRAY, WITHIN(0, 1000),
		EACH(indicator_element), WHY("Observables.")),
	[ROOT_VULNERABILITIES] = ROW("vulnerabilities", FIELD_ARRAY, UNIQUE, WITHIN(0, 50),
		EACH(vulnerability_element), WHY("CVE ids, for correlation.")),
	[ROOT_TECHNIQUES] = ROW("techniques", FIELD_ARRAY, UNIQUE, WITHIN(0, 50),
		EACH(technique_element), WHY("ATT&CK ids, for correlation.")),
	[ROOT_MALWARE] = ROW("malware", FIELD_ARRAY, UNIQUE, WITHIN(0, 20), EACH(malware_element),
		WHY("Names of malware, for correlation.")),
	[ROOT_LEGAL] = ROW("legal", FIELD_OBJECT, MEMBERS(legal), WHY("Police and evidence.")),
	[ROOT_ASSISTANCE] = ROW("assistance", FIELD_OBJECT, MEMBERS(assistance),
		WHY("Digital solidarity in practice.")),
	[ROOT_REFERENCES] = ROW("references", FIELD_ARRAY, WITHIN(0, 50), EACH(reference_element),
		WHY("Tickets, events and documents elsewhere.")),
	[ROOT_RELATED_REPORTS] = ROW("related_reports", FIELD_ARRAY, WITHIN(0, 50),
		EACH(related_element), WHY("Other reports that belong to this one.")),
	[ROOT_ATTACHMENTS] = ROW("attachments", FIELD_ARRAY, WITHIN(0, 20),
		EACH(attachment_element), WHY("Metadata only: the reporter keeps the content.")),
	[ROOT_EXTENSIONS] = ROW("extensions", FIELD_EXTENSIONS, WITHIN(3, 253),
		LIKE(organisation), WHY("Anything else, by the organisation that defines it.")),
};
OBJECT(root, ROOT_COUNT);

static const struct report_field retraction_fields[] = {
	[RETRACTION_REVISION] = ROW("revision", FIELD_INTEGER, REQUIRED, WITHIN(1, 1000000),
		WHY("Which revision is retracted; it has to be the newest.")),
	[RETRACTION_REASON] = ROW("reason", FIELD_TEXT, REQUIRED, MULTILINE, WITHIN(1, 1000),
		WHY("Why; kept with the report and shown in its receipt.")),
};
OBJECT(retraction, RETRACTION_COUNT);
// clang-format on

const struct report_field report_field_root = {.type = FIELD_OBJECT, MEMBERS(root)};
const struct report_field report_field_retraction = {.type = FIELD_OBJECT, MEMBERS(retraction)};
