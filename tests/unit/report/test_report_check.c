// SPDX-License-Identifier: Apache-2.0
#include "judged.h"

#include "../../../daemon/report/report_fields_int.h"

static char *read_example(const char *name, size_t *len_out)
{
	char path[512];
	static char text[65536];
	snprintf(path, sizeof(path), SOURCE_DIR "/tests/data/examples/%s.json", name);
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	*len_out = fread(text, 1, sizeof(text), file);
	fclose(file);
	return text;
}

static void assert_str(struct str found, const char *expected)
{
	assert_int_equal(found.len, strlen(expected));
	assert_memory_equal(found.data, expected, found.len);
}

static void assert_list(struct str_list list, const char *expected)
{
	char line[1024] = "";
	for (size_t i = 0; i < list.count; i++) {
		snprintf(line + strlen(line), sizeof(line) - strlen(line), "%s%.*s",
			i == 0 ? "" : " ", STR_ARG(list.items[i]));
	}
	assert_string_equal(line, expected);
}

static void test_the_smallest_report_is_valid_and_its_absent_fields_are_absent(void **state)
{
	struct judged *judged = *state;
	const struct report_result *result = judged_text(judged, JUDGED_SMALLEST);
	const struct report *report = &result->report;
	assert_int_equal(result->verdict, REPORT_VALID);
	assert_int_equal(result->error_count + result->warning_count, 0);
	assert_str(report->report_id, "2026-000001");
	assert_int_equal(report->revision, 1);
	assert_int_equal(report->tlp, TLP_GREEN);
	assert_int_equal(report->tlp_strictest, TLP_GREEN);
	assert_str(report->category->code, "business-email-compromise");
	assert_list(report->action_areas, "AA4");
	assert_int_equal(report->detected_us, INT64_C(1795169700000000));
	assert_int_equal(report->severity, 1);
	assert_null(report->language.data);
	assert_null(report->pap.data);
	assert_null(report->status.data);
	assert_null(report->loss_amount.data);
	assert_null(report->actor_name.data);
	assert_int_equal(report->started_us, REPORT_NO_TIME);
	assert_int_equal(report->embargo_until_us, REPORT_NO_TIME);
	assert_int_equal(report->score, REPORT_NO_NUMBER);
	assert_int_equal(report->people_affected, REPORT_NO_NUMBER);
	assert_list(report->rsit, "fraud/masquerade");
	assert_int_equal(report->indicator_count + report->countries.count, 0);
	assert_false(report->has_assistance);
	assert_false(report->is_critical);
	assert_str(result->key_report_id, "2026-000001");
	assert_int_equal(result->key_revision, 1);
}

