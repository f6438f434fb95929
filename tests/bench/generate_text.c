// SPDX-License-Identifier: Apache-2.0
#include "generate_text.h"

#include "base/attr.h"
#include "generate_languages.h"

#include <string.h>

/* Of the words that fill gaps, those of the language; the others are made up. */
#define NOUNS_PER_THOUSAND 300

enum {
	CONSONANTS = 20,
	VOWELS = 5,
	SYLLABLES = CONSONANTS * VOWELS,
	WORDS = SYLLABLES * SYLLABLES * SYLLABLES
};

static const char *const consonants[][CONSONANTS] = {
	[SCRIPT_LATIN] = {"b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w",
		"z", "st", "tr", "gr", "kl"},
	[SCRIPT_CYRILLIC] = {"б", "д", "ф", "г", "х", "к", "л", "м", "н", "п", "р", "с", "т", "в",
		"ж", "з", "ст", "тр", "гр", "кл"},
	[SCRIPT_ARABIC] = {"ب", "د", "ف", "ج", "ح", "ك", "ل", "م", "ن", "ر", "س", "ت", "ش", "ص",
		"ط", "ع", "غ", "ق", "ه", "ز"},
};
static const char *const vowels[][VOWELS] = {
	[SCRIPT_LATIN] = {"a", "e", "i", "o", "u"},
	[SCRIPT_CYRILLIC] = {"а", "е", "и", "о", "у"},
	[SCRIPT_ARABIC] = {"ا", "و", "ي", "ى", "ة"},
};

static void append(struct buf *out, const char *text)
{
	ENSURE(buf_append(out, text, strlen(text)));
}

static void append_syllable(struct buf *out, enum script script, uint32_t number)
{
	append(out, consonants[script][number / VOWELS]);
	append(out, vowels[script][number % VOWELS]);
}

/* Three syllables and an n. The factor has no divisor in common with the number of all words. */
static void append_made_up(struct buf *out, enum script script, uint32_t rank)
{
	uint32_t word = (uint32_t)((uint64_t)rank * 371293 % WORDS);
	append_syllable(out, script, word / (SYLLABLES * SYLLABLES));
	append_syllable(out, script, word / SYLLABLES % SYLLABLES);
	append_syllable(out, script, word % SYLLABLES);
	append(out, consonants[script][8]);
}

void text_append_word(struct buf *out, uint32_t rank)
{
	append_made_up(out, SCRIPT_LATIN, rank);
}

const struct language *text_language(struct random *r)
{
	return &languages[random_weighted(r, language_weights, LANGUAGE_COUNT)];
}

const char *text_language_tag(const struct language *language)
{
	return language->tag;
}

static void append_filled(
	struct buf *out, struct random *r, const struct language *language, const char *pattern)
{
	const char *gap;
	while ((gap = strchr(pattern, '*')) != NULL) {
		ENSURE(buf_append(out, pattern, (size_t)(gap - pattern)));
		if (random_chance(r, NOUNS_PER_THOUSAND)) {
			append(out, language->nouns[random_rank(r, LANGUAGE_NOUNS)]);
		} else {
			append_made_up(out, language->script, random_rank(r, TEXT_WORDS));
		}
		pattern = gap + 1;
	}
	append(out, pattern);
}

void text_append_title(struct buf *out, struct random *r, const struct language *language)
{
	append_filled(out, r, language, language->titles[random_below(r, LANGUAGE_TITLES)]);
}

void text_append_narrative(
	struct buf *out, struct random *r, const struct language *language, size_t min_bytes)
{
	size_t start = out->len;
	uint32_t sentence = random_below(r, LANGUAGE_SENTENCES);
	for (uint32_t i = 0; out->len - start < min_bytes; i++) {
		if (i > 0) {
			append(out, " ");
		}
		append_filled(out, r, language,
			language->sentences[(sentence + i * 3) % LANGUAGE_SENTENCES]);
	}
}
