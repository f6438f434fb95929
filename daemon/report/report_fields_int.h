// SPDX-License-Identifier: Apache-2.0
/*
 * The one table of fields: name, type, limits, allowed values, whether required, and why it exists.
 * The checks, the JSON Schema and the reference page all read it.
 */
#pragma once

#include "base/str.h"
#include "report/taxonomy.h"
#include "report_pattern_int.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the allowed values of a field come from. */
enum report_vocabulary_source {
	VOCABULARY_FIXED,
	VOCABULARY_CATEGORIES,
	VOCABULARY_AREAS,
	VOCABULARY_RSIT
};

struct report_vocabulary {
	enum report_vocabulary_source source;
	const struct str *codes; /* of a fixed one */
	size_t count;
};

size_t report_vocabulary_count(
	const struct report_vocabulary *vocabulary, const struct taxonomy *taxonomy);
struct str report_vocabulary_code(const struct report_vocabulary *vocabulary,
	const struct taxonomy *taxonomy, size_t position);
/* -1 when the code is not in it. */
int report_vocabulary_find(const struct report_vocabulary *vocabulary,
	const struct taxonomy *taxonomy, struct str code);

enum report_field_type {
	FIELD_SCHEMA,      /* the constant name of this format */
	FIELD_TAXONOMY_ID, /* the constant id of the taxonomy in force */
	FIELD_CODE,        /* one of a vocabulary */
	FIELD_TEXT,
	FIELD_TIME,
	FIELD_INTEGER,
	FIELD_BOOLEAN,
	FIELD_OBJECT,
	FIELD_ARRAY,
	FIELD_EXTENSIONS /* an object of any values, by organisation */
};

/* Texts without limits of their own are limited by their pattern. */
#define FIELD_NO_LIMIT (-1)

struct report_object;

struct report_field {
	struct str name;
	enum report_field_type type;
	bool is_required;
	bool is_multiline;   /* tab and line ends may stand in the text */
	bool takes_override; /* direction overrides are left to a rule */
	bool is_unique;      /* no two elements of the array are equal */
	int64_t min;         /* code points, value or elements */
	int64_t max;
	const struct report_vocabulary *vocabulary;
	const struct report_pattern *pattern; /* of a text, a time, an extension's name */
	const struct report_object *object;   /* members of an object */
	const struct report_field *element;   /* of an array */
	const char *reason;
};

struct report_object {
	const struct report_field *fields;
	size_t count;
};

/* Members of "extensions", and bytes of the value of each. */
#define REPORT_MAX_EXTENSIONS 10
#define REPORT_MAX_EXTENSION_BYTES 16384
/* The name in "schema". */
#define REPORT_SCHEMA_NAME "intaked-report/1"

