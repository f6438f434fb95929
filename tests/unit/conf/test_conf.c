// SPDX-License-Identifier: Apache-2.0
/*
 * The configuration: every kind of fault is named with file, line and what was expected, every
 * number is taken at its limits and refused one past them, and what is printed reads back.
 */
#include "conf/conf.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FAULTS_MAX 128

/* Which one fails from here; 0: none. */
static int failing_malloc;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
	if (failing_malloc > 0 && --failing_malloc == 0) {
		return NULL;
	}
	return __real_malloc(size);
}

/* Connection strings for which there is no memory, and what libpq says then. */
static int failing_parses;
static const char *words_of_failure;

PQconninfoOption *__real_PQconninfoParse(const char *text, char **words_out);
PQconninfoOption *__wrap_PQconninfoParse(const char *text, char **words_out);

PQconninfoOption *__wrap_PQconninfoParse(const char *text, char **words_out)
{
	if (failing_parses == 0) {
		return __real_PQconninfoParse(text, words_out);
	}
	failing_parses--;
	*words_out = words_of_failure != NULL ? strdup(words_of_failure) : NULL;
	return NULL;
}

struct heard {
	char sentences[FAULTS_MAX][512];
	size_t count;
};

struct folder {
	char path[64];
	char file[96];
};

static void on_fault(void *ctx, const char *sentence)
{
	struct heard *heard = ctx;
	assert_true(heard->count < FAULTS_MAX);
	snprintf(heard->sentences[heard->count++], sizeof(heard->sentences[0]), "%s", sentence);
}

static int set_up(void **state)
{
	struct folder *folder = calloc(1, sizeof(*folder));
	assert_non_null(folder);
	strcpy(folder->path, "/tmp/test_conf.XXXXXX");
	assert_non_null(mkdtemp(folder->path));
	snprintf(folder->file, sizeof(folder->file), "%s/a.conf", folder->path);
	*state = folder;
	return 0;
}

static int tear_down(void **state)
{
	struct folder *folder = *state;
	unlink(folder->file);
	rmdir(folder->path);
	free(folder);
	return 0;
}

static void write_file(const struct folder *folder, const void *data, size_t len)
{
	FILE *out = fopen(folder->file, "we");
	assert_non_null(out);
	assert_int_equal(fwrite(data, 1, len, out), len);
	assert_int_equal(fclose(out), 0);
}

static struct conf *load_text(const struct folder *folder, const char *text, struct heard *heard)
{
	write_file(folder, text, strlen(text));
	memset(heard, 0, sizeof(*heard));
	return conf_load(folder->file, on_fault, heard);
}

static struct conf *load_good(const struct folder *folder, const char *text)
{
	struct heard heard;
	struct conf *conf = load_text(folder, text, &heard);
	if (conf == NULL) {
		fail_msg("refused: %s\n%s", text, heard.sentences[0]);
	}
	assert_int_equal(heard.count, 0);
	return conf;
}

static void assert_starts_with(const char *text, const char *start)
{
	if (strncmp(text, start, strlen(start)) != 0) {
		fail_msg("\"%s\" does not start with \"%s\"", text, start);
	}
}

/* The sentences after "FILE", in order and no others. Each may give its start only. */
static void assert_faults(
	const struct folder *folder, const char *text, const char *const *expected)
{
	struct heard heard;
	struct conf *conf = load_text(folder, text, &heard);
	size_t count = 0;
	assert_null(conf);
	for (; expected[count] != NULL; count++) {
		if (count == heard.count) {
			fail_msg("no more faults in:\n%s\nexpected: %s", text, expected[count]);
		}
		assert_starts_with(heard.sentences[count], folder->file);
		assert_starts_with(heard.sentences[count] + strlen(folder->file), expected[count]);
	}
	if (heard.count != count) {
		fail_msg("one fault more in:\n%s\nit is: %s", text, heard.sentences[count]);
	}
}

static const void *field(const struct conf *conf, const struct conf_setting *setting)
{
	return (const char *)conf + setting->offset;
}

static void test_without_a_file_every_setting_has_its_default(void **state)
{
	(void)state;
	struct heard heard = {.count = 0};
	struct conf *conf = conf_load(NULL, on_fault, &heard);
	assert_non_null(conf);
	assert_int_equal(heard.count, 0);
	assert_string_equal(conf->listen_address, "[::]:8443");
	assert_int_equal(conf->listen_backlog, 512);
	assert_int_equal(conf->limits_input_pool_bytes, 268435456);
	assert_int_equal(conf->quota_reports_per_s, 500);
	assert_int_equal(conf->quota_bytes_burst, 536870912);
	assert_false(conf->tls_allow_tls12);
	assert_string_equal(conf->tls_partner_crl, "");
	assert_string_equal(conf->taxonomy_file, "taxonomy.json");
	conf_unref(&conf);
	assert_null(conf);
}

static void test_an_empty_file_gives_the_defaults(void **state)
{
	struct conf *conf = load_good(*state, "");
	assert_int_equal(conf->listen_backlog, 512);
	conf_unref(&conf);
}

