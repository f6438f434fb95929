// SPDX-License-Identifier: Apache-2.0
/*
 * One look at the database, blocking: for intaked -t, never while serving.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "conf/conf.h"
#include "report/taxonomy.h"

#include <stdbool.h>

/* False with a reason when the daemon could not store reports there. */
MUST_CHECK bool database_check(struct conf *conf, const struct taxonomy *taxonomy, struct err *err);
