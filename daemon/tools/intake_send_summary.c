// SPDX-License-Identifier: Apache-2.0
#include "intake_send_summary_int.h"

#include "intake_send_text_int.h"

#include <string.h>

#define REFUSALS_QUOTED 20
#define ERRORS_QUOTED 10
#define ALLOWED_QUOTED 8
#define TEXT_BYTES_MAX ((size_t)4 << 20)

void summary_init(struct summary *summary)
{
	*summary = (struct summary){.stored = 0};
	buf_init(&summary->refusal_text, TEXT_BYTES_MAX);
	buf_init(&summary->fault_text, TEXT_BYTES_MAX);
}

void summary_fini(struct summary *summary)
{
	buf_fini(&summary->refusal_text);
	buf_fini(&summary->fault_text);
}

/* What does not fit is left out: the result file has it. */
static void put(struct buf *out, const char *text)
{
	bool fits = text_append_clean(out, text);
	(void)fits;
}

static void put_number(struct buf *out, long long number)
{
	char text[24];
	snprintf(text, sizeof(text), "%lld", number);
	put(out, text);
}

static void end_line(struct buf *out)
{
	bool fits = buf_append_str(out, STR("\n"));
	(void)fits;
}

static void put_place(struct buf *out, const struct summary_place *place)
{
	put(out, place->file);
	if (place->line > 0) {
		put(out, ":");
		put_number(out, (long long)place->line);
	}
	if (place->index >= 0) {
		put(out, " (element ");
		put_number(out, place->index);
		put(out, ")");
	}
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text != NULL ? text : "";
}

static void put_allowed(struct buf *out, const json_t *allowed)
{
	size_t count = json_array_size(allowed);
	if (count == 0 || count > ALLOWED_QUOTED) {
		return;
	}
	put(out, "; allowed: ");
	for (size_t i = 0; i < count; i++) {
		const json_t *value = json_array_get(allowed, i);
		put(out, i > 0 ? ", " : "");
		if (json_is_string(value)) {
			put(out, json_string_value(value));
		} else {
			char *text = json_dumps(value, JSON_ENCODE_ANY);
			put(out, text != NULL ? text : "?");
			free(text);
		}
	}
}

/* pointer  code: detail, and what helps. */
static void put_error(struct buf *out, const json_t *error)
{
	const char *pointer = text_of(error, "pointer");
	const char *member = text_of(error, "member");
	const char *did_you_mean = text_of(error, "did_you_mean");
	put(out, "      ");
	put(out, pointer[0] != '\0' ? pointer : "(the report)");
	put(out, "  ");
	put(out, text_of(error, "code"));
	put(out, ": ");
	put(out, text_of(error, "detail"));
	if (member[0] != '\0') {
		put(out, ": ");
		put(out, member);
	}
	if (did_you_mean[0] != '\0') {
		put(out, "; did you mean ");
		put(out, did_you_mean);
		put(out, "?");
	} else {
		put_allowed(out, json_object_get(error, "allowed"));
	}
	end_line(out);
}

static void put_problem(struct buf *out, const json_t *problem)
{
	const json_t *errors = json_object_get(problem, "errors");
	const char *detail = text_of(problem, "detail");
	size_t count = json_array_size(errors);
	if (detail[0] != '\0') {
		put(out, "      ");
		put(out, detail);
		end_line(out);
	}
	for (size_t i = 0; i < count && i < ERRORS_QUOTED; i++) {
		put_error(out, json_array_get(errors, i));
	}
	if (count > ERRORS_QUOTED) {
		put(out, "      and ");
		put_number(out, (long long)(count - ERRORS_QUOTED));
		put(out, " more errors");
		end_line(out);
	}
}

void summary_add_refusal(struct summary *summary, const struct summary_place *place,
	const char *report_id, const struct answer *answer)
{
	struct buf *out = &summary->refusal_text;
	summary->refused++;
	if (summary->refusals_quoted == REFUSALS_QUOTED) {
		return;
	}
	summary->refusals_quoted++;
	put(out, "  ");
	put_place(out, place);
	if (report_id != NULL) {
		put(out, "  ");
		put(out, report_id);
	}
	put(out, "  ");
	put(out, answer_title(answer));
	put(out, " (");
	put_number(out, answer->status);
	put(out, ")");
	end_line(out);
	put_problem(out, answer->problem);
}

void summary_add_unsendable(
	struct summary *summary, const struct summary_place *place, const char *reason)
{
	struct buf *out = &summary->refusal_text;
	summary->unsendable++;
	if (summary->refusals_quoted == REFUSALS_QUOTED) {
		return;
	}
	summary->refusals_quoted++;
	put(out, "  ");
	put_place(out, place);
	put(out, "  cannot be sent: ");
	put(out, reason);
	end_line(out);
}

void summary_add_fault(struct summary *summary, const char *sentence)
{
	summary->faults++;
	put(&summary->fault_text, sentence);
	end_line(&summary->fault_text);
}

