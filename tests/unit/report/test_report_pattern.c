// SPDX-License-Identifier: Apache-2.0
/* Each matcher against its expression, run by the C library's regular expressions. */
#include "../../../daemon/report/report_pattern_int.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* regcomp has no \u: the one range that uses it is written with its bytes. */
static void compile(regex_t *compiled, const char *expression)
{
	char text[512];
	size_t len = 0;
	for (const char *at = expression; *at != '\0';) {
		if (strncmp(at, "\\u0000-\\u0020", 13) == 0) {
			memcpy(text + len, "\x01-\x20", 3);
			len += 3;
			at += 13;
		} else {
			text[len++] = *at++;
		}
	}
	text[len] = '\0';
	assert_int_equal(regcomp(compiled, text, REG_EXTENDED | REG_NOSUB), 0);
}

static void compare(const struct report_pattern *pattern, const regex_t *compiled, const char *text)
{
	bool expected = regexec(compiled, text, 0, NULL, 0) == 0;
	bool found = pattern->matches(str_from(text));
	if (found != expected) {
		fail_msg("%s on \"%s\": matcher %d", pattern->expression, text, found);
	}
}

static const char *const seeds[] = {
	"",
	"a",
	"1",
	"1.0.0",
	"0.0.0",
	"10.20.30",
	"99999.99999.99999",
	"100000.0.0",
	"01.0.0",
	"1.00.0",
	"1.0",
	"1.0.0.0",
	"1..0",
	".1.0.0",
	"1.0.0.",
	"NH-2026-000417",
	"a:b_c.d-e",
	"-a",
	".a",
	"cert.example.org",
	"a.bc",
	"a.b",
	"a.b1",
	"a.1b",
	"a-.bc",
	"-a.bc",
	"a.b-",
	"a..bc",
	".bc",
	"a.bc.",
	"1.2.ab",
	"x@y",
	"@y",
	"x@",
	"x@y@z",
	"x y@z",
	"a@b.example",
	"+1 (23) 4-5",
	"+",
	"1+2",
	"++1",
	"( )",
	"en",
	"e",
	"de-AT-1996",
	"en-",
	"en--x",
	"abcdefghi",
	"en-123456789",
	"12-en",
	"2026-11-09T03:42:17Z",
	"2026-11-09T03:42:17.123456+14:59",
	"2026-02-31T00:00:00Z",
	"2026-11-09T03:42:17.Z",
	"2026-11-09T03:42:17+15:00",
	"2026-13-09T03:42:17Z",
	"2026-11-32T03:42:17Z",
	"2026-11-09T24:42:17Z",
	"2026-11-09T03:60:17Z",
	"2026-00-09T03:42:17Z",
	"2026-11-09T03:42:60Z",
	"2026-11-09T03:42:17.1234567Z",
	"2026-11-09t03:42:17Z",
	"XA",
	"X",
	"XAB",
	"xa",
	"EUR",
	"eur",
	"1.25",
	"1250000.00",
	"1.234",
	"1.",
	".5",
	"123456789012345",
	"1234567890123456",
	"123456789012345.12",
	"tcp",
	"ipv6-icmp",
	"TCP",
	"t.c.p-1",
	"CVE-2099-1234",
	"CVE-2099-123",
	"CVE-2099-1234567890123456789",
	"CVE-2099-12345678901234567890",
	"cve-2099-1234",
	"CVE-209-1234",
	"T1133",
	"T1567.002",
	"T1567.",
	"T1567.02",
	"T11333",
	"t1133",
	"budapest:2",
	"uncc:7A",
	"uncc:",
	"uncc:a",
	"budapest",
	"hague:1",
	"text/plain",
	"text/",
	"/plain",
	"text/plain/x",
	"application/vnd.a+json",
	"Text/plain",
	"text/plain; charset=utf-8",
	"ac921ce86d2d39968f9ebb3aa4c27de71eed72e58c1083bb839bde51a06174ec",
	"ac921ce86d2d39968f9ebb3aa4c27de71eed72e58c1083bb839bde51a06174e",
	"AC921ce86d2d39968f9ebb3aa4c27de71eed72e58c1083bb839bde51a06174ec",
};

static void test_matchers_agree_with_expressions_on_every_seed(void **state)
{
	(void)state;
	for (size_t p = 0; p < report_pattern_count; p++) {
		regex_t compiled;
		compile(&compiled, report_patterns[p]->expression);
		size_t matched = 0;
		for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
			compare(report_patterns[p], &compiled, seeds[i]);
			matched += report_patterns[p]->matches(str_from(seeds[i]));
		}
		assert_true(matched >= 1);
		regfree(&compiled);
	}
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525U + 1013904223U;
	return *state >> 8;
}

static void test_matchers_agree_with_expressions_on_mutated_seeds(void **state)
{
	static const char alphabet[] = "aZ09.-_:+@/ ()TCVE\x01\x7f\xc3\xa9~";
	uint32_t random = 20261109;
	(void)state;
	for (size_t p = 0; p < report_pattern_count; p++) {
		regex_t compiled;
		compile(&compiled, report_patterns[p]->expression);
		for (size_t round = 0; round < 20000; round++) {
			char text[160];
			size_t seed = next_random(&random) % (sizeof(seeds) / sizeof(seeds[0]));
			snprintf(text, sizeof(text), "%s", seeds[seed]);
			size_t len = strlen(text);
			for (uint32_t n = next_random(&random) % 3; n < 3 && len > 0; n++) {
				text[next_random(&random) % len] =
					alphabet[next_random(&random) % (sizeof(alphabet) - 1)];
			}
			if (next_random(&random) % 4 == 0 && len > 0) {
				text[next_random(&random) % len] = '\0';
			}
			compare(report_patterns[p], &compiled, text);
		}
		regfree(&compiled);
	}
}

static void test_labels_of_organisations_end_at_63(void **state)
{
	(void)state;
	for (int len = 61; len <= 66; len++) {
		char first[160];
		char last[160];
		snprintf(first, sizeof(first), "%.*s.bc", len,
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"a");
		snprintf(last, sizeof(last), "bc.%.*s", len,
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"a");
		assert_int_equal(report_pattern_organisation.matches(str_from(first)), len <= 63);
		assert_int_equal(report_pattern_organisation.matches(str_from(last)), len <= 63);
	}
}

static void test_report_ids_end_at_128(void **state)
{
	char text[129];
	(void)state;
	memset(text, 'a', sizeof(text));
	assert_true(report_pattern_report_id.matches((struct str){text, 128}));
	assert_false(report_pattern_report_id.matches((struct str){text, 129}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matchers_agree_with_expressions_on_every_seed),
		cmocka_unit_test(test_matchers_agree_with_expressions_on_mutated_seeds),
		cmocka_unit_test(test_labels_of_organisations_end_at_63),
		cmocka_unit_test(test_report_ids_end_at_128),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
