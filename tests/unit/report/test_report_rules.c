// SPDX-License-Identifier: Apache-2.0
#include "judged.h"

struct rule_case {
	const char *patch;
	const char *errors;
	const char *warnings;
};

static void check_cases(void **state, const struct rule_case *cases, size_t count)
{
	struct judged *judged = *state;
	for (size_t i = 0; i < count; i++) {
		const struct report_result *result = judged_changed(judged, cases[i].patch);
		judged_expect(cases[i].patch, judged_errors(judged), cases[i].errors);
		assert_int_equal(
			result->verdict, *cases[i].errors == '\0' ? REPORT_VALID : REPORT_INVALID);
		judged_expect(cases[i].patch, judged_warnings(judged),
			cases[i].warnings == NULL ? "" : cases[i].warnings);
	}
}

#define CHECK(cases) check_cases(state, cases, sizeof(cases) / sizeof((cases)[0]))

static void test_rule_1_taxonomy_in_force(void **state)
{
	static const struct rule_case cases[] = {
		{"{}", "", NULL},
		{"{\"taxonomy\":{\"version\":\"1.99999.0\"}}", "", NULL},
		{"{\"taxonomy\":{\"version\":\"2.0.0\"}}", "/taxonomy/version taxonomy-version",
			NULL},
		{"{\"taxonomy\":{\"version\":\"10.0.0\"}}", "/taxonomy/version taxonomy-version",
			NULL},
		{"{\"taxonomy\":{\"version\":\"0.1.0\"}}", "/taxonomy/version taxonomy-version",
			NULL},
		{"{\"taxonomy\":{\"version\":\"1.0\"}}", "/taxonomy/version too-short", NULL},
		{"{\"taxonomy\":{\"id\":\"digital-solidarity\"}}", "/taxonomy/id taxonomy-id",
			NULL},
		{"{\"taxonomy\":{\"id\":7}}", "/taxonomy/id type", NULL},
	};
	CHECK(cases);
}

static void test_rule_2_areas_of_the_categories(void **state)
{
	static const struct rule_case cases[] = {
		{"{\"category\":\"ransomware\",\"action_areas\":[\"AA3\",\"AA1\"]}",
			"/action_areas/1 area-not-allowed", NULL},
		/* The first one is measured by the category alone. */
		{"{\"category\":\"ransomware\",\"additional_categories\":[\"cable-damage\"],"
		 "\"action_areas\":[\"AA1\",\"AA3\"]}",
			"/action_areas/0 area-not-allowed", NULL},
		{"{\"category\":\"ransomware\",\"additional_categories\":[\"cable-damage\"],"
		 "\"action_areas\":[\"AA3\",\"AA1\"]}",
			"", NULL},
		/* Which areas a misspelt category allows is not known. */
		{"{\"category\":\"ransomware\",\"additional_categories\":[\"cable-damagee\"],"
		 "\"action_areas\":[\"AA3\",\"AA1\"]}",
			"/additional_categories/0 value-unknown", NULL},
		{"{\"category\":\"ransomwar\",\"action_areas\":[\"AA1\"]}",
			"/category value-unknown", NULL},
		{"{\"category\":\"ransomware\",\"action_areas\":[\"AA4\"]}", "",
			"/action_areas area-primary-missing"},
	};
	CHECK(cases);
}

static void test_rule_3_labels_are_strict_enough(void **state)
{
	static const struct rule_case cases[] = {
		{"{\"tlp\":\"TLP:CLEAR\"}", "/tlp tlp-too-open", NULL},
		{"{\"tlp\":\"TLP:RED\"}", "", NULL},
		{"{\"category\":\"assistance-request\",\"tlp\":\"TLP:CLEAR\"}", "", NULL},
		{"{\"category\":\"assistance-request\",\"tlp\":\"TLP:CLEAR\","
		 "\"additional_categories\":[\"harassment\"]}",
			"/tlp tlp-too-open", NULL},
		{"{\"tlp\":\"TLP:AMBER\",\"indicators\":[{\"type\":\"other\",\"value\":\"a\","
		 "\"role\":\"source\",\"tlp\":\"TLP:AMBER\"},{\"type\":\"other\",\"value\":\"b\","
		 "\"role\":\"source\",\"tlp\":\"TLP:GREEN\"}],\"attachments\":[{\"name\":\"a\","
		 "\"media_type\":\"text/"
		 "plain\",\"size\":1,\"sha256\":\"0000000000000000000000000000"
		 "000000000000000000000000000000000000\",\"tlp\":\"TLP:CLEAR\"}]}",
			"/indicators/1/tlp tlp-looser, /attachments/0/tlp tlp-looser", NULL},
	};
	CHECK(cases);
}