static void test_every_field_of_an_example_is_filled(void **state)
{
	struct judged *judged = *state;
	size_t len;
	char *text = read_example("ransomware-hospital", &len);
	const struct report_result *result = judged_bytes(judged, text, len);
	const struct report *report = &result->report;
	assert_int_equal(result->verdict, REPORT_VALID);
	assert_int_equal(report->revision, 2);
	assert_int_equal(result->key_revision, 2);
	assert_str(report->reporter_org, "cert.nordhaven.example.org");
	assert_str(report->taxonomy_version, "1.0.0");
	assert_str(report->language, "en");
	assert_int_equal(report->tlp, TLP_AMBER);
	assert_int_equal(report->tlp_strictest, TLP_AMBER_STRICT);
	assert_str(report->pap, "PAP:AMBER");
	assert_str(report->sharing_law_enforcement, "yes");
	assert_list(report->sharing_audience,
		"cert.southisle.example.org police.nordhaven.example.org");
	assert_list(report->additional_categories,
		"critical-infrastructure-disruption personal-data-breach");
	assert_list(report->action_areas, "AA3 AA4 AA2");
	assert_int_equal(report->rsit.count, 3);
	assert_str(report->determination, "confirmed");
	assert_str(report->status, "contained");
	assert_true(report->is_critical);
	assert_false(report->is_exercise);
	assert_int_equal(report->contained_us - report->reported_us,
		INT64_C(1000000) * 60 * (5 * 60 + 25 - 60));
	assert_int_equal(report->score, 83);
	assert_int_equal(report->confidence, 90);
	assert_list(report->countries, "XA");
	assert_list(report->sectors, "health household");
	assert_int_equal(report->people_affected, 61000);
	assert_str(report->loss_amount, "1250000.00");
	assert_str(report->loss_currency, "EUR");
	assert_str(report->actor_kind, "criminal");
	assert_str(report->actor_name, "Paper Lantern (fictional)");
	assert_list(report->malware, "lantern-locker (fictional)");
	assert_true(report->has_assistance && report->assistance_requested);
	assert_str(report->law_enforcement_notified, "yes");

	assert_int_equal(report->indicator_count, 8);
	const struct report_indicator *first = &report->indicators[0];
	static const uint8_t address[16] = {192, 0, 2, 45};
	assert_str(first->type, "ipv4");
	assert_str(first->role, "source");
	assert_str(first->protocol, "tcp");
	assert_int_equal(first->port, 443);
	assert_int_equal(first->confidence, 95);
	assert_int_equal(first->tlp, TLP_AMBER);
	assert_int_equal(first->address_family, 4);
	assert_int_equal(first->prefix_len, 32);
	assert_memory_equal(first->address, address, sizeof(address));
	assert_int_equal(report->indicators[2].last_seen_us, REPORT_NO_TIME);
	assert_int_equal(report->indicators[2].address_family, 0);
	assert_int_equal(report->indicators[4].address_family, 6);
	assert_int_equal(report->indicators[4].prefix_len, 128);
	assert_int_equal(report->indicators[7].tlp, TLP_AMBER_STRICT);
}

static void test_the_strictest_label_counts_contacts_and_protected_victims(void **state)
{
	struct judged *judged = *state;
	judged_changed(judged, "{\"reporter\":{\"contact_phone\":\"123\"}}");
	assert_int_equal(judged->result.report.tlp_strictest, TLP_AMBER_STRICT);
	judged_changed(judged, "{\"victims\":[{\"kind\":\"group\",\"protected\":false}]}");
	assert_int_equal(judged->result.report.tlp_strictest, TLP_GREEN);
	judged_changed(judged, "{\"victims\":[{\"kind\":\"group\",\"protected\":true}]}");
	assert_int_equal(judged->result.report.tlp_strictest, TLP_AMBER_STRICT);
	judged_changed(judged, "{\"tlp\":\"TLP:RED\",\"reporter\":{\"contact_phone\":\"123\"}}");
	assert_int_equal(judged->result.report.tlp_strictest, TLP_RED);
}

static void test_equal_indicators_are_stored_once(void **state)
{
	struct judged *judged = *state;
	judged_changed(judged,
		"{\"indicators\":[{\"type\":\"asn\",\"value\":\"AS1\",\"role\":\"source\"},"
		"{\"value\":\"AS1\",\"type\":\"asn\",\"role\":\"source\"},"
		"{\"type\":\"cidr\",\"value\":\"2001:db8::/32\",\"role\":\"source\"}]}");
	const struct report *report = &judged->result.report;
	assert_int_equal(report->indicator_count, 2);
	assert_str(report->indicators[1].type, "cidr");
	assert_int_equal(report->indicators[1].prefix_len, 32);
	assert_string_equal(judged_warnings(judged),
		"/indicators/1 element-repeated, /indicators/2/value address-special");
}