/* Positions in the tables, for the rules. */
enum {
	ROOT_SCHEMA,
	ROOT_TAXONOMY,
	ROOT_REPORT_ID,
	ROOT_REVISION,
	ROOT_REPORTER,
	ROOT_LANGUAGE,
	ROOT_TLP,
	ROOT_PAP,
	ROOT_SHARING,
	ROOT_CATEGORY,
	ROOT_ADDITIONAL_CATEGORIES,
	ROOT_ACTION_AREAS,
	ROOT_RSIT,
	ROOT_TITLE,
	ROOT_NARRATIVE,
	ROOT_DETERMINATION,
	ROOT_STATUS,
	ROOT_EXERCISE,
	ROOT_TIMES,
	ROOT_SEVERITY,
	ROOT_CONFIDENCE,
	ROOT_ASSESSMENT,
	ROOT_IMPACT,
	ROOT_VICTIMS,
	ROOT_ACTOR,
	ROOT_INDICATORS,
	ROOT_VULNERABILITIES,
	ROOT_TECHNIQUES,
	ROOT_MALWARE,
	ROOT_LEGAL,
	ROOT_ASSISTANCE,
	ROOT_REFERENCES,
	ROOT_RELATED_REPORTS,
	ROOT_ATTACHMENTS,
	ROOT_EXTENSIONS,
	ROOT_COUNT
};
enum { TAXONOMY_ID, TAXONOMY_VERSION, TAXONOMY_COUNT };
enum {
	REPORTER_ORG,
	REPORTER_NAME,
	REPORTER_ROLE,
	REPORTER_CONTACT_EMAIL,
	REPORTER_CONTACT_PHONE,
	REPORTER_COUNT
};
enum { SHARING_LAW_ENFORCEMENT, SHARING_AUDIENCE, SHARING_EMBARGO_UNTIL, SHARING_COUNT };
enum {
	TIMES_STARTED,
	TIMES_DETECTED,
	TIMES_REPORTED,
	TIMES_CONTAINED,
	TIMES_ENDED,
	TIMES_RECOVERED,
	TIMES_COUNT
};
enum { SEVERITY_LEVEL, SEVERITY_SCORE, SEVERITY_RATIONALE, SEVERITY_COUNT };
enum { ASSESSMENT_SOURCE_RELIABILITY, ASSESSMENT_INFORMATION_CREDIBILITY, ASSESSMENT_COUNT };
enum {
	IMPACT_FUNCTIONAL,
	IMPACT_INFORMATION,
	IMPACT_SAFETY,
	IMPACT_MALICIOUS,
	IMPACT_CROSS_BORDER,
	IMPACT_SECTORS,
	IMPACT_COUNTRIES,
	IMPACT_PEOPLE_AFFECTED,
	IMPACT_RECORDS_AFFECTED,
	IMPACT_SYSTEMS_AFFECTED,
	IMPACT_DOWNTIME_MINUTES,
	IMPACT_LOSS,
	IMPACT_COUNT
};
enum { LOSS_AMOUNT, LOSS_CURRENCY, LOSS_BASIS, LOSS_COUNT };
enum {
	VICTIM_KIND,
	VICTIM_NAME,
	VICTIM_SECTOR,
	VICTIM_COUNTRY,
	VICTIM_COUNT_OF_PEOPLE,
	VICTIM_PROTECTED,
	VICTIM_NOTIFIED,
	VICTIM_COUNT
};
enum { ACTOR_KIND, ACTOR_NAME, ACTOR_COUNTRY, ACTOR_CONFIDENCE, ACTOR_BASIS, ACTOR_COUNT };
enum {
	INDICATOR_TYPE,
	INDICATOR_VALUE,
	INDICATOR_ROLE,
	INDICATOR_FIRST_SEEN,
	INDICATOR_LAST_SEEN,
	INDICATOR_PORT,
	INDICATOR_PROTOCOL,
	INDICATOR_CONFIDENCE,
	INDICATOR_TLP,
	INDICATOR_NOTE,
	INDICATOR_COUNT
};
enum {
	LEGAL_LAW_ENFORCEMENT_NOTIFIED,
	LEGAL_AGENCY,
	LEGAL_CASE_REFERENCE,
	LEGAL_OFFENCES,
	LEGAL_EVIDENCE_PRESERVED,
	LEGAL_PRESERVATION_REQUESTED,
	LEGAL_PRESERVE_UNTIL,
	LEGAL_COUNT
};
enum {
	ASSISTANCE_REQUESTED,
	ASSISTANCE_TYPES,
	ASSISTANCE_URGENCY,
	ASSISTANCE_NOTE,
	ASSISTANCE_COUNT
};
enum { REFERENCE_KIND, REFERENCE_VALUE, REFERENCE_ORG, REFERENCE_COUNT };
enum { RELATED_ORG, RELATED_REPORT_ID, RELATED_RELATION, RELATED_COUNT };
enum {
	ATTACHMENT_NAME,
	ATTACHMENT_MEDIA_TYPE,
	ATTACHMENT_SIZE,
	ATTACHMENT_SHA256,
	ATTACHMENT_DESCRIPTION,
	ATTACHMENT_TLP,
	ATTACHMENT_COUNT
};
enum { RETRACTION_REVISION, RETRACTION_REASON, RETRACTION_COUNT };
/* Victims of these kinds are natural persons. */
enum { VICTIM_KIND_ORGANISATION, VICTIM_KIND_INDIVIDUAL, VICTIM_KIND_GROUP };

/* The report itself, and the body that retracts one. */
extern const struct report_field report_field_root;
extern const struct report_field report_field_retraction;
