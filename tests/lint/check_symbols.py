#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when an object on the path of a report imports a lock, or one of the daemon a function of libevent
whose result is for free(3): see daemon/server/event_memory_int.h. Argument: the build folder."""
import re
import subprocess
import sys
from pathlib import Path

FLOORS = ("http", "report", "net", "store")
HANDS_OUT = re.compile(r"\sU\s+(evbuffer_readln|evbuffer_readline|evhttp_\w*|evutil_\w*strdup)\b")
LOCK = re.compile(r"\s(U|w)\s+((pthread_(mutex|rwlock|cond|spin)|mtx_|cnd_)\w*)")


def main():
    build = Path(sys.argv[1])
    faults, objects = [], 0
    for floor in (*FLOORS, "server"):
        library = build / f"libintaked_{floor}.a"
        if not library.exists():
            faults.append(f"{library} is missing: build first")
            continue
        nm = subprocess.run(["nm", "-A", library], capture_output=True, text=True, check=True)
        objects += len({line.split(":")[1] for line in nm.stdout.splitlines() if ".o:" in line})
        for line in nm.stdout.splitlines():
            if (lock := LOCK.search(line)) and floor in FLOORS:
                faults.append(f"{floor}: {line.split(':')[1]} imports {lock[2]}")
            if found := HANDS_OUT.search(line):
                faults.append(f"{floor}: {line.split(':')[1]} imports {found[1]}")
    if objects == 0:
        faults.append("no objects looked at")
    print("\n".join(faults) or f"nothing of the kind in {objects} objects")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
