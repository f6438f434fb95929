#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails on an include that goes up or across floors, on a cycle of headers, and on a third-party
header outside the floors that may know the library. Argument: the source folder."""
import re
import sys
from pathlib import Path

FLOORS = {"base": 1, "conf": 2, "report": 2, "http": 2, "store": 3, "net": 3, "server": 4, "tools": 5}
LIBRARIES = [
    (r"jansson", {"report", "tools"}),
    (r"libpq-|libpq/|postgres|pg_config", {"conf", "store", "tools"}),
    (r"openssl/", {"net", "server", "tools"}),
    (r"event2/|event\.h|ev[a-z]+\.h", {"store", "net", "server"}),
    (r"confuse", {"conf"}),
    (r"curl/", {"tools"}),
    (r"zlib|zconf", {"http"}),
    (r"systemd/", {"server"}),
]
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.M)


def source_files(root):
    """Name as an include line gives it, floor and text of each file."""
    for top in ("include", "daemon"):
        for path in sorted((root / top).rglob("*.[ch]")):
            relative = path.relative_to(root / top)
            yield path.relative_to(root), relative, relative.parts[0], path.read_text()


def fault_of(floor, name, is_quoted):
    """What is wrong with an include line, or None."""
    if not is_quoted:
        for pattern, allowed in LIBRARIES:
            if re.match(pattern, name) and floor not in allowed:
                return f"<{name}> belongs to {', '.join(sorted(allowed))}"
        return None
    target = name.split("/")[0] if "/" in name else floor
    if target not in FLOORS:
        return f'"{name}" names no floor'
    if target != floor and FLOORS[target] >= FLOORS[floor]:
        return f'"{name}" is not below {floor}'
    return None


def find_cycle(graph, name, trail=()):
    if name in trail:
        return trail[trail.index(name):] + (name,)
    return next((c for n in graph.get(name, ()) if (c := find_cycle(graph, n, trail + (name,)))), None)


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    faults, graph, count = [], {}, 0
    for path, relative, floor, text in source_files(root):
        count += 1
        if floor not in FLOORS:
            faults.append(f"{path}: no such floor")
            continue
        includes = [(kind == '"', name) for kind, name in INCLUDE.findall(text)]
        faults += [f"{path}: {f}" for q, n in includes if (f := fault_of(floor, n, q))]
        if path.suffix == ".h":
            quoted = [n if "/" in n else f"{floor}/{n}" for q, n in includes if q]
            graph[relative.as_posix()] = quoted
    cycles = {frozenset(c): c for name in graph if (c := find_cycle(graph, name))}
    faults += ["headers in a circle: " + " > ".join(c) for c in cycles.values()]
    if count == 0:
        faults.append(f"no sources under {root}")
    print("\n".join(faults) or f"{count} files keep to their floors")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
