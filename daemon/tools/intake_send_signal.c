// SPDX-License-Identifier: Apache-2.0
#include "intake_send_signal_int.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

static atomic_int signal_count;

static void on_signal(int number)
{
	(void)number;
	atomic_fetch_add(&signal_count, 1);
}

/* What the caller has ignored stays ignored, as nohup(1) wants it. */
void signal_catch(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal};
	struct sigaction inherited;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (sigaction(numbers[i], NULL, &inherited) == 0 &&
			inherited.sa_handler != SIG_IGN) {
			sigaction(numbers[i], &action, NULL);
		}
	}
	/* A connection that breaks is an ordinary error. */
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}

bool signal_has_come(void)
{
	return atomic_load(&signal_count) > 0;
}

bool signal_is_repeated(void)
{
	return atomic_load(&signal_count) > 1;
}
