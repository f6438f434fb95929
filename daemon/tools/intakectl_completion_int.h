// SPDX-License-Identifier: Apache-2.0
#pragma once

/* The script that goes by the tables, intakectl_completion.bash. */
extern const char completion_script[];
