// SPDX-License-Identifier: Apache-2.0
/*
 * Rows in PostgreSQL's binary format. The expected bytes are what its own send functions
 * (int4send, numeric_send, inet_send, array_send and so on) make of the same values.
 */
#include "row_int.h"

#include "samples.h"

#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MAX_COLUMNS 64

/* One column as it lies in a row; data NULL for null. */
struct field {
	uint32_t oid;
	uint32_t len;
	const uint8_t *data;
};

struct row {
	struct field fields[MAX_COLUMNS];
	uint32_t count;
};

struct expected {
	const char *name;
	uint32_t oid;
	const char *hex; /* NULL: null */
};

static uint32_t read32(const uint8_t **at)
{
	uint32_t value;
	memcpy(&value, *at, 4);
	*at += 4;
	return be32toh(value);
}

/* Reads the row at the start of data, and checks that it fills len to its end. */
static void read_row(const char *data, size_t len, struct row *row_out)
{
	const uint8_t *at = (const uint8_t *)data;
	const uint8_t *end = at + len;
	assert_int_equal(read32(&at), len - 4);
	row_out->count = read32(&at);
	assert_true(row_out->count <= MAX_COLUMNS);
	for (uint32_t i = 0; i < row_out->count; i++) {
		struct field *field = &row_out->fields[i];
		field->oid = read32(&at);
		field->len = read32(&at);
		field->data = field->len == UINT32_MAX ? NULL : at;
		at += field->data != NULL ? field->len : 0;
		assert_true(at <= end);
	}
	assert_ptr_equal(at, end);
}

static void to_hex(const struct field *field, char out[512])
{
	assert_true(field->len < 256);
	for (uint32_t i = 0; i < field->len; i++) {
		snprintf(out + 2 * i, 3, "%02x", field->data[i]);
	}
	out[2 * field->len] = '\0';
}

static void assert_field(const struct field *field, const struct expected *expected)
{
	char hex[512];
	if (field->oid != expected->oid) {
		fail_msg("%s: type %u", expected->name, field->oid);
	}
	if (field->data == NULL || expected->hex == NULL) {
		if (field->data != NULL || expected->hex != NULL) {
			fail_msg("%s: null is on one side only", expected->name);
		}
		return;
	}
	to_hex(field, hex);
	if (strcmp(hex, expected->hex) != 0) {
		fail_msg("%s: %s and not %s", expected->name, hex, expected->hex);
	}
}

static void assert_row(
	const char *data, size_t len, const struct expected *expected, size_t expected_count)
{
	struct row row;
	read_row(data, len, &row);
	assert_int_equal(row.count, expected_count);
	for (size_t i = 0; i < expected_count; i++) {
		assert_field(&row.fields[i], &expected[i]);
	}
}

static const struct str three[] = {{"a", 1}, {"", 0}, {"\xc3\xa4", 2}};

