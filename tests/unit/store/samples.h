// SPDX-License-Identifier: Apache-2.0
/*
 * What the tests of the store share: a report with everything, one with nothing optional, results
 * as libpq hands them out, and a configuration.
 */
#pragma once

#include "base/attr.h"
#include "store/store.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAMPLE_TIME_US INT64_C(1794204312482913) /* 2026-11-09T06:05:12.482913Z */

static const struct taxonomy_category sample_category = {
	.code = {"ransomware", 10}, .primary_area = {"AA3", 3}};
static const struct str sample_areas[] = {{"AA3", 3}, {"AA4", 3}};

/* A report with nothing optional. */
static inline struct report sample_report(void)
{
	return (struct report){
		.report_id = STR("NH-2026-000417"),
		.revision = 1,
		.reporter_org = STR("nordhaven.example"),
		.tlp = TLP_GREEN,
		.tlp_strictest = TLP_AMBER,
		.embargo_until_us = REPORT_NO_TIME,
		.category = &sample_category,
		.action_areas = {sample_areas, 2},
		.title = STR("T"),
		.detected_us = SAMPLE_TIME_US,
		.started_us = REPORT_NO_TIME,
		.reported_us = REPORT_NO_TIME,
		.contained_us = REPORT_NO_TIME,
		.ended_us = REPORT_NO_TIME,
		.recovered_us = REPORT_NO_TIME,
		.severity = 5,
		.score = REPORT_NO_NUMBER,
		.confidence = REPORT_NO_NUMBER,
		.people_affected = REPORT_NO_NUMBER,
	};
}

static inline struct report_indicator sample_indicator(struct str value)
{
	return (struct report_indicator){
		.type = STR("domain"),
		.value = value,
		.role = STR("source"),
		.first_seen_us = REPORT_NO_TIME,
		.last_seen_us = REPORT_NO_TIME,
		.confidence = REPORT_NO_NUMBER,
		.port = REPORT_NO_NUMBER,
		.tlp = TLP_GREEN,
	};
}

static inline struct submission sample_submission(const struct report *report)
{
	static const uint8_t sha256[32] = {0xab};
	return (struct submission){
		.report = report,
		.id = {{0x01, 0x93, 0x8f, 0x3e, 0x7c, 0x1a, 0x7b, 0x52, 0x9d, 0x0e, 0x3f, 0x6a,
			0x2b, 0x1c, 0x4d, 0x5e}},
		.partner_id = 7,
		.received_at_us = SAMPLE_TIME_US,
		.sha256 = sha256,
		.taxonomy = STR("digital-solidarity-2024/1.0.0"),
		.payload = STR("{}"),
	};
}

/* An empty result with so many columns. */
static inline PGresult *sample_result(int columns)
{
	PGresAttDesc attributes[16];
	char name[] = "column";
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	memset(attributes, 0, sizeof(attributes));
	for (int i = 0; i < columns; i++) {
		attributes[i].name = name;
	}
	ENSURE(result != NULL && columns <= 16 &&
		PQsetResultAttrs(result, columns, attributes) == 1);
	return result;
}

/* len -1: null. */
static inline void sample_set(PGresult *result, int row, int column, const void *value, int len)
{
	char *copy = malloc(len > 0 ? (size_t)len : 1);
	ENSURE(copy != NULL);
	if (len > 0) {
		memcpy(copy, value, (size_t)len);
	}
	ENSURE(PQsetvalue(result, row, column, len < 0 ? NULL : copy, len) == 1);
	free(copy);
}

static inline void sample_set_text(PGresult *result, int row, int column, const char *text)
{
	sample_set(result, row, column, text, (int)strlen(text));
}

static inline void sample_conf_fault(void *ctx, const char *sentence)
{
	(void)ctx;
	fprintf(stderr, "%s\n", sentence);
}

/* What a file of this text configures; every fault ends the test program. */
static inline struct conf *sample_conf(const char *text)
{
	char path[] = "/tmp/intaked-conf-XXXXXX";
	int fd = mkstemp(path);
	ENSURE(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	struct conf *conf = conf_load(path, sample_conf_fault, NULL);
	unlink(path);
	ENSURE(conf != NULL);
	return conf;
}
