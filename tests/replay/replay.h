// SPDX-License-Identifier: Apache-2.0
/*
 * Replays what sockets cannot be made to do at will: the end of a client between the database's
 * commit and its answer, a deadline to the millisecond, results in another order. A real worker
 * runs with all that lies between its seams; what lies beyond them is replaced by files here that
 * export the same symbols, so that the linker takes these and not the real ones:
 *
 *	fake_loop.c   libevent, on a clock that moves when the script says so
 *	fake_clock.c  the two clocks
 *	fake_memory.c what gives memory back to the system
 *	fake_net.c    listener and TLS streams: bytes appear as the script says
 *	fake_store.c  the store: commits when the script says so
 *
 * Everything runs in one thread: the worker's loop is the script, a line of it at a time, and after
 * each line the loop turns until nothing is left to do. script.c has the language.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "net/listener.h"
#include "server/worker.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/* --- fake_clock.c --- */

void fake_clock_advance_us(int64_t us);
/* The wall clock alone. */
void fake_clock_jump_us(int64_t us);

/* --- fake_loop.c --- */

/* Runs script lines until there are no more or the loop is told to end. */
typedef bool fake_loop_step_fn(void);
void fake_loop_set_step(fake_loop_step_fn *step);
/* Turns until nothing is ready; fails the script when that never comes. */
void fake_loop_settle(void);
/* Moves the clock from one timer to the next. */
void fake_loop_advance_us(int64_t us);
bool fake_loop_is_ended(void);

/* --- fake_memory.c --- */

/* Since it was asked last. */
bool fake_memory_take_trimmed(void);

/* --- fake_net.c --- */

#define WIRES_MAX 256
#define WIRE_NAME_SIZE 16

/* What a script says of one client. */
struct wire {
	char name[WIRE_NAME_SIZE];
	int fd; /* the worker's end; a real descriptor, of nothing */
	bool is_accepted;
	bool is_closed;   /* by the worker */
	bool is_shutdown; /* by the worker: it will write no more */
	char partner[64];
	bool has_flight; /* of the handshake: the worker has not seen it yet */
	bool is_verified;
	bool is_refused; /* the certificate is not good */
	bool is_revoked; /* by a later list */
	bool is_ended;   /* by the client, properly */
	bool is_cut;     /* by the network */
	bool is_held;    /* what the client sends waits in unsent */
	struct buf unsent;
	struct buf to_worker;
	struct buf from_worker; /* everything, ever */
	size_t seen;            /* bytes of it that the script has looked at */
	struct buf lines;       /* of a batch's answer, out of its chunks, not looked at yet */
	int64_t window;         /* bytes the client still takes */
};

/* Waits in the listener's queue until the worker takes it. NULL: no more may be. */
struct wire *wire_connect(const char *name);
struct wire *wire_find(const char *name);
void wire_send(struct wire *wire, const void *data, size_t len);
/* Of what is held. */
void wire_deliver(struct wire *wire, size_t len);
/* Whether the loop must tell of these events. */
bool wire_is_ready(int fd, short events);
/* One of those who wait, to a worker that accepts; false when there is none to give. */
bool wire_accept_one(void);
size_t wire_count(void);
struct wire *wire_at(size_t index);
void wire_free_all(void);
bool fake_listener_is_open(void);

/* --- fake_store.c --- */

/* The worker that made the store. */
struct worker *fake_store_worker(void);
void fake_store_set_capacity(size_t capacity);
void fake_store_say(bool is_available, const char *reason);
/* Reports, look-ups and retractions that wait. */
size_t fake_store_waiting(void);
/* Answers the oldest of that name, or all when report_id is NULL; false when there is none. Stored
 * means that all goes well: a retraction is then retracted, and a look-up finds nothing. */
bool fake_store_answer(const char *report_id, enum store_outcome outcome);
/* Reports of which it was said that they are stored, or retracted. */
size_t fake_store_stored(void);
/* Their names, a line each. */
const struct buf *fake_store_stored_ids(void);
void fake_store_forget(void);

/* --- script.c --- */

#define WORDS_MAX 16

/* One line, its words without their quotes. */
struct script_line {
	int count;
	char *words[WORDS_MAX];
};

typedef void script_command_fn(const struct script_line *line);

struct script_command {
	const char *name;
	int words_min; /* its own name among them */
	script_command_fn *run;
	const char *usage;
};

/* Ends the program: what was expected at this line, and what was there. */
_Noreturn void script_fail(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Fails the script when a word is not what it should be. */
int64_t script_number(const char *word);
int64_t script_duration_us(const char *word);
struct wire *script_wire(const char *name);
/* A generation of what was configured up to here. */
struct generation *script_generation(void);
void script_configure(const char *section, const char *name, const char *value);

/* --- script_commands.c, script_expect.c --- */

extern const struct script_command script_commands[];
script_command_fn script_expect;

/* --- script_check.c --- */

/* What holds at any time: nobody was told that a report is stored of which the store did not say
 * so, and the open connections are counted as what they are. When there are none, nothing else is
 * counted either. */
void script_check_always(const struct shared *shared);
/* When there is no worker any more. */
void script_check_nothing_counted(const struct shared *shared);

/* --- script_conf.c --- */

/* Of "name" and "name=suspended". */
struct registry *script_registry(int count, char *const *words);
