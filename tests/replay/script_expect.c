// SPDX-License-Identifier: Apache-2.0
/*
 * What a script can look at:
 *
 *	expect CLIENT STATUS [TEXT...]  its next whole answer, and texts that are in it
 *	expect CLIENT head STATUS [TEXT...]  the head of one that comes in chunks
 *	expect CLIENT line [TEXT...]    the next line of a batch's answer
 *	expect CLIENT lines NUMBER [TEXT...]  so many of them, and texts that are in each
 *	expect CLIENT last              the end of that answer
 *	expect CLIENT continue          that it may send the body
 *	expect CLIENT nothing           no byte that was not looked at
 *	expect CLIENT waiting|open      not accepted yet; the connection is there
 *	expect CLIENT closed|cut        it is no more: with a close_notify, or without
 *	expect store NUMBER             waits there
 *	expect dropped NUMBER           answers that reached nobody
 *	expect trimmed yes|no           memory was given back since this was looked at last
 *	expect loop running|ended
 *	expect everybody closed         or the loop has ended, and the worker closes them
 */
#include "replay.h"

#include "server/metrics.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static struct str unseen(const struct wire *wire)
{
	return (struct str){
		wire->from_worker.data + wire->seen, wire->from_worker.len - wire->seen};
}

/* Offset of text behind the first occurrence of it; 0: not there. */
static size_t find_end(struct str in, const char *text)
{
	const char *at = in.len > 0 ? memmem(in.data, in.len, text, strlen(text)) : NULL;
	return at != NULL ? (size_t)(at - in.data) + strlen(text) : 0;
}

static void demand_texts(struct str in, const struct script_line *line, int first)
{
	for (int i = first; i < line->count; i++) {
		if (find_end(in, line->words[i]) == 0) {
			script_fail("\"%s\" is not in\n%.*s", line->words[i], STR_ARG(in));
		}
	}
}

static size_t head_len(struct str in)
{
	size_t len = find_end(in, "\r\n\r\n");
	if (len == 0) {
		script_fail("no answer, but \"%.*s\"", STR_ARG(in));
	}
	return len;
}

static void demand_status(struct str in, const char *status)
{
	char start[32];
	snprintf(start, sizeof(start), "HTTP/1.1 %s ", status);
	if (in.len < strlen(start) || memcmp(in.data, start, strlen(start)) != 0) {
		script_fail("another answer:\n%.*s", STR_ARG(in));
	}
}

/* Of digits before a line's end. */
static size_t read_number(const char *digits, size_t base)
{
	size_t number = 0;
	for (; isxdigit((unsigned char)*digits); digits++) {
		size_t digit = *digits <= '9' ? (size_t)(*digits - '0')
					      : (size_t)(tolower(*digits) - 'a') + 10;
		number = number * base + digit;
	}
	return number;
}

static size_t content_length(struct str head)
{
	size_t at = find_end(head, "\r\nContent-Length: ");
	if (at == 0) {
		script_fail("an answer without a length:\n%.*s", STR_ARG(head));
	}
	return read_number(head.data + at, 10);
}

static void expect_answer(struct wire *wire, const struct script_line *line)
{
	struct str in = unseen(wire);
	size_t head = head_len(in);
	size_t whole = head + content_length((struct str){in.data, head});
	demand_status(in, line->words[2]);
	if (whole > in.len) {
		script_fail("%zu bytes of an answer of %zu", in.len, whole);
	}
	demand_texts((struct str){in.data, whole}, line, 3);
	wire->seen += whole;
}

static void expect_head(struct wire *wire, const struct script_line *line)
{
	struct str in = unseen(wire);
	size_t head = head_len(in);
	demand_status(in, line->count > 3 ? line->words[3] : "200");
	demand_texts((struct str){in.data, head}, line, 4);
	wire->seen += head;
}

/* Takes one chunk of the answer; false when none is there whole, or the last one is. */
static bool take_chunk(struct wire *wire)
{
	struct str in = unseen(wire);
	size_t start = find_end(in, "\r\n");
	size_t size = start > 0 ? read_number(in.data, 16) : 0;
	if (size == 0 || in.len < start + size + 2) {
		return false;
	}
	ENSURE(buf_append(&wire->lines, in.data + start, size));
	wire->seen += start + size + 2;
	return true;
}

