// SPDX-License-Identifier: Apache-2.0
/*
 * Standard input, output and error, of which a program may be started without one.
 */
#pragma once

/*
 * Takes the place of each that is closed, so that no file or socket gets its number and is read or
 * written in its stead. Reading and writing fail as those of a closed one do. First of all in
 * main().
 */
void standard_fds_hold(void);
