// SPDX-License-Identifier: Apache-2.0
/*
 * A row is written with a cursor into room reserved for its upper bound: no check a field. A field
 * is its type's number, its length (-1 for null) and its bytes, all in network order.
 */
#include "row_int.h"

#include <endian.h>
#include <string.h>

enum {
	OID_INT8 = 20,
	OID_INT2 = 21,
	OID_INET = 869,
	OID_TEXT_ARRAY = 1009,
	OID_TIMESTAMPTZ = 1184,
	OID_NUMERIC = 1700,
	OID_UUID = 2950
};

enum { REPORT_COLUMNS = 47, INDICATOR_COLUMNS = 11, REFUSAL_COLUMNS = 10 };

/* Bytes that a column may take besides its text. */
#define COLUMN_BYTES 48

struct cursor {
	char *at;
};

static void put32(struct cursor *c, uint32_t value)
{
	value = htobe32(value);
	memcpy(c->at, &value, 4);
	c->at += 4;
}

static void put16(struct cursor *c, uint16_t value)
{
	value = htobe16(value);
	memcpy(c->at, &value, 2);
	c->at += 2;
}

static void put64(struct cursor *c, uint64_t value)
{
	value = htobe64(value);
	memcpy(c->at, &value, 8);
	c->at += 8;
}

static void put_bytes(struct cursor *c, const void *data, size_t len)
{
	if (len > 0) {
		memcpy(c->at, data, len);
		c->at += len;
	}
}

static void null_column(struct cursor *c, uint32_t oid)
{
	put32(c, oid);
	put32(c, UINT32_MAX);
}

static void column(struct cursor *c, uint32_t oid, const void *data, size_t len)
{
	put32(c, oid);
	put32(c, (uint32_t)len);
	put_bytes(c, data, len);
}

static void bool_column(struct cursor *c, bool value)
{
	char byte = value ? 1 : 0;
	column(c, ROW_OID_BOOL, &byte, 1);
}

static void int2_column(struct cursor *c, int64_t value)
{
	if (value == REPORT_NO_NUMBER) {
		null_column(c, OID_INT2);
		return;
	}
	put32(c, OID_INT2);
	put32(c, 2);
	put16(c, (uint16_t)value);
}

static void int4_column(struct cursor *c, int64_t value)
{
	if (value == REPORT_NO_NUMBER) {
		null_column(c, ROW_OID_INT4);
		return;
	}
	put32(c, ROW_OID_INT4);
	put32(c, 4);
	put32(c, (uint32_t)value);
}

static void int8_column(struct cursor *c, int64_t value)
{
	if (value == REPORT_NO_NUMBER) {
		null_column(c, OID_INT8);
		return;
	}
	put32(c, OID_INT8);
	put32(c, 8);
	put64(c, (uint64_t)value);
}

static void time_column(struct cursor *c, int64_t unix_us)
{
	if (unix_us == REPORT_NO_TIME) {
		null_column(c, OID_TIMESTAMPTZ);
		return;
	}
	put32(c, OID_TIMESTAMPTZ);
	put32(c, 8);
	put64(c, (uint64_t)(unix_us - ROW_EPOCH_US));
}

static void text_column(struct cursor *c, struct str text)
{
	if (text.data == NULL) {
		null_column(c, ROW_OID_TEXT);
		return;
	}
	column(c, ROW_OID_TEXT, text.data, text.len);
}

static void uuid_column(struct cursor *c, const struct uuid *id)
{
	column(c, OID_UUID, id->bytes, sizeof(id->bytes));
}

static void bytes_column(struct cursor *c, const void *data, size_t len)
{
	if (data == NULL) {
		null_column(c, ROW_OID_BYTEA);
		return;
	}
	column(c, ROW_OID_BYTEA, data, len);
}

static void array_header(struct cursor *c, uint32_t element_oid, uint32_t count)
{
	put32(c, 1); /* dimensions */
	put32(c, 0); /* no nulls */
	put32(c, element_oid);
	put32(c, count);
	put32(c, 1); /* lower bound */
}

/* An empty list is null: the views show it as an empty array. */
static void list_column(struct cursor *c, struct str_list list)
{
	if (list.count == 0) {
		null_column(c, OID_TEXT_ARRAY);
		return;
	}
	put32(c, OID_TEXT_ARRAY);
	struct cursor length = *c;
	put32(c, 0);
	char *start = c->at;
	array_header(c, ROW_OID_TEXT, (uint32_t)list.count);
	for (size_t i = 0; i < list.count; i++) {
		put32(c, (uint32_t)list.items[i].len);
		put_bytes(c, list.items[i].data, list.items[i].len);
	}
	put32(&length, (uint32_t)(c->at - start));
}

