#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The manual's list of events in the log is what the daemon logs, each with its severity, and
so are the reasons of failed handshakes.

Usage: check_events.py SOURCE_FOLDER
"""

import re
import sys
from pathlib import Path

SEVERITIES = "debug|info|warn|error|fatal"

root = Path(sys.argv[1])
sources = "".join(path.read_text() for path in sorted((root / "daemon").glob("*/*.c")))
logged = {match[::-1] for match in re.findall(rf'\blog_({SEVERITIES})\(\s*"([a-z-]+)"', sources)}

section = (root / "daemon/server/intaked.8").read_text().partition("\n.Sh LOGGING\n")[2].partition("\n.Sh ")[0]
listed = set()
for line in re.findall(r"^\.It Li (.+)$", section, re.MULTILINE):
    # Of several without a severity between them the last one's is that of all.
    events = []
    for word in re.findall(r"[a-z-]+", re.sub(r"\b(?:Li|P[coq])\b", "", line)):
        if re.fullmatch(SEVERITIES, word):
            listed |= {(event, word) for event in events}
            events = []
        else:
            events.append(word)

faults = [] if len(logged) > 20 else ["no events were found in daemon/"]
faults += [f"intaked(8), LOGGING, lacks {event} ({severity})" for event, severity in sorted(logged - listed)]
faults += [f"nothing logs {event} ({severity}) of intaked(8), LOGGING" for event, severity in sorted(listed - logged)]
table = (root / "include/net/handshake_failure.h").read_text()
reasons = set(re.findall(r'X\(\w+, "(\w+)",', table)) - {"none"}
faults += [f"intaked(8), LOGGING, lacks the reason {name}" for name in sorted(reasons) if name not in re.split(r"[\s,.]+", section)]
print("\n".join(faults))
sys.exit(1 if faults else 0)
