// SPDX-License-Identifier: Apache-2.0
/*
 * Lines begin with the same bytes, so that a file which is something else is told before it is
 * written to. A last line without its end was cut off by a crash: it is closed, and so spoils
 * nothing but itself. The lock keeps two runs from sending the same reports side by side.
 */
#include "intake_send_results_int.h"

#include "intake_send_text_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define LINE_BEGIN "{\"url\":"
/* A receipt's warnings and a refusal's errors fit. */
#define LINE_BYTES_MAX ((size_t)8 << 20)
#define LINES_BETWEEN_STOPS 4096

struct results {
	int fd;
	char *path;
	struct stat stat;
	struct buf line;
	bool is_synced;
};

static bool fault(struct results *results, struct err *err)
{
	return err_set(err, "the result file %s: %s", results->path, strerror(errno));
}

static bool write_all(struct results *results, const char *data, size_t len, struct err *err)
{
	results->is_synced = false;
	while (len > 0) {
		ssize_t written = write(results->fd, data, len);
		if (written < 0 && errno == EINTR) {
			continue;
		}
		if (written < 0) {
			return fault(results, err);
		}
		data += written;
		len -= (size_t)written;
	}
	return true;
}

/* Whether it is empty or begins as all result files do, cut off where a crash would cut. */
static bool is_ours(const struct results *results)
{
	char begin[sizeof(LINE_BEGIN) - 1];
	ssize_t len = pread(results->fd, begin, sizeof(begin), 0);
	if (len <= 0) {
		return len == 0;
	}
	const char *line_end = memchr(begin, '\n', (size_t)len);
	size_t line_len = line_end != NULL ? (size_t)(line_end - begin) : (size_t)len;
	return memcmp(begin, LINE_BEGIN, line_len) == 0;
}

static bool close_last_line(struct results *results, struct err *err)
{
	char last = '\n';
	if (results->stat.st_size > 0 &&
		pread(results->fd, &last, 1, results->stat.st_size - 1) != 1) {
		return fault(results, err);
	}
	return last == '\n' || write_all(results, "\n", 1, err);
}

static bool prepare(struct results *results, struct err *err)
{
	if (results->fd < 0 || fstat(results->fd, &results->stat) != 0) {
		return fault(results, err);
	}
	if (!S_ISREG(results->stat.st_mode)) {
		return err_set(err, "the result file %s: expected a regular file", results->path);
	}
	if (flock(results->fd, LOCK_EX | LOCK_NB) != 0) {
		return errno == EWOULDBLOCK
			? err_set(err, "the result file %s is in use by another intake-send",
				  results->path)
			: fault(results, err);
	}
	/* The run that held the lock until now may have written since. */
	if (fstat(results->fd, &results->stat) != 0) {
		return fault(results, err);
	}
	if (!is_ours(results)) {
		return err_set(err,
			"%s holds something else than results; name another file with --results",
			results->path);
	}
	return close_last_line(results, err);
}

struct results *results_open(const char *path, struct err *err)
{
	struct results *results = calloc(1, sizeof(*results));
	ENSURE(results != NULL);
	buf_init(&results->line, LINE_BYTES_MAX);
	results->path = strdup(path);
	ENSURE(results->path != NULL);
	results->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (!prepare(results, err)) {
		results_close(&results);
	}
	return results;
}

void results_close(struct results **results)
{
	struct results *old = *results;
	*results = NULL;
	if (old == NULL) {
		return;
	}
	if (old->fd >= 0) {
		close(old->fd);
	}
	buf_fini(&old->line);
	free(old->path);
	free(old);
}

const struct stat *results_stat(const struct results *results)
{
	return &results->stat;
}

/* --- reading --- */

static bool member_is(const json_t *object, const char *name, const char *expected)
{
	const char *value = json_string_value(json_object_get(object, name));
	return value != NULL && strcmp(value, expected) == 0;
}

bool results_line_digest(
	struct str line, const struct results_owner *owner, struct digest *digest_out)
{
	json_t *root = json_loadb(line.data, line.len, 0, NULL);
	json_int_t status = json_integer_value(json_object_get(root, "status"));
	const json_t *receipt = json_object_get(root, "receipt");
	const json_t *test = json_object_get(receipt, "test");
	const char *hex = json_string_value(json_object_get(root, "sha256"));
	bool counts = hex != NULL && (status == 200 || status == 201) &&
		member_is(root, "url", owner->url) &&
		member_is(receipt, "partner", owner->partner) && json_is_boolean(test) &&
		json_is_true(test) == owner->is_test && digest_from_hex(hex, digest_out);
	json_decref(root);
	return counts;
}

bool results_load(struct results *results, const struct results_owner *owner,
	struct digests *digests, bool (*must_stop)(void), struct err *err)
{
	/* A second description of the file, with an offset of its own. */
	FILE *file = fopen(results->path, "re");
	if (file == NULL) {
		return fault(results, err);
	}
	char *line = NULL;
	size_t cap = 0;
	ssize_t len = 0;
	for (uint64_t count = 1; (len = getline(&line, &cap, file)) > 0; count++) {
		struct digest digest;
		if (results_line_digest((struct str){line, (size_t)len}, owner, &digest)) {
			digests_add(digests, &digest);
		}
		if (count % LINES_BETWEEN_STOPS == 0 && must_stop()) {
			break;
		}
	}
	bool is_read = !ferror(file) || fault(results, err);
	free(line);
	fclose(file);
	return is_read;
}

/* --- writing --- */

static json_t *make_line(const struct result *result)
{
	json_t *root = json_object();
	bool is_made = json_object_set_new(root, "url", json_string(result->url)) == 0 &&
		json_object_set_new(root, "file", text_json(str_from(result->file))) == 0;
	if (is_made && result->line > 0) {
		is_made = json_object_set_new(
				  root, "line", json_integer((json_int_t)result->line)) == 0;
	}
	if (is_made && result->index >= 0) {
		is_made = json_object_set_new(root, "index", json_integer(result->index)) == 0;
	}
	if (is_made && result->digest != NULL) {
		char hex[2 * DIGEST_BYTES + 1];
		digest_format(result->digest, hex);
		is_made = json_object_set_new(root, "sha256", json_string(hex)) == 0;
	}
	if (is_made && result->report_id != NULL) {
		is_made =
			json_object_set_new(root, "report_id", json_string(result->report_id)) == 0;
	}
	is_made = is_made &&
		json_object_set_new(root, "status", json_integer(result->status)) == 0 &&
		json_object_set(root, result->member, result->content) == 0;
	if (!is_made) {
		json_decref(root);
		return NULL;
	}
	return root;
}

bool results_render(struct buf *out, const struct result *result)
{
	json_t *root = make_line(result);
	char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
	bool is_made = text != NULL && buf_append_str(out, str_from(text)) &&
		buf_append_str(out, STR("\n"));
	free(text);
	json_decref(root);
	return is_made;
}

bool results_append(struct results *results, const struct result *result, struct err *err)
{
	buf_clear(&results->line);
	if (!results_render(&results->line, result)) {
		return err_set(err, "the result file %s: a line is over %zu bytes", results->path,
			LINE_BYTES_MAX);
	}
	return write_all(results, results->line.data, results->line.len, err);
}

bool results_sync(struct results *results, struct err *err)
{
	if (!results->is_synced && fdatasync(results->fd) != 0) {
		return fault(results, err);
	}
	results->is_synced = true;
	return true;
}
