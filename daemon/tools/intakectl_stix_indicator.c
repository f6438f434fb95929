// SPDX-License-Identifier: Apache-2.0
/*
 * An indicator is to be looked for and may be blocked: it becomes a pattern. What is a victim's or
 * a sensor's is no such thing, and becomes what was observed.
 */
#include "intakectl_stix_int.h"

#include "base/clock.h"
#include "report/report_time.h"

#include <stdlib.h>
#include <string.h>

#define PATTERN_MAX_BYTES ((size_t)16384)

struct mapping {
	const char *type;     /* of ours */
	const char *object;   /* of STIX: a cyber-observable */
	const char *property; /* as patterns spell it */
	const char *member;   /* the same of an object, where it is just a text; or NULL */
	const char *hash;     /* name of the digest, where it is one */
};

static const struct mapping mappings[] = {
	{"ipv4", "ipv4-addr", "value", "value", NULL},
	{"ipv6", "ipv6-addr", "value", "value", NULL},
	{"domain", "domain-name", "value", "value", NULL},
	{"url", "url", "value", "value", NULL},
	{"email", "email-addr", "value", "value", NULL},
	{"account", "user-account", "account_login", "account_login", NULL},
	{"file-name", "file", "name", "name", NULL},
	{"mutex", "mutex", "name", "name", NULL},
	{"registry-key", "windows-registry-key", "key", "key", NULL},
	{"md5", "file", "hashes.MD5", NULL, "MD5"},
	{"sha1", "file", "hashes.'SHA-1'", NULL, "SHA-1"},
	{"sha256", "file", "hashes.'SHA-256'", NULL, "SHA-256"},
	{"sha512", "file", "hashes.'SHA-512'", NULL, "SHA-512"},
	{"x509-sha256", "x509-certificate", "hashes.'SHA-256'", NULL, "SHA-256"},
	{"user-agent", "network-traffic",
		"extensions.'http-request-ext'.request_header.'User-Agent'", NULL, NULL},
	{"asn", "autonomous-system", "number", NULL, NULL},
	{"cidr", NULL, "value", "value", NULL},
};

static const struct mapping *find_mapping(const char *type)
{
	for (size_t i = 0; i < sizeof(mappings) / sizeof(mappings[0]); i++) {
		if (strcmp(mappings[i].type, type) == 0) {
			return &mappings[i];
		}
	}
	return NULL;
}

static const char *object_of(const struct mapping *mapping, const char *value)
{
	if (mapping->object != NULL) {
		return mapping->object;
	}
	return strchr(value, ':') != NULL ? "ipv6-addr" : "ipv4-addr";
}

static bool is_as_number(const struct mapping *mapping)
{
	return strcmp(mapping->type, "asn") == 0;
}

static bool append_quoted(struct buf *out, const char *value)
{
	bool is_good = buf_append_str(out, STR("'"));
	for (; *value != '\0' && is_good; value++) {
		is_good = (strchr("\\'", *value) == NULL || buf_append(out, "\\", 1)) &&
			buf_append(out, value, 1);
	}
	return is_good && buf_append_str(out, STR("'"));
}

/* False when it would be longer than any value that a report may have. */
static bool append_pattern(struct buf *out, const struct mapping *mapping, const char *value)
{
	const char *operator= mapping->object == NULL ? "ISSUBSET" : "=";
	return buf_printf(
		       out, "[%s:%s %s ", object_of(mapping, value), mapping->property, operator) &&
		(is_as_number(mapping) ? buf_printf(out, "%s", value + strlen("AS"))
				       : append_quoted(out, value)) &&
		buf_append(out, "]", 2);
}

/* When the indicator says so, or the incident was detected; both are times by the schema. */
static int64_t time_of(const struct stix_report *report, const json_t *indicator, const char *name)
{
	int64_t time_us = 0;
	json_t *time = json_object_get(indicator, name);
	const char *text = json_string_value(time != NULL ? time : report->detected_at);
	return text != NULL && report_time_parse(str_from(text), &time_us) ? time_us : 0;
}

/* STIX has no offsets from UTC. */
static void set_time(json_t *object, const char *name, int64_t time_us)
{
	char text[CLOCK_RFC3339_SIZE];
	clock_format_rfc3339(time_us, text);
	json_object_set_new(object, name, json_string(text));
}

