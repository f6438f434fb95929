// SPDX-License-Identifier: Apache-2.0
/*
 * Signals that ask the program to end: Ctrl-C, the terminal that goes away, a service manager.
 */
#pragma once

#include <stdbool.h>

void signal_catch(void);
bool signal_has_come(void);
/* More than one: whoever sends them is in a hurry. */
bool signal_is_repeated(void);
