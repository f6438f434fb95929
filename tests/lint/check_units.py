#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""check_units.py SYSTEMD-FOLDER: fails when intaked.service is exposed more than it has to be.

The figures are those of systemd-analyze security; the rest of them is the network itself.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

UNIT = "intaked.service"
# Tenths, at most: as shipped, and where the networks of partners are listed.
AS_SHIPPED = 11
WITH_NETWORKS = 10


def is_exposed_at_most(tenths, root):
    """Prints what systemd says of the unit when it is more."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--no-pager", "--offline=yes", f"--threshold={tenths}",
         f"--root={root}", UNIT],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        print(done.stdout, done.stderr, f"expected at most {tenths / 10}")
    return done.returncode == 0


def main(systemd):
    with tempfile.TemporaryDirectory() as root:
        units = Path(root) / "etc/systemd/system"
        drop_ins = units / f"{UNIT}.d"
        drop_ins.mkdir(parents=True)
        shutil.copy(systemd / UNIT, units)
        is_good = is_exposed_at_most(AS_SHIPPED, root)
        shutil.copy(systemd / "examples/partner-networks.conf", drop_ins)
        return 0 if is_exposed_at_most(WITH_NETWORKS, root) and is_good else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
