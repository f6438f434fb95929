// SPDX-License-Identifier: Apache-2.0
/*
 * What texts are made of. An asterisk is a gap for a word. The weights are parts of a thousand.
 */
#pragma once

#include <stdint.h>

enum script { SCRIPT_LATIN, SCRIPT_CYRILLIC, SCRIPT_ARABIC };

enum { LANGUAGE_TITLES = 4, LANGUAGE_SENTENCES = 8, LANGUAGE_NOUNS = 20 };

struct language {
	const char *tag;
	enum script script;
	const char *titles[LANGUAGE_TITLES];
	const char *sentences[LANGUAGE_SENTENCES];
	const char *nouns[LANGUAGE_NOUNS];
};

enum { LANGUAGE_COUNT = 12 };
extern const struct language languages[LANGUAGE_COUNT];
extern const uint16_t language_weights[LANGUAGE_COUNT];