uint64_t summary_reports(const struct summary *summary)
{
	return summary->stored + summary->repeated + summary->valid + summary->skipped +
		summary->refused + summary->unsendable;
}

bool summary_has_refusals(const struct summary *summary)
{
	return summary->refused + summary->unsendable + summary->faults > 0;
}

/* --- at the end --- */

static void print_count(uint64_t count, const char *what, const char *about)
{
	if (count > 0) {
		printf("%12llu  %s%s\n", (unsigned long long)count, what, about);
	}
}

static const char *about_stored(const struct summary *summary)
{
	if (summary->has_mode_changed) {
		return ", some as tests";
	}
	return summary->is_test ? ", as tests" : "";
}

/* Of a run that ended early nobody knows how many there are. */
static void print_counts(
	const struct summary *summary, const struct options *options, bool is_whole)
{
	if (is_whole && summary_reports(summary) == 0) {
		puts("no reports");
	}
	print_count(summary->stored, "stored", about_stored(summary));
	print_count(summary->repeated, "stored before", about_stored(summary));
	print_count(summary->valid, "valid", "; nothing was stored");
	if (summary->skipped > 0) {
		printf("%12llu  skipped: their receipts are in %s\n",
			(unsigned long long)summary->skipped, options->results);
	}
	print_count(summary->refused, "refused", "");
	print_count(summary->unsendable, "not sent: they cannot be", "");
}

static void print_refusals(const struct summary *summary, const struct options *options)
{
	uint64_t all = summary->refused + summary->unsendable;
	if (all == 0) {
		return;
	}
	printf("\nRefused:\n%.*s", STR_ARG(buf_str(&summary->refusal_text)));
	if (all > summary->refusals_quoted && options->results != NULL) {
		printf("  and %llu more, all of them in %s\n",
			(unsigned long long)(all - summary->refusals_quoted), options->results);
	} else if (all > summary->refusals_quoted) {
		printf("  and %llu more; --results FILE keeps all of them\n",
			(unsigned long long)(all - summary->refusals_quoted));
	}
}

static void print_faults(const struct summary *summary)
{
	const char *at = summary->fault_text.data;
	size_t left = summary->fault_text.len;
	while (left > 0) {
		const char *end = memchr(at, '\n', left);
		size_t len = end != NULL ? (size_t)(end - at) + 1 : left;
		fprintf(stderr, "intake-send: %.*s", (int)len, at);
		at += len;
		left -= len;
	}
}

/* NULL as null. */
static json_t *optional_text(const char *text)
{
	return text != NULL ? text_json(str_from(text)) : json_null();
}

static json_t *fault_list(const struct summary *summary)
{
	json_t *list = json_array();
	const char *at = summary->fault_text.data;
	const char *limit = summary->fault_text.len > 0 ? at + summary->fault_text.len : at;
	while (at != limit) {
		const char *end = memchr(at, '\n', (size_t)(limit - at));
		if (end == NULL) {
			break;
		}
		json_array_append_new(list, text_json((struct str){at, (size_t)(end - at)}));
		at = end + 1;
	}
	return list;
}

static void print_json(const struct summary *summary, const struct options *options,
	enum outcome outcome, const char *sentence)
{
	json_t *root = json_pack("{s:s,s:i,s:o,s:o,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:o}", "outcome",
		outcome_name(outcome), "exit", outcome_status(outcome), "reason",
		optional_text(sentence), "partner",
		optional_text(summary->partner[0] != '\0' ? summary->partner : NULL), "test",
		summary->is_test, "stored", (json_int_t)summary->stored, "stored_before",
		(json_int_t)summary->repeated, "valid", (json_int_t)summary->valid, "skipped",
		(json_int_t)summary->skipped, "refused", (json_int_t)summary->refused, "unsendable",
		(json_int_t)summary->unsendable, "faults", fault_list(summary), "results",
		optional_text(options->results));
	char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
	ENSURE(text != NULL);
	puts(text);
	free(text);
	json_decref(root);
}

bool summary_print(const struct summary *summary, const struct options *options,
	enum outcome outcome, const char *sentence)
{
	if (options->is_json) {
		print_json(summary, options, outcome, sentence);
	} else if (!options->is_quiet) {
		print_counts(summary, options, sentence == NULL);
		print_refusals(summary, options);
	}
	bool is_written = fflush(stdout) == 0 && !ferror(stdout);
	print_faults(summary);
	if (sentence != NULL) {
		fprintf(stderr, "intake-send: %s\n", sentence);
	}
	if (outcome == OUTCOME_INTERRUPTED || outcome == OUTCOME_GAVE_UP) {
		fprintf(stderr, "intake-send: not all was sent; the same command goes on%s%s\n",
			options->results != NULL ? " from " : "",
			options->results != NULL ? options->results : "");
	}
	return is_written;
}
