// SPDX-License-Identifier: Apache-2.0
/*
 * Runs one target over files: replay PATH... where a path is a file or a folder of files. The last
 * name that was printed is the one that a target died of.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FILE_MAX_BYTES ((size_t)16 << 20)

static size_t replay_file(const char *path)
{
	FILE *file = fopen(path, "rbe");
	uint8_t *data = malloc(FILE_MAX_BYTES);
	ENSURE(data != NULL);
	if (file == NULL) {
		fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
		exit(2);
	}
	size_t size = fread(data, 1, FILE_MAX_BYTES, file);
	ENSURE(ferror(file) == 0);
	fclose(file);
	/* Of exactly this size, so that a sanitizer sees a read past the end. */
	uint8_t *fitted = realloc(data, size > 0 ? size : 1);
	ENSURE(fitted != NULL);
	printf("%s\n", path);
	fflush(stdout);
	(void)LLVMFuzzerTestOneInput(fitted, size);
	free(fitted);
	return 1;
}

static size_t replay_folder(const char *path)
{
	struct dirent **entries = NULL;
	size_t files = 0;
	int count = scandir(path, &entries, NULL, alphasort);
	ENSURE(count >= 0);
	for (int i = 0; i < count; i++) {
		char name[4096];
		snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		files += entries[i]->d_name[0] != '.' ? replay_file(name) : 0;
		free(entries[i]);
	}
	free(entries);
	return files;
}

int main(int argc, char **argv)
{
	size_t files = 0;
	for (int i = 1; i < argc; i++) {
		struct stat status;
		bool is_folder = stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode);
		files += is_folder ? replay_folder(argv[i]) : replay_file(argv[i]);
	}
	if (files == 0) {
		fputs("usage: replay FILE-OR-FOLDER...; there was no file\n", stderr);
		return 2;
	}
	return 0;
}