static void test_schema_errors_come_in_document_order(void **state)
{
	struct judged *judged = *state;
	judged_text(judged,
		"{\"tlp\":\"AMBER\",\"severity\":{\"level\":9,\"rationale\":\"\"},\"unknown\":{"
		"\"a\":1},"
		"\"action_areas\":[],\"times\":{\"ended\":1},\"extensions\":{\"Bad\":1},\"title\":["
		"],"
		"\"rsit\":[\"test/test\",\"test/test\",\"nothing\"],\"reporter\":{\"org\":\"x\"},"
		"\"schema\":\"other\",\"exercise\":\"true\",\"victims\":{}}");
	assert_string_equal(judged_errors(judged),
		" member-missing taxonomy,  member-missing report_id,  member-missing category, "
		" member-missing narrative, /tlp value-unknown, /severity/level too-large, "
		"/severity/rationale too-short, /unknown member-unknown, /action_areas too-few, "
		"/times member-missing detected, /times/ended type, /extensions/Bad format, "
		"/title type, /rsit not-unique, /rsit/2 value-unknown, /reporter/org too-short, "
		"/schema value-unknown, /exercise type, /victims type");
}

static void test_rules_and_schema_errors_are_merged(void **state)
{
	struct judged *judged = *state;
	judged_text(judged,
		"{\"times\":{\"started\":\"2027-01-01T00:00:00Z\",\"detected\":"
		"\"2026-11-20T10:15:00Z\",\"ended\":1},\"tlp\":\"TLP:CLEAR\",\"title\":\"\","
		"\"category\":\"test-report\",\"action_areas\":[\"AA4\"],\"additional_categories\":"
		"["
		"\"phishing\",\"test-report\",\"ransomware\"],\"severity\":{}}");
	assert_string_equal(judged_errors(judged),
		" member-missing schema,  member-missing taxonomy,  member-missing report_id, "
		" member-missing reporter,  member-missing narrative,  exercise-expected exercise, "
		"/times/started time-future, /times/detected time-order, /times/ended type, "
		"/tlp tlp-too-open, /title too-short, /additional_categories/1 category-repeated, "
		"/severity member-missing level");
}

/* As JSON has it, whatever type was expected. */
static void test_elements_of_a_wrong_type_are_repeated_too(void **state)
{
	struct judged *judged = *state;
	judged_changed(judged, "{\"action_areas\":[7,\"AA4\",7.0]}");
	assert_string_equal(judged_errors(judged),
		"/action_areas not-unique, /action_areas/0 type, /action_areas/2 type");
	judged_changed(judged, "{\"action_areas\":[7,\"AA4\",{}]}");
	assert_string_equal(judged_errors(judged), "/action_areas/0 type, /action_areas/2 type");
}

static void test_pointers_name_members_as_sent(void **state)
{
	struct judged *judged = *state;
	char body[1024];
	/* 65 code points: one is cut. */
	char name[256] = "";
	for (int i = 0; i < 65; i++) {
		strcat(name, "\xc3\xbc");
	}
	snprintf(body, sizeof(body), "{\"severity\":{\"level\":1,\"a/b~c\":1,\"%s\":2}}", name);
	judged_changed(judged, body);
	name[128] = '\0';
	snprintf(body, sizeof(body),
		"/severity/a~1b~0c member-unknown, /severity/%s member-unknown", name);
	assert_string_equal(judged_errors(judged), body);
}

static void test_at_most_a_hundred_errors_are_given_the_first_ones(void **state)
{
	struct judged *judged = *state;
	static const int counts[] = {98, 99, 100, 250, 2000};
	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		json_t *base = json_loads(JUDGED_SMALLEST, 0, NULL);
		json_t *countries = json_array();
		for (int i = 0; i < counts[c]; i++) {
			json_array_append_new(countries, json_integer(i));
		}
		json_object_set_new(base, "impact", json_pack("{s:o}", "countries", countries));
		/* The label stands before the impact, what a rule finds too. */
		judged_changed_from(judged, base, "{\"tlp\":\"TLP:CLEAR\"}");
		size_t expected = counts[c] < 99 ? 99 : 100;
		const struct report_finding *errors = judged->result.errors;
		assert_int_equal(judged->result.error_count, expected);
		assert_str(errors[0].pointer, "/tlp");
		assert_str(errors[1].pointer,
			counts[c] > 250 ? "/impact/countries" : "/impact/countries/0");
		assert_str(errors[98].pointer,
			counts[c] > 250 ? "/impact/countries/96" : "/impact/countries/97");
	}
}

