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
		free(table->slabs[slot / SLAB_CONNECTIONS].conns);
	}
	free(table->slabs);
	conn_table_init(table);
}

static struct conn_slab *slab_of(const struct conn_table *table, uint32_t slot)
{
	return &table->slabs[slot / SLAB_CONNECTIONS];
}

struct conn *conn_table_at(const struct conn_table *table, uint32_t slot)
{
	struct conn *conns = slab_of(table, slot)->conns;
	return conns != NULL ? &conns[slot % SLAB_CONNECTIONS] : NULL;
}

/* The slot at which a slab is missing, or would be added; false when there is no room for it. */
static bool find_place(struct conn_table *table, uint32_t *slot_out)
{
	for (*slot_out = 0; *slot_out < table->slot_count; *slot_out += SLAB_CONNECTIONS) {
		if (slab_of(table, *slot_out)->conns == NULL) {
			return true;
		}
	}
	size_t count = table->slot_count / SLAB_CONNECTIONS;
	struct conn_slab *slabs = reallocarray(table->slabs, count + 1, sizeof(struct conn_slab));
	if (slabs == NULL) {
		return false;
	}
	slabs[count] = (struct conn_slab){0};
	table->slabs = slabs;
	table->slot_count += SLAB_CONNECTIONS;
	return true;
}

static bool grow(struct conn_table *table)
{
	uint32_t first;
	struct conn *conns = calloc(SLAB_CONNECTIONS, sizeof(struct conn));
	if (conns == NULL || !find_place(table, &first)) {
		free(conns);
		return false;
	}
	slab_of(table, first)->conns = conns;
	for (uint32_t i = 0; i < SLAB_CONNECTIONS; i++) {
		conns[i].slot = first + i;
		conns[i].state = CONN_CLOSED;
		list_init(&conns[i].link);
		list_append(&table->free_slots, &conns[i].link);
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
	slab_of(table, conn->slot)->taken++;
	conn->use = ++table->uses;
	return conn;
}

void conn_table_give_back(struct conn_table *table, struct conn *conn)
{
	list_remove(&conn->link);
	list_append(&table->free_slots, &conn->link);
	slab_of(table, conn->slot)->taken--;
}

void conn_table_trim(struct conn_table *table)
{
	for (uint32_t slot = 0; slot < table->slot_count; slot += SLAB_CONNECTIONS) {
		struct conn_slab *slab = slab_of(table, slot);
		if (slab->conns == NULL || slab->taken > 0) {
			continue;
		}
		for (uint32_t i = 0; i < SLAB_CONNECTIONS; i++) {
			list_remove(&slab->conns[i].link);
		}
		free(slab->conns);
		slab->conns = NULL;
	}
}
