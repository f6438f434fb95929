// SPDX-License-Identifier: Apache-2.0
/*
 * "Who is speaking" of the partner interface: names, enrolled keys, revocation, suspension.
 */
#include "registry_int.h"

#include "samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum {
	ID,
	NAME,
	ORGANISATIONS,
	MAY_RELAY,
	IS_LIVE,
	IS_SUSPENDED,
	KEYS,
	REVOKED_KEYS,
	CONNECTIONS,
	REPORTS_IN_FLIGHT,
	REPORTS_PER_S,
	REPORTS_BURST,
	BYTES_PER_S,
	BYTES_BURST,
	COLUMNS
};

#define KEY(digit) \
#digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit #digit

/* In the order of a collation that is not that of the bytes. What is left out is null. */
static const char *const rows[][COLUMNS] = {
	{"1", "plain", "plain.example", "f", "t", "f", "", ""},
	{"2", "pinned", "a.example b.example", "f", "t", "f", KEY(11) " " KEY(22), KEY(33)},
	{"3", "suspended", "s.example", "f", "t", "t", KEY(44), ""},
	{"4", "a-b", "", "t", "f", "f", "", "", "1", "2", "3", "4", "5", "9223372036854775807"},
	{"5", "a", "one.example two.example three.example", "f", "f", "f", "",
		"", [REPORTS_PER_S] = "0"},
	{"6", "burnt", "x.example", "f", "t", "f", "", KEY(ff)},
	{"7", "a0", "x.example", "f", "t", "t", "", ""},
};

static PGresult *make_rows(size_t count)
{
	PGresult *result = sample_result(COLUMNS);
	for (size_t row = 0; row < count; row++) {
		for (int column = 0; column < COLUMNS; column++) {
			if (rows[row][column] != NULL) {
				sample_set_text(result, (int)row, column, rows[row][column]);
			} else {
				sample_set(result, (int)row, column, NULL, -1);
			}
		}
	}
	return result;
}

static int set_up(void **state)
{
	PGresult *result = make_rows(sizeof(rows) / sizeof(rows[0]));
	struct registry *registry = registry_from_result(result);
	/* The snapshot owns what it needs. */
	PQclear(result);
	*state = registry;
	return registry != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	struct registry *registry = *state;
	registry_unref(&registry);
	assert_null(registry);
	return 0;
}

static void test_the_certificate_finds_the_partner(void **state)
{
	static const struct {
		const char *why;
		const char *claimed; /* NULL: no such URI */
		bool is_claim_broken;
		int key; /* each byte of the digest */
		enum registry_match match;
		const char *partner; /* NULL: nobody */
	} cases[] = {
		{"the URI decides where no key is enrolled", "plain", false, 0x99, REGISTRY_KNOWN,
			"plain"},
		{"names are looked up by bytes", "a-b", false, 0x99, REGISTRY_KNOWN, "a-b"},
		{"a name that begins another", "a", false, 0x99, REGISTRY_KNOWN, "a"},
		{"nobody has this name", "nobody", false, 0x99, REGISTRY_UNKNOWN, NULL},
		{"a name is no pattern", "pla", false, 0x99, REGISTRY_UNKNOWN, NULL},
		{"an empty name", "", false, 0x99, REGISTRY_UNKNOWN, NULL},
		{"no URI and no key", NULL, false, 0x99, REGISTRY_UNKNOWN, NULL},
		{"the key finds without a URI", NULL, false, 0x11, REGISTRY_KNOWN, "pinned"},
		{"any of the keys does", NULL, false, 0x22, REGISTRY_KNOWN, "pinned"},
		{"key and URI agree", "pinned", false, 0x22, REGISTRY_KNOWN, "pinned"},
		{"only keys match a partner that has some", "pinned", false, 0x99, REGISTRY_UNKNOWN,
			NULL},
		{"the URI must not name another", "plain", false, 0x11, REGISTRY_UNKNOWN, NULL},
		{"nor one that does not exist", "nobody", false, 0x11, REGISTRY_UNKNOWN, NULL},
		{"a broken claim is a disagreement", NULL, true, 0x11, REGISTRY_UNKNOWN, NULL},
		{"a broken claim without a key", NULL, true, 0x99, REGISTRY_UNKNOWN, NULL},
		{"a revoked key is nobody's", NULL, false, 0x33, REGISTRY_UNKNOWN, NULL},
		{"whatever the URI says", "pinned", false, 0x33, REGISTRY_UNKNOWN, NULL},
		{"even for another partner", "plain", false, 0x33, REGISTRY_UNKNOWN, NULL},
		{"its partner was told by keys, and has none left", "burnt", false, 0x99,
			REGISTRY_UNKNOWN, NULL},
		{"suspended, by key", NULL, false, 0x44, REGISTRY_SUSPENDED, "suspended"},
		{"suspended, by name", "a0", false, 0x99, REGISTRY_SUSPENDED, "a0"},
		{"suspended, with the wrong key", "suspended", false, 0x99, REGISTRY_UNKNOWN, NULL},
	};
	const struct registry *registry = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str claimed = {NULL, 0};
		uint8_t digest[32];
		const struct partner *partner = NULL;
		if (cases[i].claimed != NULL) {
			claimed = str_from(cases[i].claimed);
		}
		memset(digest, cases[i].key, sizeof(digest));
		enum registry_match match = registry_find(
			registry, claimed, cases[i].is_claim_broken, digest, &partner);
		bool is_right = match == cases[i].match &&
			(partner != NULL) == (cases[i].partner != NULL) &&
			(partner == NULL || str_equal(partner->name, str_from(cases[i].partner)));
		if (!is_right) {
			fail_msg("%s", cases[i].why);
		}
	}
}