static void test_codes_are_suggested_and_listed(void **state)
{
	struct judged *judged = *state;
	static const struct {
		const char *patch;
		const char *suggestion;
		size_t allowed;
	} cases[] = {
		{"{\"category\":\"ransomwear\"}", "ransomware", 49},
		{"{\"category\":\"Phishing\"}", "phishing", 49},
		{"{\"category\":\"nothing of the kind\"}", "", 49},
		{"{\"tlp\":\"tlp:amber\"}", "TLP:AMBER", 5},
		{"{\"tlp\":3}", "", 5},
		{"{\"pap\":\"PAP:REDD\"}", "PAP:RED", 4},
		{"{\"rsit\":[\"fraud/fishing\"]}", "fraud/phishing", 39},
		{"{\"sevrity\":1}", "severity", 0},
		{"{\"severity\":{\"Score\":1}}", "score", 0},
		{"{\"taxonomy\":{\"id\":\"x\"}}", "", 1},
		{"{\"category\":\"ransomware\",\"action_areas\":[\"AA1\"]}", "", 0},
		{"{\"times\":{\"detected\":\"x\"}}", "", 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct report_finding *error = judged_changed(judged, cases[i].patch)->errors;
		assert_true(judged->result.error_count >= 1);
		assert_str(error->did_you_mean, cases[i].suggestion);
		if (error->code == REPORT_CODE_AREA_NOT_ALLOWED) {
			assert_list(error->allowed, "AA3 AA4");
		} else {
			assert_int_equal(error->allowed.count, cases[i].allowed);
		}
	}
}

static void test_the_key_is_read_from_a_refused_report(void **state)
{
	struct judged *judged = *state;
	static const struct {
		const char *patch;
		const char *report_id;
		int revision;
	} cases[] = {
		{"{\"tlp\":\"x\"}", "2026-000001", 1},
		{"{\"tlp\":\"x\",\"revision\":7}", "2026-000001", 7},
		{"{\"revision\":0}", NULL, 0},
		{"{\"revision\":1.0}", NULL, 0},
		{"{\"revision\":1000001}", NULL, 0},
		{"{\"report_id\":null}", NULL, 0},
		{"{\"report_id\":\"-\"}", NULL, 0},
		{"{\"report_id\":[\"a\"]}", NULL, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct report_result *result = judged_changed(judged, cases[i].patch);
		assert_int_equal(result->verdict, REPORT_INVALID);
		if (cases[i].report_id == NULL) {
			assert_null(result->key_report_id.data);
		} else {
			assert_str(result->key_report_id, cases[i].report_id);
			assert_int_equal(result->key_revision, cases[i].revision);
		}
	}
}

static void test_any_json_value_is_judged(void **state)
{
	struct judged *judged = *state;
	static const char *const bodies[] = {"[]", "1", " \"x\" ", "null", "-1e400", "[[1],2]"};
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		judged_text(judged, bodies[i]);
		assert_int_equal(judged->result.verdict, REPORT_INVALID);
		judged_expect(bodies[i], judged_errors(judged), " type");
	}
}

static void test_every_prefix_is_refused_as_no_json(void **state)
{
	struct judged *judged = *state;
	size_t len;
	char *text = read_example("transnational-repression-reporter", &len);
	while (len > 0 && text[len - 1] != '}') {
		len--;
	}
	assert_int_equal(judged_bytes(judged, text, len)->verdict, REPORT_VALID);
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(judged_bytes(judged, text, i)->verdict, REPORT_NOT_JSON);
		assert_true(judged->result.detail[0] != '\0');
	}
}

static void test_damaged_bytes_never_crash(void **state)
{
	struct judged *judged = *state;
	size_t len;
	char *text = read_example("cable-damage-island", &len);
	for (size_t i = 0; i < len; i++) {
		char kept = text[i];
		static const char damage[] = {
			'\0', '"', '\\', '{', ']', ',', '9', 'e', '\x80', '\xff'};
		text[i] = damage[i % sizeof(damage)];
		judged_bytes(judged, text, len);
		text[i] = kept;
	}
}