/* Digits of the text before place, as one group of four; places outside count as zero. */
static uint16_t decimal_group(struct str digits, ptrdiff_t first)
{
	uint16_t group = 0;
	for (ptrdiff_t i = first; i < first + 4; i++) {
		bool is_inside = i >= 0 && i < (ptrdiff_t)digits.len;
		group = (uint16_t)(group * 10 + (is_inside ? digits.data[i] - '0' : 0));
	}
	return group;
}

/*
 * numeric: groups of four decimal digits, the weight of the first, sign, digits after the point.
 * The text is what the schema allows: 1 to 15 digits, and perhaps a point and 1 or 2 more.
 */
static void numeric_column(struct cursor *c, struct str text)
{
	if (text.data == NULL) {
		null_column(c, OID_NUMERIC);
		return;
	}
	const char *point = memchr(text.data, '.', text.len);
	struct str whole = {text.data, point != NULL ? (size_t)(point - text.data) : text.len};
	struct str fraction = {NULL, 0};
	if (point != NULL) {
		fraction = (struct str){point + 1, text.len - whole.len - 1};
	}
	size_t whole_groups = (whole.len + 3) / 4;
	size_t groups = whole_groups + (fraction.len > 0 ? 1 : 0);

	put32(c, OID_NUMERIC);
	put32(c, (uint32_t)(8 + 2 * groups));
	put16(c, (uint16_t)groups);
	put16(c, (uint16_t)(whole_groups - 1));
	put16(c, 0);
	put16(c, (uint16_t)fraction.len);
	ptrdiff_t first = (ptrdiff_t)whole.len - 4 * (ptrdiff_t)whole_groups;
	for (size_t i = 0; i < whole_groups; i++) {
		put16(c, decimal_group(whole, first + 4 * (ptrdiff_t)i));
	}
	if (fraction.len > 0) {
		put16(c, decimal_group(fraction, 0));
	}
}

static void inet_column(struct cursor *c, const struct report_indicator *indicator)
{
	if (indicator->address_family == 0) {
		null_column(c, OID_INET);
		return;
	}
	uint8_t size = indicator->address_family == 4 ? 4 : 16;
	/* PostgreSQL's own numbers: PGSQL_AF_INET is 2, PGSQL_AF_INET6 3. */
	uint8_t header[4] = {
		indicator->address_family == 4 ? 2 : 3, indicator->prefix_len, 0, size};
	put32(c, OID_INET);
	put32(c, 4U + size);
	put_bytes(c, header, sizeof(header));
	put_bytes(c, indicator->address, size);
}

/* Room for a list's bytes. */
static size_t list_bytes(struct str_list list)
{
	size_t bytes = 0;
	for (size_t i = 0; i < list.count; i++) {
		bytes += 4 + list.items[i].len;
	}
	return bytes;
}

/* Starts a row: reserves its upper bound, leaves room for its length. */
static bool row_begin(struct buf *array, size_t columns, size_t text_bytes, struct cursor *c_out)
{
	if (!buf_reserve(array, 8 + columns * COLUMN_BYTES + text_bytes)) {
		return false;
	}
	c_out->at = array->data + array->len + 4;
	put32(c_out, (uint32_t)columns);
	return true;
}

static bool row_end(struct buf *array, struct cursor *c)
{
	char *start = array->data + array->len;
	size_t len = (size_t)(c->at - start);
	ENSURE(array->len + len <= array->cap);
	struct cursor length = {start};
	put32(&length, (uint32_t)(len - 4));
	array->len += len;
	return true;
}

bool row_array_begin(struct buf *array)
{
	buf_clear(array);
	if (!buf_reserve(array, ROW_ARRAY_HEADER_BYTES)) {
		return false;
	}
	array->len = ROW_ARRAY_HEADER_BYTES;
	return true;
}

void row_array_end(struct buf *array, uint32_t element_oid, uint32_t count)
{
	struct cursor c = {array->data};
	array_header(&c, element_oid, count);
}

static size_t report_text_bytes(const struct submission *s)
{
	const struct report *r = s->report;
	return r->report_id.len + r->reporter_org.len + s->taxonomy.len + r->category->code.len +
		r->category->primary_area.len + list_bytes(r->action_areas) +
		list_bytes(r->additional_categories) + list_bytes(r->rsit) + r->pap.len +
		r->status.len + r->determination.len + r->language.len +
		r->sharing_law_enforcement.len + list_bytes(r->sharing_audience) +
		list_bytes(r->countries) + list_bytes(r->sectors) + r->actor_kind.len +
		r->actor_name.len + list_bytes(r->malware) + r->law_enforcement_notified.len +
		r->title.len + s->warnings.len + r->loss_currency.len + 32 + s->payload.len;
}

