// SPDX-License-Identifier: Apache-2.0
/*
 * A bundle of STIX 2.1. Of each report:
 *
 *   the report             report and incident, by the organisation that reported it
 *   indicators             indicator; of a target or sensor, which nobody should block,
 * observed-data indicators without     note a pattern in STIX victims                identity actor
 * threat-actor malware, techniques,   malware, attack-pattern, vulnerability vulnerabilities
 *
 * Every object carries its label, so none is shared by two reports but the organisations and the
 * labels themselves. Ids are made from the report's, so that a second export has the same.
 */
#include "intakectl_stix_int.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

/* Of our ids; made at random, once. */
static const uint8_t name_space[16] = {0x6d, 0x0b, 0x8f, 0x2e, 0x51, 0x6c, 0x4b, 0x1c, 0x9a, 0x3e,
	0x7d, 0x42, 0xc0, 0x5f, 0x1a, 0x94};

static const char *const label_ids[STIX_LABELS] = {
	"marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
	"marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
	"marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
	"marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
	"marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
};
static const char *const labels[STIX_LABELS] = {
	"TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"};
/* As the extension spells them. */
static const char *const label_words[STIX_LABELS] = {
	"clear", "green", "amber", "amber+strict", "red"};

#define LABEL_STRICT 3

int stix_label(const json_t *label, int otherwise)
{
	const char *text = json_string_value(label);
	for (int i = 0; text != NULL && i < STIX_LABELS; i++) {
		if (strcmp(labels[i], text) == 0) {
			return i;
		}
	}
	return otherwise;
}

