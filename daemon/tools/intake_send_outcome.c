// SPDX-License-Identifier: Apache-2.0
#include "intake_send_outcome_int.h"

static const struct {
	int status;
	const char *name;
	const char *sentence;
} outcomes[] = {
#define X(id, status, name, sentence) {status, name, sentence},
	OUTCOME_TABLE(X)
#undef X
};

int outcome_status(enum outcome outcome)
{
	return outcomes[outcome].status;
}

const char *outcome_name(enum outcome outcome)
{
	return outcomes[outcome].name;
}

const char *outcome_sentence(enum outcome outcome)
{
	return outcomes[outcome].sentence;
}
