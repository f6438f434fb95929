// SPDX-License-Identifier: Apache-2.0
/*
 * libconfuse 3.3 counts the lines of a comment more than once, so faults behind one would be told
 * with a line that is not theirs. It is given blanks in the place of comments. What begins one, and
 * where quotes and ${} hide that, follows its lexer.
 */
#include "conf_int.h"

#include <string.h>

static bool begins_token(const char *text, const char *at)
{
	return at == text || strchr(" \t\r\n={}(),+\"'", at[-1]) != NULL;
}

/* The end of the text, where there is no such end. */
static char *behind(char *at, const char *end)
{
	char *found = strstr(at, end);
	return found != NULL ? found + strlen(end) : at + strlen(at);
}

static char *skip_quoted(char *at)
{
	char quote = *at++;
	while (*at != '\0' && *at != quote) {
		if (*at == '\\' && at[1] != '\0') {
			at += 2;
		} else if (quote == '"' && at[0] == '$' && at[1] == '{' &&
			strchr(at, '}') != NULL) {
			at = behind(at, "}");
		} else {
			at++;
		}
	}
	return *at != '\0' ? at + 1 : at;
}

static char *blank(char *at, const char *end)
{
	for (; at < end; at++) {
		if (*at != '\n') {
			*at = ' ';
		}
	}
	return at;
}

void conf_blank_comments(char *text)
{
	char *at = text;
	while (*at != '\0') {
		bool is_first = begins_token(text, at);
		if (*at == '"' || *at == '\'') {
			at = skip_quoted(at);
		} else if (at[0] == '$' && at[1] == '{') {
			at = behind(at, "}");
		} else if (*at == '#' || (is_first && at[0] == '/' && at[1] == '/')) {
			at = blank(at, at + strcspn(at, "\n"));
		} else if (is_first && at[0] == '/' && at[1] == '*' &&
			strstr(at + 2, "*/") != NULL) {
			at = blank(at, behind(at + 2, "*/"));
		} else {
			at++;
		}
	}
}
