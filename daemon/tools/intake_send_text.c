// SPDX-License-Identifier: Apache-2.0
#include "intake_send_text_int.h"

#include <stdlib.h>
#include <string.h>

/* U+0080 to U+009F are controls too: 0xc2 and one of these in UTF-8. */
static bool ends_c1(const char *text, size_t at)
{
	unsigned char c = (unsigned char)text[at];
	return at > 0 && (unsigned char)text[at - 1] == 0xc2 && c >= 0x80 && c < 0xa0;
}

/* How many bytes it put; out has room for len. */
static size_t put_clean(char *out, const char *text, size_t len)
{
	size_t put = 0;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (ends_c1(text, i)) {
			out[put - 1] = '?';
		} else {
			out[put++] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
		}
	}
	return put;
}

bool text_append_clean(struct buf *out, const char *text)
{
	size_t len = strlen(text);
	if (len == 0) {
		return true;
	}
	if (!buf_reserve(out, len)) {
		return false;
	}
	out->len += put_clean(out->data + out->len, text, len);
	return true;
}

void text_copy_clean(char *out, size_t size, const char *text)
{
	size_t len = strnlen(text, size - 1);
	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) {
		len--;
	}
	out[put_clean(out, text, len)] = '\0';
}

json_t *text_json(struct str text)
{
	json_t *made = json_stringn(text.data, text.len);
	if (made != NULL) {
		return made;
	}
	char *ascii = malloc(text.len + 1);
	ENSURE(ascii != NULL);
	for (size_t i = 0; i < text.len; i++) {
		ascii[i] = (char)((unsigned char)text.data[i] < 0x80 ? text.data[i] : '?');
	}
	made = json_stringn(ascii, text.len);
	free(ascii);
	ENSURE(made != NULL);
	return made;
}
