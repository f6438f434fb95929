// SPDX-License-Identifier: Apache-2.0
/*
 * A configuration file: what is wrong with it is said in sentences of printable text, and what was
 * taken is, once printed, read back as the same.
 */
#include "conf/conf.h"
#include "fuzz.h"

#include <stdlib.h>

static void count_fault(void *ctx, const char *sentence)
{
	size_t *faults = ctx;
	fuzz_ensure_sentence(sentence);
	(*faults)++;
}

static void ensure_reads_back(const struct conf *conf)
{
	char *printed = NULL;
	size_t len = 0;
	size_t faults = 0;
	struct fuzz_file file;
	FILE *out = open_memstream(&printed, &len);
	ENSURE(out != NULL);
	conf_print(conf, out);
	ENSURE(fclose(out) == 0);
	fuzz_file_open(&file, printed, len);
	struct conf *again = conf_load(file.path, count_fault, &faults);
	ENSURE(again != NULL && faults == 0);
	for (size_t i = 0; i < conf_setting_count(); i++) {
		ENSURE(conf_setting_equal(conf_setting(i), conf, again));
	}
	conf_unref(&again);
	fuzz_file_close(&file);
	free(printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t faults = 0;
	size_t faults_in_part = 0;
	struct fuzz_file file;
	fuzz_file_open(&file, data, size);
	struct conf *conf = conf_load(file.path, count_fault, &faults);
	ENSURE((conf == NULL) == (faults > 0));
	struct conf *part = conf_load_in_part(file.path, count_fault, &faults_in_part);
	ENSURE(part != NULL && faults_in_part == faults);
	if (conf != NULL) {
		ensure_reads_back(conf);
	}
	conf_unref(&part);
	conf_unref(&conf);
	fuzz_file_close(&file);
	return 0;
}
