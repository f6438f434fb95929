// SPDX-License-Identifier: Apache-2.0
/*
 * How a run ends, once: exit status, name for programs, sentence. The help, the summary and the
 * test of the manual page go over this table.
 */
#pragma once

/*      id           status name         sentence */
#define OUTCOME_TABLE(X)                                                                         \
	X(STORED, 0, "stored", "every report is stored, or valid with --validate-only")          \
	X(REFUSED, 1, "refused", "some reports were refused, or could not be read or sent")      \
	X(USAGE, 2, "usage", "the command line is wrong")                                        \
	X(LOCAL, 3, "local", "key, certificate, result file or standard output cannot be used")  \
	X(TLS, 4, "tls", "the server is not trusted, or refuses the certificate")                \
	X(DENIED, 5, "denied", "the server takes no reports of this partner, or is another one") \
	X(GAVE_UP, 6, "gave-up", "nothing went on for as long as --give-up-after allows")        \
	X(INTERRUPTED, 130, "interrupted", "a signal ended it; the same command goes on from there")

enum outcome {
#define X(id, status, name, sentence) OUTCOME_##id,
	OUTCOME_TABLE(X)
#undef X
		OUTCOME_COUNT
};

int outcome_status(enum outcome outcome);
const char *outcome_name(enum outcome outcome);
const char *outcome_sentence(enum outcome outcome);