static void test_a_small_arena_is_an_overload_and_not_a_crash(void **state)
{
	struct judged *judged = *state;
	size_t len;
	char *text = read_example("ransomware-hospital", &len);
	struct arena whole = judged->arena;
	int overloads = 0;
	for (size_t max = 0; max < 262144; max += 997) {
		arena_init(&judged->arena, max);
		enum report_verdict verdict = judged_bytes(judged, text, len)->verdict;
		overloads += verdict == REPORT_OVERLOAD;
		assert_true(verdict == REPORT_OVERLOAD || verdict == REPORT_VALID);
		/* Faults cost memory too. */
		text[1] = '\n';
		char *tlp = strstr(text, "TLP:AMBER");
		tlp[0] = 'x';
		verdict = judged_bytes(judged, text, len)->verdict;
		tlp[0] = 'T';
		assert_true(verdict == REPORT_OVERLOAD || verdict == REPORT_INVALID);
		arena_fini(&judged->arena);
	}
	judged->arena = whole;
	assert_true(overloads > 0);
}

/* Errors that found no room are errors: such a report has not what a valid one is read for. */
static void test_a_report_whose_errors_found_no_room_is_not_read(void **state)
{
	static const char text[] = "{\"indicators\":[{\"type\":\"cidr\"},7,{\"value\":\"\"}]}";
	struct judged *judged = *state;
	struct arena whole = judged->arena;
	int overloads = 0;
	for (size_t max = 0; max < 32768; max += 8) {
		arena_init(&judged->arena, max);
		enum report_verdict verdict = judged_text(judged, text)->verdict;
		overloads += verdict == REPORT_OVERLOAD;
		assert_true(verdict == REPORT_OVERLOAD || verdict == REPORT_INVALID);
		assert_null(judged->result.report.category);
		arena_fini(&judged->arena);
	}
	judged->arena = whole;
	assert_true(overloads > 0);
}

/* ---- Every limit of the table, at it and one past it. ---- */

static json_t *make_text(int64_t points)
{
	char *text = calloc(1, (size_t)points * 4 + 1);
	for (int64_t i = 0; i < points; i++) {
		memcpy(text + 4 * i, "\xf0\x9f\x98\x80", 4);
	}
	json_t *value = json_string(text);
	free(text);
	return value;
}

static json_t *make_elements(int64_t count)
{
	json_t *array = json_array();
	for (int64_t i = 0; i < count; i++) {
		char text[16];
		snprintf(text, sizeof(text), "%c%c%d", 'A' + (int)(i / 26 % 26),
			'A' + (int)(i % 26), (int)(i / 676));
		json_array_append_new(array, json_string(text));
	}
	return array;
}

/* The way to a field: names of members, NULL for the element of an array. */
struct way {
	const char *names[8];
	size_t len;
};

static void judge_at(struct judged *judged, json_t *value, const struct way *way)
{
	for (size_t i = way->len; i > 0; i--) {
		if (way->names[i - 1] == NULL) {
			value = json_pack("[o]", value);
		} else {
			value = json_pack("{s:o}", way->names[i - 1], value);
		}
	}
	char *text = json_dumps(value, JSON_COMPACT);
	judged_text(judged, text);
	free(text);
	json_decref(value);
}

static bool has_error(const struct judged *judged, enum report_code code)
{
	for (size_t i = 0; i < judged->result.error_count; i++) {
		if (judged->result.errors[i].code == code) {
			return true;
		}
	}
	return false;
}

struct limit {
	json_t *(*make)(int64_t size);
	enum report_code low;
	enum report_code high;
};

