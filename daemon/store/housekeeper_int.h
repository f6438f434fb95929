// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/housekeeper.h"

/* How long to rest after a step that took something, by the reports that wait; at most interval_ms.
 */
int64_t housekeeper_rest_ms(int64_t step_ms, uint64_t waiting_reports, int64_t interval_ms);
