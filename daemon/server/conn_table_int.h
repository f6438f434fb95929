// SPDX-License-Identifier: Apache-2.0
/*
 * A worker's connections by number. Their memory is made many at a time, so that what a crowd
 * leaves behind lies close together, and given back when all of them are gone. A ticket of a
 * connection that is gone finds its slot, if it is still there, and sees by the count of uses,
 * which all slots share, that it is not the one meant.
 */
#pragma once

#include "base/attr.h"
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct conn;

struct conn_slab {
	struct conn *conns; /* NULL once its memory was given back */
	uint32_t taken;
};

struct conn_table {
	struct conn_slab *slabs;
	uint32_t slot_count;
	uint32_t uses;
	struct list free_slots;
};

void conn_table_init(struct conn_table *table);
/* Frees the memory; no connection may be open any more. */
void conn_table_fini(struct conn_table *table);
/* One that is not in use, with its slot and count of uses. NULL when memory is short. */
MUST_CHECK struct conn *conn_table_take(struct conn_table *table);
void conn_table_give_back(struct conn_table *table, struct conn *conn);
/* Frees the memory of slots that are next to none in use. */
void conn_table_trim(struct conn_table *table);
/* slot is less than slot_count. In use or not: see its state. NULL when its memory is gone. */
struct conn *conn_table_at(const struct conn_table *table, uint32_t slot);
