// SPDX-License-Identifier: Apache-2.0
/*
 * Written piece by piece without printf: a receipt is rendered for every report that is stored.
 */
#include "report/receipt.h"

#include "base/clock.h"

static const struct str status_texts[] = {
	[RECEIPT_STORED] = {"stored", 6},
	[RECEIPT_DUPLICATE] = {"duplicate", 9},
	[RECEIPT_RETRACTED] = {"retracted", 9},
	[RECEIPT_ERASED] = {"erased", 6},
	[RECEIPT_VALID] = {"valid", 5},
};

/* name holds all that stands before the value, its opening quote included. */
static bool append_text(struct buf *out, struct str name, struct str value)
{
	return buf_append_str(out, name) && buf_append_json_text(out, value);
}

static bool append_decimal(struct buf *out, int32_t value)
{
	char digits[12];
	size_t at = sizeof(digits);
	uint32_t rest = value < 0 ? 0U - (uint32_t)value : (uint32_t)value;
	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0) {
		digits[--at] = '-';
	}
	return buf_append(out, digits + at, sizeof(digits) - at);
}

static bool append_sha256(struct buf *out, const uint8_t sha256[32])
{
	static const char hex[] = "0123456789abcdef";
	char text[64];
	for (size_t i = 0; i < 32; i++) {
		text[2 * i] = hex[sha256[i] >> 4];
		text[2 * i + 1] = hex[sha256[i] & 15];
	}
	return buf_append(out, text, sizeof(text));
}

static bool append_areas(struct buf *out, struct str_list areas)
{
	for (size_t i = 0; i < areas.count; i++) {
		if (!append_text(out, i == 0 ? STR("\"") : STR(",\""), areas.items[i]) ||
			!buf_append_str(out, STR("\""))) {
			return false;
		}
	}
	return true;
}

static bool append_retraction(struct buf *out, const struct receipt *receipt)
{
	char retracted_at[CLOCK_RFC3339_SIZE];
	clock_format_rfc3339(receipt->retracted_at_us, retracted_at);
	return append_text(out, STR(",\"retracted_at\":\""),
		       (struct str){retracted_at, CLOCK_RFC3339_SIZE - 1}) &&
		append_text(out, STR("\",\"reason\":\""), receipt->reason) &&
		buf_append_str(out, STR("\""));
}

static bool append_id(struct buf *out, const struct receipt *receipt)
{
	char id[UUID_TEXT_SIZE];
	uuid_format(&receipt->id, id);
	return append_text(out, STR("\",\"id\":\""), (struct str){id, UUID_TEXT_SIZE - 1});
}

static bool append_received_at(struct buf *out, const struct receipt *receipt)
{
	char received_at[CLOCK_RFC3339_SIZE];
	clock_format_rfc3339(receipt->received_at_us, received_at);
	return append_text(out, STR(",\"received_at\":\""),
		       (struct str){received_at, CLOCK_RFC3339_SIZE - 1}) &&
		buf_append_str(out, STR("\""));
}

bool receipt_render(struct buf *out, const struct receipt *receipt)
{
	bool is_stored = receipt->status != RECEIPT_VALID;
	return append_text(out, STR("{\"status\":\""), status_texts[receipt->status]) &&
		(!is_stored || append_id(out, receipt)) &&
		append_text(out, STR("\",\"partner\":\""), receipt->partner) &&
		append_text(out, STR("\",\"report_id\":\""), receipt->report_id) &&
		buf_append_str(out, STR("\",\"revision\":")) &&
		append_decimal(out, receipt->revision) &&
		(!is_stored || append_received_at(out, receipt)) &&
		buf_append_str(out, STR(",\"sha256\":\"")) && append_sha256(out, receipt->sha256) &&
		append_text(out, STR("\",\"taxonomy\":\""), receipt->taxonomy) &&
		append_text(out, STR("\",\"category\":\""), receipt->category) &&
		buf_append_str(out, STR("\",\"action_areas\":[")) &&
		append_areas(out, receipt->action_areas) &&
		append_text(out, STR("],\"primary_area\":\""), receipt->primary_area) &&
		buf_append_str(out,
			receipt->is_test ? STR("\",\"test\":true,\"warnings\":")
					 : STR("\",\"test\":false,\"warnings\":")) &&
		buf_append_str(out, receipt->warnings.len == 0 ? STR("[]") : receipt->warnings) &&
		(receipt->status != RECEIPT_RETRACTED || append_retraction(out, receipt)) &&
		buf_append_str(out, STR("}"));
}