static void test_a_full_report_is_encoded_to_the_byte(void **state)
{
	static const struct expected expected[] = {
		{"id", 2950, "01938f3e7c1a7b529d0e3f6a2b1c4d5e"},
		{"received_at", 1184, "000302d0837b5461"},
		{"partner_id", 23, "7fffffff"},
		{"revision", 23, "000f4240"},
		{"tlp", 21, "0004"},
		{"tlp_strictest", 21, "0003"},
		{"severity", 21, "0000"},
		{"score", 21, "0064"},
		{"confidence", 21, "0000"},
		{"is_test", 16, "01"},
		{"is_exercise", 16, "01"},
		{"is_critical", 16, "00"},
		{"assistance_requested", 16, "00"},
		{"detected_at", 1184, "fffca2fec4c82000"}, /* 1970-01-01 */
		{"started_at", 1184, "0000000000000000"},  /* 2000-01-01 */
		{"reported_at", 1184, "ffffffffffffffff"}, /* a microsecond before */
		{"contained_at", 1184, "0000000000000001"},
		{"ended_at", 1184, "00166c3725b11dc0"}, /* 2199-12-31T23:59:59Z */
		{"recovered_at", 1184, "000302d0837b5461"},
		{"embargo_until", 1184, "000302d0837b5461"},
		{"people_affected", 20, "001fffffffffffff"},
		{"loss_amount", 1700, "0003000100000002000109291a2c"}, /* 12345.67 */
		{"loss_currency", 25, "455552"},
		{"report_id", 25, "4e482d323032362d303030343137"},
		{"reporter_org", 25, "6e6f7264686176656e2e6578616d706c65"},
		{"taxonomy", 25, "6469676974616c2d736f6c696461726974792d323032342f312e302e30"},
		{"category", 25, "72616e736f6d77617265"},
		{"primary_area", 25, "414133"},
		{"action_areas", 1009,
			"00000001000000000000001900000002000000010000000341413300000003414134"},
		{"additional_categories", 1009,
			"000000010000000000000019000000030000000100000001610000000000000002c3a4"},
		{"rsit", 1009, "00000001000000000000001900000001000000010000000161"},
		{"pap", 25, "50"},
		{"status", 25, "73"},
		{"determination", 25, ""},
		{"language", 25, "6465"},
		{"sharing_law_enforcement", 25, "6e6f"},
		{"sharing_audience", 1009, "00000001000000000000001900000001000000010000000161"},
		{"countries", 1009, "00000001000000000000001900000001000000010000000161"},
		{"sectors", 1009, "00000001000000000000001900000001000000010000000161"},
		{"actor_kind", 25, "6b"},
		{"actor_name", 25, "c3a4"},
		{"malware", 1009, "00000001000000000000001900000001000000010000000161"},
		{"law_enforcement_notified", 25, "796573"},
		{"title", 25, "54"},
		{"warnings", 25, "5b5d"},
		{"sha256", 17, "ab00000000000000000000000000000000000000000000000000000000000000"},
		{"payload", 17, "7b7d"},
	};
	struct report report = sample_report();
	struct submission submission = sample_submission(&report);
	struct buf array;
	(void)state;
	report.revision = 1000000;
	report.tlp = TLP_RED;
	report.tlp_strictest = TLP_AMBER_STRICT;
	report.severity = 0;
	report.score = 100;
	report.confidence = 0;
	report.is_exercise = true;
	report.has_assistance = true;
	report.detected_us = 0;
	report.started_us = ROW_EPOCH_US;
	report.reported_us = ROW_EPOCH_US - 1;
	report.contained_us = ROW_EPOCH_US + 1;
	report.ended_us = INT64_C(7258118399000000);
	report.recovered_us = SAMPLE_TIME_US;
	report.embargo_until_us = SAMPLE_TIME_US;
	report.people_affected = INT64_C(9007199254740991);
	report.loss_amount = STR("12345.67");
	report.loss_currency = STR("EUR");
	report.additional_categories = (struct str_list){three, 3};
	report.rsit = (struct str_list){three, 1};
	report.pap = STR("P");
	report.status = STR("s");
	report.determination = STR("");
	report.language = STR("de");
	report.sharing_law_enforcement = STR("no");
	report.sharing_audience = (struct str_list){three, 1};
	report.countries = (struct str_list){three, 1};
	report.sectors = (struct str_list){three, 1};
	report.actor_kind = STR("k");
	report.actor_name = three[2];
	report.malware = (struct str_list){three, 1};
	report.law_enforcement_notified = STR("yes");
	submission.partner_id = INT32_MAX;
	submission.is_test = true;
	submission.warnings = STR("[]");

	buf_init(&array, 1 << 16);
	assert_true(row_append_report(&array, &submission));
	assert_row(array.data, array.len, expected, sizeof(expected) / sizeof(expected[0]));
	buf_fini(&array);
}

static void test_what_a_report_leaves_out_is_null(void **state)
{
	static const uint32_t null_columns[] = {7, 8, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22, 29,
		30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 44};
	struct report report = sample_report();
	struct submission submission = sample_submission(&report);
	struct buf array;
	struct row row;
	size_t next = 0;
	(void)state;
	buf_init(&array, 1 << 16);
	assert_true(row_append_report(&array, &submission));
	read_row(array.data, array.len, &row);
	assert_int_equal(row.count, 47);
	for (uint32_t i = 0; i < row.count; i++) {
		bool is_null = next < sizeof(null_columns) / sizeof(null_columns[0]) &&
			null_columns[next] == i;
		next += is_null ? 1 : 0;
		if ((row.fields[i].data == NULL) != is_null) {
			fail_msg("column %u", i);
		}
	}
	buf_fini(&array);
}

