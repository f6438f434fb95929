// SPDX-License-Identifier: Apache-2.0
/*
 * The table of fields as an mdoc(7) list: one item a field, named by its path.
 */
#include "report/report_schema.h"

#include "report_fields_int.h"
#include "report_indicator_int.h"

#include <inttypes.h>

#define REFERENCE_LISTED_MAX 30

/* Where a field stands: the names above it, linked upwards. */
struct place {
	const struct place *above;
	struct str name;
	bool is_array;
};

static bool render_fields(struct buf *out, const struct report_object *object,
	const struct place *above, const struct taxonomy *taxonomy);

/* Text for mdoc: a backslash is written as \e, and no line starts with a dot or an apostrophe. */
static bool render_escaped(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];
		struct str piece = {&text.data[i], 1};
		if (c == '\\') {
			piece = STR("\\e");
		} else if (c == '-') {
			piece = STR("\\-");
		} else if (c == '^') {
			piece = STR("\\(ha");
		} else if (c == '~') {
			piece = STR("\\(ti");
		}
		if (!buf_append_str(out, piece)) {
			return false;
		}
	}
	return true;
}

static bool render_place(struct buf *out, const struct place *place)
{
	if (place->above != NULL &&
		(!render_place(out, place->above) || !buf_append_str(out, STR(".")))) {
		return false;
	}
	return render_escaped(out, place->name) &&
		(!place->is_array || buf_append_str(out, STR("[]")));
}

static bool render_vocabulary(struct buf *out, const struct report_vocabulary *vocabulary,
	const struct taxonomy *taxonomy)
{
	static const struct str sources[] = {
		[VOCABULARY_CATEGORIES] = {"a category of the taxonomy", 26},
		[VOCABULARY_AREAS] = {"an area of action", 17},
		[VOCABULARY_RSIT] = {"an RSIT code", 12},
	};
	size_t count = report_vocabulary_count(vocabulary, taxonomy);
	if (vocabulary->source != VOCABULARY_FIXED && count > REFERENCE_LISTED_MAX) {
		return buf_append_str(out, sources[vocabulary->source]);
	}
	if (!buf_append_str(out, STR("one of"))) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (!buf_append_str(out, i == 0 ? STR(" ") : STR(", ")) ||
			!render_escaped(out, report_vocabulary_code(vocabulary, taxonomy, i))) {
			return false;
		}
	}
	return true;
}

static bool render_text_type(struct buf *out, const struct report_field *field)
{
	if (!buf_append_str(out, STR("text"))) {
		return false;
	}
	if (field->min != FIELD_NO_LIMIT &&
		!buf_printf(
			out, " of %" PRId64 " to %" PRId64 " characters", field->min, field->max)) {
		return false;
	}
	if (field->is_multiline && !buf_append_str(out, STR(", lines allowed"))) {
		return false;
	}
	return field->pattern == NULL ||
		(buf_append_str(out, STR(": ")) &&
			render_escaped(out, str_from(field->pattern->expects)));
}

static bool render_type(
	struct buf *out, const struct report_field *field, const struct taxonomy *taxonomy)
{
	switch (field->type) {
	case FIELD_SCHEMA:
		return buf_append_str(out, STR("the text ")) &&
			render_escaped(out, STR(REPORT_SCHEMA_NAME));
	case FIELD_TAXONOMY_ID:
		return buf_append_str(out, STR("the text ")) &&
			render_escaped(out, taxonomy_id(taxonomy));
	case FIELD_CODE:
		return render_vocabulary(out, field->vocabulary, taxonomy);
	case FIELD_TEXT:
		return render_text_type(out, field);
	case FIELD_TIME:
		return buf_append_str(out, STR("time, RFC 3339 with an offset"));
	case FIELD_INTEGER:
		return buf_printf(
			out, "whole number from %" PRId64 " to %" PRId64, field->min, field->max);
	case FIELD_BOOLEAN:
		return buf_append_str(out, STR("true or false"));
	case FIELD_OBJECT:
		return buf_append_str(out, STR("object"));
	case FIELD_ARRAY:
		return buf_printf(out,
			       "array of %" PRId64 " to %" PRId64 "%s elements: ", field->min,
			       field->max, field->is_unique ? " different" : "") &&
			render_type(out, field->element, taxonomy);
	case FIELD_EXTENSIONS:
		return buf_printf(out,
			"object of at most %d members of any value, at most %d bytes each, "
			"named by a fully qualified domain name",
			REPORT_MAX_EXTENSIONS, REPORT_MAX_EXTENSION_BYTES);
	}
	return false;
}

static bool render_field(struct buf *out, const struct report_field *field,
	const struct place *above, const struct taxonomy *taxonomy)
{
	struct place place = {above, field->name, field->type == FIELD_ARRAY};
	const struct report_field *inner = place.is_array ? field->element : field;
	return buf_append_str(out, STR(".It Va ")) && render_place(out, &place) &&
		buf_append_str(out, field->is_required ? STR(" Pq required\n") : STR("\n")) &&
		render_escaped(out, str_from(field->reason)) && buf_append_str(out, STR("\n")) &&
		buf_append_str(out, STR("Type: ")) && render_type(out, field, taxonomy) &&
		buf_append_str(out, STR(".\n")) &&
		(inner->type != FIELD_OBJECT ||
			render_fields(out, inner->object, &place, taxonomy));
}

static bool render_fields(struct buf *out, const struct report_object *object,
	const struct place *above, const struct taxonomy *taxonomy)
{
	for (size_t i = 0; i < object->count; i++) {
		if (!render_field(out, &object->fields[i], above, taxonomy)) {
			return false;
		}
	}
	return true;
}

static bool render_list(
	struct buf *out, const struct report_object *object, const struct taxonomy *taxonomy)
{
	return buf_append_str(out, STR(".Bl -tag -width Ds\n")) &&
		render_fields(out, object, NULL, taxonomy) && buf_append_str(out, STR(".El\n"));
}

bool report_reference_render(struct buf *out, const struct taxonomy *taxonomy)
{
	return render_list(out, report_field_root.object, taxonomy);
}

bool report_reference_render_retraction(struct buf *out, const struct taxonomy *taxonomy)
{
	return render_list(out, report_field_retraction.object, taxonomy);
}

bool report_reference_render_indicators(struct buf *out, const struct taxonomy *taxonomy)
{
	const struct report_field *list = &report_field_root.object->fields[ROOT_INDICATORS];
	const struct report_field *type = &list->element->object->fields[INDICATOR_TYPE];
	bool done = buf_append_str(out, STR(".Bl -tag -width Ds\n"));
	for (unsigned i = 0; done && i < INDICATOR_TYPE_COUNT; i++) {
		const char *expects = report_indicator_expects(i);
		done = buf_append_str(out, STR(".It Li ")) &&
			render_escaped(
				out, report_vocabulary_code(type->vocabulary, taxonomy, i)) &&
			buf_printf(out, "\n%s.\n", expects != NULL ? expects : "free text");
	}
	return done && buf_append_str(out, STR(".El\n"));
}
