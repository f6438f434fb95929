# SPDX-License-Identifier: Apache-2.0
"""What the Debian packages are made of."""

import re
import subprocess

import pytest
from conftest import packages_of_release
from machine import codename, run

LIBEVENT_UPDATE = "libevent-core-2.1-7 (>= 2.1.12-stable-8+deb12u1)"
PROGRAMS = ["usr/sbin/intaked", "usr/sbin/intakectl", "usr/bin/intake-send"]


def names(packages):
    return [package.name.partition("_")[0] for package in packages]


def test_there_is_one_for_servers_and_one_for_partners(packages):
    assert names(packages) == ["intake-send", "intaked"]


def test_lintian_finds_nothing(packages):
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning", *packages],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_the_same_programs_make_the_same_bytes(packages, tmp_path):
    release = re.search(r"-(\d+)_", packages[0].name)[1]
    again = packages_of_release(release, tmp_path)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in packages]


@pytest.mark.skipif(codename() != "bookworm", reason="an update of Debian 12")
def test_a_libevent_without_its_security_update_is_not_enough(packages):
    assert LIBEVENT_UPDATE in run("dpkg-deb", "-f", packages[1], "Depends")


@pytest.fixture(scope="module")
def unpacked(packages, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    for package in packages:
        run("dpkg-deb", "-x", package, folder)
    return folder


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_are_hardened(unpacked, program):
    path = unpacked / program
    assert "Type: DYN (Position-Independent Executable file)" in " ".join(
        run("readelf", "--file-header", path).split()
    )
    assert "GNU_RELRO" in run("readelf", "--program-headers", path)
    assert "BIND_NOW" in run("readelf", "--dynamic", path)
    symbols = run("readelf", "--dyn-syms", "--wide", path)
    assert "__stack_chk_fail" in symbols
    assert "_chk@GLIBC" in symbols


def test_no_folder_of_the_build_is_in_them(unpacked):
    for program in PROGRAMS:
        assert b"/build/package" not in (unpacked / program).read_bytes(), program