bool row_append_report(struct buf *array, const struct submission *s)
{
	const struct report *r = s->report;
	struct cursor c;
	if (!row_begin(array, REPORT_COLUMNS, report_text_bytes(s), &c)) {
		return false;
	}
	uuid_column(&c, &s->id);
	time_column(&c, s->received_at_us);
	int4_column(&c, s->partner_id);
	int4_column(&c, r->revision);
	int2_column(&c, r->tlp);
	int2_column(&c, r->tlp_strictest);
	int2_column(&c, r->severity);
	int2_column(&c, r->score);
	int2_column(&c, r->confidence);
	bool_column(&c, s->is_test);
	bool_column(&c, r->is_exercise);
	bool_column(&c, r->is_critical);
	if (r->has_assistance) {
		bool_column(&c, r->assistance_requested);
	} else {
		null_column(&c, ROW_OID_BOOL);
	}
	time_column(&c, r->detected_us);
	time_column(&c, r->started_us);
	time_column(&c, r->reported_us);
	time_column(&c, r->contained_us);
	time_column(&c, r->ended_us);
	time_column(&c, r->recovered_us);
	time_column(&c, r->embargo_until_us);
	int8_column(&c, r->people_affected);
	numeric_column(&c, r->loss_amount);
	text_column(&c, r->loss_currency);
	text_column(&c, r->report_id);
	text_column(&c, r->reporter_org);
	text_column(&c, s->taxonomy);
	text_column(&c, r->category->code);
	text_column(&c, r->category->primary_area);
	list_column(&c, r->action_areas);
	list_column(&c, r->additional_categories);
	list_column(&c, r->rsit);
	text_column(&c, r->pap);
	text_column(&c, r->status);
	text_column(&c, r->determination);
	text_column(&c, r->language);
	text_column(&c, r->sharing_law_enforcement);
	list_column(&c, r->sharing_audience);
	list_column(&c, r->countries);
	list_column(&c, r->sectors);
	text_column(&c, r->actor_kind);
	text_column(&c, r->actor_name);
	list_column(&c, r->malware);
	text_column(&c, r->law_enforcement_notified);
	text_column(&c, r->title);
	text_column(&c, s->warnings.len > 0 ? s->warnings : (struct str){NULL, 0});
	bytes_column(&c, s->sha256, 32);
	bytes_column(&c, s->payload.data, s->payload.len);
	return row_end(array, &c);
}

bool row_append_indicator(
	struct buf *array, const struct uuid *report, const struct report_indicator *i)
{
	struct cursor c;
	if (!row_begin(array, INDICATOR_COLUMNS,
		    i->type.len + i->role.len + i->protocol.len + i->value.len, &c)) {
		return false;
	}
	uuid_column(&c, report);
	inet_column(&c, i);
	time_column(&c, i->first_seen_us);
	time_column(&c, i->last_seen_us);
	int4_column(&c, i->port);
	int2_column(&c, i->confidence);
	int2_column(&c, i->tlp);
	text_column(&c, i->type);
	text_column(&c, i->role);
	text_column(&c, i->protocol);
	text_column(&c, i->value);
	return row_end(array, &c);
}

bool row_append_refusal(struct buf *array, const struct refusal *r)
{
	struct cursor c;
	size_t text_bytes =
		r->path.len + r->problem.len + list_bytes(r->codes) + list_bytes(r->pointers) + 32;
	if (!row_begin(array, REFUSAL_COLUMNS, text_bytes, &c)) {
		return false;
	}
	time_column(&c, r->refused_at_us);
	int4_column(&c, r->partner_id);
	text_column(&c, r->path);
	int2_column(&c, r->status);
	text_column(&c, r->problem);
	list_column(&c, r->codes);
	list_column(&c, r->pointers);
	bytes_column(&c, r->sha256, 32);
	int8_column(&c, r->size_bytes);
	int4_column(&c, r->unrecorded);
	return row_end(array, &c);
}

static bool append_element(struct buf *array, const void *data, uint32_t len)
{
	uint32_t length = htobe32(len);
	return buf_append(array, &length, 4) && buf_append(array, data, len);
}

bool row_append_int4(struct buf *array, int32_t value)
{
	uint32_t network = htobe32((uint32_t)value);
	return append_element(array, &network, 4);
}

bool row_append_bool(struct buf *array, bool value)
{
	char byte = value ? 1 : 0;
	return append_element(array, &byte, 1);
}

bool row_append_text(struct buf *array, struct str value)
{
	return append_element(array, value.data, (uint32_t)value.len);
}

bool row_append_null(struct buf *array)
{
	uint32_t length = UINT32_MAX;
	return buf_append(array, &length, 4);
}
