// SPDX-License-Identifier: Apache-2.0
/*
 * The partner's program: sends reports, again and again if need be, until the server has answered
 * for each of them, and tells what became of them.
 */
#include "base/standard_fds.h"
#include "intake_send_options_int.h"
#include "intake_send_session_int.h"
#include "intake_send_summary_int.h"

#include <curl/curl.h>

static enum outcome send_all(const struct options *options)
{
	struct err err;
	struct summary summary;
	summary_init(&summary);
	enum outcome outcome = session_run(options, &summary, &err);
	const char *sentence = err.text[0] != '\0' ? err.text : NULL;
	if (!summary_print(&summary, options, outcome, sentence)) {
		fputs("intake-send: standard output cannot be written\n", stderr);
		outcome = outcome == OUTCOME_STORED ? OUTCOME_LOCAL : outcome;
	}
	summary_fini(&summary);
	return outcome;
}

int main(int argc, char **argv)
{
	struct options options;
	enum outcome outcome = OUTCOME_STORED;
	standard_fds_hold();
	curl_global_init(CURL_GLOBAL_DEFAULT);
	enum options_step step = options_parse(argc, argv, &options);
	if (step == OPTIONS_RUN) {
		outcome = send_all(&options);
	} else if (step == OPTIONS_WRONG) {
		outcome = OUTCOME_USAGE;
	}
	options_fini(&options);
	curl_global_cleanup();
	return outcome_status(outcome);
}
