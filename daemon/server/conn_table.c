// SPDX-License-Identifier: Apache-2.0
#include "conn_table_int.h"

#include "conn_int.h"

#include <stdlib.h>

#define SLAB_CONNECTIONS 64

void conn_table_init(struct conn_table *table)
{
	*table = (struct conn_table){0};
	list_init(&table->free_slots);
}

void conn_table_fini(struct conn_table *table)
{
	for (uint32_t slot = 0; slot < table->slot_count; slot += SLAB_CONNECTIONS) {
		free(table->slabs[slot / SLAB_CONNECTIONS]);
	}
	free(table->slabs);
	conn_table_init(table);
}

struct conn *conn_table_at(const struct conn_table *table, uint32_t slot)
{
	return &table->slabs[slot / SLAB_CONNECTIONS][slot % SLAB_CONNECTIONS];
}

static bool grow(struct conn_table *table)
{
	size_t count = table->slot_count / SLAB_CONNECTIONS;
	struct conn **slabs = reallocarray(table->slabs, count + 1, sizeof(struct conn *));
	if (slabs == NULL) {
		return false;
	}
	table->slabs = slabs;
	slabs[count] = calloc(SLAB_CONNECTIONS, sizeof(struct conn));
	if (slabs[count] == NULL) {
		return false;
	}
	for (uint32_t i = 0; i < SLAB_CONNECTIONS; i++) {
		struct conn *conn = &slabs[count][i];
		conn->slot = table->slot_count++;
		conn->state = CONN_CLOSED;
		list_init(&conn->link);
		conn_table_give_back(table, conn);
	}
	return true;
}

struct conn *conn_table_take(struct conn_table *table)
{
	if (list_is_empty(&table->free_slots) && !grow(table)) {
		return NULL;
	}
	struct conn *conn = LIST_OWNER(table->free_slots.next, struct conn, link);
	list_remove(&conn->link);
	return conn;
}

void conn_table_give_back(struct conn_table *table, struct conn *conn)
{
	list_remove(&conn->link);
	list_append(&table->free_slots, &conn->link);
}