static void format_uuid(uint8_t bytes[16], int version, char out[STIX_UUID_SIZE])
{
	bytes[6] = (uint8_t)((bytes[6] & 0x0f) | version << 4);
	bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
	for (size_t i = 0, at = 0; i < 16; i++) {
		at += (size_t)snprintf(out + at, STIX_UUID_SIZE - at, "%s%02x",
			i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", bytes[i]);
	}
}

/* Version 5: the same for the same name. */
static void make_id(const char *type, const char *owner, size_t number, char out[STIX_ID_SIZE])
{
	char name[512];
	char uuid[STIX_UUID_SIZE];
	uint8_t text[sizeof(name_space) + sizeof(name)];
	uint8_t digest[EVP_MAX_MD_SIZE];
	int len = snprintf(name, sizeof(name), "%s/%s/%zu", owner, type, number);
	memcpy(text, name_space, sizeof(name_space));
	memcpy(text + sizeof(name_space), name, (size_t)len);
	ENSURE(EVP_Digest(text, sizeof(name_space) + (size_t)len, digest, NULL, EVP_sha1(), NULL) ==
		1);
	format_uuid(digest, 5, uuid);
	snprintf(out, STIX_ID_SIZE, "%s--%s", type, uuid);
}

static void write_object(struct export *export, json_t *object)
{
	fputs(export->objects == 0 ? "\n" : ",\n", export->out);
	json_dumpf(object, export->out, JSON_COMPACT);
	export->objects++;
	json_decref(object);
}

/* --- what is in a bundle once --- */

static json_t *made_object(const char *type, const char *id)
{
	return json_pack("{s:s,s:s,s:s}", "type", type, "spec_version", "2.1", "id", id);
}

/* As FIRST and OASIS define them. */
static void write_label(struct export *export, int label)
{
	json_t *object = made_object("marking-definition", label_ids[label]);
	json_object_set_new(object, "created", json_string("2022-10-01T00:00:00.000Z"));
	json_object_set_new(object, "name", json_string(labels[label]));
	json_object_set_new(object, "extensions",
		json_pack("{s:{s:s,s:s}}",
			"extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d",
			"extension_type", "property-extension", "tlp_2_0", label_words[label]));
	write_object(export, object);
}

static void begin_bundle(struct export *export)
{
	uint8_t random[16];
	char uuid[STIX_UUID_SIZE];
	ENSURE(RAND_bytes(random, sizeof(random)) == 1);
	format_uuid(random, 4, uuid);
	fprintf(export->out, "{\"type\":\"bundle\",\"id\":\"bundle--%s\",\"objects\":[", uuid);
	for (int label = 0; label < STIX_LABELS; label++) {
		write_label(export, label);
	}
}

static void write_reporter(struct export *export, const char *org)
{
	char id[STIX_ID_SIZE];
	make_id("identity", org, 0, id);
	json_t *object = made_object("identity", id);
	/* The organisation is the same whenever it is exported. */
	json_object_set_new(object, "created", json_string("2024-05-06T00:00:00.000Z"));
	json_object_set_new(object, "modified", json_string("2024-05-06T00:00:00.000Z"));
	json_object_set_new(object, "name", json_string(org));
	json_object_set_new(object, "identity_class", json_string("organization"));
	write_object(export, object);
}

static void end_bundle(struct export *export)
{
	fputs("\n]}\n", export->out);
}

/* --- objects of a report --- */

json_t *stix_new(struct stix_report *report, const char *type, int label)
{
	char id[STIX_ID_SIZE];
	make_id(type, report->id, report->object_count++, id);
	json_t *object = made_object(type, id);
	json_object_set_new(object, "object_marking_refs", json_pack("[s]", label_ids[label]));
	return object;
}

json_t *stix_new_domain(struct stix_report *report, const char *type, int label)
{
	json_t *object = stix_new(report, type, label);
	json_object_set_new(object, "created", json_string(report->received_at));
	json_object_set_new(object, "modified", json_string(report->received_at));
	json_object_set_new(object, "created_by_ref", json_string(report->reporter));
	return object;
}

void stix_write(struct stix_report *report, json_t *object)
{
	json_array_append(report->refs, json_object_get(object, "id"));
	write_object(report->export, object);
}

static void write_victim(struct stix_report *report, const json_t *victim)
{
	static const struct {
		const char *kind;
		const char *identity_class;
	} classes[] = {{"organisation", "organization"}, {"individual", "individual"},
		{"group", "group"}, {"population", "class"}};
	const char *kind = json_string_value(json_object_get(victim, "kind"));
	const char *name = json_string_value(json_object_get(victim, "name"));
	const char *sector = json_string_value(json_object_get(victim, "sector"));
	const char *identity_class = "unknown";
	for (size_t i = 0; kind != NULL && i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (strcmp(classes[i].kind, kind) == 0) {
			identity_class = classes[i].identity_class;
		}
	}
	bool is_protected = json_is_true(json_object_get(victim, "protected"));
	int label = is_protected && report->label < LABEL_STRICT ? LABEL_STRICT : report->label;
	json_t *object = stix_new_domain(report, "identity", label);
	json_object_set_new(object, "name", json_string(name != NULL ? name : "unnamed victim"));
	json_object_set_new(object, "identity_class", json_string(identity_class));
	json_object_set_new(object, "roles", json_pack("[s]", "victim"));
	if (sector != NULL) {
		json_object_set_new(object, "sectors", json_pack("[s]", sector));
	}
	stix_write(report, object);
}

static void write_actor(struct stix_report *report, const json_t *actor)
{
	static const struct {
		const char *kind;
		const char *type;
	} types[] = {{"state-linked", "nation-state"}, {"criminal", "criminal"},
		{"hacktivist", "activist"}};
	const char *kind = json_string_value(json_object_get(actor, "kind"));
	json_t *name = json_object_get(actor, "name");
	const char *type = "unknown";
	if (name == NULL) {
		return;
	}
	for (size_t i = 0; kind != NULL && i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i].kind, kind) == 0) {
			type = types[i].type;
		}
	}
	json_t *object = stix_new_domain(report, "threat-actor", report->label);
	json_object_set(object, "name", name);
	json_object_set_new(object, "threat_actor_types", json_pack("[s]", type));
	if (json_object_get(actor, "confidence") != NULL) {
		json_object_set(object, "confidence", json_object_get(actor, "confidence"));
	}
	stix_write(report, object);
}

/* Something that others number: source says who. */
static void write_named(
	struct stix_report *report, const char *type, const json_t *name, const char *source)
{
	json_t *object = stix_new_domain(report, type, report->label);
	json_object_set_new(object, "name", json_string(json_string_value(name)));
	if (source != NULL) {
		json_object_set_new(object, "external_references",
			json_pack("[{s:s,s:s}]", "source_name", source, "external_id",
				json_string_value(name)));
	} else {
		json_object_set_new(object, "is_family", json_true());
	}
	stix_write(report, object);
}