static void test_values_comments_and_repeated_sections_are_read(void **state)
{
	struct conf *conf = load_good(*state,
		"# one\n// two\n/* three\n*/\n"
		"listen {\n\taddress = \"192.0.2.1:8443\" # why\n\tbacklog = 7\n}\n"
		"tls { allow_tls12 = true certificate = '/a b/c' }\n"
		"listen { workers = \"3\" }\n"
		"database { connection = \"dbname=x user='y z'\" }");
	assert_string_equal(conf->listen_address, "192.0.2.1:8443");
	assert_int_equal(conf->listen_backlog, 7);
	assert_int_equal(conf->listen_workers, 3);
	assert_true(conf->tls_allow_tls12);
	assert_string_equal(conf->tls_certificate, "/a b/c");
	assert_string_equal(conf->database_connection, "dbname=x user='y z'");
	conf_unref(&conf);
}

static void test_the_environment_is_expanded_where_text_is_not_single_quoted(void **state)
{
	assert_int_equal(setenv("TEST_CONF_FOLDER", "/run/x", 1), 0);
	unsetenv("TEST_CONF_NOTHING");
	struct conf *conf = load_good(*state,
		"tls { certificate = \"${TEST_CONF_FOLDER}/a\" key = '/${TEST_CONF_FOLDER}/b'\n"
		"partner_ca = \"${TEST_CONF_NOTHING:-/c}/d\" partner_crl = \"/\\${e}\" }\n");
	assert_string_equal(conf->tls_certificate, "/run/x/a");
	assert_string_equal(conf->tls_key, "/${TEST_CONF_FOLDER}/b");
	assert_string_equal(conf->tls_partner_ca, "/c/d");
	assert_string_equal(conf->tls_partner_crl, "/${e}");
	conf_unref(&conf);
}

static void test_relative_paths_are_taken_from_the_files_folder(void **state)
{
	const struct folder *folder = *state;
	char expected[128];
	struct conf *conf =
		load_good(folder, "tls { certificate = \"x/y.crt\" key = \"/z.key\" }\n");
	snprintf(expected, sizeof(expected), "%s/x/y.crt", folder->path);
	assert_string_equal(conf->tls_certificate, expected);
	assert_string_equal(conf->tls_key, "/z.key");
	assert_string_equal(conf->tls_partner_crl, "");
	snprintf(expected, sizeof(expected), "%s/taxonomy.json", folder->path);
	assert_string_equal(conf->taxonomy_file, expected);
	conf_unref(&conf);
}

static void test_a_file_named_without_a_folder_leaves_relative_paths_alone(void **state)
{
	const struct folder *folder = *state;
	struct heard heard = {.count = 0};
	write_file(folder, "", 0);
	assert_int_equal(chdir(folder->path), 0);
	struct conf *conf = conf_load("a.conf", on_fault, &heard);
	assert_int_equal(chdir("/"), 0);
	assert_non_null(conf);
	assert_string_equal(conf->taxonomy_file, "taxonomy.json");
	conf_unref(&conf);
}

static void assert_number(const struct folder *folder, const struct conf_setting *setting,
	int64_t number, bool is_taken)
{
	char text[512];
	char expected[256];
	/* What other settings are held against stands at its maximum or minimum. */
	const char *others = "";
	if (strcmp(setting->name, "head_timeout_ms") == 0) {
		others = "limits { request_timeout_ms = 3600000 }\n";
	} else if (strcmp(setting->name, "request_timeout_ms") == 0) {
		others = "limits { head_timeout_ms = 100 }\n";
	} else if (strcmp(setting->name, "input_pool_bytes") == 0) {
		others = "limits { report_bytes = 1024 }\n";
	}
	snprintf(text, sizeof(text), "%s%s {\n%s = %" PRId64 "\n}\n", others, setting->section,
		setting->name, number);
	if (is_taken) {
		struct conf *conf = load_good(folder, text);
		assert_int_equal(*(const int64_t *)field(conf, setting), number);
		conf_unref(&conf);
		return;
	}
	snprintf(expected, sizeof(expected),
		":%d: %s.%s is \"%" PRId64 "\", expected a whole number", others[0] == '\0' ? 2 : 3,
		setting->section, setting->name, number);
	assert_faults(folder, text, (const char *const[]){expected, NULL});
}

static void test_every_number_is_taken_at_its_limits_and_refused_past_them(void **state)
{
	size_t numbers = 0;
	for (size_t i = 0; i < conf_setting_count(); i++) {
		const struct conf_setting *setting = conf_setting(i);
		if (setting->type != CONF_NUMBER) {
			continue;
		}
		numbers++;
		assert_number(*state, setting, setting->min, true);
		assert_number(*state, setting, setting->max, true);
		assert_number(*state, setting, setting->min - 1, false);
		assert_number(*state, setting, setting->max + 1, false);
	}
	assert_true(numbers > 20);
}

static void test_what_is_not_a_plain_decimal_number_is_refused(void **state)
{
	static const char *const values[] = {"x", "5x", "0x10", "-1", "1.5", "1e3", "' 5'", "'5 '",
		"''", "99999999999999999999", "9223372036854775808", "1k", "'+7'", "five"};
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char text[128];
		snprintf(text, sizeof(text), "\nlisten { workers = %s }\n", values[i]);
		assert_faults(*state, text, (const char *const[]){":2: listen.workers is ", NULL});
	}
}

static void test_a_number_fault_names_value_unit_and_range(void **state)
{
	assert_faults(*state, "limits {\n\thead_bytes = 1\n\thead_timeout_ms = soon\n}\n",
		(const char *const[]){
			":2: limits.head_bytes is \"1\", expected a whole number of bytes from 256 "
			"to 65536",
			":3: limits.head_timeout_ms is \"soon\", expected a whole number of "
			"milliseconds from 100 to 600000",
			NULL});
}

