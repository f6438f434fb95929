// SPDX-License-Identifier: Apache-2.0
#include "intakectl_outbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool outbox_open(struct outbox *outbox, const char *folder, struct err *err)
{
	*outbox = (struct outbox){.folder = folder};
	outbox->has_made_folder = mkdir(folder, 0777) == 0;
	return outbox->has_made_folder || errno == EEXIST ||
		err_set(err, "%s cannot be made: %s", folder, strerror(errno));
}

static bool holds(const char *path, const char *data, size_t len)
{
	FILE *file = fopen(path, "re");
	bool is_equal = true;
	if (file == NULL) {
		return false;
	}
	for (size_t i = 0; i < len && is_equal; i++) {
		is_equal = fgetc(file) == (unsigned char)data[i];
	}
	is_equal = is_equal && fgetc(file) == EOF;
	fclose(file);
	return is_equal;
}

static bool write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t written = write(fd, data, len);
		if (written < 0) {
			return false;
		}
		data += written;
		len -= (size_t)written;
	}
	return fsync(fd) == 0;
}

static bool write_new(struct outbox *outbox, const char *path, const char *data, size_t len,
	bool may_be_there, struct err *err)
{
	ENSURE(outbox->written_count < OUTBOX_FILES_MAX);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (fd < 0 && errno == EEXIST) {
		return (may_be_there && holds(path, data, len)) ||
			err_set(err,
				"%s is there already and is not overwritten; --out names "
				"another folder",
				path);
	}
	if (fd < 0) {
		return err_set(err, "%s cannot be written: %s", path, strerror(errno));
	}
	snprintf(outbox->written[outbox->written_count++], OUTBOX_PATH_SIZE, "%s", path);
	bool is_written = write_all(fd, data, len);
	int fault = errno;
	close(fd);
	return is_written || err_set(err, "%s cannot be written: %s", path, strerror(fault));
}

bool outbox_put(struct outbox *outbox, const char *name, STACK_OF(X509) * certificates,
	bool may_be_there, char path_out[OUTBOX_PATH_SIZE], struct err *err)
{
	char *data = NULL;
	BIO *out = BIO_new(BIO_s_mem());
	ENSURE(out != NULL);
	for (int i = 0; i < sk_X509_num(certificates); i++) {
		ENSURE(PEM_write_bio_X509(out, sk_X509_value(certificates, i)) == 1);
	}
	long len = BIO_get_mem_data(out, &data);
	int path_len = snprintf(path_out, OUTBOX_PATH_SIZE, "%s/%s", outbox->folder, name);
	bool is_done = path_len < OUTBOX_PATH_SIZE
		? write_new(outbox, path_out, data, (size_t)len, may_be_there, err)
		: err_set(err, "the name of the folder %s is too long", outbox->folder);
	BIO_free(out);
	return is_done;
}

void outbox_take_back(struct outbox *outbox)
{
	while (outbox->written_count > 0) {
		unlink(outbox->written[--outbox->written_count]);
	}
	if (outbox->has_made_folder) {
		rmdir(outbox->folder);
		outbox->has_made_folder = false;
	}
}
