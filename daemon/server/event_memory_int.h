// SPDX-License-Identifier: Apache-2.0
/*
 * Where libevent's smallest pieces of memory lie.
 *
 * For each number of a descriptor that an event base has ever watched, libevent keeps a few bytes
 * until the base is freed. They come while a crowd comes, so they would lie among what its
 * connections take, each in a page of its own, and none of these pages could be given back when
 * the crowd has left. Here they lie side by side.
 *
 * So memory that libevent hands out to be freed must not go to free(3): such functions are not
 * used.
 */
#pragma once

/* Before the first event base is made. */
void event_memory_init(void);