static void add_confidence(json_t *object, const json_t *indicator)
{
	json_t *confidence = json_object_get(indicator, "confidence");
	if (confidence != NULL) {
		json_object_set(object, "confidence", confidence);
	}
}

static void write_pattern(struct stix_report *report, const json_t *indicator,
	const struct mapping *mapping, const char *value, int label)
{
	struct buf pattern;
	buf_init(&pattern, PATTERN_MAX_BYTES);
	if (append_pattern(&pattern, mapping, value)) {
		json_t *object = stix_new_domain(report, "indicator", label);
		const char *role = json_string_value(json_object_get(indicator, "role"));
		bool is_between = role != NULL && strcmp(role, "intermediary") == 0;
		json_object_set_new(object, "name", json_string(value));
		json_object_set_new(object, "pattern", json_string(pattern.data));
		json_object_set_new(object, "pattern_type", json_string("stix"));
		json_object_set_new(object, "indicator_types",
			json_pack("[s]", is_between ? "compromised" : "malicious-activity"));
		set_time(object, "valid_from", time_of(report, indicator, "first_seen"));
		if (json_object_get(indicator, "note") != NULL) {
			json_object_set(object, "description", json_object_get(indicator, "note"));
		}
		add_confidence(object, indicator);
		stix_write(report, object);
	}
	buf_fini(&pattern);
}

static void write_note(
	struct stix_report *report, const json_t *indicator, const char *value, int label)
{
	json_t *object = stix_new_domain(report, "note", label);
	json_object_set_new(object, "abstract",
		json_sprintf("%s, %s", json_string_value(json_object_get(indicator, "type")),
			json_string_value(json_object_get(indicator, "role"))));
	json_object_set_new(object, "content", json_string(value));
	json_object_set_new(
		object, "object_refs", json_pack("[O]", json_array_get(report->refs, 0)));
	stix_write(report, object);
}

static json_t *observable(
	struct stix_report *report, const struct mapping *mapping, const char *value, int label)
{
	json_t *object = stix_new(report, object_of(mapping, value), label);
	if (mapping->hash != NULL) {
		json_object_set_new(object, "hashes", json_pack("{s:s}", mapping->hash, value));
	} else if (is_as_number(mapping)) {
		json_object_set_new(
			object, "number", json_integer(strtoll(value + strlen("AS"), NULL, 10)));
	} else {
		json_object_set_new(object, mapping->member, json_string(value));
	}
	return object;
}

static void write_observed(struct stix_report *report, const json_t *indicator,
	const struct mapping *mapping, const char *value, int label)
{
	json_t *seen = observable(report, mapping, value, label);
	json_t *object = stix_new_domain(report, "observed-data", label);
	int64_t first_us = time_of(report, indicator, "first_seen");
	int64_t last_us = time_of(report, indicator, "last_seen");
	set_time(object, "first_observed", first_us);
	set_time(object, "last_observed", last_us > first_us ? last_us : first_us);
	json_object_set_new(object, "number_observed", json_integer(1));
	json_object_set_new(object, "object_refs", json_pack("[O]", json_object_get(seen, "id")));
	add_confidence(object, indicator);
	stix_write(report, seen);
	stix_write(report, object);
}

void stix_write_indicator(struct stix_report *report, const json_t *indicator)
{
	const char *type = json_string_value(json_object_get(indicator, "type"));
	const char *role = json_string_value(json_object_get(indicator, "role"));
	const char *value = json_string_value(json_object_get(indicator, "value"));
	int label = stix_label(json_object_get(indicator, "tlp"), report->label);
	if (type == NULL || role == NULL || value == NULL) {
		return;
	}
	const struct mapping *mapping = find_mapping(type);
	bool is_own = strcmp(role, "target") == 0 || strcmp(role, "sensor") == 0;
	bool has_object = mapping != NULL &&
		(mapping->member != NULL || mapping->hash != NULL || is_as_number(mapping));
	if (mapping == NULL || (is_own && !has_object)) {
		write_note(report, indicator, value, label);
	} else if (is_own) {
		write_observed(report, indicator, mapping, value, label);
	} else {
		write_pattern(report, indicator, mapping, value, label);
	}
}