struct switch_case {
	const char *value;
	int truth; /* -1: refused */
};

static void test_a_switch_takes_words_for_true_and_false(void **state)
{
	static const struct switch_case cases[] = {{"true", 1}, {"yes", 1}, {"on", 1}, {"false", 0},
		{"no", 0}, {"off", 0}, {"1", -1}, {"0", -1}, {"maybe", -1}, {"''", -1}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[128];
		snprintf(text, sizeof(text), "tls {\nallow_tls12 = %s\n}\n", cases[i].value);
		if (cases[i].truth < 0) {
			assert_faults(*state, text,
				(const char *const[]){":2: tls.allow_tls12 is ", NULL});
			continue;
		}
		struct conf *conf = load_good(*state, text);
		assert_int_equal(conf->tls_allow_tls12, cases[i].truth);
		conf_unref(&conf);
	}
}

static void test_unknown_names_are_refused_with_those_that_exist(void **state)
{
	assert_faults(*state, "log {\n\n  lvl = info\n}\nlisen {\n a = 5\n}\n",
		(const char *const[]){":3: log has no setting \"lvl\", expected one of level",
			":5: there is no section \"lisen\", expected one of listen, tls, database, "
			"limits, quota, admin, control, log, taxonomy",
			NULL});
}

static void test_all_faults_of_a_file_come_out_at_once_and_by_line(void **state)
{
	assert_faults(*state,
		"listen {\n"
		"\taddress = nowhere\n"
		"\tbacklog = 0\n"
		"\tadress = x\n"
		"}\n"
		"foo { a = 1\n b = 2 }\n"
		"bar = 3\n"
		"listen { adress = y }\n"
		"backlog = 5\n"
		"bar = 4\n"
		"tls { allow_tls12 = perhaps }\n"
		"log { level = loud }\n",
		(const char *const[]){
			":2: listen.address is \"nowhere\", expected an address and a port",
			":3: listen.backlog is \"0\", expected a whole number",
			":4: listen has no setting \"adress\", expected one of address, backlog, ",
			":6: there is no section \"foo\"", ":8: there is no section \"bar\"",
			":9: listen has no setting \"adress\"",
			":10: \"backlog\" stands outside of any section, expected a section",
			":11: there is no section \"bar\"",
			":12: tls.allow_tls12 is \"perhaps\", expected true or false",
			":13: log.level is \"loud\", expected debug, info, warn or error", NULL});
}

static void test_comments_do_not_move_the_line_of_a_fault(void **state)
{
	/* The fault is in the last line of each. */
	static const char *const texts[] = {
		"#a\n#b\n\n## c # d\nlisten { backlog = 0 }\n",
		"// a\n/// b\nlisten { backlog = 0 }\n",
		"/* a */\n/* b\n\n */ /**/\nlisten { backlog = 0 }\n",
		"listen {\n\t#backlog = 1\n\n\tworkers = 1 # a\n\tbacklog = 0 }#b\n",
		"listen { workers = 1 //a\n\n//b */ /*\nbacklog = 0 } /* listen { workers = 0 */\n",
		"tls { key = \"a=#b /* c\\\" # d\" }\nlisten { backlog = 0 }\n",
		"tls { key = 'a=#b // c\\' # d' }#e\nlisten { backlog = 0 }\n",
		"database { connection = postgres://a/b }\nlisten { backlog = 0 }\n",
		"tls { key = \"a=${X:-\"#b\"}\" } # c\nlisten { backlog = 0 }\n",
		"#\r\n#a\r\nlisten { backlog = 0 }\r\n",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char fault[64];
		int line = 0;
		for (const char *at = texts[i]; *at != '\0'; at++) {
			line += *at == '\n';
		}
		snprintf(fault, sizeof(fault), ":%d: listen.backlog is \"0\", expected a", line);
		assert_faults(*state, texts[i], (const char *const[]){fault, NULL});
	}
}

static void test_a_setting_twice_is_refused_with_the_first_line(void **state)
{
	assert_faults(*state, "listen { backlog = 5\nbacklog = 5 }\nlisten { backlog = 6 }\n",
		(const char *const[]){
			":2: listen.backlog is set again, expected once: line 1 has it",
			":3: listen.backlog is set again, expected once: line 1 has it", NULL});
}

struct syntax_case {
	const char *text;
	const char *fault;
};