static void test_rule_4_victims_are_protected(void **state)
{
	static const struct rule_case cases[] = {
		{"{\"category\":\"harassment\",\"action_areas\":[\"AA2\"],\"tlp\":\"TLP:AMBER\","
		 "\"victims\":[{\"kind\":\"individual\",\"name\":\"A\"},{\"kind\":\"group\","
		 "\"name\":\"B\"},{\"kind\":\"organisation\",\"name\":\"C\"},"
		 "{\"kind\":\"individual\"},{\"kind\":\"population\",\"name\":\"D\"}]}",
			"/victims/0/name victim-named, /victims/1/name victim-named", NULL},
		{"{\"victims\":[{\"kind\":\"individual\",\"name\":\"A\"}]}", "", NULL},
		{"{\"category\":\"intimate-image-abuse\",\"tlp\":\"TLP:RED\",\"attachments\":[{"
		 "\"name\":\"a\",\"media_type\":\"text/"
		 "plain\",\"size\":1,\"sha256\":\"0000000000000"
		 "000000000000000000000000000000000000000000000000000\"}]}",
			"/attachments attachments-refused", NULL},
		{"{\"category\":\"intimate-image-abuse\",\"tlp\":\"TLP:RED\",\"attachments\":[]}",
			"", NULL},
	};
	CHECK(cases);
}

static void test_rule_5_no_category_twice(void **state)
{
	static const struct rule_case cases[] = {
		{"{\"additional_categories\":[\"phishing\",\"business-email-compromise\"]}",
			"/additional_categories/1 category-repeated", NULL},
		{"{\"additional_categories\":[\"phishing\",\"phishing\"]}",
			"/additional_categories not-unique", NULL},
		{"{\"additional_categories\":[\"phishing\",\"spam\"]}", "", NULL},
	};
	CHECK(cases);
}

static void test_rule_6_times(void **state)
{
	static const struct rule_case cases[] = {
		{"{\"times\":{\"detected\":\"2026-02-30T00:00:00Z\"}}",
			"/times/detected time-format", NULL},
		{"{\"times\":{\"detected\":\"2026-11-20 10:15:00Z\"}}",
			"/times/detected time-format", NULL},
		{"{\"times\":{\"detected\":1}}", "/times/detected type", NULL},
		{"{\"times\":{\"started\":\"2026-11-20T10:15:00Z\"}}", "", NULL},
		{"{\"times\":{\"started\":\"2026-11-20T10:15:00.000001Z\"}}",
			"/times/detected time-order", NULL},
		{"{\"times\":{\"reported\":\"2026-11-20T10:14:59Z\"}}",
			"/times/reported time-order", NULL},
		{"{\"times\":{\"started\":\"2026-11-20T10:00:00Z\",\"contained\":"
		 "\"2026-11-20T09:59:59Z\",\"ended\":\"2026-11-20T10:00:00Z\",\"recovered\":"
		 "\"2026-11-20T11:59:59+02:00\"}}",
			"/times/contained time-order, /times/recovered time-order", NULL},
		/* Five minutes ahead at most, where the past is meant. */
		{"{\"times\":{\"detected\":\"2026-11-20T12:05:00Z\"}}", "", NULL},
		{"{\"times\":{\"detected\":\"2026-11-20T12:05:00.000001Z\"}}",
			"/times/detected time-future", NULL},
		{"{\"times\":{\"started\":\"2027-01-01T00:00:00Z\",\"reported\":"
		 "\"2027-01-01T00:00:00Z\"}}",
			"/times/detected time-order, /times/started time-future, "
			"/times/reported time-future",
			NULL},
		{"{\"times\":{\"contained\":\"2027-01-01T00:00:00Z\",\"ended\":"
		 "\"2027-01-01T00:00:00Z\",\"recovered\":\"2027-01-01T00:00:00Z\"},\"sharing\":{"
		 "\"embargo_until\":\"2199-12-31T00:00:00Z\"},\"legal\":{\"preserve_until\":"
		 "\"2027-01-01T00:00:00Z\"}}",
			"", NULL},
		{"{\"sharing\":{\"embargo_until\":\"2200-01-01T00:00:00Z\"}}",
			"/sharing/embargo_until time-format", NULL},
		{"{\"indicators\":[{\"type\":\"other\",\"value\":\"a\",\"role\":\"source\","
		 "\"first_seen\":\"2001-01-02T00:00:00Z\",\"last_seen\":\"2001-01-01T00:00:00Z\"},"
		 "{\"type\":\"other\",\"value\":\"a\",\"role\":\"source\",\"first_seen\":"
		 "\"2027-01-02T00:00:00Z\",\"last_seen\":\"2027-01-02T00:00:00Z\"}]}",
			"/indicators/0/last_seen time-order, /indicators/1/first_seen time-future, "
			"/indicators/1/last_seen time-future",
			NULL},
	};
	CHECK(cases);
}

