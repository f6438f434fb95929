// SPDX-License-Identifier: Apache-2.0
/*
 * A refusal is believed of intaked only, by the type of its problem: a page of a proxy that stands
 * between would otherwise end a report's way. Status 413 is the exception, since proxies have
 * limits of their own.
 */
#include "intake_send_answer_int.h"

#include "intake_send_identity_int.h"

#include <string.h>

#define PROBLEM_PREFIX "urn:intaked:problem:"

struct rule {
	int status;
	const char *problem_name; /* NULL: any */
	enum answer_kind kind;
};

/* The first that fits. What no row names is settled by other_kind. */
static const struct rule rules[] = {
	{401, NULL, ANSWER_DENIED},
	{403, NULL, ANSWER_DENIED},
	{404, NULL, ANSWER_DENIED},
	{405, NULL, ANSWER_DENIED},
	{408, NULL, ANSWER_LATER},
	{413, "too-many-reports", ANSWER_SMALLER},
	{413, NULL, ANSWER_REFUSED},
	{415, NULL, ANSWER_DENIED},
	{425, NULL, ANSWER_LATER},
	{429, NULL, ANSWER_LATER},
	{500, "unstorable", ANSWER_REFUSED},
	{501, NULL, ANSWER_DENIED},
};

static enum answer_kind other_kind(int status, const char *problem_name)
{
	if (status >= 500) {
		return ANSWER_LATER;
	}
	if (status >= 400 && problem_name[0] != '\0') {
		return ANSWER_REFUSED;
	}
	return status >= 300 ? ANSWER_DENIED : ANSWER_UNKNOWN;
}

static enum answer_kind kind_of_problem(int status, const char *problem_name)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (rules[i].status == status &&
			(rules[i].problem_name == NULL ||
				strcmp(rules[i].problem_name, problem_name) == 0)) {
			return rules[i].kind;
		}
	}
	return other_kind(status, problem_name);
}

static enum answer_kind kind_of_receipt(int status, const json_t *receipt)
{
	const char *state = json_string_value(json_object_get(receipt, "status"));
	if (state == NULL || (status != 200 && status != 201)) {
		return ANSWER_UNKNOWN;
	}
	if (strcmp(state, "valid") == 0) {
		return ANSWER_VALID;
	}
	if (!json_is_string(json_object_get(receipt, "report_id")) ||
		!json_is_string(json_object_get(receipt, "sha256"))) {
		return ANSWER_UNKNOWN;
	}
	return status == 201 ? ANSWER_STORED : ANSWER_REPEATED;
}

static const char *name_of_problem(const json_t *problem)
{
	const char *type = json_string_value(json_object_get(problem, "type"));
	size_t prefix_len = sizeof(PROBLEM_PREFIX) - 1;
	bool is_ours = type != NULL && strncmp(type, PROBLEM_PREFIX, prefix_len) == 0;
	return is_ours ? type + prefix_len : "";
}

/* Sets what follows from status, receipt and problem. */
static void judge(struct answer *answer)
{
	answer->problem_name = name_of_problem(answer->problem);
	answer->kind = answer->status < 300 ? kind_of_receipt(answer->status, answer->receipt)
					    : kind_of_problem(answer->status, answer->problem_name);
}

void answer_read_body(struct answer *answer_out, int status, struct str body, size_t report_count)
{
	*answer_out = (struct answer){.status = status};
	answer_out->root = body.len > 0 ? json_loadb(body.data, body.len, 0, NULL) : NULL;
	if (status < 300) {
		answer_out->receipt = answer_out->root;
	} else if (json_is_object(answer_out->root)) {
		answer_out->problem = answer_out->root;
	}
	judge(answer_out);
	if (answer_out->kind == ANSWER_REFUSED && report_count > 1) {
		/* What speaks of a batch says nothing of its reports. */
		answer_out->kind = status == 413 ? ANSWER_SMALLER : ANSWER_DENIED;
	}
}

void answer_read_line(struct answer *answer_out, struct str line)
{
	*answer_out = (struct answer){.kind = ANSWER_UNKNOWN, .problem_name = ""};
	answer_out->root = json_loadb(line.data, line.len, 0, NULL);
	json_int_t number = json_integer_value(json_object_get(answer_out->root, "line"));
	json_int_t retry_after_s =
		json_integer_value(json_object_get(answer_out->root, "retry_after"));
	if (number < 1) {
		return;
	}
	answer_out->line = (uint64_t)number;
	answer_out->status = (int)json_integer_value(json_object_get(answer_out->root, "status"));
	answer_out->retry_after_s = retry_after_s > 0 ? retry_after_s : 0;
	answer_out->receipt = json_object_get(answer_out->root, "receipt");
	answer_out->problem = json_object_get(answer_out->root, "problem");
	judge(answer_out);
}

void answer_fini(struct answer *answer)
{
	json_decref(answer->root);
	*answer = (struct answer){.kind = ANSWER_UNKNOWN, .problem_name = ""};
}

bool answer_is_about(const struct answer *answer, const struct digest *digest, struct str bytes)
{
	char hex[2 * DIGEST_BYTES + 1];
	const char *said = json_string_value(json_object_get(answer->receipt, "sha256"));
	digest_format(digest, hex);
	if (answer->kind == ANSWER_VALID || (said != NULL && strcmp(said, hex) == 0)) {
		return true;
	}
	if (answer->kind != ANSWER_REPEATED) {
		return false;
	}
	/* The first copy was written differently: then the id alone tells. */
	const char *said_id = json_string_value(json_object_get(answer->receipt, "report_id"));
	char *id = identity_report_id(bytes);
	bool is_same = id != NULL && said_id != NULL && strcmp(id, said_id) == 0;
	free(id);
	return is_same;
}

const char *answer_title(const struct answer *answer)
{
	const char *title = json_string_value(json_object_get(answer->problem, "title"));
	return title != NULL ? title : "the answer carries no reason";
}
