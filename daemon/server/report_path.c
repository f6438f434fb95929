// SPDX-License-Identifier: Apache-2.0
#include "report_path_int.h"

#include <string.h>

#define PREFIX_LEN (sizeof(REPORT_PATH_PREFIX) - 1)

struct str report_path_rest(struct str path)
{
	if (path.len <= PREFIX_LEN || memcmp(path.data, REPORT_PATH_PREFIX, PREFIX_LEN) != 0) {
		return (struct str){NULL, 0};
	}
	const char *end = path.data + path.len;
	const char *slash = memchr(path.data + PREFIX_LEN, '/', path.len - PREFIX_LEN);
	const char *rest = slash != NULL ? slash : end;
	return (struct str){rest, (size_t)(end - rest)};
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef0123456789ABCDEF";
	const char *found = c != '\0' ? strchr(digits, c) : NULL;
	return found != NULL ? (int)(found - digits) % 16 : -1;
}

static bool is_report_id_char(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '.' ||
		c == '_' || c == ':' || c == '-';
}

bool report_path_read_id(struct str path, char id_out[REPORT_PATH_ID_MAX], size_t *len_out)
{
	size_t len = 0;
	size_t end = path.len - report_path_rest(path).len;
	for (size_t i = PREFIX_LEN; i < end; i++) {
		char c = path.data[i];
		if (c == '%' && i + 2 < end) {
			int high = hex_digit(path.data[i + 1]);
			int low = hex_digit(path.data[i + 2]);
			if (high < 0 || low < 0) {
				return false;
			}
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (len == REPORT_PATH_ID_MAX || !is_report_id_char(c)) {
			return false;
		}
		id_out[len++] = c;
	}
	*len_out = len;
	return true;
}
