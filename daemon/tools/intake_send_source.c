// SPDX-License-Identifier: Apache-2.0
/*
 * A folder gives its *.json, *.ndjson and *.jsonl, those of the folders in it too, in the order of
 * their bytes. Hidden ones are left out: programs write there what is not finished. A pipe is
 * polled before it is read, so that a slow one holds up nothing that is on its way.
 */
#include "intake_send_source_int.h"

#include "base/err.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_BYTES ((size_t)64 << 10)
/* Then others have their turn, whatever it is that has no report in so many bytes. */
#define CHUNKS_AT_ONCE 64
#define STANDARD_INPUT "-"

struct source_file {
	char *path;
	bool is_pipe; /* no regular file */
};

struct source {
	struct source_file *files;
	size_t file_count;
	size_t file_cap;
	size_t next; /* file to open */
	uint64_t total_bytes;
	bool has_pipe;
	struct stat passed_over;
	bool has_passed_over;
	source_fault_fn *on_fault;
	void *on_fault_ctx;

	struct source_file *file; /* that is read; NULL: none is open */
	int fd;
	bool is_read; /* to its end */
	struct scan scan;
	char *chunk;
	size_t chunk_len;
	size_t chunk_at;
	unsigned chunks_read; /* for the report that is looked for */
	struct source_report report;
	bool has_report;
	EVP_MD *sha256;
};

static void report_fault(struct source *source, const char *path, const char *what)
{
	struct err err;
	err_set(&err, "%s: %s", path, what);
	source->on_fault(source->on_fault_ctx, err.text);
}

/* --- which files --- */