static void take_line(struct wire *wire, const struct script_line *line, int first_text)
{
	size_t end = find_end(buf_str(&wire->lines), "\n");
	while (end == 0) {
		if (!take_chunk(wire)) {
			script_fail("no line, but \"%.*s\"", STR_ARG(unseen(wire)));
		}
		end = find_end(buf_str(&wire->lines), "\n");
	}
	demand_texts((struct str){wire->lines.data, end}, line, first_text);
	buf_consume(&wire->lines, end);
}

static void expect_line(struct wire *wire, const struct script_line *line)
{
	take_line(wire, line, 3);
}

static void expect_lines(struct wire *wire, const struct script_line *line)
{
	int64_t left = line->count > 3 ? script_number(line->words[3]) : 0;
	for (; left > 0; left--) {
		take_line(wire, line, 4);
	}
}

static void expect_continue(struct wire *wire)
{
	size_t head = head_len(unseen(wire));
	demand_status(unseen(wire), "100");
	wire->seen += head;
}

static void expect_last(struct wire *wire)
{
	struct str in = unseen(wire);
	if (wire->lines.len > 0 || in.len < 5 || memcmp(in.data, "0\r\n\r\n", 5) != 0) {
		script_fail("no end of the answer, but \"%.*s\" and \"%.*s\"",
			STR_ARG(buf_str(&wire->lines)), STR_ARG(in));
	}
	wire->seen += 5;
}

static void expect_nothing(const struct wire *wire)
{
	struct str in = unseen(wire);
	if (in.len > 0 || wire->lines.len > 0) {
		script_fail("nothing was expected, but:\n%.*s%.*s", STR_ARG(buf_str(&wire->lines)),
			STR_ARG(in));
	}
}

static const char *end_of(const struct wire *wire)
{
	if (!wire->is_closed) {
		return wire->is_accepted ? "open" : "waiting";
	}
	return wire->is_shutdown ? "closed" : "cut";
}

static void expect_of_client(struct wire *wire, const struct script_line *line)
{
	const char *what = line->count > 2 ? line->words[2] : "";
	if (strcmp(what, "head") == 0) {
		expect_head(wire, line);
	} else if (strcmp(what, "line") == 0) {
		expect_line(wire, line);
	} else if (strcmp(what, "lines") == 0) {
		expect_lines(wire, line);
	} else if (strcmp(what, "continue") == 0) {
		expect_continue(wire);
	} else if (strcmp(what, "last") == 0) {
		expect_last(wire);
	} else if (strcmp(what, "nothing") == 0) {
		expect_nothing(wire);
	} else if (strcmp(what, "open") == 0 || strcmp(what, "closed") == 0 ||
		strcmp(what, "cut") == 0 || strcmp(what, "waiting") == 0) {
		if (strcmp(what, end_of(wire)) != 0) {
			script_fail("it is %s", end_of(wire));
		}
	} else {
		script_number(what);
		expect_answer(wire, line);
	}
}

static void demand_number(int64_t is, const char *word)
{
	if (is != script_number(word)) {
		script_fail("it is %lld", (long long)is);
	}
}

/* Whoever waits to be accepted for ever hangs as well. */
static void expect_everybody_closed(void)
{
	for (size_t i = 0; i < wire_count(); i++) {
		const struct wire *wire = wire_at(i);
		if (!wire->is_closed && !fake_loop_is_ended()) {
			script_fail("%s is %s", wire->name,
				wire->is_accepted ? "open" : "not accepted");
		}
	}
}

void script_expect(const struct script_line *line)
{
	const char *of = line->words[1];
	if (line->count < 3) {
		script_fail("what of %s?", of);
	}
	if (strcmp(of, "store") == 0) {
		demand_number((int64_t)fake_store_waiting(), line->words[2]);
	} else if (strcmp(of, "dropped") == 0) {
		const struct metrics *metrics = worker_metrics(fake_store_worker());
		demand_number((int64_t)metric_get(&metrics->answers_dropped), line->words[2]);
	} else if (strcmp(of, "trimmed") == 0) {
		bool was_trimmed = fake_memory_take_trimmed();
		if (was_trimmed != (strcmp(line->words[2], "yes") == 0)) {
			script_fail("memory was%s given back", was_trimmed ? "" : " not");
		}
	} else if (strcmp(of, "loop") == 0) {
		bool is_running = !fake_loop_is_ended();
		if (is_running != (strcmp(line->words[2], "running") == 0)) {
			script_fail("the loop %s", is_running ? "runs" : "has ended");
		}
	} else if (strcmp(of, "everybody") == 0) {
		expect_everybody_closed();
	} else {
		expect_of_client(script_wire(of), line);
	}
}