static void test_broken_syntax_is_refused_with_its_line(void **state)
{
	static const struct syntax_case cases[] = {
		{"\n}\n", ":2: \"unexpected closing brace\", expected section {"},
		{"\nlog\n", ":2: \"missing opening brace for section 'log'\""},
		{"\nlog = 5\n", ":2: \"missing opening brace for section 'log'\""},
		{"log {\nlevel info }\n", ":2: \"missing equal sign after option 'level'\""},
		{"log {\nlevel += info }\n", ":2: \"attempt to append to non-list option"},
		{"log {\nlevel = {info} }\n", ":2: \"unexpected token '{'\""},
		{"log {\nlevel = }\n", ":2: \"unexpected token '}'\""},
		{"log {\nlevel = \"\\9\" }\n", ":2: \"bad escape sequence"},
		{"log {\n", ":1: the file ends inside section log, expected }"},
		{"log {\nlevel = info", ":2: the file ends inside section log, expected }"},
		{"log {\nlevel =", ":2: the file ends after level =, expected a value"},
		{"log {\nlevel", ":2: \"missing equal sign"},
		{"log {\nlevel = \"info }\n", ":2: the file ends inside a quoted text, expected"},
		{"log {\nlevel = 'info }\n", ":2: the file ends inside a quoted text, expected"},
		{"log { }\n/* x\n",
			":2: the file ends inside a comment or a quoted text, expected"},
		{"log {\n/* x }\n",
			":2: the file ends inside a comment or a quoted text, expected"},
		{"\nlog|level = x\n", ":2: the name of section log goes on, expected {"},
		{"\ninclude(\"x\")\n", ":2: there is no section \"include\""},
		{"\nfoo \"title\" {\n}\n", ":2: there is no section \"foo\""},
		{"log {\nfoo { a = 1 }\n}\n", ":2: log has no setting \"foo\""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_faults(*state, cases[i].text, (const char *const[]){cases[i].fault, NULL});
	}
}

static void test_what_a_terminal_would_obey_is_escaped(void **state)
{
	assert_faults(*state, "\x1b[2J {\n",
		(const char *const[]){":1: there is no section \"\\x1b[2J\"",
			":1: the file ends inside section \"\\x1b[2J\", expected }", NULL});
	assert_faults(*state, "log {\n\x1b[2J =",
		(const char *const[]){":2: log has no setting \"\\x1b[2J\"",
			":2: the file ends after \"\\x1b[2J\" =, expected a value", NULL});
}

static void test_a_connection_that_libpq_does_not_understand_is_not_shown(void **state)
{
	static const char *const texts[] = {"foo=bar", "password=my s3kret",
		"postgresql://u:se%zzkret@h/d", "password='s3kret", "s3kret"};
	static const char *const names[] = {
		"connection", "operator_connection", "owner_connection"};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
			char text[256];
			char fault[256];
			snprintf(text, sizeof(text), "database {\n%s = \"%s\"\n}\n", names[j],
				texts[i]);
			snprintf(fault, sizeof(fault),
				":2: database.%s is not understood by libpq, expected keyword = "
				"value "
				"with quotes around what has spaces in it, or a postgresql:// "
				"address",
				names[j]);
			assert_faults(*state, text, (const char *const[]){fault, NULL});
		}
	}
}

/* The lines that were taken for a value, and those that are not any more, may hold a password. */
static void test_a_missing_quote_is_hinted_at_and_tells_nothing(void **state)
{
	static const char *const texts[] = {
		"log { level = \"info\n}\nadmin { address = \"\" }\n",
		"log {\nlevel = 'info }\ndatabase { connection = 'password=s3kret words' } }\n",
	};
	static const char *const settings[] = {
		"database.connection", "listen.backlog", "tls.allow_tls12", "tls.key"};
	assert_faults(*state,
		"database {\nconection = \"host=db\noperator_connection = "
		"\"postgresql://u:s3kret@h/d\"\n}\n",
		(const char *const[]){":2: database has no setting \"conection\", expected one of",
			":3: a value goes over the end of a line", NULL});
	assert_faults(*state,
		"database {\nconnection = \"host=db\"\nconnection = \"host=db\n"
		"operator_connection = \"postgresql://u:s3kret@h/d\"\n}\n",
		(const char *const[]){":4: database.connection goes over the end of a line", NULL});
	assert_faults(*state, texts[0],
		(const char *const[]){":3: log.level goes over the end of a line", NULL});
	assert_faults(*state, texts[1],
		(const char *const[]){":3: log.level goes over the end of a line", NULL});
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		char text[256];
		char fault[64];
		int section_len = (int)strcspn(settings[i], ".");
		snprintf(text, sizeof(text),
			"%.*s {\n%s = \"password=s3kret\n}\ndatabase { owner_connection = "
			"\"s3kret\" }\n",
			section_len, settings[i], settings[i] + section_len + 1);
		snprintf(fault, sizeof(fault), ":4: %s goes over the end of a line", settings[i]);
		assert_faults(*state, text, (const char *const[]){fault, NULL});
	}
}

static void test_a_good_file_is_read_after_any_bad_one(void **state)
{
	static const char *const bad[] = {"log { level = \"x", "/* x", "log {", "}",
		"log { level = {", "foo = 5", "log { level = \"${x\" }"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct heard heard;
		assert_null(load_text(*state, bad[i], &heard));
		struct conf *conf = load_good(*state, "log {\nlevel = debug\n}\n");
		assert_string_equal(conf->log_level, "debug");
		conf_unref(&conf);
	}
}

static void test_more_unknown_names_than_it_follows_end_the_reading(void **state)
{
	char text[8192] = "log {\n";
	size_t len = strlen(text);
	for (int i = 0; i < 100; i++) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, "name%d = 5\n", i);
	}
	snprintf(text + len, sizeof(text) - len, "}\n");
	struct heard heard;
	assert_null(load_text(*state, text, &heard));
	assert_in_range(heard.count, 64, 100);
}