static void test_rule_7_indicators(void **state)
{
	static const struct rule_case cases[] = {
		{"{\"indicators\":[{\"type\":\"ipv4\",\"value\":\"8.8.8\",\"role\":\"source\"}]}",
			"/indicators/0/value indicator-value", NULL},
		{"{\"indicators\":[{\"type\":\"domain\",\"value\":\"a[.]example\",\"role\":"
		 "\"source\"}]}",
			"/indicators/0/value indicator-defanged", NULL},
		{"{\"indicators\":[{\"type\":\"ipv4\",\"value\":\"10.0.0.1\",\"role\":\"source\"}]"
		 "}",
			"", "/indicators/0/value address-special"},
		/* The value is not measured by a type that is wrong itself. */
		{"{\"indicators\":[{\"type\":\"ipv5\",\"value\":\"8.8.8\",\"role\":\"source\"}]}",
			"/indicators/0/type value-unknown", NULL},
		{"{\"indicators\":[{\"type\":\"other\",\"value\":\"a\",\"role\":\"source\"},"
		 "{\"type\":\"other\",\"value\":\"b\",\"role\":\"source\"},"
		 "{\"role\":\"source\",\"value\":\"a\",\"type\":\"other\"}]}",
			"", "/indicators/2 element-repeated"},
		{"{\"indicators\":[{\"type\":\"other\",\"value\":\"a\",\"role\":\"source\"},"
		 "{\"type\":\"other\",\"value\":\"a\",\"role\":\"target\"}]}",
			"", NULL},
	};
	CHECK(cases);
}

static void test_rule_8_a_test_report_is_an_exercise(void **state)
{
	static const struct rule_case cases[] = {
		{"{\"category\":\"test-report\",\"exercise\":true}", "", NULL},
		{"{\"category\":\"test-report\",\"exercise\":false}", "/exercise exercise-expected",
			NULL},
		{"{\"category\":\"test-report\"}", " exercise-expected exercise", NULL},
		{"{\"category\":\"test-report\",\"exercise\":1}", "/exercise type", NULL},
		{"{\"additional_categories\":[\"test-report\"]}", " exercise-expected exercise",
			NULL},
		{"{\"exercise\":true}", "", NULL},
	};
	CHECK(cases);
}