static void check_limit(struct judged *judged, const struct report_field *field,
	const struct way *way, const struct limit *limit)
{
	if (field->min == FIELD_NO_LIMIT) {
		return;
	}
	if (field->min > 0 || field->type == FIELD_INTEGER) {
		judge_at(judged, limit->make(field->min - 1), way);
		assert_true(has_error(judged, limit->low));
	}
	judge_at(judged, limit->make(field->min), way);
	assert_false(has_error(judged, limit->low));
	judge_at(judged, limit->make(field->max), way);
	assert_false(has_error(judged, limit->high));
	judge_at(judged, limit->make(field->max + 1), way);
	assert_true(has_error(judged, limit->high));
}

static json_t *make_integer(int64_t value)
{
	return json_integer(value);
}

/* Returns how many fields were met. */
static size_t check_limits_of(
	struct judged *judged, const struct report_field *field, struct way way)
{
	static const struct limit text = {make_text, REPORT_CODE_TOO_SHORT, REPORT_CODE_TOO_LONG};
	static const struct limit integer = {
		make_integer, REPORT_CODE_TOO_SMALL, REPORT_CODE_TOO_LARGE};
	static const struct limit array = {
		make_elements, REPORT_CODE_TOO_FEW, REPORT_CODE_TOO_MANY};
	size_t met = 1;
	switch (field->type) {
	case FIELD_TEXT:
		check_limit(judged, field, &way, &text);
		return met;
	case FIELD_INTEGER:
		check_limit(judged, field, &way, &integer);
		return met;
	case FIELD_ARRAY:
		check_limit(judged, field, &way, &array);
		way.names[way.len++] = NULL;
		return met + check_limits_of(judged, field->element, way);
	case FIELD_OBJECT:
		for (size_t i = 0; i < field->object->count; i++) {
			struct way inner = way;
			inner.names[inner.len++] = field->object->fields[i].name.data;
			met += check_limits_of(judged, &field->object->fields[i], inner);
		}
		return met;
	default:
		return met;
	}
}

static void test_every_limit_holds_at_it_and_one_past_it(void **state)
{
	assert_true(check_limits_of(*state, &report_field_root, (struct way){.len = 0}) > 100);
}

static void test_extensions_have_ten_members(void **state)
{
	struct judged *judged = *state;
	for (int count = 10; count <= 11; count++) {
		json_t *extensions = json_object();
		for (int i = 0; i < count; i++) {
			char name[32];
			snprintf(name, sizeof(name), "n%d.example", i);
			json_object_set_new(extensions, name, json_null());
		}
		json_t *base = json_loads(JUDGED_SMALLEST, 0, NULL);
		json_object_set_new(base, "extensions", extensions);
		judged_changed_from(judged, base, "{}");
		assert_string_equal(
			judged_errors(judged), count == 10 ? "" : "/extensions too-many");
	}
}

static void test_nesting_and_values_are_limited(void **state)
{
	struct judged *judged = *state;
	static char body[400000];
	for (int depth = 14; depth <= 15; depth++) {
		size_t len = (size_t)sprintf(body,
			"%.*s,\"extensions\":{\"x.example\":", (int)strlen(JUDGED_SMALLEST) - 1,
			JUDGED_SMALLEST);
		memset(body + len, '[', (size_t)depth);
		memset(body + len + depth, ']', (size_t)depth);
		strcpy(body + len + 2 * depth, "}}");
		assert_int_equal(judged_text(judged, body)->verdict,
			depth == 14 ? REPORT_VALID : REPORT_NOT_JSON);
	}
	size_t values = 0;
	for (const char *at = JUDGED_SMALLEST; *at != '\0'; at++) {
		values += *at == '{' || *at == '[' || *at == ',';
	}
	for (size_t over = 0; over <= 1; over++) {
		/* A comma, an object and an array come with the extension. */
		size_t commas = 32768 + over - values - 3;
		size_t len = (size_t)sprintf(body, "%.*s,\"extensions\":{\"x.example\":[0",
			(int)strlen(JUDGED_SMALLEST) - 1, JUDGED_SMALLEST);
		for (size_t i = 0; i < commas; i++) {
			len += (size_t)sprintf(body + len, ",0");
		}
		strcpy(body + len, "]}}");
		judged_text(judged, body);
		assert_int_equal(
			judged->result.verdict, over == 0 ? REPORT_INVALID : REPORT_NOT_JSON);
		assert_string_equal(judged_errors(judged),
			over == 0 ? "/extensions/x.example extension-too-large" : "");
	}
}