static void test_an_unreadable_file_is_refused_with_the_reason(void **state)
{
	const struct folder *folder = *state;
	char expected[256];
	struct heard heard = {.count = 0};
	assert_null(conf_load(folder->file, on_fault, &heard));
	assert_null(conf_load(folder->path, on_fault, &heard));
	assert_int_equal(heard.count, 2);
	snprintf(expected, sizeof(expected), "%s: cannot be opened: No such file or directory",
		folder->file);
	assert_string_equal(heard.sentences[0], expected);
	snprintf(expected, sizeof(expected), "%s: cannot be read: Is a directory", folder->path);
	assert_string_equal(heard.sentences[1], expected);
}

static void test_what_is_good_can_be_had_in_spite_of_faults(void **state)
{
	const struct folder *folder = *state;
	static const char text[] = "control {\n\tpath = \"/c\"\n}\nlisten {\n\tbacklog = "
				   "0\n\tworkers = 3\n\tcolour = 1\n}\n"
				   "log {\n\tlevel \n";
	struct heard heard = {.count = 0};
	write_file(folder, text, sizeof(text) - 1);
	struct conf *conf = conf_load_in_part(folder->file, on_fault, &heard);
	assert_in_range(heard.count, 3, 4);
	assert_string_equal(conf->control_path, "/c");
	assert_int_equal(conf->listen_workers, 3);
	assert_int_equal(conf->listen_backlog, 512);
	conf_unref(&conf);
	conf = conf_load_in_part("/nonexistent/intaked.conf", on_fault, &heard);
	assert_string_equal(conf->control_path, "/run/intaked/control");
	conf_unref(&conf);
}

static void test_a_byte_zero_is_refused(void **state)
{
	const struct folder *folder = *state;
	struct heard heard = {.count = 0};
	static const char text[] = "log {\0}\n";
	write_file(folder, text, sizeof(text) - 1);
	assert_null(conf_load(folder->file, on_fault, &heard));
	assert_int_equal(heard.count, 1);
	assert_starts_with(
		heard.sentences[0] + strlen(folder->file), ": holds a byte 0, expected text");
}

static void test_a_file_is_taken_at_its_largest_and_refused_one_byte_past_it(void **state)
{
	const struct folder *folder = *state;
	enum { LARGEST = 1048576 };
	struct heard heard = {.count = 0};
	char *text = malloc(LARGEST + 1);
	assert_non_null(text);
	memset(text, '#', LARGEST + 1);
	write_file(folder, text, LARGEST);
	struct conf *conf = conf_load(folder->file, on_fault, &heard);
	assert_non_null(conf);
	conf_unref(&conf);
	write_file(folder, text, LARGEST + 1);
	free(text);
	assert_null(conf_load(folder->file, on_fault, &heard));
	assert_int_equal(heard.count, 1);
	assert_starts_with(heard.sentences[0] + strlen(folder->file),
		": is too large, expected at most 1048576 bytes");
}

/* The mark of its end needs room that is not there: what was read must not pass for a whole file.
 */
static void test_a_file_without_memory_for_all_of_it_is_refused(void **state)
{
	const struct folder *folder = *state;
	char text[256];
	memset(text, '#', sizeof(text));
	write_file(folder, text, sizeof(text));
	for (int nth = 1; nth <= 2; nth++) {
		struct heard heard = {.count = 0};
		failing_malloc = nth;
		assert_null(conf_load(folder->file, on_fault, &heard));
		assert_int_equal(failing_malloc, 0);
		assert_int_equal(heard.count, 1);
		assert_starts_with(heard.sentences[0] + strlen(folder->file),
			": the file was not read to its end: no memory");
	}
}

static void test_a_connection_without_memory_is_not_called_wrong(void **state)
{
	static const char *const words[] = {NULL, "out of memory\n"};
	const struct folder *folder = *state;
	write_file(folder, "", 0);
	for (size_t i = 0; i < 2; i++) {
		struct heard heard = {.count = 0};
		failing_parses = 1;
		words_of_failure = words[i];
		assert_null(conf_load(folder->file, on_fault, &heard));
		assert_int_equal(heard.count, 1);
		assert_starts_with(heard.sentences[0] + strlen(folder->file),
			": database.connection was not looked at: no memory");
	}
}

struct address_case {
	const char *listen;
	const char *admin;
	const char *fault; /* NULL: taken */
};