static bool ends_in(const char *name, const char *suffix)
{
	size_t len = strlen(name);
	size_t suffix_len = strlen(suffix);
	return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

static bool is_lines_name(const char *name)
{
	return ends_in(name, ".ndjson") || ends_in(name, ".jsonl");
}

static void add_file(struct source *source, const char *path, const struct stat *found)
{
	if (source->has_passed_over && found->st_dev == source->passed_over.st_dev &&
		found->st_ino == source->passed_over.st_ino) {
		return;
	}
	if (source->file_count == source->file_cap) {
		source->file_cap = source->file_cap == 0 ? 64 : source->file_cap * 2;
		source->files =
			reallocarray(source->files, source->file_cap, sizeof(*source->files));
		ENSURE(source->files != NULL);
	}
	struct source_file *file = &source->files[source->file_count++];
	*file = (struct source_file){.path = strdup(path), .is_pipe = !S_ISREG(found->st_mode)};
	ENSURE(file->path != NULL);
	source->has_pipe |= file->is_pipe;
	source->total_bytes += file->is_pipe ? 0 : (uint64_t)found->st_size;
}

/* From the one being looked through up to the one that was named. */
struct folder {
	const struct folder *parent;
	dev_t device;
	ino_t inode;
};

static void add_folder(struct source *source, const char *path, const struct stat *found,
	const struct folder *parent);

static bool is_within(const struct folder *folder, const struct stat *found)
{
	for (; folder != NULL; folder = folder->parent) {
		if (folder->device == found->st_dev && folder->inode == found->st_ino) {
			return true;
		}
	}
	return false;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void add_entry(struct source *source, const char *path, const struct folder *folder)
{
	struct stat found;
	bool is_wanted = ends_in(path, ".json") || is_lines_name(path);
	if (stat(path, &found) != 0) {
		int fault = errno;
		if (lstat(path, &found) != 0) {
			report_fault(source, path, strerror(fault));
		} else if (is_wanted) {
			report_fault(source, path, "this link leads nowhere");
		}
	} else if (S_ISDIR(found.st_mode)) {
		add_folder(source, path, &found, folder);
	} else if (S_ISREG(found.st_mode) && is_wanted) {
		add_file(source, path, &found);
	}
}

/* Not by fts(3): in the GNU library what ends the reading of a folder early looks like its end. */
static void add_folder(struct source *source, const char *path, const struct stat *found,
	const struct folder *parent)
{
	struct folder folder = {parent, found->st_dev, found->st_ino};
	struct dirent **entries = NULL;
	if (is_within(parent, found)) {
		report_fault(source, path, "this link leads back to a folder above it");
		return;
	}
	int count = scandir(path, &entries, is_visible, compare_names);
	if (count < 0) {
		report_fault(source, path, strerror(errno));
		return;
	}
	for (int i = 0; i < count; i++) {
		char *entry = NULL;
		const char *slash = path[strlen(path) - 1] == '/' ? "" : "/";
		ENSURE(asprintf(&entry, "%s%s%s", path, slash, entries[i]->d_name) >= 0);
		add_entry(source, entry, &folder);
		free(entry);
		free(entries[i]);
	}
	free(entries);
}

static void add_named_folder(struct source *source, const char *name, const struct stat *found)
{
	char *path = strdup(name);
	ENSURE(path != NULL);
	size_t len = strlen(path);
	while (len > 1 && path[len - 1] == '/') {
		path[--len] = '\0';
	}
	add_folder(source, path, found, NULL);
	free(path);
}

static void add_name(struct source *source, const char *name)
{
	struct stat found;
	bool is_standard_input = strcmp(name, STANDARD_INPUT) == 0;
	if ((is_standard_input ? fstat(STDIN_FILENO, &found) : stat(name, &found)) != 0) {
		report_fault(source, name, strerror(errno));
	} else if (S_ISDIR(found.st_mode)) {
		add_named_folder(source, name, &found);
	} else {
		add_file(source, name, &found);
	}
}

struct source *source_new(char *const *names, int name_count, const struct stat *passed_over,
	source_fault_fn *on_fault, void *on_fault_ctx)
{
	struct source *source = calloc(1, sizeof(*source));
	ENSURE(source != NULL);
	source->on_fault = on_fault;
	source->on_fault_ctx = on_fault_ctx;
	source->fd = -1;
	source->chunk = malloc(CHUNK_BYTES);
	source->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	ENSURE(source->chunk != NULL && source->sha256 != NULL);
	if (passed_over != NULL) {
		source->passed_over = *passed_over;
		source->has_passed_over = true;
	}
	for (int i = 0; i < name_count; i++) {
		add_name(source, names[i]);
	}
	return source;
}

/* --- reading them --- */

static void close_file(struct source *source)
{
	if (source->file == NULL) {
		return;
	}
	if (source->fd != STDIN_FILENO) {
		close(source->fd);
	}
	scan_fini(&source->scan);
	source->fd = -1;
	source->file = NULL;
}

static void open_file(struct source *source)
{
	struct source_file *file = &source->files[source->next++];
	bool is_standard_input = strcmp(file->path, STANDARD_INPUT) == 0;
	/* Without O_NONBLOCK a named pipe would be waited for here until somebody writes to it. */
	int flags = O_RDONLY | O_CLOEXEC | (file->is_pipe ? O_NONBLOCK : 0);
	source->fd = is_standard_input ? STDIN_FILENO : open(file->path, flags);
	if (source->fd < 0) {
		report_fault(source, file->path, strerror(errno));
		return;
	}
	source->file = file;
	source->is_read = false;
	source->chunk_len = 0;
	source->chunk_at = 0;
	scan_init(&source->scan, is_lines_name(file->path), SCAN_REPORT_BYTES_MAX);
}

/* Closes the file before its end. */
static void give_up_file(struct source *source, const char *what)
{
	report_fault(source, source->file->path, what);
	close_file(source);
}

/* False: the pipe has nothing at the moment. */
static bool read_chunk(struct source *source)
{
	struct pollfd readable = {.fd = source->fd, .events = POLLIN};
	if (source->file->is_pipe && poll(&readable, 1, 0) <= 0) {
		return false;
	}
	ssize_t len = read(source->fd, source->chunk, CHUNK_BYTES);
	if (len < 0 && (errno == EINTR || errno == EAGAIN)) {
		return false;
	}
	if (len < 0) {
		give_up_file(source, strerror(errno));
		return true;
	}
	source->chunks_read++;
	source->is_read = len == 0;
	source->chunk_len = (size_t)len;
	source->chunk_at = 0;
	return true;
}

static void end_file(struct source *source)
{
	/* A pipe without reports is what a search without a hit leaves; a blank file is a loss. */
	if (!scan_has_content(&source->scan) && !source->file->is_pipe) {
		give_up_file(source, "there is no report in it");
		return;
	}
	close_file(source);
}

static void break_file(struct source *source)
{
	struct err err;
	uint64_t line = 0;
	const char *reason = scan_broken_reason(&source->scan, &line);
	err_set(&err, "line %llu: %s, so nothing is read from there on", (unsigned long long)line,
		reason);
	give_up_file(source, err.text);
}

static void set_report(struct source *source)
{
	struct source_report *report = &source->report;
	struct str bytes = report->cut.bytes;
	report->file = source->file->path;
	report->is_document = report->cut.line == 0;
	ENSURE(EVP_Digest(bytes.data, bytes.len, report->digest.bytes, NULL, source->sha256,
		       NULL) == 1);
	source->has_report = true;
}

/* One step within the file that is open; false: the pipe has nothing at the moment. */
static bool advance(struct source *source)
{
	enum scan_step step = SCAN_MORE;
	if (source->is_read) {
		step = scan_finish(&source->scan, &source->report.cut);
	} else if (source->chunk_at == source->chunk_len) {
		return read_chunk(source);
	} else {
		size_t used = 0;
		step = scan_feed(&source->scan, source->chunk + source->chunk_at,
			source->chunk_len - source->chunk_at, &used, &source->report.cut);
		source->chunk_at += used;
	}
	if (step == SCAN_REPORT) {
		set_report(source);
	} else if (step == SCAN_BROKEN) {
		break_file(source);
	} else if (step == SCAN_END) {
		end_file(source);
	}
	return true;
}

enum source_step source_peek(struct source *source, const struct source_report **report_out)
{
	*report_out = &source->report;
	source->chunks_read = 0;
	while (!source->has_report) {
		if (source->file != NULL) {
			if (source->chunks_read == CHUNKS_AT_ONCE || !advance(source)) {
				return SOURCE_WAIT;
			}
		} else if (source->next < source->file_count) {
			open_file(source);
		} else {
			return SOURCE_END;
		}
	}
	return SOURCE_REPORT;
}

void source_take(struct source *source)
{
	source->has_report = false;
}

int source_wait_fd(const struct source *source)
{
	return source->fd;
}

uint64_t source_total_bytes(const struct source *source)
{
	return source->has_pipe ? 0 : source->total_bytes;
}

void source_free(struct source **source)
{
	struct source *old = *source;
	*source = NULL;
	if (old == NULL) {
		return;
	}
	close_file(old);
	for (size_t i = 0; i < old->file_count; i++) {
		free(old->files[i].path);
	}
	free(old->files);
	free(old->chunk);
	EVP_MD_free(old->sha256);
	free(old);
}
