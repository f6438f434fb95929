// SPDX-License-Identifier: Apache-2.0
/*
 * What a script can make happen. After each line the loop turns until nothing is left to do.
 */
#include "replay.h"

#include <stdio.h>
#include <string.h>

#define REPORT                                                                               \
	"{\"schema\":\"intaked-report/1\",\"taxonomy\":{\"id\":\"digital-solidarity-2024\"," \
	"\"version\":\"1.0.0\"},\"report_id\":\"%s\","                                       \
	"\"reporter\":{\"org\":\"cert.example.org\"},\"tlp\":\"%s\","                        \
	"\"category\":\"business-email-compromise\",\"action_areas\":[\"AA4\"],"             \
	"\"title\":\"Supplier payment diverted\","                                           \
	"\"narrative\":\"An invoice was altered and paid to a false account.\","             \
	"\"times\":{\"detected\":\"2026-11-20T10:15:00Z\"},\"severity\":{\"level\":1}}"

static void send_text(struct wire *wire, const char *text)
{
	wire_send(wire, text, strlen(text));
}

/* A report without a TLP breaks a rule. */
static int print_report(char *out, size_t size, const struct script_line *line)
{
	bool is_bad = line->count > 3 && strcmp(line->words[3], "bad") == 0;
	return snprintf(out, size, REPORT, line->words[2], is_bad ? "TLP:PINK" : "TLP:GREEN");
}

/* --- clients --- */

static void run_connect(const struct script_line *line)
{
	int64_t count = line->count > 2 ? script_number(line->words[2]) : 1;
	for (int64_t i = 0; i < count; i++) {
		if (wire_connect(line->words[1]) == NULL) {
			script_fail("more than %d connections", WIRES_MAX);
		}
	}
}

static void run_handshake(const struct script_line *line)
{
	struct wire *wire = script_wire(line->words[1]);
	bool is_refused = strcmp(line->words[2], "refused") == 0;
	wire->has_flight = true;
	wire->is_refused = is_refused;
	wire->is_verified = !is_refused;
	snprintf(wire->partner, sizeof(wire->partner), "%s", line->words[2]);
}

static void run_hold(const struct script_line *line)
{
	script_wire(line->words[1])->is_held = true;
}

static void run_deliver(const struct script_line *line)
{
	struct wire *wire = script_wire(line->words[1]);
	bool is_all = strcmp(line->words[2], "all") == 0;
	wire_deliver(wire, is_all ? wire->unsent.len : (size_t)script_number(line->words[2]));
}

static void run_send(const struct script_line *line)
{
	send_text(script_wire(line->words[1]), line->words[2]);
}

static void run_post(const struct script_line *line)
{
	char body[2048];
	char head[256];
	int len = print_report(body, sizeof(body), line);
	snprintf(head, sizeof(head),
		"POST /v1/reports HTTP/1.1\r\nHost: intake.example\r\n"
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		len);
	send_text(script_wire(line->words[1]), head);
	send_text(script_wire(line->words[1]), body);
}

static void run_get(const struct script_line *line)
{
	char head[1024];
	snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: intake.example\r\n\r\n",
		line->words[2]);
	send_text(script_wire(line->words[1]), head);
}

static void run_batch(const struct script_line *line)
{
	char head[256];
	bool is_atomic = line->count > 2 && strcmp(line->words[2], "atomic") == 0;
	snprintf(head, sizeof(head),
		"POST /v1/reports%s HTTP/1.1\r\nHost: intake.example\r\n"
		"Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n",
		is_atomic ? "?atomic=true" : "");
	send_text(script_wire(line->words[1]), head);
}

static void run_line(const struct script_line *line)
{
	char body[2048];
	char chunk[2300];
	int len = print_report(body, sizeof(body), line);
	snprintf(chunk, sizeof(chunk), "%x\r\n%s\n\r\n", (unsigned)len + 1, body);
	send_text(script_wire(line->words[1]), chunk);
}

/* A chunk each: the worker may take as many as it likes. */
static void run_lines(const struct script_line *line)
{
	struct wire *wire = script_wire(line->words[1]);
	const char *text = line->words[3];
	char size[32];
	snprintf(size, sizeof(size), "%zx\r\n", strlen(text) + 1);
	for (int64_t left = script_number(line->words[2]); left > 0; left--) {
		send_text(wire, size);
		send_text(wire, text);
		send_text(wire, "\n\r\n");
	}
}

static void run_last(const struct script_line *line)
{
	send_text(script_wire(line->words[1]), "0\r\n\r\n");
}

static void run_takes(const struct script_line *line)
{
	bool is_all = strcmp(line->words[2], "all") == 0;
	script_wire(line->words[1])->window = is_all ? INT64_MAX : script_number(line->words[2]);
}

static void run_end(const struct script_line *line)
{
	script_wire(line->words[1])->is_ended = true;
}

static void run_cut(const struct script_line *line)
{
	script_wire(line->words[1])->is_cut = true;
}

/* --- the database --- */

static bool may_be_missing;

static void answer(const char *report_id, enum store_outcome outcome)
{
	if (!fake_store_answer(report_id, outcome) && !may_be_missing) {
		script_fail("nothing waits for that");
	}
}

static void run_commit(const struct script_line *line)
{
	answer(line->count > 1 ? line->words[1] : NULL, STORE_STORED);
}

