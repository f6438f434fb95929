// SPDX-License-Identifier: Apache-2.0
/*
 * Brings the database's sums and its search up to date after the commit (intake.housekeep, see
 * sql/0014_search.sql), in the main thread's loop. The analysts' views are right without it, since
 * they look at what it has not taken yet; it keeps that little.
 */
#pragma once

#include "base/attr.h"
#include "conf/conf.h"
#include "report/taxonomy.h"

#include <event2/event.h>
#include <stdint.h>

struct housekeeper;

struct housekeeper_hooks {
	/* How many reports this process has stored so far. */
	uint64_t (*stored_reports)(void *ctx);
	void *ctx;
};

/* Connects by itself. NULL when memory is short. */
MUST_CHECK struct housekeeper *housekeeper_new(struct event_base *base, struct conf *conf,
	const struct taxonomy *taxonomy, struct housekeeper_hooks hooks);
/* From now on; the taxonomy must outlive the keeper or the next call of this. */
void housekeeper_set_conf(
	struct housekeeper *keeper, struct conf *conf, const struct taxonomy *taxonomy);
/* Changes of the record that it has taken; of NULL: 0. */
uint64_t housekeeper_changes(const struct housekeeper *keeper);
void housekeeper_free(struct housekeeper **keeper);