static void test_addresses_are_checked_and_kept_apart(void **state)
{
	static const struct address_case cases[] = {
		{"[::]:8443", "127.0.0.1:8444", NULL},
		{"[::]:0", "127.0.0.1:0", NULL},
		{"[::]:65535", "[::1]:1", NULL},
		{"0.0.0.0:1", "127.255.255.255:65535", NULL},
		{"intake.example.org:443", "localhost:8444", NULL},
		{"[fe80::1%eth0]:8443", "/run/intaked/admin", NULL},
		{"192.0.2.1:8443", "127.0.0.1:8443", NULL},
		{"127.0.0.1:8443", "127.0.0.2:8443", NULL},
		{"0.0.0.0:8443", "[::1]:8443", NULL},
		{"[::]:8443", "", NULL},
		{"[::]:65536", "", ":2: listen.address is "},
		{"[::]:", "", ":2: listen.address is "},
		{"[::]", "", ":2: listen.address is "},
		{"[::]:84x", "", ":2: listen.address is "},
		{"[::", "", ":2: listen.address is "},
		{"[127.0.0.1]:8443", "", ":2: listen.address is "},
		{"::1:8443", "", ":2: listen.address is "},
		{"192.0.2:8443", "", ":2: listen.address is "},
		{"192.0.2.256:8443", "", ":2: listen.address is "},
		{":8443", "", ":2: listen.address is "},
		{"8443", "", ":2: listen.address is "},
		{"a_b:8443", "", ":2: listen.address is "},
		{"/run/intaked/listen", "", ":2: listen.address is "},
		{"", "", ":2: listen.address is "},
		{"[::]:8443", "192.0.2.1:8444", ":3: admin.address is "},
		{"[::]:8443", "128.0.0.1:8444", ":3: admin.address is "},
		{"[::]:8443", "0.0.0.0:8444", ":3: admin.address is "},
		{"[::]:8443", "[::]:8444", ":3: admin.address is "},
		{"[::]:8443", "[::2]:8444", ":3: admin.address is "},
		{"[::]:8443", "admin.example.org:8444", ":3: admin.address is "},
		{"[::]:8443", "run/intaked/admin", ":3: admin.address is "},
		{"[::]:8443", "127.0.0.1:8443",
			":3: admin.address is \"127.0.0.1:8443\", which is also"},
		{"[::]:8443", "[::1]:8443", ":3: admin.address is \"[::1]:8443\", which is also"},
		{"[::]:8443", "localhost:8443",
			":3: admin.address is \"localhost:8443\", which is also"},
		{"0.0.0.0:8443", "127.0.0.1:8443", ":3: admin.address is "},
		{"127.0.0.1:8443", "127.0.0.1:8443", ":3: admin.address is "},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256];
		snprintf(text, sizeof(text),
			"listen {\naddress = \"%s\" }\nadmin { address = \"%s\" }\n",
			cases[i].listen, cases[i].admin);
		if (cases[i].fault != NULL) {
			assert_faults(*state, text, (const char *const[]){cases[i].fault, NULL});
			continue;
		}
		struct conf *conf = load_good(*state, text);
		assert_string_equal(conf->listen_address, cases[i].listen);
		assert_string_equal(conf->admin_address, cases[i].admin);
		conf_unref(&conf);
	}
}

static void test_socket_paths_are_taken_up_to_107_bytes(void **state)
{
	char path[109];
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	for (int len = 107; len <= 108; len++) {
		char text[512];
		snprintf(text, sizeof(text),
			"admin {\naddress = \"%.*s\" }\ncontrol { path = \"%.*sy\" }\n", len, path,
			len - 1, path);
		if (len == 107) {
			struct conf *conf = load_good(*state, text);
			conf_unref(&conf);
		} else {
			assert_faults(*state, text,
				(const char *const[]){
					":2: admin.address is ", ":3: control.path is ", NULL});
		}
	}
}

static void test_two_sockets_at_one_path_are_refused(void **state)
{
	assert_faults(*state, "admin { address = \"/x\" }\ncontrol { path = \"/x\" }\n",
		(const char *const[]){":2: admin.address and control.path are both \"/x\"", NULL});
}

static void test_only_what_can_be_turned_off_may_be_empty(void **state)
{
	struct conf *conf = load_good(*state,
		"tls { partner_crl = \"\" }\ncontrol { path = \"\" }\n"
		"security_txt { file = \"\" }\n");
	assert_string_equal(conf->control_path, "");
	conf_unref(&conf);
	assert_faults(*state,
		"tls {\ncertificate = ''\nkey = ''\npartner_ca = '' }\ntaxonomy { file = '' }\n",
		(const char *const[]){":2: tls.certificate is \"\", expected the path of a file",
			":3: tls.key is ", ":4: tls.partner_ca is ", ":5: taxonomy.file is ",
			NULL});
}

static void test_log_level_is_one_of_four(void **state)
{
	static const char *const good[] = {"debug", "info", "warn", "error"};
	static const char *const bad[] = {"fatal", "INFO", "''", "warning"};
	for (size_t i = 0; i < 4; i++) {
		char text[64];
		snprintf(text, sizeof(text), "log {\nlevel = %s }\n", good[i]);
		struct conf *conf = load_good(*state, text);
		assert_string_equal(conf->log_level, good[i]);
		conf_unref(&conf);
		snprintf(text, sizeof(text), "log {\nlevel = %s }\n", bad[i]);
		assert_faults(*state, text, (const char *const[]){":2: log.level is ", NULL});
	}
}

static void test_settings_that_depend_on_each_other_are_held_against_each_other(void **state)
{
	struct conf *conf = load_good(*state,
		"limits { request_timeout_ms = 500 head_timeout_ms = 500\n"
		"report_bytes = 1048576 input_pool_bytes = 1048576 }\n");
	conf_unref(&conf);
	assert_faults(*state,
		"limits {\nrequest_timeout_ms = 500\nhead_timeout_ms = 501\n"
		"input_pool_bytes = 1048576\nreport_bytes = 1048577 }\n",
		(const char *const[]){":3: limits.head_timeout_ms is 501, expected at most "
				      "limits.request_timeout_ms, which is 500",
			":5: limits.report_bytes is 1048577, expected at most "
			"limits.input_pool_bytes, which is 1048576",
			NULL});
	/* Against a default, the line is that of the one that is set. */
	assert_faults(*state, "\nlimits { request_timeout_ms = 9999 }\n",
		(const char *const[]){":2: limits.head_timeout_ms is 10000, expected", NULL});
	/* A value at fault already is not held against anything. */
	assert_faults(*state, "\nlimits { request_timeout_ms = 1 head_timeout_ms = 600000 }\n",
		(const char *const[]){":2: limits.request_timeout_ms is \"1\"", NULL});
}

