# SPDX-License-Identifier: Apache-2.0
"""Whatever happens, in whatever order: answers are whole, in order and their client's own; nobody
is told that something is stored which the store did not say; nobody hangs, and nothing is counted
any more when everybody is gone; a drain ends the worker.

INTAKED_REPLAY_SEED=N makes up the same scripts again, INTAKED_REPLAY_SCRIPTS=N so many of them,
INTAKED_LONG=1 20,000. One that fails is printed, without the lines it does not need.
"""
import os
import random
import re
import subprocess
from pathlib import Path

import made_up
import told

PROGRAM = Path(os.environ.get("INTAKED_BUILD", "build")) / "tests" / "replay"
IS_LONG = os.environ.get("INTAKED_LONG") == "1"
SEED = int(os.environ.get("INTAKED_REPLAY_SEED", "0")) or random.randrange(1, 1 << 30)
SCRIPTS = int(os.environ.get("INTAKED_REPLAY_SCRIPTS", "20000" if IS_LONG else "250"))
# Of one script, which takes milliseconds.
TIMEOUT_S = 60
SHORTENING_RUNS = 500


def run(path, lines):
    path.write_text("\n".join(lines + made_up.ending(lines)) + "\n")
    return subprocess.run([PROGRAM, path], capture_output=True, timeout=TIMEOUT_S, check=False)


def fault_of(path, lines):
    """None when all is well."""
    try:
        done = run(path, lines)
    except subprocess.TimeoutExpired:
        return "it does not end"
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").splitlines()
        about = [line for line in said if not line.startswith("severity=")]
        return "\n".join(about) or f"it ends with {done.returncode}:\n" + "\n".join(said[-3:])
    try:
        told.check(lines, done.stdout)
    except told.Wrong as wrong:
        return str(wrong)
    return None


def kind_of(fault):
    """The same for the same reason: without place, names and numbers."""
    text = re.sub(r"\S+\.replay:\d+: .*\n", "", fault or "")
    return re.sub(r"\d+", "", text)[:40]


def shortened(path, lines, fault):
    """Without what it fails as well without: halves first, then ever smaller pieces."""
    left = SHORTENING_RUNS
    size = len(lines) // 2
    while size > 0:
        at = 0
        while at < len(lines) and left > 0:
            fewer = lines[:at] + lines[at + size:]
            left -= 1
            if kind_of(fault_of(path, fewer)) == kind_of(fault):
                lines = fewer
            else:
                at += size
        size //= 2
    return lines


def test_whatever_happens(tmp_path):
    print(f"INTAKED_REPLAY_SEED={SEED} INTAKED_REPLAY_SCRIPTS={SCRIPTS}")
    path = tmp_path / "made_up.replay"
    for number in range(SEED, SEED + SCRIPTS):
        lines = made_up.make_up(random.Random(number))
        fault = fault_of(path, lines)
        if fault is not None:
            lines = shortened(path, lines, fault)
            raise AssertionError(
                f"INTAKED_REPLAY_SEED={number} INTAKED_REPLAY_SCRIPTS=1\n{fault}\n\n"
                f"shortened, and with its ending in {path}:\n"
                + "\n".join(lines) + f"\n\n{fault_of(path, lines)}"
            )
