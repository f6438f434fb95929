// SPDX-License-Identifier: Apache-2.0
/*
 * The faults of one reading, collected so that they come out sorted by line, each once.
 */
#include "conf_int.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static bool draft_knows_fault(const struct conf_draft *draft, int line, const char *text)
{
	for (size_t i = 0; i < draft->fault_count; i++) {
		if (draft->faults[i].line == line && strcmp(draft->faults[i].text, text) == 0) {
			return true;
		}
	}
	return false;
}

void conf_draft_fault(struct conf_draft *draft, int line, const char *fmt, ...)
{
	char *text = NULL;
	va_list args;
	va_start(args, fmt);
	ENSURE(vasprintf(&text, fmt, args) >= 0);
	va_end(args);
	if (draft_knows_fault(draft, line, text)) {
		free(text);
		return;
	}
	size_t count = draft->fault_count + 1;
	draft->faults = reallocarray(draft->faults, count, sizeof(*draft->faults));
	ENSURE(draft->faults != NULL);
	draft->faults[count - 1] = (struct conf_fault){line, text};
	draft->fault_count = count;
}

bool conf_draft_has_fault_at(const struct conf_draft *draft, int line)
{
	for (size_t i = 0; i < draft->fault_count; i++) {
		if (draft->faults[i].line == line) {
			return true;
		}
	}
	return false;
}

static void report_fault(const struct conf_draft *draft, const struct conf_fault *fault,
	conf_fault_fn *on_fault, void *ctx)
{
	char *sentence = NULL;
	int len = 0;
	if (draft->path == NULL) {
		len = asprintf(&sentence, "%s", fault->text);
	} else if (fault->line == 0) {
		len = asprintf(&sentence, "%s: %s", draft->path, fault->text);
	} else {
		len = asprintf(&sentence, "%s:%d: %s", draft->path, fault->line, fault->text);
	}
	ENSURE(len >= 0);
	on_fault(ctx, sentence);
	free(sentence);
}

/* Stable, unlike qsort: faults of one line stay in the order in which they were found. */
static void sort_by_line(struct conf_fault *faults, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct conf_fault moving = faults[i];
		size_t to = i;
		for (; to > 0 && faults[to - 1].line > moving.line; to--) {
			faults[to] = faults[to - 1];
		}
		faults[to] = moving;
	}
}

void conf_draft_report(struct conf_draft *draft, conf_fault_fn *on_fault, void *ctx)
{
	sort_by_line(draft->faults, draft->fault_count);
	for (size_t i = 0; i < draft->fault_count; i++) {
		report_fault(draft, &draft->faults[i], on_fault, ctx);
		free(draft->faults[i].text);
	}
	free(draft->faults);
	draft->faults = NULL;
	draft->fault_count = 0;
}
