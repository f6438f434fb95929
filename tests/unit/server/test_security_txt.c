// SPDX-License-Identifier: Apache-2.0
#include "security_txt_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define CONTACT "Contact: mailto:security@cert.example.org\n"
#define EXPIRES "Expires: 2027-06-30T00:00:00Z\n"
/* 2026-11-23T00:00:00Z */
#define NOW_US INT64_C(1795392000000000)

static struct buf loaded;
static struct err err;

/* Loads a file of these bytes; what was loaded, or the fault without the path, is kept. */
static bool load(const char *content, size_t len)
{
	char path[] = "/tmp/test-security-txt-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, len), (ssize_t)len);
	close(fd);
	buf_init(&loaded, SECURITY_TXT_MAX_BYTES);
	memset(&err, 0, sizeof(err));
	bool done = security_txt_load(&loaded, path, NOW_US, &err);
	unlink(path);
	if (!done) {
		assert_memory_equal(err.text, path, strlen(path));
	}
	return done;
}

static void assert_good(const char *content)
{
	assert_true(load(content, strlen(content)));
	assert_int_equal(loaded.len, strlen(content));
	assert_memory_equal(loaded.data, content, loaded.len);
	buf_fini(&loaded);
}

static void assert_fault(const char *content, const char *sentence)
{
	assert_false(load(content, strlen(content)));
	if (strstr(err.text, sentence) == NULL) {
		fail_msg("%s: %s", sentence, err.text);
	}
	buf_fini(&loaded);
}

static void test_good_files_are_kept_to_the_byte(void **state)
{
	(void)state;
	assert_good(CONTACT EXPIRES);
	assert_good("# Überschrift\r\n\r\ncontact: https://cert.example.org/\r\nContact: tel:+1\r\n"
		    "EXPIRES:2027-06-30T02:00:00.5+02:00\r\nPreferred-Languages: de, en");
	assert_good("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n" CONTACT EXPIRES
		    "-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n");
}

static void test_contact_is_a_uri(void **state)
{
	(void)state;
	assert_fault(EXPIRES, "it has no Contact, expected a line such as");
	assert_fault("# " CONTACT EXPIRES, "it has no Contact");
	assert_fault("", "it has no Contact");
	assert_fault("Contact: security@example.org\n" EXPIRES, "Contact is no URI");
	assert_fault("Contact: a@example.org:b\n" EXPIRES, "Contact is no URI");
	assert_fault("Contact: mailto:\n" EXPIRES, "Contact is no URI");
	assert_fault("Contact: :a\n" EXPIRES, "Contact is no URI");
	assert_fault("Contact: see https://example.org/\n" EXPIRES, "Contact is no URI");
	assert_fault("Contact:\n" EXPIRES, "Contact is no URI");
	assert_fault(CONTACT EXPIRES "Contact: none\n", "Contact is no URI");
}

static void test_one_time_of_expiry_lies_ahead(void **state)
{
	(void)state;
	assert_fault(CONTACT, "it has no Expires, expected one, a line such as");
	assert_fault(CONTACT EXPIRES EXPIRES, "it has several Expires, expected one");
	assert_fault(
		CONTACT "Expires: 2027-06-30\n", "Expires is no time, expected a line such as");
	assert_fault(CONTACT "Expires: 2027-06-31T00:00:00Z\n",
		"Expires is no time, expected a line such as");
	assert_fault(CONTACT "Expires: \n", "Expires is no time, expected a line such as");
	assert_good(CONTACT "Expires: 2026-11-23T00:00:00.000001Z\n");
	static const char expired[] = CONTACT "Expires: 2026-11-23T00:00:00Z\n";
	assert_true(load(expired, sizeof(expired) - 1));
	assert_int_equal(loaded.len, 0);
	buf_fini(&loaded);
}

static void test_size_limit(void **state)
{
	(void)state;
	char content[SECURITY_TXT_MAX_BYTES + 2];
	memset(content, '#', sizeof(content));
	memcpy(content, CONTACT EXPIRES, strlen(CONTACT EXPIRES));
	content[SECURITY_TXT_MAX_BYTES] = '\0';
	assert_good(content);
	content[SECURITY_TXT_MAX_BYTES] = '#';
	content[SECURITY_TXT_MAX_BYTES + 1] = '\0';
	assert_fault(content, "expected at most 16384 bytes");
}

static void test_content_is_utf8_text(void **state)
{
	(void)state;
	static const char *const bad[] = {"# \xff\n", "# \xc3", "# \xc0\x80\n", "# \xed\xa0\x80\n",
		"# \x1b\n", "# \x7f\n", "# \xc2\x80\n"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char content[256];
		snprintf(content, sizeof(content), CONTACT EXPIRES "%s", bad[i]);
		assert_fault(content, "it is no text, expected UTF-8 without control characters");
	}
	static const char with_nul[] = CONTACT EXPIRES "#\0\n";
	assert_false(load(with_nul, sizeof(with_nul) - 1));
	buf_fini(&loaded);
	assert_good(CONTACT EXPIRES "#\t\xf0\x9f\x94\x92\n");
}

static void test_missing_file_is_named(void **state)
{
	(void)state;
	buf_init(&loaded, SECURITY_TXT_MAX_BYTES);
	assert_false(security_txt_load(&loaded, "/nonexistent.txt", NOW_US, &err));
	assert_string_equal(err.text, "/nonexistent.txt: No such file or directory");
	assert_false(security_txt_load(&loaded, "/tmp", NOW_US, &err));
	assert_string_equal(err.text, "/tmp: it cannot be read");
	buf_fini(&loaded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_files_are_kept_to_the_byte),
		cmocka_unit_test(test_contact_is_a_uri),
		cmocka_unit_test(test_one_time_of_expiry_lies_ahead),
		cmocka_unit_test(test_size_limit),
		cmocka_unit_test(test_content_is_utf8_text),
		cmocka_unit_test(test_missing_file_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
