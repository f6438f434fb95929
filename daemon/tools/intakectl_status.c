// SPDX-License-Identifier: Apache-2.0
/*
 * How the daemon is, once. What its answer holds is the daemon's business; programs get it as it
 * comes.
 */
#include "intakectl_control_int.h"
#include "intakectl_view_int.h"

#define ANSWER_TIMEOUT_S 10
#define LIST_MAX 10

enum outcome status_command_show(const struct request *request)
{
	struct err err;
	json_t *status = control_ask(request, "status", ANSWER_TIMEOUT_S, &err);
	if (status == NULL || !control_is_answer(status, &err)) {
		json_decref(status);
		return outcome_failed("%s", err.text);
	}
	if (request->is_json) {
		control_print(status);
	} else {
		view_print(&(struct view){.status = status, .list_max = LIST_MAX}, stdout);
	}
	json_decref(status);
	return OUTCOME_DONE;
}