static void test_findings_are_rendered_without_what_was_sent(void **state)
{
	struct judged *judged = *state;
	struct buf out;
	buf_init(&out, 65536);
	judged_changed(judged,
		"{\"tlp\":\"TLP:AMBRE\",\"times\":{\"detected\":null},"
		"\"title\":\"\",\"sev\\\"\\u0001\":1}");
	assert_true(
		report_findings_render(&out, judged->result.errors, judged->result.error_count));
	assert_true(buf_append(&out, "", 1));
	assert_string_equal(out.data,
		"[{\"pointer\":\"/tlp\",\"code\":\"value-unknown\",\"detail\":\"the value is not "
		"one of "
		"those allowed\",\"allowed\":[\"TLP:CLEAR\",\"TLP:GREEN\",\"TLP:AMBER\","
		"\"TLP:AMBER+STRICT\",\"TLP:RED\"],\"did_you_mean\":\"TLP:AMBER\"},"
		"{\"pointer\":\"/title\",\"code\":\"too-short\",\"detail\":\"at least one "
		"character is "
		"expected\"},"
		"{\"pointer\":\"/times\",\"code\":\"member-missing\",\"detail\":\"a required "
		"member is "
		"missing\",\"member\":\"detected\"},"
		"{\"pointer\":\"/sev\\\"\\u0001\",\"code\":\"member-unknown\",\"detail\":\"no such "
		"member is defined here\"}]");
	buf_clear(&out);
	assert_true(report_findings_render(&out, NULL, 0));
	assert_int_equal(out.len, 2);
	buf_fini(&out);
}

static void test_every_code_has_its_text_once(void **state)
{
	(void)state;
	for (int i = 0; i < REPORT_CODE_COUNT; i++) {
		const char *text = report_code_text((enum report_code)i);
		assert_true(strlen(text) >= 4);
		for (int j = 0; j < i; j++) {
			assert_string_not_equal(text, report_code_text((enum report_code)j));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_the_smallest_report_is_valid_and_its_absent_fields_are_absent),
		cmocka_unit_test(test_every_field_of_an_example_is_filled),
		cmocka_unit_test(test_the_strictest_label_counts_contacts_and_protected_victims),
		cmocka_unit_test(test_equal_indicators_are_stored_once),
		cmocka_unit_test(test_schema_errors_come_in_document_order),
		cmocka_unit_test(test_rules_and_schema_errors_are_merged),
		cmocka_unit_test(test_elements_of_a_wrong_type_are_repeated_too),
		cmocka_unit_test(test_pointers_name_members_as_sent),
		cmocka_unit_test(test_at_most_a_hundred_errors_are_given_the_first_ones),
		cmocka_unit_test(test_codes_are_suggested_and_listed),
		cmocka_unit_test(test_the_key_is_read_from_a_refused_report),
		cmocka_unit_test(test_any_json_value_is_judged),
		cmocka_unit_test(test_every_prefix_is_refused_as_no_json),
		cmocka_unit_test(test_damaged_bytes_never_crash),
		cmocka_unit_test(test_a_small_arena_is_an_overload_and_not_a_crash),
		cmocka_unit_test(test_a_report_whose_errors_found_no_room_is_not_read),
		cmocka_unit_test(test_every_limit_holds_at_it_and_one_past_it),
		cmocka_unit_test(test_extensions_have_ten_members),
		cmocka_unit_test(test_nesting_and_values_are_limited),
		cmocka_unit_test(test_findings_are_rendered_without_what_was_sent),
		cmocka_unit_test(test_every_code_has_its_text_once),
	};
	return cmocka_run_group_tests(tests, judged_setup, judged_teardown);
}
