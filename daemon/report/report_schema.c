// SPDX-License-Identifier: Apache-2.0
/*
 * JSON Schema 2020-12 out of the table of fields. Forms and dates that no schema can say, and the
 * rules between fields, are in the partner interface.
 */
#include "report/report_schema.h"

#include "report_fields_int.h"

#include <inttypes.h>

static bool render_field(
	struct buf *out, const struct report_field *field, const struct taxonomy *taxonomy);

static bool render_text(struct buf *out, struct str before, struct str text)
{
	return buf_append_str(out, before) && buf_append_json_text(out, text) &&
		buf_append_str(out, STR("\""));
}

static bool render_vocabulary(struct buf *out, const struct report_vocabulary *vocabulary,
	const struct taxonomy *taxonomy)
{
	size_t count = report_vocabulary_count(vocabulary, taxonomy);
	if (!buf_append_str(out, STR("\"enum\":["))) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (!render_text(out, i == 0 ? STR("\"") : STR(",\""),
			    report_vocabulary_code(vocabulary, taxonomy, i))) {
			return false;
		}
	}
	return buf_append_str(out, STR("]"));
}

static bool render_limits(struct buf *out, const struct report_field *field, const char *noun)
{
	return field->min == FIELD_NO_LIMIT ||
		buf_printf(out, ",\"min%s\":%" PRId64 ",\"max%s\":%" PRId64, noun, field->min, noun,
			field->max);
}

static bool render_string(struct buf *out, const struct report_field *field)
{
	return buf_append_str(out, STR("\"type\":\"string\"")) &&
		render_limits(out, field, "Length") &&
		(field->pattern == NULL ||
			render_text(
				out, STR(",\"pattern\":\""), str_from(field->pattern->expression)));
}

static bool render_required(struct buf *out, const struct report_object *object)
{
	bool is_first = true;
	if (!buf_append_str(out, STR("},\"required\":["))) {
		return false;
	}
	for (size_t i = 0; i < object->count; i++) {
		if (!object->fields[i].is_required) {
			continue;
		}
		if (!render_text(out, is_first ? STR("\"") : STR(",\""), object->fields[i].name)) {
			return false;
		}
		is_first = false;
	}
	return buf_append_str(out, STR("],\"additionalProperties\":false"));
}

static bool render_object(
	struct buf *out, const struct report_object *object, const struct taxonomy *taxonomy)
{
	if (!buf_append_str(out, STR("\"type\":\"object\",\"properties\":{"))) {
		return false;
	}
	for (size_t i = 0; i < object->count; i++) {
		if (!render_text(out, i == 0 ? STR("\"") : STR(",\""), object->fields[i].name) ||
			!buf_append_str(out, STR(":")) ||
			!render_field(out, &object->fields[i], taxonomy)) {
			return false;
		}
	}
	return render_required(out, object);
}

static bool render_array(
	struct buf *out, const struct report_field *field, const struct taxonomy *taxonomy)
{
	return buf_append_str(out, STR("\"type\":\"array\",\"items\":")) &&
		render_field(out, field->element, taxonomy) && render_limits(out, field, "Items") &&
		(!field->is_unique || buf_append_str(out, STR(",\"uniqueItems\":true")));
}

static bool render_extensions(struct buf *out, const struct report_field *field)
{
	return buf_append_str(out, STR("\"type\":\"object\",\"propertyNames\":{")) &&
		render_string(out, field) &&
		buf_printf(out, "},\"maxProperties\":%d", REPORT_MAX_EXTENSIONS);
}

/* All of a field but its braces. */
static bool render_inside(
	struct buf *out, const struct report_field *field, const struct taxonomy *taxonomy)
{
	switch (field->type) {
	case FIELD_SCHEMA:
		return render_text(out, STR("\"const\":\""), STR(REPORT_SCHEMA_NAME));
	case FIELD_TAXONOMY_ID:
		return render_text(out, STR("\"const\":\""), taxonomy_id(taxonomy));
	case FIELD_CODE:
		return render_vocabulary(out, field->vocabulary, taxonomy);
	case FIELD_TEXT:
	case FIELD_TIME:
		return render_string(out, field);
	case FIELD_INTEGER:
		return buf_printf(out,
			"\"type\":\"integer\",\"minimum\":%" PRId64 ",\"maximum\":%" PRId64,
			field->min, field->max);
	case FIELD_BOOLEAN:
		return buf_append_str(out, STR("\"type\":\"boolean\""));
	case FIELD_OBJECT:
		return render_object(out, field->object, taxonomy);
	case FIELD_ARRAY:
		return render_array(out, field, taxonomy);
	case FIELD_EXTENSIONS:
		return render_extensions(out, field);
	}
	return false;
}

static bool render_field(
	struct buf *out, const struct report_field *field, const struct taxonomy *taxonomy)
{
	return buf_append_str(out, STR("{")) && render_inside(out, field, taxonomy) &&
		buf_append_str(out, STR("}"));
}

static bool render_document(struct buf *out, struct str title, const struct report_field *root,
	const struct taxonomy *taxonomy)
{
	return buf_append_str(
		       out, STR("{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\"")) &&
		render_text(out, STR(",\"title\":\""), title) && buf_append_str(out, STR(",")) &&
		render_inside(out, root, taxonomy) && buf_append_str(out, STR("}"));
}

bool report_schema_render(struct buf *out, const struct taxonomy *taxonomy)
{
	return render_document(out, STR("intaked report, version 1"), &report_field_root, taxonomy);
}

bool report_schema_render_retraction(struct buf *out, const struct taxonomy *taxonomy)
{
	return render_document(
		out, STR("intaked retraction, version 1"), &report_field_retraction, taxonomy);
}