/* As PostgreSQL does on receipt: no groups of zeros in front or at the end. */
static void normalise_numeric(const struct field *field, char hex_out[512])
{
	uint8_t groups[64];
	const uint8_t *data = field->data;
	uint16_t count = (uint16_t)(data[0] << 8 | data[1]);
	int16_t weight = (int16_t)(data[2] << 8 | data[3]);
	assert_int_equal(field->len, 8 + 2 * count);
	data += 8;
	while (count > 0 && data[0] == 0 && data[1] == 0) {
		data += 2;
		count--;
		weight--;
	}
	while (count > 0 && data[2 * count - 2] == 0 && data[2 * count - 1] == 0) {
		count--;
	}
	weight = count > 0 ? weight : 0;
	memcpy(groups, field->data, 8);
	groups[0] = (uint8_t)(count >> 8);
	groups[1] = (uint8_t)count;
	groups[2] = (uint8_t)((uint16_t)weight >> 8);
	groups[3] = (uint8_t)weight;
	memcpy(groups + 8, data, 2U * count);
	struct field normal = {field->oid, 8U + 2U * count, groups};
	to_hex(&normal, hex_out);
}

static void test_amounts_are_numerics_of_every_length(void **state)
{
	/* What numeric_send gives for the text. */
	static const struct {
		const char *amount;
		const char *hex;
	} cases[] = {
		{"0", "0000000000000000"},
		{"0.00", "0000000000000002"},
		{"0.05", "0001ffff0000000201f4"},
		{"0.5", "0001ffff000000011388"},
		{"1", "00010000000000000001"},
		{"1.5", "000200000000000100011388"},
		{"9999", "0001000000000000270f"},
		{"10000", "00010001000000000001"},
		{"12345.67", "0003000100000002000109291a2c"},
		{"100000000", "00010002000000000001"},
		{"00012.50", "0002000000000002000c1388"},
		{"000000000000000", "0000000000000000"},
		{"999999999999999.99", "000500030000000203e7270f270f270f26ac"},
	};
	struct report report = sample_report();
	struct submission submission = sample_submission(&report);
	struct buf array;
	struct row row;
	char hex[512];
	(void)state;
	buf_init(&array, 1 << 16);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_clear(&array);
		report.loss_amount = str_from(cases[i].amount);
		assert_true(row_append_report(&array, &submission));
		read_row(array.data, array.len, &row);
		assert_int_equal(row.fields[21].oid, 1700);
		normalise_numeric(&row.fields[21], hex);
		if (strcmp(hex, cases[i].hex) != 0) {
			fail_msg("%s: %s and not %s", cases[i].amount, hex, cases[i].hex);
		}
	}
	buf_fini(&array);
}

static void test_an_indicator_is_encoded_to_the_byte(void **state)
{
	static const struct expected expected[] = {
		{"report", 2950, "000102030405060708090a0b0c0d0e0f"},
		{"address", 869, "02200004c000022d"}, /* 192.0.2.45 */
		{"first_seen", 1184, "0000000000000000"},
		{"last_seen", 1184, "000302d0837b5461"},
		{"port", 23, "0000ffff"},
		{"confidence", 21, "0064"},
		{"tlp", 21, "0004"},
		{"type", 25, "69707634"},
		{"role", 25, "736f75726365"},
		{"protocol", 25, "746370"},
		{"value", 25, "3139322e302e322e3435"},
	};
	const struct uuid id = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
	struct report_indicator indicator = {
		.type = STR("ipv4"),
		.value = STR("192.0.2.45"),
		.role = STR("source"),
		.first_seen_us = ROW_EPOCH_US,
		.last_seen_us = SAMPLE_TIME_US,
		.confidence = 100,
		.port = 65535,
		.protocol = STR("tcp"),
		.tlp = TLP_RED,
		.address_family = 4,
		.prefix_len = 32,
		.address = {192, 0, 2, 45},
	};
	struct buf array;
	(void)state;
	buf_init(&array, 1 << 16);
	assert_true(row_append_indicator(&array, &id, &indicator));
	assert_row(array.data, array.len, expected, sizeof(expected) / sizeof(expected[0]));
	buf_fini(&array);
}

