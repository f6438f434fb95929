// SPDX-License-Identifier: Apache-2.0
/*
 * GET /.well-known/security.txt: whom to tell of a weakness of this server (RFC 9116).
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define SECURITY_TXT_MAX_BYTES 16384

/*
 * Reads the operator's file into out, an initialised buffer. False, with the file and what was
 * expected in err, unless it is UTF-8 text with a contact and a time of expiry. One that expired
 * before now is warned of, and leaves out empty.
 */
MUST_CHECK bool security_txt_load(
	struct buf *out, const char *path, int64_t now_us, struct err *err);
