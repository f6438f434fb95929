// SPDX-License-Identifier: Apache-2.0
#include "intakectl_pem_int.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REQUEST_MAX_BYTES 65536
#define PASSWORD_SIZE 1024

bool pem_fault(struct err *err, const char *path, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());
	ERR_clear_error();
	return err_set(err, "%s %s%s%s", path, what, reason == NULL ? "" : ": ",
		reason == NULL ? "" : reason);
}

const char *pem_subject(X509 *certificate, char *out, size_t size)
{
	X509_NAME_oneline(X509_get_subject_name(certificate), out, (int)size);
	return out;
}

static FILE *open_file(const char *path, struct err *err)
{
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		err_set(err, "%s cannot be opened: %s", path, strerror(errno));
	}
	return file;
}

/* Nothing but a key is worth asking a password for. */
static int refuse_password(char *password, int size, int is_writing, void *ctx)
{
	(void)password;
	(void)size;
	(void)is_writing;
	(void)ctx;
	return -1;
}

STACK_OF(X509) * pem_read_certificates(const char *path, struct err *err)
{
	FILE *file = open_file(path, err);
	STACK_OF(X509) *certificates = file == NULL ? NULL : sk_X509_new_null();
	X509 *certificate = NULL;
	if (certificates == NULL) {
		return NULL;
	}
	ERR_clear_error();
	while ((certificate = PEM_read_X509(file, NULL, refuse_password, NULL)) != NULL) {
		if (sk_X509_push(certificates, certificate) <= 0) {
			X509_free(certificate);
			break;
		}
	}
	fclose(file);
	bool is_whole = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	ERR_clear_error();
	if (is_whole && sk_X509_num(certificates) > 0) {
		return certificates;
	}
	err_set(err, "%s holds no certificate in PEM form%s", path,
		is_whole ? "" : ", or a broken one");
	sk_X509_pop_free(certificates, X509_free);
	return NULL;
}

/* Where a key's password comes from, and what became of it. */
struct password_source {
	const char *key_path;
	const char *password_path;
	bool was_asked;
	char fault[256]; /* empty: the password was had */
};

static int read_password_file(struct password_source *source, char *password, int size)
{
	FILE *file = fopen(source->password_path, "re");
	bool is_read = file != NULL && fgets(password, size, file) != NULL;
	if (file == NULL) {
		snprintf(source->fault, sizeof(source->fault), "%s cannot be opened: %s",
			source->password_path, strerror(errno));
	} else if (!is_read) {
		snprintf(source->fault, sizeof(source->fault),
			"%s is empty, expected a password on its first line",
			source->password_path);
	}
	if (file != NULL) {
		fclose(file);
	}
	if (!is_read) {
		return -1;
	}
	password[strcspn(password, "\r\n")] = '\0';
	return (int)strlen(password);
}

/* OpenSSL would read standard input where there is no terminal. */
static int ask_password(struct password_source *source, char *password, int size)
{
	char prompt[300];
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		snprintf(source->fault, sizeof(source->fault),
			"%s is encrypted and there is no terminal to ask for its password; "
			"--ca-password-file names a file that holds it",
			source->key_path);
		return -1;
	}
	close(fd);
	snprintf(prompt, sizeof(prompt), "Password of %s: ", source->key_path);
	if (EVP_read_pw_string(password, size, prompt, 0) != 0) {
		snprintf(source->fault, sizeof(source->fault), "no password was entered for %s",
			source->key_path);
		return -1;
	}
	return (int)strlen(password);
}

static int on_password(char *password, int size, int is_writing, void *ctx)
{
	struct password_source *source = ctx;
	(void)is_writing;
	source->was_asked = true;
	return source->password_path != NULL ? read_password_file(source, password, size)
					     : ask_password(source, password, size);
}

EVP_PKEY *pem_read_key(const char *path, const char *password_path, struct err *err)
{
	struct password_source source = {.key_path = path, .password_path = password_path};
	FILE *file = open_file(path, err);
	if (file == NULL) {
		return NULL;
	}
	ERR_clear_error();
	EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, on_password, &source);
	fclose(file);
	ERR_clear_error();
	if (key == NULL && source.fault[0] != '\0') {
		err_set(err, "%s", source.fault);
	} else if (key == NULL && source.was_asked) {
		err_set(err, "%s cannot be decrypted: the password is not its own", path);
	} else if (key == NULL) {
		err_set(err, "%s holds no private key in PEM form", path);
	}
	return key;
}

static bool read_text(const char *path, struct buf *text, struct err *err)
{
	char piece[4096];
	size_t len = 0;
	bool fits = true;
	FILE *file = open_file(path, err);
	if (file == NULL) {
		return false;
	}
	while (fits && (len = fread(piece, 1, sizeof(piece), file)) > 0) {
		fits = buf_append(text, piece, len);
	}
	fclose(file);
	return (fits && buf_append(text, "", 1)) ||
		err_set(err, "%s is longer than a certificate request can be", path);
}

X509_REQ *pem_read_request(const char *path, struct err *err)
{
	struct buf text;
	X509_REQ *request = NULL;
	buf_init(&text, REQUEST_MAX_BYTES);
	if (!read_text(path, &text, err)) {
		buf_fini(&text);
		return NULL;
	}
	if (strstr(text.data, "PRIVATE KEY-----") != NULL) {
		err_set(err,
			"%s holds a private key, which now is no secret any more; ask the partner "
			"for a request over a new key, without the key",
			path);
	} else {
		BIO *in = BIO_new_mem_buf(text.data, (int)strlen(text.data));
		request =
			in == NULL ? NULL : PEM_read_bio_X509_REQ(in, NULL, refuse_password, NULL);
		BIO_free(in);
		ERR_clear_error();
		if (request == NULL) {
			err_set(err, "%s holds no certificate request in PEM form", path);
		}
	}
	buf_fini(&text);
	return request;
}