static void test_rule_9_text(void **state)
{
	static const struct rule_case cases[] = {
		{"{\"narrative\":\"a\\tb\\nc\\r\\nd\"}", "", NULL},
		{"{\"narrative\":\"a\\rb\"}", "/narrative text-forbidden", NULL},
		{"{\"title\":\"a\\nb\"}", "/title text-forbidden", NULL},
		{"{\"title\":\"a\\u007fb\"}", "/title text-forbidden", NULL},
		{"{\"title\":\"a\\u009fb\"}", "/title text-forbidden", NULL},
		{"{\"title\":\"a\\u00a0b\"}", "", NULL},
		{"{\"title\":\"a\\u202eb\"}", "/title text-forbidden", NULL},
		{"{\"title\":\"a\\ufdd0\"}", "/title text-forbidden", NULL},
		{"{\"title\":\"a\\ud83f\\udffe\"}", "/title text-forbidden", NULL},
		{"{\"severity\":{\"rationale\":\"a\\nb\"},\"actor\":{\"kind\":\"unknown\","
		 "\"basis\":"
		 "\"a\\nb\"},\"assistance\":{\"requested\":false,\"note\":\"a\\nb\"},"
		 "\"indicators\":[{"
		 "\"type\":\"other\",\"value\":\"a\",\"role\":\"source\",\"note\":\"a\\nb\"}]}",
			"", NULL},
		{"{\"extensions\":{\"x.example\":{\"a\":[\"b\\u202e\"],\"c\\u0001\":1,"
		 "\"note\":\"a\\nb\",\"other\":\"a\\nb\"}}}",
			"/extensions/x.example/a/0 text-forbidden, "
			"/extensions/x.example/c\001 text-forbidden, "
			"/extensions/x.example/other text-forbidden",
			NULL},
		{"{\"indicators\":[{\"type\":\"file-name\",\"value\":\"a\\u202eb\",\"role\":"
		 "\"source\"},{\"type\":\"phone\",\"value\":\"a\\u202eb\",\"role\":\"source\"},"
		 "{\"type\":\"file-name\",\"value\":\"a\\u0001\",\"role\":\"source\"}]}",
			"/indicators/1/value text-forbidden, /indicators/2/value text-forbidden",
			"/indicators/0/value text-suspicious"},
	};
	CHECK(cases);
}

