// SPDX-License-Identifier: Apache-2.0
/*
 * Objects of a STIX bundle that one report becomes.
 */
#pragma once

#include "intakectl_export_int.h"

#include <jansson.h>

#define STIX_LABELS 5
#define STIX_UUID_SIZE 37
#define STIX_ID_SIZE 64

struct stix_report {
	struct export *export;
	const char *id;
	const char *received_at; /* with milliseconds, as STIX has times */
	const json_t *detected_at;
	char reporter[STIX_ID_SIZE];
	int label; /* its own, from 0 for clear */
	size_t object_count;
	json_t *refs; /* ids of what was written */
};

/* The number of a label, or what there is otherwise. */
int stix_label(const json_t *label, int otherwise);
/* With type, id and label. */
json_t *stix_new(struct stix_report *report, const char *type, int label);
/* The same with creation and creator, which every object has but those that are just a value. */
json_t *stix_new_domain(struct stix_report *report, const char *type, int label);
/* Takes the object. */
void stix_write(struct stix_report *report, json_t *object);
void stix_write_indicator(struct stix_report *report, const json_t *indicator);
