// SPDX-License-Identifier: Apache-2.0
/*
 * Titles and narratives in several languages: real sentences with gaps, which are filled with words
 * of the language and with made-up ones, both by Zipf's law. Nothing in them needs escaping in
 * JSON.
 */
#pragma once

#include "base/buf.h"
#include "generate_random.h"

/* Made-up words; the first stands in every second report, the last in one of some ten thousand. */
#define TEXT_WORDS 20000

struct language;

const struct language *text_language(struct random *r);
/* BCP 47. */
const char *text_language_tag(const struct language *language);

/* All end the program when memory is short. */
void text_append_word(struct buf *out, uint32_t rank);
void text_append_title(struct buf *out, struct random *r, const struct language *language);
void text_append_narrative(
	struct buf *out, struct random *r, const struct language *language, size_t min_bytes);
