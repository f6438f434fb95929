// SPDX-License-Identifier: Apache-2.0
/*
 * Growable bytes with a maximum they are born with. Growing past the maximum, or when memory is
 * short, is an ordinary answer (false) and leaves the content as it was.
 */
#pragma once

#include "base/attr.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;
	size_t len;
	size_t cap;
	size_t max;
};

void buf_init(struct buf *b, size_t max);
/* Wipes what was held, and frees it. The maximum stays: the buffer can be used again. */
void buf_fini(struct buf *b);
/* Makes room for more bytes behind len. */
MUST_CHECK bool buf_reserve(struct buf *b, size_t more);
MUST_CHECK bool buf_append(struct buf *b, const void *data, size_t len);
MUST_CHECK bool buf_append_str(struct buf *b, struct str s);
MUST_CHECK bool buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Drops the first n bytes and moves the rest to the front. */
void buf_consume(struct buf *b, size_t n);
/* Appends text as the inside of a JSON string, quotes not included. The text must be UTF-8. */
MUST_CHECK bool buf_append_json_text(struct buf *b, struct str text);
/* Appends text with a double quote for each single one: JSON stays readable in C that way. */
MUST_CHECK bool buf_append_json(struct buf *b, const char *text);

static inline void buf_clear(struct buf *b)
{
	b->len = 0;
}

static inline struct str buf_str(const struct buf *b)
{
	return (struct str){b->data, b->len};
}
