// SPDX-License-Identifier: Apache-2.0
/*
 * One accepted report as typed values. Every pointer borrows from the arena the report was judged
 * in, and from the taxonomy it was judged by.
 */
#pragma once

#include "base/str.h"
#include "report/taxonomy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An absent time. Times are microseconds since 1970 UTC. */
#define REPORT_NO_TIME INT64_MIN
/* An absent whole number. */
#define REPORT_NO_NUMBER INT64_MIN

struct str_list {
	const struct str *items;
	size_t count;
};

struct report_indicator {
	struct str type;  /* a code of the schema */
	struct str value; /* as sent */
	struct str role;
	int64_t first_seen_us;
	int64_t last_seen_us;
	int64_t confidence;
	int64_t port;
	struct str protocol;
	enum tlp tlp; /* the report's where it has none of its own */
	/* For ipv4, ipv6, cidr: the address in network order and its prefix length. */
	uint8_t address_family; /* 0 none, 4, 6 */
	uint8_t prefix_len;
	uint8_t address[16];
};

/* An absent string has data NULL. Absent members are absent here: defaults are the views'. */
struct report {
	struct str report_id;
	int32_t revision; /* 1 when absent */
	struct str reporter_org;
	struct str taxonomy_version; /* as claimed by the sender */
	struct str language;
	enum tlp tlp;
	/*
	 * The strictest of the report's label, its indicators' and its attachments', and at least
	 * AMBER+STRICT when it has a protected victim or a reporter contact.
	 */
	enum tlp tlp_strictest;
	struct str pap;
	struct str sharing_law_enforcement;
	struct str_list sharing_audience;
	int64_t embargo_until_us;
	const struct taxonomy_category *category;
	struct str_list additional_categories;
	struct str_list action_areas; /* as sent, the first is the reporter's primary */
	struct str_list rsit;         /* the category's first code where none was sent */
	struct str title;
	struct str determination;
	struct str status;
	bool is_exercise;
	bool is_critical; /* any of its categories is */
	int64_t detected_us;
	int64_t started_us;
	int64_t reported_us;
	int64_t contained_us;
	int64_t ended_us;
	int64_t recovered_us;
	int64_t severity;
	int64_t score;
	int64_t confidence;
	struct str_list countries; /* of impact and victims, each once */
	struct str_list sectors;   /* of impact and victims, each once */
	int64_t people_affected;
	struct str loss_amount; /* decimal text */
	struct str loss_currency;
	struct str actor_kind;
	struct str actor_name;
	struct str_list malware;
	bool has_assistance;
	bool assistance_requested;
	struct str law_enforcement_notified;
	const struct report_indicator *indicators; /* equal ones once */
	size_t indicator_count;
};
