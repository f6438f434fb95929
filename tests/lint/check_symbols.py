#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when an object on the path of a report imports a lock. Argument: the build folder."""
import re
import subprocess
import sys
from pathlib import Path

FLOORS = ("http", "report", "net", "store")
LOCK = re.compile(r"\s(U|w)\s+((pthread_(mutex|rwlock|cond|spin)|mtx_|cnd_)\w*)")


def main():
    build = Path(sys.argv[1])
    faults, objects = [], 0
    for floor in FLOORS:
        library = build / f"libintaked_{floor}.a"
        if not library.exists():
            faults.append(f"{library} is missing: build first")
            continue
        nm = subprocess.run(["nm", "-A", library], capture_output=True, text=True, check=True)
        objects += len({line.split(":")[1] for line in nm.stdout.splitlines() if ".o:" in line})
        for line in nm.stdout.splitlines():
            if lock := LOCK.search(line):
                faults.append(f"{floor}: {line.split(':')[1]} imports {lock[2]}")
    if objects == 0:
        faults.append("no objects looked at")
    print("\n".join(faults) or f"no lock in {objects} objects of {', '.join(FLOORS)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