static void test_addresses_are_inets_of_either_family(void **state)
{
	/* What inet_send gives for the text. */
	static const struct {
		uint8_t family;
		uint8_t prefix_len;
		uint8_t address[16];
		const char *hex;
	} cases[] = {
		{4, 8, {10}, "020800040a000000"},
		{4, 0, {0}, "0200000400000000"},
		{6, 128, {0x20, 1, 0x0d, 0xb8, [15] = 1},
			"0380001020010db8000000000000000000000001"},
		{6, 32, {0x20, 1, 0x0d, 0xb8}, "0320001020010db8000000000000000000000000"},
		{0, 0, {0}, NULL},
	};
	const struct uuid id = {{0}};
	struct buf array;
	struct row row;
	(void)state;
	buf_init(&array, 1 << 16);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct report_indicator indicator = sample_indicator(STR("v"));
		struct expected expected = {"address", 869, cases[i].hex};
		indicator.address_family = cases[i].family;
		indicator.prefix_len = cases[i].prefix_len;
		memcpy(indicator.address, cases[i].address, sizeof(indicator.address));
		buf_clear(&array);
		assert_true(row_append_indicator(&array, &id, &indicator));
		read_row(array.data, array.len, &row);
		assert_field(&row.fields[1], &expected);
	}
	buf_fini(&array);
}

static void test_what_an_indicator_leaves_out_is_null(void **state)
{
	static const struct expected expected[] = {
		{"report", 2950, "00000000000000000000000000000000"},
		{"address", 869, NULL},
		{"first_seen", 1184, NULL},
		{"last_seen", 1184, NULL},
		{"port", 23, NULL},
		{"confidence", 21, NULL},
		{"tlp", 21, "0001"},
		{"type", 25, "646f6d61696e"},
		{"role", 25, "736f75726365"},
		{"protocol", 25, NULL},
		{"value", 25, "76"},
	};
	const struct uuid id = {{0}};
	struct report_indicator indicator = sample_indicator(STR("v"));
	struct buf array;
	(void)state;
	buf_init(&array, 1 << 16);
	assert_true(row_append_indicator(&array, &id, &indicator));
	assert_row(array.data, array.len, expected, sizeof(expected) / sizeof(expected[0]));
	buf_fini(&array);
}

static void test_a_refusal_is_encoded_to_the_byte(void **state)
{
	static const uint8_t sha256[32] = {1};
	static const struct expected full[] = {
		{"refused_at", 1184, "000302d0837b5461"},
		{"partner_id", 23, "00000007"},
		{"path", 25, "2f"},
		{"status", 21, "01a6"},
		{"problem", 25, "70"},
		{"codes", 1009, "00000001000000000000001900000001000000010000000161"},
		{"pointers", 1009, "00000001000000000000001900000001000000010000000161"},
		{"sha256", 17, "0100000000000000000000000000000000000000000000000000000000000000"},
		{"size_bytes", 20, "0000000100000000"},
		{"unrecorded", 23, "0000000c"},
	};
	struct refusal refusal = {
		.refused_at_us = SAMPLE_TIME_US,
		.partner_id = 7,
		.path = STR("/"),
		.status = 422,
		.problem = STR("p"),
		.codes = {three, 1},
		.pointers = {three, 1},
		.sha256 = sha256,
		.size_bytes = INT64_C(1) << 32,
		.unrecorded = 12,
	};
	struct buf array;
	struct row row;
	(void)state;
	buf_init(&array, 1 << 16);
	assert_true(row_append_refusal(&array, &refusal));
	assert_row(array.data, array.len, full, sizeof(full) / sizeof(full[0]));

	refusal.codes.count = 0;
	refusal.pointers.count = 0;
	refusal.sha256 = NULL;
	buf_clear(&array);
	assert_true(row_append_refusal(&array, &refusal));
	read_row(array.data, array.len, &row);
	for (int column = 5; column <= 7; column++) {
		assert_null(row.fields[column].data);
	}
	buf_fini(&array);
}

static void test_an_array_has_its_header_in_front(void **state)
{
	/* array_send('{1,null,-1}'::int[]), but for the flag that tells of nulls, which is ignored.
	 */
	static const char expected[] = "\0\0\0\1\0\0\0\0\0\0\0\x17\0\0\0\3\0\0\0\1"
				       "\0\0\0\4\0\0\0\1\xff\xff\xff\xff\0\0\0\4\xff\xff\xff\xff";
	struct buf array;
	(void)state;
	buf_init(&array, 1 << 10);
	assert_true(buf_append_str(&array, STR("of an earlier use")));
	assert_true(row_array_begin(&array));
	assert_true(row_append_int4(&array, 1));
	assert_true(row_append_null(&array));
	assert_true(row_append_int4(&array, -1));
	row_array_end(&array, ROW_OID_INT4, 3);
	assert_int_equal(array.len, sizeof(expected) - 1);
	assert_memory_equal(array.data, expected, sizeof(expected) - 1);
	buf_fini(&array);
}

