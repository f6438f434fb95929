// SPDX-License-Identifier: Apache-2.0
/*
 * Paths of one report: where the id ends, and which bytes a client may have escaped.
 */
#include "report_path_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LONGEST                                                            \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void test_the_rest_is_what_follows_the_id(void **state)
{
	static const struct {
		const char *path;
		const char *rest; /* NULL: another path */
	} cases[] = {
		{"", NULL},
		{"/v1/reports", NULL},
		{"/v1/reports/", NULL},
		{"/v1/report/x", NULL},
		{"/v2/reports/x", NULL},
		{"/v1/reports/x", ""},
		{"/v1/reports/x/", "/"},
		{"/v1/reports//retraction", "/retraction"},
		{"/v1/reports/x/retraction", "/retraction"},
		{"/v1/reports/x/retraction/", "/retraction/"},
		{"/v1/reports/x/y/z", "/y/z"},
		{"/v1/reports/x%2fy", ""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str rest = report_path_rest(str_from(cases[i].path));
		bool is_right = cases[i].rest == NULL
			? rest.data == NULL
			: rest.data != NULL && str_equal(rest, str_from(cases[i].rest));
		if (!is_right) {
			fail_msg("%s", cases[i].path);
		}
	}
}

static void test_the_id_is_read_with_its_escapes(void **state)
{
	static const struct {
		const char *path;
		const char *id; /* NULL: no report can be called so */
	} cases[] = {
		{"/v1/reports/NH-2026.a_b:c", "NH-2026.a_b:c"},
		{"/v1/reports/NH-1/retraction", "NH-1"},
		{"/v1/reports/a%3Ab%3ac/retraction", "a:b:c"},
		{"/v1/reports/%78", "x"},
		{"/v1/reports//retraction", ""},
		{"/v1/reports/" LONGEST, LONGEST},
		{"/v1/reports/" LONGEST "/retraction", LONGEST},
		{"/v1/reports/" LONGEST "x", NULL},
		{"/v1/reports/" LONGEST "%78", NULL},
		{"/v1/reports/a%", NULL},
		{"/v1/reports/a%3", NULL},
		{"/v1/reports/a%3/3a", NULL},
		{"/v1/reports/a%3g", NULL},
		{"/v1/reports/a%2fb", NULL},
		{"/v1/reports/a%00", NULL},
		{"/v1/reports/a%ff", NULL},
		{"/v1/reports/a b", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* Of exactly this size, so that a sanitizer sees a read past the end. */
		size_t len = strlen(cases[i].path);
		char *path = malloc(len);
		assert_non_null(path);
		memcpy(path, cases[i].path, len);
		char id[REPORT_PATH_ID_MAX];
		size_t id_len = 0;
		bool is_id = report_path_read_id((struct str){path, len}, id, &id_len);
		bool is_right = is_id == (cases[i].id != NULL) &&
			(!is_id || str_equal((struct str){id, id_len}, str_from(cases[i].id)));
		free(path);
		if (!is_right) {
			fail_msg("%s", cases[i].path);
		}
	}
}

static void test_an_id_has_letters_digits_and_four_signs(void **state)
{
	static const char in_an_id[] = "0123456789.:_-abcdefghijklmnopqrstuvwxyz"
				       "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	(void)state;
	for (unsigned byte = 0; byte <= UINT8_MAX; byte++) {
		char path[sizeof("/v1/reports/%00")];
		char id[REPORT_PATH_ID_MAX];
		size_t len = 0;
		snprintf(path, sizeof(path), "/v1/reports/%%%02x", byte);
		bool is_id = report_path_read_id(str_from(path), id, &len);
		if (is_id != (memchr(in_an_id, (int)byte, strlen(in_an_id)) != NULL) ||
			(is_id && (len != 1 || id[0] != (char)byte))) {
			fail_msg("%s", path);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_rest_is_what_follows_the_id),
		cmocka_unit_test(test_the_id_is_read_with_its_escapes),
		cmocka_unit_test(test_an_id_has_letters_digits_and_four_signs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