static void test_keys_differ_in_their_last_byte(void **state)
{
	const struct registry *registry = *state;
	const struct partner *partner = NULL;
	const struct str none = {NULL, 0};
	uint8_t digest[32];
	memset(digest, 0x11, sizeof(digest));
	digest[31] = 0x12;
	assert_int_equal(registry_find(registry, none, false, digest, &partner), REGISTRY_UNKNOWN);
}

static void test_partners_carry_what_their_row_says(void **state)
{
	const struct registry *registry = *state;
	const struct partner *partner = NULL;
	const uint8_t no_key[32] = {0};
	assert_int_equal(registry_partner_count(registry), sizeof(rows) / sizeof(rows[0]));

	assert_int_equal(
		registry_find(registry, STR("a"), false, no_key, &partner), REGISTRY_KNOWN);
	assert_int_equal(partner->id, 5);
	assert_false(partner->may_relay);
	assert_false(partner->is_live);
	assert_false(partner->has_keys);
	assert_int_equal(partner->organisation_count, 3);
	assert_true(str_equal(partner->organisations[0], STR("one.example")));
	assert_true(str_equal(partner->organisations[2], STR("three.example")));

	assert_int_equal(
		registry_find(registry, STR("a-b"), false, no_key, &partner), REGISTRY_KNOWN);
	assert_int_equal(partner->id, 4);
	assert_true(partner->may_relay);
	assert_int_equal(partner->organisation_count, 0);
}

static void test_partners_have_their_quotas_or_the_default(void **state)
{
	static const struct {
		struct str name;
		struct partner_quota quota;
	} cases[] = {
		{{"a-b", 3}, {1, 2, 3, 4, 5, INT64_MAX}},
		{{"a", 1}, {-1, -1, PARTNER_QUOTA_NONE, -1, -1, -1}},
		{{"plain", 5}, {-1, -1, PARTNER_QUOTA_DEFAULT, -1, -1, -1}},
	};
	const struct registry *registry = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint8_t no_key[32] = {0};
		const struct partner *partner = NULL;
		registry_find(registry, cases[i].name, false, no_key, &partner);
		assert_non_null(partner);
		assert_memory_equal(&partner->quota, &cases[i].quota, sizeof(cases[i].quota));
	}
}

static void test_partners_are_listed_by_name(void **state)
{
	static const char *const names[] = {
		"a", "a-b", "a0", "burnt", "pinned", "plain", "suspended"};
	const struct registry *registry = *state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_true(str_equal(registry_partner(registry, i)->name, str_from(names[i])));
	}
}

static void test_an_empty_registry_knows_nobody(void **state)
{
	PGresult *result = make_rows(0);
	struct registry *registry = registry_from_result(result);
	const struct partner *partner = NULL;
	const uint8_t key[32] = {0};
	(void)state;
	assert_non_null(registry);
	assert_int_equal(registry_partner_count(registry), 0);
	assert_int_equal(
		registry_find(registry, STR("plain"), false, key, &partner), REGISTRY_UNKNOWN);
	registry_unref(&registry);
	PQclear(result);
}

static void test_a_snapshot_lives_while_it_is_held(void **state)
{
	struct registry *registry = *state;
	struct registry *held = registry_ref(registry);
	const struct partner *partner = registry_partner(held, 0);
	registry_unref(&held);
	assert_null(held);
	assert_true(str_equal(partner->name, STR("a")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_the_certificate_finds_the_partner, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_keys_differ_in_their_last_byte, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_partners_carry_what_their_row_says, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_partners_have_their_quotas_or_the_default, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_partners_are_listed_by_name, set_up, tear_down),
		cmocka_unit_test(test_an_empty_registry_knows_nobody),
		cmocka_unit_test_setup_teardown(
			test_a_snapshot_lives_while_it_is_held, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