static void test_rule_10_numbers(void **state)
{
	struct judged *judged = *state;
	static const struct {
		const char *number;
		const char *as_level;
		const char *as_extension;
	} cases[] = {
		{"3", "", ""},
		{"-0", "", ""},
		{"3.0", "/severity/level not-integer", ""},
		{"3e0", "/severity/level not-integer", ""},
		{"-1", "/severity/level too-small", ""},
		{"9007199254740991", "/severity/level too-large", ""},
		{"9007199254740992", "/severity/level too-large", "number-range"},
		{"-9007199254740991", "/severity/level too-small", ""},
		{"-9007199254740992", "/severity/level too-small", "number-range"},
		{"9223372036854775808", "/severity/level too-large", "number-range"},
		{"-9223372036854775809", "/severity/level too-small", "number-range"},
		{"1e300", "/severity/level not-integer", ""},
		{"1e301", "/severity/level not-integer", "number-range"},
		{"1e-300", "/severity/level not-integer", ""},
		{"1e-301", "/severity/level not-integer", "number-range"},
		{"1e41", "/severity/level not-integer", ""},
		{"1E400", "/severity/level not-integer", "number-range"},
		{"99999999999999999999e300", "/severity/level not-integer", ""},
		{"0.12345678901234567890123456789012345678", "/severity/level not-integer", ""},
		{"0.123456789012345678901234567890123456789", "/severity/level not-integer",
			"number-range"},
		{"-0.1234567890123456789012345678901234567", "/severity/level not-integer", ""},
		{"-0.12345678901234567890123456789012345678", "/severity/level not-integer",
			"number-range"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char body[2048];
		const char *tail = strstr(JUDGED_SMALLEST, "1}}");
		snprintf(body, sizeof(body), "%.*s%s}}", (int)(tail - JUDGED_SMALLEST),
			JUDGED_SMALLEST, cases[i].number);
		judged_text(judged, body);
		judged_expect(cases[i].number, judged_errors(judged), cases[i].as_level);

		char expected[128] = "";
		snprintf(body, sizeof(body), "%.*s1},\"extensions\":{\"x.example\":[%s]}}",
			(int)(tail - JUDGED_SMALLEST), JUDGED_SMALLEST, cases[i].number);
		judged_text(judged, body);
		if (*cases[i].as_extension != '\0') {
			snprintf(expected, sizeof(expected), "/extensions/x.example/0 %s",
				cases[i].as_extension);
		}
		judged_expect(cases[i].number, judged_errors(judged), expected);
	}
}

/* The smallest report with one extension of so many bytes, spaces in front included or not. */
static char *with_extension(size_t value_len, const char *padding)
{
	size_t head_len = sizeof(JUDGED_SMALLEST) - 2;
	char *body = calloc(1, head_len + value_len + 256);
	assert_non_null(body);
	memcpy(body, JUDGED_SMALLEST, head_len);
	char *at = body + head_len;
	at += sprintf(at, ",\"\\u0065xtensions\" : {\"a.example\":\"}]\\\"{\", \"x.example\" :%s",
		padding);
	at[0] = '"';
	memset(at + 1, 'y', value_len - 2);
	memcpy(at + value_len - 1, "\" } }", 5);
	return body;
}

static void test_rule_11_extensions_are_measured_as_sent(void **state)
{
	struct judged *judged = *state;
	static const struct {
		size_t len;
		const char *errors;
	} cases[] = {
		{16384, ""},
		{16385, "/extensions/x.example extension-too-large"},
	};
	for (size_t i = 0; i < 2; i++) {
		char *body = with_extension(cases[i].len, "  \n ");
		judged_text(judged, body);
		assert_string_equal(judged_errors(judged), cases[i].errors);
		free(body);
	}
}

static void test_a_reporter_has_to_be_the_partners_own(void **state)
{
	struct judged *judged = *state;
	const struct str organisations[] = {STR("police.example.org"), STR("cert.example.org")};
	judged->rules.may_relay = false;
	judged->rules.organisations = organisations;
	judged->rules.organisation_count = 2;
	judged_changed(judged, "{}");
	assert_string_equal(judged_errors(judged), "");
	judged->rules.organisation_count = 1;
	judged_changed(judged, "{}");
	assert_string_equal(judged_errors(judged), "/reporter/org reporter-not-yours");
	judged->rules.may_relay = true;
	judged_changed(judged, "{}");
	assert_string_equal(judged_errors(judged), "");
}

static void test_unusual_rsit_codes_are_warned_of(void **state)
{
	static const struct rule_case cases[] = {
		{"{\"category\":\"spam\",\"rsit\":[\"abusive-content/spam\",\"other/other\"],"
		 "\"action_areas\":[\"AA1\"]}",
			"", "/rsit/1 rsit-unusual"},
		{"{\"category\":\"spam\",\"additional_categories\":[\"test-report\"],\"exercise\":"
		 "true,"
		 "\"rsit\":[\"test/test\"],\"action_areas\":[\"AA1\"]}",
			"", NULL},
	};
	CHECK(cases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule_1_taxonomy_in_force),
		cmocka_unit_test(test_rule_2_areas_of_the_categories),
		cmocka_unit_test(test_rule_3_labels_are_strict_enough),
		cmocka_unit_test(test_rule_4_victims_are_protected),
		cmocka_unit_test(test_rule_5_no_category_twice),
		cmocka_unit_test(test_rule_6_times),
		cmocka_unit_test(test_rule_7_indicators),
		cmocka_unit_test(test_rule_8_a_test_report_is_an_exercise),
		cmocka_unit_test(test_rule_9_text),
		cmocka_unit_test(test_rule_10_numbers),
		cmocka_unit_test(test_rule_11_extensions_are_measured_as_sent),
		cmocka_unit_test(test_a_reporter_has_to_be_the_partners_own),
		cmocka_unit_test(test_unusual_rsit_codes_are_warned_of),
	};
	return cmocka_run_group_tests(tests, judged_setup, judged_teardown);
}
