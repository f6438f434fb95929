// SPDX-License-Identifier: Apache-2.0
#include "intakectl_connection_int.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* As libpq tells a connection string from the name of a database. */
static bool is_name(const char *text)
{
	return strchr(text, '=') == NULL && strncmp(text, "postgresql://", 13) != 0 &&
		strncmp(text, "postgres://", 11) != 0;
}

static PQconninfoOption *parse_name(const char *name)
{
	PQconninfoOption *parts = PQconninfoParse("", NULL);
	for (PQconninfoOption *part = parts; part != NULL && part->keyword != NULL; part++) {
		if (strcmp(part->keyword, "dbname") == 0 && name[0] != '\0') {
			part->val = strdup(name);
		}
	}
	return parts;
}

/* What libpq says of it would quote a part of it, which may be of a password. */
PQconninfoOption *connection_parse(const char *text, const char *place, struct err *err)
{
	PQconninfoOption *parts = is_name(text) ? parse_name(text) : PQconninfoParse(text, NULL);
	if (parts == NULL) {
		err_set(err,
			"%s is no connection string; it is KEYWORD=VALUE and so on with values "
			"that have blanks in single quotes, such as \"host=db.example.org "
			"dbname=intaked\", or a URI postgresql://... with other characters as "
			"%%XX; "
			"the keywords are those of PostgreSQL's library",
			place);
	}
	return parts;
}

const char *connection_part(const PQconninfoOption *parts, const char *keyword)
{
	for (; parts->keyword != NULL; parts++) {
		if (strcmp(parts->keyword, keyword) == 0) {
			return parts->val;
		}
	}
	return NULL;
}

/* Lines that go on with the one before give advice, as we do ourselves. */
const char *connection_join_lines(const char *message, char *out, size_t size)
{
	size_t len = 0;
	out[0] = '\0';
	while (*message != '\0') {
		size_t line_len = strcspn(message, "\n");
		if (line_len > 0 && message[0] != '\t' && len < size) {
			len += (size_t)snprintf(out + len, size - len, "%s%.*s",
				len == 0 ? "" : "; ", (int)line_len, message);
		}
		message += line_len + (message[line_len] == '\n');
	}
	return out;
}

/* Where the string names no user it is that of the machine. */
static bool is_user_of_machine(const char *user)
{
	const struct passwd *own = getpwuid(geteuid());
	return own != NULL && user != NULL && strcmp(user, own->pw_name) == 0;
}

bool connection_explain(const PGconn *link, const char *place, struct err *err)
{
	char said[360];
	const char *message = PQerrorMessage(link);
	bool has_answered = strstr(message, "FATAL:") != NULL;
	connection_join_lines(message, said, sizeof(said));
	if (has_answered && strstr(said, "role \"") != NULL && is_user_of_machine(PQuser(link))) {
		return err_set(err,
			"%s; run it as a user of this machine that is one of the database, such as "
			"postgres, or name a user in %s",
			said, place);
	}
	return err_set(err, "%s; check %s%s", said, place,
		has_answered ? "" : ", and that PostgreSQL is running");
}