static char *print(const struct conf *conf)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	assert_non_null(out);
	conf_print(conf, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void test_what_is_printed_reads_back_the_same(void **state)
{
	struct conf *conf = load_good(*state,
		"listen { workers = 7 }\ntls { allow_tls12 = on key = '/a\"b\\${HOME}$c' }\n"
		"database { connection = \"password='x\\\\y' dbname=z\" }\n");
	char *first = print(conf);
	conf_unref(&conf);
	conf = load_good(*state, first);
	assert_string_equal(conf->tls_key, "/a\"b\\${HOME}$c");
	char *second = print(conf);
	conf_unref(&conf);
	assert_string_equal(first, second);
	assert_non_null(strstr(first, "\tworkers = 7\n"));
	assert_non_null(strstr(first, "\tallow_tls12 = true\n"));
	free(first);
	free(second);
}

static void test_default_texts_stand_as_in_a_file(void **state)
{
	char text[8192];
	size_t len = 0;
	struct heard heard = {.count = 0};
	for (size_t i = 0; i < conf_setting_count(); i++) {
		const struct conf_setting *setting = conf_setting(i);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s { %s = %s }\n",
			setting->section, setting->name, setting->default_text);
	}
	struct conf *from_file = load_good(*state, text);
	struct conf *from_table = conf_load(NULL, on_fault, &heard);
	assert_non_null(from_table);
	for (size_t i = 0; i < conf_setting_count(); i++) {
		const struct conf_setting *setting = conf_setting(i);
		if (setting->type == CONF_NUMBER) {
			assert_int_equal(*(const int64_t *)field(from_file, setting),
				*(const int64_t *)field(from_table, setting));
		} else if (setting->type == CONF_SWITCH) {
			assert_int_equal(*(const bool *)field(from_file, setting),
				*(const bool *)field(from_table, setting));
		} else if (setting->type == CONF_TEXT) {
			assert_string_equal(*(const char *const *)field(from_file, setting),
				*(const char *const *)field(from_table, setting));
		}
	}
	conf_unref(&from_file);
	conf_unref(&from_table);
}

static void test_a_setting_is_equal_only_where_its_value_is(void **state)
{
	struct conf *changed = load_good(*state,
		"listen { backlog = 9 }\ntls { allow_tls12 = yes }\nlog { level = warn }\n");
	struct conf *same = load_good(*state, "");
	struct conf *defaults = load_good(*state, "");
	size_t differences = 0;
	for (size_t i = 0; i < conf_setting_count(); i++) {
		assert_true(conf_setting_equal(conf_setting(i), same, defaults));
		differences += !conf_setting_equal(conf_setting(i), changed, defaults);
	}
	assert_int_equal(differences, 3);
	conf_unref(&changed);
	conf_unref(&same);
	conf_unref(&defaults);
}

static void test_a_snapshot_lives_until_its_last_reference_goes(void **state)
{
	struct conf *conf = load_good(*state, "listen { backlog = 9 }\n");
	struct conf *other = conf_ref(conf);
	assert_ptr_equal(conf, other);
	conf_unref(&conf);
	assert_null(conf);
	assert_int_equal(other->listen_backlog, 9);
	conf_unref(&other);
	conf_unref(&other);
	assert_null(other);
}

static void test_fixed_settings_keep_their_value_over_a_reload(void **state)
{
	struct conf *running = load_good(*state,
		"listen { backlog = 9 max_connections = 5 }\n"
		"database { connection = \"dbname=a\" allow_unsafe_durability = true }\n");
	struct conf *loaded = load_good(
		*state, "listen { backlog = 10 max_connections = 7 }\nlimits { head_count = 3 }\n");
	conf_keep_fixed(loaded, running);
	for (size_t i = 0; i < conf_setting_count(); i++) {
		const struct conf_setting *setting = conf_setting(i);
		assert_true(setting->is_reloadable || conf_setting_equal(setting, loaded, running));
	}
	assert_int_equal(loaded->listen_backlog, 9);
	assert_int_equal(loaded->listen_max_connections, 7);
	assert_int_equal(loaded->limits_head_count, 3);
	conf_unref(&running);
	assert_string_equal(loaded->database_connection, "dbname=a");
	assert_true(loaded->database_allow_unsafe_durability);
	conf_unref(&loaded);
}

static void test_files_that_cannot_be_read_are_named_with_their_line(void **state)
{
	struct folder *folder = *state;
	struct heard heard = {.count = 0};
	char text[512];
	snprintf(text, sizeof(text),
		"tls {\n\tcertificate = \"%s\"\n\tkey = \"/nonexistent.key\"\n"
		"\tpartner_ca = \"%s\"\n}\ntaxonomy { file = \"%s\" }\n",
		folder->file, folder->file, folder->file);
	struct conf *conf = load_good(folder, text);
	assert_false(conf_files_are_readable(conf, on_fault, &heard));
	assert_int_equal(heard.count, 1);
	assert_starts_with(heard.sentences[0], folder->file);
	assert_string_equal(heard.sentences[0] + strlen(folder->file),
		":3: tls.key: /nonexistent.key: No such file or directory");
	conf_unref(&conf);
}

