#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every control of the README's table of threats names a test that is there."""

import re
import sys
from pathlib import Path

root = Path(sys.argv[1])
section = (root / "README.md").read_text().partition("\n## Security\n")[2].partition("\n#")[0]
rows = [line.split("|")[1:3] for line in section.splitlines() if line.startswith("| ")][1:]
faults = [] if len(rows) > 10 else ["README.md has no table of threats"]

for control, tests in rows:
    named = re.findall(r"`([^`]+)`", tests)
    if not named and not control.strip().startswith("**"):
        faults.append(f"no test is named for: {control.strip()}")
    for name in named:
        path, _, function = name.partition("::")
        file = root / "tests" / path
        if not file.exists():
            faults.append(f"{name}: there is no tests/{path}")
        elif function and not re.search(rf"^def {function}\b", file.read_text(), re.MULTILINE):
            faults.append(f"{name}: tests/{path} has no such test")

print("\n".join(faults))
sys.exit(1 if faults else 0)