static void run_answer(const struct script_line *line)
{
	static const char *const names[] = {[STORE_STORED] = "stored",
		[STORE_DUPLICATE] = "duplicate",
		[STORE_CONFLICT] = "conflict",
		[STORE_SUPERSEDED] = "superseded",
		[STORE_ERASED] = "erased",
		[STORE_RETRACTED] = "retracted",
		[STORE_FOUND] = "found",
		[STORE_NOT_FOUND] = "not-found",
		[STORE_UNSTORABLE] = "unstorable",
		[STORE_ROLLED_BACK] = "rolled-back",
		[STORE_UNAVAILABLE] = "unavailable"};
	const char *report_id = strcmp(line->words[1], "all") == 0 ? NULL : line->words[1];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], line->words[2]) != 0) {
			continue;
		}
		answer(report_id, (enum store_outcome)i);
		return;
	}
	script_fail("%s is no outcome", line->words[2]);
}

/* For scripts whose author does not know what waits. */
static void run_perhaps(const struct script_line *line)
{
	struct script_line rest = {.count = line->count - 1};
	bool is_commit = strcmp(line->words[1], "commit") == 0;
	memcpy(rest.words, line->words + 1, (size_t)rest.count * sizeof(rest.words[0]));
	if (!is_commit && (strcmp(line->words[1], "answer") != 0 || rest.count < 3)) {
		script_fail("commit [REPORT] or answer REPORT|all OUTCOME is expected");
	}
	may_be_missing = true;
	(is_commit ? run_commit : run_answer)(&rest);
	may_be_missing = false;
}

static void run_room(const struct script_line *line)
{
	fake_store_set_capacity((size_t)script_number(line->words[1]));
}

static void run_database(const struct script_line *line)
{
	bool is_back = strcmp(line->words[1], "back") == 0;
	fake_store_say(is_back, is_back ? NULL : "the script says so");
}

/* --- what came of it --- */

static void print_bytes(const char *name, const struct buf *bytes)
{
	printf("%s %zu\n", name, bytes->len);
	if (bytes->len > 0) {
		fwrite(bytes->data, 1, bytes->len, stdout);
	}
}

static void run_print(const struct script_line *line)
{
	(void)line;
	print_bytes("store", fake_store_stored_ids());
	for (size_t i = 0; i < wire_count(); i++) {
		print_bytes(wire_at(i)->name, &wire_at(i)->from_worker);
	}
}

/* --- time --- */

static void run_advance(const struct script_line *line)
{
	/* What the lines before have brought about comes first. */
	fake_loop_settle();
	fake_loop_advance_us(script_duration_us(line->words[1]));
}

static void run_jump(const struct script_line *line)
{
	fake_clock_jump_us(script_duration_us(line->words[1]));
}

/* --- the main thread --- */

static void run_configure(const struct script_line *line)
{
	script_configure(line->words[1], line->words[2], line->words[3]);
}

static void run_reload(const struct script_line *line)
{
	(void)line;
	struct generation *generation = script_generation();
	worker_send_generation(fake_store_worker(), generation);
	generation_unref(&generation);
}

static void run_revoke(const struct script_line *line)
{
	script_wire(line->words[1])->is_revoked = true;
}

static void run_partners(const struct script_line *line)
{
	struct registry *registry = script_registry(line->count - 1, line->words + 1);
	worker_send_registry(fake_store_worker(), registry);
	registry_unref(&registry);
}

static void run_drain(const struct script_line *line)
{
	(void)line;
	worker_send_drain(fake_store_worker());
}

static void run_quit(const struct script_line *line)
{
	(void)line;
	worker_send_quit(fake_store_worker());
}

const struct script_command script_commands[] = {
	{"configure", 4, run_configure, "SECTION NAME VALUE; in force from the start, or a reload"},
	{"partners", 1, run_partners, "[NAME[=suspended]]...; all there are"},
	{"reload", 1, run_reload, "; of what was configured and revoked"},
	{"revoke", 2, run_revoke, "CLIENT; by the next reload"},
	{"drain", 1, run_drain, ""},
	{"quit", 1, run_quit, ""},
	{"connect", 2, run_connect, "CLIENT [NUMBER]; the last of that name is meant further on"},
	{"handshake", 3, run_handshake, "CLIENT PARTNER|refused"},
	{"hold", 2, run_hold, "CLIENT; what it sends from now on waits"},
	{"deliver", 3, run_deliver, "CLIENT BYTES|all; of what waits"},
	{"send", 3, run_send, "CLIENT TEXT"},
	{"post", 3, run_post, "CLIENT REPORT [bad]"},
	{"get", 3, run_get, "CLIENT TARGET"},
	{"batch", 2, run_batch, "CLIENT [atomic]"},
	{"line", 3, run_line, "CLIENT REPORT [bad]; of a batch"},
	{"lines", 4, run_lines, "CLIENT NUMBER TEXT; so many lines of a batch that are this"},
	{"last", 2, run_last, "CLIENT; the batch is whole"},
	{"takes", 3, run_takes, "CLIENT BYTES|all; of what it is sent"},
	{"end", 2, run_end, "CLIENT; closes properly"},
	{"cut", 2, run_cut, "CLIENT; is gone without a word"},
	{"commit", 1, run_commit, "[REPORT]; or everything that waits"},
	{"answer", 3, run_answer, "REPORT|all OUTCOME"},
	{"perhaps", 2, run_perhaps, "commit|answer ...; nothing happens where nothing waits"},
	{"room", 2, run_room, "NUMBER; so many may wait for the store"},
	{"database", 2, run_database, "away|back"},
	{"advance", 2, run_advance, "TIME"},
	{"jump", 2, run_jump, "TIME; the wall clock alone"},
	{"print", 1, run_print,
		"; NAME BYTES, a line, and as many bytes: of the store the reports that it said "
		"are stored, a line each, then of each client what it was sent"},
	{"expect", 2, script_expect, "..."},
	{NULL, 0, NULL, NULL},
};
