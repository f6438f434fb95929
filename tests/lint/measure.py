#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints how long functions and files are, with the longest named. Never a gate. Argument: the
source folder. Needs Universal Ctags."""
import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path


def functions(files):
    """(lines, name, file) of every function."""
    tags = subprocess.run(
        ["ctags", "--output-format=json", "--kinds-c=f", "--fields=+ne", "-f", "-", *files],
        capture_output=True, text=True, check=True).stdout
    for line in tags.splitlines():
        tag = json.loads(line)
        if tag.get("_type") == "tag" and "end" in tag:
            yield tag["end"] - tag["line"] + 1, tag["name"], tag["path"]


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    files = [str(p.relative_to(root)) for p in sorted((root / "daemon").rglob("*.c"))]
    if shutil.which("ctags") is None or not files:
        print("nothing measured: ctags or sources are missing")
        return
    found = sorted(functions(str(root / f) for f in files))
    lengths = [length for length, _, _ in found]
    print(f"{len(lengths)} functions: median {statistics.median(lengths):.0f} lines, "
          f"{100 * sum(n < 60 for n in lengths) / len(lengths):.1f}% under 60")
    for length, name, path in reversed(found[-10:]):
        print(f"{length:5} {name} ({Path(path).relative_to(root)})")
    sizes = sorted((len((root / f).read_text().splitlines()), f) for f in files)
    print(f"{len(sizes)} files: median {statistics.median(n for n, _ in sizes):.0f} lines")
    for size, path in reversed(sizes[-5:]):
        print(f"{size:5} {path}")


if __name__ == "__main__":
    main()