static void test_elements_of_plain_arrays(void **state)
{
	static const char expected[] = "\0\0\0\1\1\0\0\0\1\0\0\0\0\3a\0b\0\0\0\0";
	struct buf array;
	(void)state;
	buf_init(&array, 1 << 10);
	assert_true(row_append_bool(&array, true));
	assert_true(row_append_bool(&array, false));
	assert_true(row_append_text(&array, STR("a\0b")));
	assert_true(row_append_text(&array, STR("")));
	assert_int_equal(array.len, sizeof(expected) - 1);
	assert_memory_equal(array.data, expected, sizeof(expected) - 1);
	buf_fini(&array);
}

static void test_a_row_that_does_not_fit_leaves_the_array_as_it_was(void **state)
{
	struct report report = sample_report();
	struct submission submission = sample_submission(&report);
	struct report_indicator indicator = sample_indicator(STR("v"));
	struct refusal refusal = {.path = STR("/"), .problem = STR("p")};
	struct buf array;
	(void)state;
	buf_init(&array, 64);
	assert_true(row_array_begin(&array));
	assert_false(row_append_report(&array, &submission));
	assert_false(row_append_indicator(&array, &submission.id, &indicator));
	assert_false(row_append_refusal(&array, &refusal));
	assert_int_equal(array.len, ROW_ARRAY_HEADER_BYTES);
	buf_fini(&array);
	buf_init(&array, ROW_ARRAY_HEADER_BYTES - 1);
	assert_false(row_array_begin(&array));
	buf_fini(&array);
}

/* Every list and text long: the room that is reserved in front holds the row, whatever its form. */
static void test_the_largest_report_fits_what_is_reserved_for_it(void **state)
{
	static char text[4096];
	struct str items[64];
	struct report report = sample_report();
	struct submission submission = sample_submission(&report);
	struct buf array;
	struct row row;
	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < 64; i++) {
		items[i] = (struct str){text, i % 2 == 0 ? 0 : 64};
	}
	struct str_list list = {items, 64};
	struct str long_text = {text, sizeof(text)};
	struct str_list *lists[] = {&report.action_areas, &report.additional_categories,
		&report.rsit, &report.sharing_audience, &report.countries, &report.sectors,
		&report.malware};
	struct str *texts[] = {&report.report_id, &report.reporter_org, &report.pap, &report.status,
		&report.determination, &report.language, &report.sharing_law_enforcement,
		&report.actor_kind, &report.actor_name, &report.law_enforcement_notified,
		&report.title, &report.loss_currency, &submission.taxonomy, &submission.warnings,
		&submission.payload};
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		*lists[i] = list;
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		*texts[i] = long_text;
	}
	report.loss_amount = STR("999999999999999.99");
	report.has_assistance = true;
	report.started_us = report.reported_us = report.contained_us = 0;
	report.ended_us = report.recovered_us = report.embargo_until_us = 0;
	report.score = report.confidence = report.people_affected = 1;
	buf_init(&array, 1 << 20);
	assert_true(row_append_report(&array, &submission));
	read_row(array.data, array.len, &row);
	for (uint32_t i = 0; i < row.count; i++) {
		assert_non_null(row.fields[i].data);
	}
	buf_fini(&array);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_full_report_is_encoded_to_the_byte),
		cmocka_unit_test(test_what_a_report_leaves_out_is_null),
		cmocka_unit_test(test_amounts_are_numerics_of_every_length),
		cmocka_unit_test(test_an_indicator_is_encoded_to_the_byte),
		cmocka_unit_test(test_addresses_are_inets_of_either_family),
		cmocka_unit_test(test_what_an_indicator_leaves_out_is_null),
		cmocka_unit_test(test_a_refusal_is_encoded_to_the_byte),
		cmocka_unit_test(test_an_array_has_its_header_in_front),
		cmocka_unit_test(test_elements_of_plain_arrays),
		cmocka_unit_test(test_a_row_that_does_not_fit_leaves_the_array_as_it_was),
		cmocka_unit_test(test_the_largest_report_fits_what_is_reserved_for_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
