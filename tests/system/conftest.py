# SPDX-License-Identifier: Apache-2.0
"""The packages, as the README builds them, and a system to install them in."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness import BUILD, ROOT
from machine import SAYS_YES, Machine, make_root, run, why_no_machine
from readme import Guide, sections

SERVING = "The first partner"


@pytest.fixture(scope="session")
def packages():
    """The README's own commands, in this checkout."""
    reason = why_no_machine()
    if reason:
        pytest.skip(reason)
    for stale in (ROOT / "build/package").glob("*.deb"):
        stale.unlink()
    script = sections()["Build the packages"]
    with tempfile.NamedTemporaryFile("w") as says_yes:
        says_yes.write(SAYS_YES)
        says_yes.flush()
        done = subprocess.run(
            ["bash", "-euc", script],
            cwd=ROOT,
            env=dict(os.environ, APT_CONFIG=says_yes.name, DEBIAN_FRONTEND="noninteractive"),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted((ROOT / "build/package").glob("*.deb"))


def packages_of_release(release, folder):
    """The same programs as the next release of the package, in a folder."""
    run(
        "cpack", "-D", f"CPACK_DEBIAN_PACKAGE_RELEASE={release}", "-B", folder,
        cwd=ROOT / "build/package",
    )  # fmt: skip
    shutil.rmtree(folder / "_CPack_Packages")
    return sorted(folder.glob("*.deb"))


@pytest.fixture(scope="module")
def machine(packages):
    """Booted, with the packages in /root and not installed."""
    tar = make_root(BUILD / "system", packages)
    parent = os.environ.get("INTAKED_TEST_FOLDER", "/tmp")
    made = Machine(Path(tempfile.mkdtemp(prefix="intaked-system-", dir=parent)), tar)
    try:
        for package in packages:
            shutil.copy(package, made.path("/root"))
        made.boot()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def guide(machine):
    return Guide(machine)


@pytest.fixture(scope="module")
def serving(machine, guide):
    """The machine after somebody has followed the README up to the first partner."""
    guide.follow(SERVING)
    return machine
