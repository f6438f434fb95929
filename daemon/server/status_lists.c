// SPDX-License-Identifier: Apache-2.0
#include "status_lists_int.h"

#include <stdlib.h>

#define AT(field) offsetof(struct metrics, field)

static int64_t sum(const struct status_values *values, size_t offset)
{
	return (int64_t)metrics_sum(values->workers, values->worker_count, offset);
}

/* --- reasons --- */

static const char *problem_name(size_t i)
{
	return reject_info((enum reject)i)->name;
}

static const char *failure_name(size_t i)
{
	return handshake_failure_name((enum handshake_failure)i);
}

static void add_counted(struct json_writer *json, const struct status_values *values,
	const char *name, size_t offset, size_t count, const char *(*name_of)(size_t))
{
	json_open(json, name, '{');
	for (size_t i = 0; i < count; i++) {
		int64_t n = sum(values, offset + i * sizeof(metric_counter));
		if (n > 0) {
			json_integer(json, name_of(i), n);
		}
	}
	json_close(json, '}');
}

void status_add_reasons(struct json_writer *json, const struct status_values *values)
{
	add_counted(json, values, "refusals", AT(refused), REJECT_COUNT, problem_name);
	add_counted(json, values, "handshake_failures", AT(handshake_failures),
		HANDSHAKE_FAILURE_COUNT, failure_name);
}

/* --- partners --- */

struct partner_row {
	const struct partner *partner;
	int64_t stored;
	int64_t duplicates;
	int64_t refused;
};

static int64_t volume_of(const struct partner_row *row)
{
	return row->stored + row->duplicates + row->refused;
}

/* The most first; those who sent the same stay in the registry's order. */
static int compare_rows(const void *a, const void *b)
{
	const struct partner_row *left = a;
	const struct partner_row *right = b;
	int64_t more = volume_of(right) - volume_of(left);
	if (more == 0) {
		return left->partner < right->partner ? -1 : 1;
	}
	return more < 0 ? -1 : 1;
}

static struct partner_row row_of(const struct status_values *values, const struct partner *partner)
{
	size_t place = metrics_partner_place(partner->id);
	size_t at = AT(partners) + place * sizeof(struct partner_metrics);
	struct partner_row row = {.partner = partner};
	/* The first place is of all that have none of their own. */
	if (place != 0) {
		row.stored = sum(values, at + offsetof(struct partner_metrics, stored));
		row.duplicates = sum(values, at + offsetof(struct partner_metrics, duplicates));
		row.refused = sum(values, at + offsetof(struct partner_metrics, refused));
	}
	return row;
}

static void add_partner(struct json_writer *json, const struct partner_row *row)
{
	json_open(json, NULL, '{');
	json_text(json, "name", row->partner->name);
	json_text(json, "mode", row->partner->is_live ? STR("live") : STR("test"));
	json_boolean(json, "is_suspended", row->partner->is_suspended);
	json_integer(json, "stored", row->stored);
	json_integer(json, "duplicate", row->duplicates);
	json_integer(json, "refused", row->refused);
	json_close(json, '}');
}

void status_add_partners(struct json_writer *json, const struct status_values *values)
{
	const struct registry *registry = values->process->registry;
	size_t count = registry != NULL ? registry_partner_count(registry) : 0;
	struct partner_row *rows = calloc(count + 1, sizeof(*rows));
	if (rows == NULL) {
		json->has_failed = true;
		return;
	}
	for (size_t i = 0; i < count; i++) {
		rows[i] = row_of(values, registry_partner(registry, i));
	}
	qsort(rows, count, sizeof(*rows), compare_rows);
	json_open(json, "partners", '[');
	for (size_t i = 0; i < count && i < STATUS_MAX_PARTNERS; i++) {
		add_partner(json, &rows[i]);
	}
	json_close(json, ']');
	json_integer(json, "partner_count", (int64_t)count);
	free(rows);
}

/* --- the latest refusals --- */

static int compare_refusals(const void *a, const void *b)
{
	int64_t left = ((const struct recent_refusal *)a)->at_us;
	int64_t right = ((const struct recent_refusal *)b)->at_us;
	return (left < right) - (left > right);
}

/* data NULL: nobody that is known, or known any more. */
static struct str name_of_partner(const struct registry *registry, int32_t partner_id)
{
	size_t count = registry != NULL ? registry_partner_count(registry) : 0;
	for (size_t i = 0; i < count; i++) {
		if (registry_partner(registry, i)->id == partner_id) {
			return registry_partner(registry, i)->name;
		}
	}
	return (struct str){NULL, 0};
}

static void add_refusal(struct json_writer *json, const struct recent_refusal *refusal,
	const struct registry *registry)
{
	const struct reject_info *info = reject_info(refusal->reject);
	json_open(json, NULL, '{');
	json_time(json, "at", refusal->at_us);
	json_text(json, "partner", name_of_partner(registry, refusal->partner_id));
	json_text(json, "path", str_from(metrics_route_path(refusal->route)));
	json_integer(json, "status", info->status);
	json_text(json, "problem", str_from(info->name));
	json_open(json, "codes", '[');
	for (size_t i = 0; i < REFUSAL_CODES && refusal->codes.first[i] != 0; i++) {
		enum report_code code = (enum report_code)(refusal->codes.first[i] - 1);
		json_text(json, NULL, str_from(report_code_text(code)));
	}
	json_close(json, ']');
	json_integer(json, "count", refusal->count);
	json_close(json, '}');
}

void status_add_refusals(struct json_writer *json, const struct status_values *values)
{
	size_t count = 0;
	struct recent_refusal *all =
		calloc(values->worker_count + 1, REFUSAL_RING_SIZE * sizeof(*all));
	if (all == NULL) {
		json->has_failed = true;
		return;
	}
	for (size_t i = 0; i < values->worker_count; i++) {
		count += refusal_ring_read(values->refusals[i], all + count);
	}
	qsort(all, count, sizeof(*all), compare_refusals);
	json_open(json, "latest_refusals", '[');
	for (size_t i = 0; i < count && i < STATUS_MAX_REFUSALS; i++) {
		add_refusal(json, &all[i], values->process->registry);
	}
	json_close(json, ']');
	free(all);
}
