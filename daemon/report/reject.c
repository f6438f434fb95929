// SPDX-License-Identifier: Apache-2.0
#include "report/reject.h"

static const struct reject_info rejects[REJECT_COUNT] = {
#define X(id, name, status, closes, title) \
	[REJECT_##id] = {"urn:intaked:problem:" name, name, status, closes, title},
	REJECT_TABLE(X)
#undef X
};

const struct reject_info *reject_info(enum reject reject)
{
	ENSURE((unsigned)reject < REJECT_COUNT);
	return &rejects[reject];
}

bool reject_render_open(struct buf *out, enum reject reject, const char *detail)
{
	const struct reject_info *info = reject_info(reject);
	if (!buf_printf(out, "{\"type\":\"%s\",\"title\":\"%s\",\"status\":%d", info->urn,
		    info->title, info->status)) {
		return false;
	}
	if (detail == NULL) {
		return true;
	}
	return buf_append_str(out, STR(",\"detail\":\"")) &&
		buf_append_json_text(out, str_from(detail)) && buf_append_str(out, STR("\""));
}