static void write_parts(struct stix_report *report, const json_t *payload)
{
	size_t i = 0;
	json_t *part = NULL;
	json_array_foreach(json_object_get(payload, "victims"), i, part)
	{
		write_victim(report, part);
	}
	write_actor(report, json_object_get(payload, "actor"));
	json_array_foreach(json_object_get(payload, "malware"), i, part)
	{
		write_named(report, "malware", part, NULL);
	}
	json_array_foreach(json_object_get(payload, "techniques"), i, part)
	{
		write_named(report, "attack-pattern", part, "mitre-attack");
	}
	json_array_foreach(json_object_get(payload, "vulnerabilities"), i, part)
	{
		write_named(report, "vulnerability", part, "cve");
	}
	json_array_foreach(json_object_get(payload, "indicators"), i, part)
	{
		stix_write_indicator(report, part);
	}
}

/* What an incident and its report have in common. */
static json_t *new_story(struct stix_report *report, const char *type, const json_t *payload)
{
	char key[256];
	json_t *object = stix_new_domain(report, type, report->label);
	json_t *labels_of = json_pack("[O]", json_object_get(payload, "category"));
	json_array_extend(labels_of, json_object_get(payload, "action_areas"));
	if (json_object_get(payload, "pap") != NULL) {
		json_array_append(labels_of, json_object_get(payload, "pap"));
	}
	snprintf(key, sizeof(key), "%s", json_string_value(json_object_get(payload, "report_id")));
	json_object_set(object, "name", json_object_get(payload, "title"));
	json_object_set(object, "description", json_object_get(payload, "narrative"));
	json_object_set_new(object, "labels", labels_of);
	json_object_set_new(object, "external_references",
		json_pack("[{s:s,s:s}]", "source_name",
			json_string_value(
				json_object_get(json_object_get(payload, "reporter"), "org")),
			"external_id", key));
	if (json_object_get(payload, "language") != NULL) {
		json_object_set(object, "lang", json_object_get(payload, "language"));
	}
	if (json_object_get(payload, "confidence") != NULL) {
		json_object_set(object, "confidence", json_object_get(payload, "confidence"));
	}
	return object;
}

static void write_report(struct stix_report *report, const json_t *payload)
{
	const char *org =
		json_string_value(json_object_get(json_object_get(payload, "reporter"), "org"));
	make_id("identity", org, 0, report->reporter);
	report->label = stix_label(json_object_get(payload, "tlp"), STIX_LABELS - 1);
	report->detected_at = json_object_get(json_object_get(payload, "times"), "detected");
	stix_write(report, new_story(report, "incident", payload));
	write_parts(report, payload);
	json_t *object = new_story(report, "report", payload);
	json_object_set_new(object, "published", json_string(report->received_at));
	json_object_set(object, "object_refs", report->refs);
	write_object(report->export, object);
}

/* --- rows --- */

/* Extensions are no part of a bundle, and may hold numbers for which jansson refuses a report. */
static bool append_columns(struct buf *sql, const PGresult *of_report)
{
	(void)of_report;
	return buf_append_str(sql,
		STR("r.id::text, to_char(r.received_at, 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),"
		    " (convert_from(analysis.export_payload(r.id, $1::text), 'UTF8')::jsonb"
		    " - 'extensions'::text)::text"));
}

static bool write_row(struct export *export, const PGresult *row, struct err *err)
{
	json_error_t fault;
	struct stix_report report = {.export = export,
		.id = PQgetvalue(row, 0, 0),
		.received_at = PQgetvalue(row, 0, 1)};
	if (PQgetisnull(row, 0, 2)) {
		export->withheld++;
		return true;
	}
	json_t *payload = json_loadb(
		PQgetvalue(row, 0, 2), (size_t)PQgetlength(row, 0, 2), JSON_ALLOW_NUL, &fault);
	if (payload == NULL) {
		return err_set(err, "report %s cannot be read: %s", report.id, fault.text);
	}
	report.refs = json_array();
	write_report(&report, payload);
	json_decref(report.refs);
	json_decref(payload);
	export->reports++;
	return true;
}

const struct export_form export_stix = {
	.name = "stix",
	.is_binary = true,
	.append_columns = append_columns,
	.begin = begin_bundle,
	.write_reporter = write_reporter,
	.write = write_row,
	.end = end_bundle,
};
