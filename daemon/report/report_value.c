// SPDX-License-Identifier: Apache-2.0
/*
 * Equality of JSON values, and finding the repeated ones in an array in linear time.
 */
#include "report_walk_int.h"

#include <string.h>

static uint32_t hash_bytes(uint32_t hash, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		hash = (hash ^ (unsigned char)data[i]) * 16777619U;
	}
	return hash;
}

static uint32_t hash_object(json_t *object)
{
	uint32_t hash = 3;
	for (void *at = json_object_iter(object); at != NULL;
		at = json_object_iter_next(object, at)) {
		uint32_t name = hash_bytes(
			2166136261U, json_object_iter_key(at), json_object_iter_key_len(at));
		/* A sum, so that the order of members does not count. */
		hash += name * (2 * report_value_hash(json_object_iter_value(at)) + 1);
	}
	return hash;
}

static uint32_t hash_array(json_t *array)
{
	uint32_t hash = 5;
	for (size_t i = 0; i < json_array_size(array); i++) {
		hash = hash * 31 + report_value_hash(json_array_get(array, i));
	}
	return hash;
}

uint32_t report_value_hash(json_t *value)
{
	double number;
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return hash_object(value);
	case JSON_ARRAY:
		return hash_array(value);
	case JSON_STRING:
		return hash_bytes(2166136261U, json_string_value(value), json_string_length(value));
	case JSON_INTEGER:
	case JSON_REAL:
		/* Adding zero makes one of the two zeros. */
		number = json_number_value(value) + 0.0;
		return hash_bytes(7, (const char *)&number, sizeof(number));
	default:
		return 11U + (uint32_t)json_typeof(value);
	}
}

static bool objects_equal(json_t *a, json_t *b)
{
	if (json_object_size(a) != json_object_size(b)) {
		return false;
	}
	for (void *at = json_object_iter(a); at != NULL; at = json_object_iter_next(a, at)) {
		json_t *other =
			json_object_getn(b, json_object_iter_key(at), json_object_iter_key_len(at));
		if (other == NULL || !report_value_equal(json_object_iter_value(at), other)) {
			return false;
		}
	}
	return true;
}

static bool arrays_equal(json_t *a, json_t *b)
{
	if (json_array_size(a) != json_array_size(b)) {
		return false;
	}
	for (size_t i = 0; i < json_array_size(a); i++) {
		if (!report_value_equal(json_array_get(a, i), json_array_get(b, i))) {
			return false;
		}
	}
	return true;
}

bool report_value_equal(json_t *a, json_t *b)
{
	if (json_is_integer(a) && json_is_integer(b)) {
		return json_integer_value(a) == json_integer_value(b);
	}
	if (json_is_number(a) && json_is_number(b)) {
		return json_number_value(a) == json_number_value(b);
	}
	if (json_typeof(a) != json_typeof(b)) {
		return false;
	}
	switch (json_typeof(a)) {
	case JSON_OBJECT:
		return objects_equal(a, b);
	case JSON_ARRAY:
		return arrays_equal(a, b);
	case JSON_STRING:
		return json_string_length(a) == json_string_length(b) &&
			memcmp(json_string_value(a), json_string_value(b), json_string_length(a)) ==
			0;
	default:
		return true;
	}
}

const uint32_t *report_values_find_repeated(
	struct report_context *context, json_t *array, size_t count)
{
	size_t size = 8;
	while (size < 2 * count) {
		size *= 2;
	}
	uint32_t *firsts = report_context_alloc(context, count, sizeof(*firsts));
	uint32_t *hashes = report_context_alloc(context, count, sizeof(*hashes));
	/* Slots hold a position + 1. */
	uint32_t *slots = report_context_alloc(context, size, sizeof(*slots));
	if (firsts == NULL || hashes == NULL || slots == NULL) {
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		json_t *value = json_array_get(array, i);
		hashes[i] = report_value_hash(value);
		firsts[i] = (uint32_t)i;
		size_t slot = (hashes[i] ^ (hashes[i] >> 15)) & (size - 1);
		for (; slots[slot] != 0; slot = (slot + 1) & (size - 1)) {
			uint32_t other = slots[slot] - 1;
			if (hashes[other] == hashes[i] &&
				report_value_equal(json_array_get(array, other), value)) {
				firsts[i] = other;
				break;
			}
		}
		if (firsts[i] == i) {
			slots[slot] = (uint32_t)i + 1;
		}
	}
	return firsts;
}