static void test_files_that_can_be_read_are_no_fault(void **state)
{
	struct folder *folder = *state;
	struct heard heard = {.count = 0};
	char text[512];
	snprintf(text, sizeof(text),
		"tls { certificate = \"%s\" key = \"%s\" partner_ca = \"%s\" }\n"
		"taxonomy { file = \"%s\" }\n",
		folder->file, folder->file, folder->file, folder->file);
	struct conf *conf = load_good(folder, text);
	assert_true(conf_files_are_readable(conf, on_fault, &heard));
	assert_int_equal(heard.count, 0);
	conf_unref(&conf);
}

static void test_the_sample_file_gives_the_defaults(void **state)
{
	(void)state;
	struct heard heard = {.count = 0};
	struct conf *sample = conf_load(SOURCE_DIR "/config/intaked.conf", on_fault, &heard);
	struct conf *from_table = conf_load(NULL, on_fault, &heard);
	assert_non_null(sample);
	assert_non_null(from_table);
	assert_string_equal(sample->taxonomy_file, SOURCE_DIR "/config/taxonomy.json");
	assert_string_equal(sample->listen_address, from_table->listen_address);
	conf_unref(&sample);
	conf_unref(&from_table);
}

/* The next literal block of a manual page that holds settings, without the page's escapes. */
static bool next_example(FILE *page, char *text, size_t size)
{
	char line[512];
	size_t len = 0;
	bool is_inside = false;
	while (fgets(line, sizeof(line), page) != NULL) {
		if (strncmp(line, ".Bd", 3) == 0) {
			is_inside = true;
			len = 0;
		} else if (strncmp(line, ".Ed", 3) == 0) {
			is_inside = false;
			if (len > 0 && strchr(text, '{') != NULL) {
				return true;
			}
		} else if (is_inside) {
			char *escape = strstr(line, "\\e");
			if (escape != NULL) {
				memmove(escape + 1, escape + 2, strlen(escape + 2) + 1);
			}
			len += (size_t)snprintf(text + len, size - len, "%s", line);
			assert_true(len < size);
		}
	}
	return false;
}

static void test_the_manuals_examples_are_good(void **state)
{
	char text[4096];
	size_t examples = 0;
	FILE *page = fopen(SOURCE_DIR "/config/intaked.conf.5", "re");
	assert_non_null(page);
	for (; next_example(page, text, sizeof(text)); examples++) {
		struct conf *conf = load_good(*state, text);
		conf_unref(&conf);
	}
	fclose(page);
	assert_int_equal(examples, 5);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_without_a_file_every_setting_has_its_default),
		CASE(test_an_empty_file_gives_the_defaults),
		CASE(test_values_comments_and_repeated_sections_are_read),
		CASE(test_the_environment_is_expanded_where_text_is_not_single_quoted),
		CASE(test_relative_paths_are_taken_from_the_files_folder),
		CASE(test_a_file_named_without_a_folder_leaves_relative_paths_alone),
		CASE(test_every_number_is_taken_at_its_limits_and_refused_past_them),
		CASE(test_what_is_not_a_plain_decimal_number_is_refused),
		CASE(test_a_number_fault_names_value_unit_and_range),
		CASE(test_a_switch_takes_words_for_true_and_false),
		CASE(test_unknown_names_are_refused_with_those_that_exist),
		CASE(test_all_faults_of_a_file_come_out_at_once_and_by_line),
		CASE(test_comments_do_not_move_the_line_of_a_fault),
		CASE(test_a_connection_that_libpq_does_not_understand_is_not_shown),
		CASE(test_a_setting_twice_is_refused_with_the_first_line),
		CASE(test_broken_syntax_is_refused_with_its_line),
		CASE(test_what_a_terminal_would_obey_is_escaped),
		CASE(test_a_missing_quote_is_hinted_at_and_tells_nothing),
		CASE(test_a_good_file_is_read_after_any_bad_one),
		CASE(test_more_unknown_names_than_it_follows_end_the_reading),
		CASE(test_an_unreadable_file_is_refused_with_the_reason),
		CASE(test_what_is_good_can_be_had_in_spite_of_faults),
		CASE(test_a_byte_zero_is_refused),
		CASE(test_a_file_is_taken_at_its_largest_and_refused_one_byte_past_it),
		CASE(test_a_file_without_memory_for_all_of_it_is_refused),
		CASE(test_a_connection_without_memory_is_not_called_wrong),
		CASE(test_addresses_are_checked_and_kept_apart),
		CASE(test_socket_paths_are_taken_up_to_107_bytes),
		CASE(test_two_sockets_at_one_path_are_refused),
		CASE(test_only_what_can_be_turned_off_may_be_empty),
		CASE(test_log_level_is_one_of_four),
		CASE(test_settings_that_depend_on_each_other_are_held_against_each_other),
		CASE(test_what_is_printed_reads_back_the_same),
		CASE(test_default_texts_stand_as_in_a_file),
		CASE(test_the_sample_file_gives_the_defaults),
		CASE(test_the_manuals_examples_are_good),
		CASE(test_a_setting_is_equal_only_where_its_value_is),
		CASE(test_a_snapshot_lives_until_its_last_reference_goes),
		CASE(test_fixed_settings_keep_their_value_over_a_reload),
		CASE(test_files_that_cannot_be_read_are_named_with_their_line),
		CASE(test_files_that_can_be_read_are_no_fault),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
