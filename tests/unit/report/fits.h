// SPDX-License-Identifier: Apache-2.0
/*
 * What renders says so where the room ends, wherever that is. After cmocka.h.
 */
#pragma once

#include "base/buf.h"

#define FITS_WHOLE_MAX ((size_t)1 << 20)

typedef bool fits_render_fn(struct buf *out, const void *ctx);

/* Tries every step-th size short of the whole, and the whole. */
static inline void assert_fits_whole_or_is_told(
	fits_render_fn *render, const void *ctx, size_t step)
{
	struct buf out;
	buf_init(&out, FITS_WHOLE_MAX);
	assert_true(render(&out, ctx));
	size_t whole = out.len;
	buf_fini(&out);
	for (size_t max = 0; max < whole; max += step) {
		buf_init(&out, max);
		assert_false(render(&out, ctx));
		assert_true(out.len <= max);
		buf_fini(&out);
	}
	buf_init(&out, whole);
	assert_true(render(&out, ctx));
	buf_fini(&out);
}
