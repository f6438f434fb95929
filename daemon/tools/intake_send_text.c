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

bool text_append_clean(struct buf *out, const char *text)
{
	size_t len = strlen(text);
	if (!buf_reserve(out, len)) {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (ends_c1(text, i)) {
			out->data[out->len - 1] = '?';
		} else {
			out->data[out->len++] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
		}
	}
	return true;
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
