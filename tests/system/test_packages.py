# SPDX-License-Identifier: Apache-2.0
"""What the Debian packages are made of."""

import hashlib
import json
import os
import re
import subprocess

import pytest
from conftest import packages_of_release
from machine import codename, run
from readme import sections

from harness import ROOT

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


def test_another_folder_and_time_zone_make_the_same_bytes(packages, tmp_path):
    """Built anew from what is in the tree, by the README's commands."""
    files = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    elsewhere = tmp_path / "elsewhere"
    for name in files.rstrip("\0").split("\0"):
        target = elsewhere / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
        target.chmod((ROOT / name).stat().st_mode)
    done = subprocess.run(
        ["bash", "-euc", sections()["Build the packages"]],
        cwd=elsewhere,
        env=os.environ | {"TZ": "Pacific/Auckland", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    again = sorted((elsewhere / "build/package").glob("*.deb"))
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


def libraries_of(package):
    """By dpkg-shlibdeps(1): what the package depends on, but for the alternatives."""
    depends = run("dpkg-deb", "-f", package, "Depends").strip().split(", ")
    return {word.split(" ")[0] for word in depends if "|" not in word}


@pytest.mark.parametrize("number", [0, 1], ids=["intake-send", "intaked"])
def test_bill_of_materials_tells_what_is_in_it(packages, unpacked, number):
    name = names(packages)[number]
    bill = json.loads((unpacked / f"usr/share/doc/{name}/sbom.spdx.json").read_text())
    supplied = {entry["name"]: entry for entry in bill["packages"]}
    debian = {key for key, entry in supplied.items() if "Debian" in entry["supplier"]}
    assert debian == libraries_of(packages[number])
    for key in debian:
        version = run("dpkg-query", "--show", "--showformat", "${Version}", key)
        assert supplied[key]["versionInfo"] == version
    assert ("uplot" in supplied) == (name == "intaked")
    told = {entry["fileName"][2:]: entry["checksums"][0]["checksumValue"] for entry in bill["files"]}
    programs = [unpacked / program for program in PROGRAMS]
    own = [path for path in programs if (path.name == "intake-send") == (name == "intake-send")]
    assert told == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in own}


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
