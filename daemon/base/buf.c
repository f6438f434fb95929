// SPDX-License-Identifier: Apache-2.0
/*
 * Capacity doubles, so appending costs amortised constant time. What is freed is wiped first, to
 * the end of its capacity: behind len lies what was consumed or cleared, and reports name victims.
 * One byte more than the capacity is allocated, for the NUL that vsnprintf insists on.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
	if (b->data != NULL) {
		explicit_bzero(b->data, b->cap);
	}
	free(b->data);
	b->data = NULL;
	b->len = 0;
	b->cap = 0;
}

bool buf_reserve(struct buf *b, size_t more)
{
	if (b->cap - b->len >= more) {
		return true;
	}
	if (more > b->max - b->len) {
		return false;
	}
	size_t cap = b->cap == 0 ? 256 : b->cap;
	while (cap - b->len < more && cap <= b->max / 2) {
		cap *= 2;
	}
	if (cap - b->len < more || cap > b->max) {
		cap = b->max;
	}
	if (cap >= PTRDIFF_MAX) {
		return false;
	}
	char *data = malloc(cap + 1);
	if (data == NULL) {
		return false;
	}
	if (b->data != NULL) {
		memcpy(data, b->data, b->len);
		explicit_bzero(b->data, b->cap);
		free(b->data);
	}
	b->data = data;
	b->cap = cap;
	return true;
}

bool buf_append(struct buf *b, const void *data, size_t len)
{
	if (!buf_reserve(b, len)) {
		return false;
	}
	if (len > 0) {
		memcpy(b->data + b->len, data, len);
	}
	b->len += len;
	return true;
}

bool buf_append_str(struct buf *b, struct str s)
{
	return buf_append(b, s.data, s.len);
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0 || !buf_reserve(b, (size_t)len)) {
		return false;
	}
	va_start(args, fmt);
	vsnprintf(b->data + b->len, (size_t)len + 1, fmt, args);
	va_end(args);
	b->len += (size_t)len;
	return true;
}

void buf_consume(struct buf *b, size_t n)
{
	ENSURE(n <= b->len);
	if (n < b->len) {
		memmove(b->data, b->data + n, b->len - n);
	}
	b->len -= n;
}

/* The escape of c inside a JSON string; its length, 0 where c stands for itself. */
static size_t json_escape(char c, char escape_out[6])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char code = (unsigned char)c;

	if (code >= 0x20 && c != '"' && c != '\\' && code != 0x7f) {
		return 0;
	}
	escape_out[0] = '\\';
	if (c == '"' || c == '\\' || c == '\n') {
		escape_out[1] = c;
		if (c == '\n') {
			escape_out[1] = 'n';
		}
		return 2;
	}
	escape_out[1] = 'u';
	escape_out[2] = '0';
	escape_out[3] = '0';
	escape_out[4] = hex[code >> 4];
	escape_out[5] = hex[code & 15];
	return 6;
}

bool buf_append_json_text(struct buf *b, struct str text)
{
	size_t len_before = b->len;
	const char *clean = text.data;
	const char *end = text.len > 0 ? text.data + text.len : text.data;

	for (const char *at = clean; at != end; at++) {
		char escape[6];
		size_t escape_len = json_escape(*at, escape);
		if (escape_len == 0) {
			continue;
		}
		if (!buf_append(b, clean, (size_t)(at - clean)) ||
			!buf_append(b, escape, escape_len)) {
			b->len = len_before;
			return false;
		}
		clean = at + 1;
	}
	if (!buf_append(b, clean, (size_t)(end - clean))) {
		b->len = len_before;
		return false;
	}
	return true;
}

bool buf_append_json(struct buf *b, const char *text)
{
	size_t len_before = b->len;
	if (!buf_append(b, text, strlen(text))) {
		return false;
	}
	for (size_t i = len_before; i < b->len; i++) {
		if (b->data[i] == '\'') {
			b->data[i] = '"';
		}
	}
	return true;
}
