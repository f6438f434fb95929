# SPDX-License-Identifier: Apache-2.0
"""Whom to tell of a weakness: the operator's file as it is, or 404; changed by a reload."""

import os
import signal

import pytest

from harness import run_program, wait_until

PATH = "/.well-known/security.txt"
CONTENT = "# Wir hören zu.\r\nContact: mailto:security@cert.example.org\r\nExpires: {}\r\n"
GOOD = CONTENT.format("2199-12-31T23:59:59Z").encode()
EXPIRED = CONTENT.format("2026-01-01T00:00:00Z").encode()


@pytest.fixture(scope="module")
def file(world):
    path = world.folder / "security.txt"
    path.write_bytes(GOOD)
    return path


@pytest.fixture(scope="module")
def settings(file):
    return {"security_txt.file": file}


@pytest.fixture(autouse=True)
def good_file(file):
    """Puts back what a test has done to it."""
    yield
    file.write_bytes(GOOD)


def reload(daemon):
    """Returns when the main thread has taken or refused it; the workers follow."""
    before = sum(reloads(daemon))
    os.kill(daemon.process.pid, signal.SIGHUP)
    wait_until(lambda: sum(reloads(daemon)) > before, "the reload is over")


def reloads(daemon):
    metrics = daemon.metrics()
    return [metrics[f'intaked_reloads_total{{result="{result}"}}'] for result in ("taken", "refused")]


def test_file_is_served_to_the_byte(alpha):
    answer = alpha.get(PATH)
    assert (answer.status, answer.body) == (200, GOOD)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    unchanged = alpha.get(PATH, headers={"If-None-Match": answer.headers["etag"]})
    assert (unchanged.status, unchanged.body) == (304, b"")
    head = alpha.request("HEAD", PATH)
    assert (head.status, head.headers["content-length"]) == (200, str(len(GOOD)))
    posted = alpha.post(b"{}", PATH)
    assert (posted.status, posted.headers["allow"]) == (405, "GET, HEAD")


def test_reload_takes_a_new_file_and_none(daemon, file, alpha):
    file.write_bytes(GOOD + b"Hiring: https://cert.example.org/\r\n")
    assert alpha.get(PATH).body == GOOD
    reload(daemon)
    wait_until(lambda: alpha.get(PATH).body == file.read_bytes(), "the new file is served")
    daemon.configure({"security_txt.file": ""})
    reload(daemon)
    wait_until(lambda: alpha.get(PATH).status == 404, "there is none")
    file.write_bytes(GOOD)
    daemon.configure({"security_txt.file": file})
    reload(daemon)
    wait_until(lambda: alpha.get(PATH).body == GOOD, "there is one again")


def test_expired_file_is_warned_of_and_keeps_nothing_else_out(daemon, file, alpha):
    file.write_bytes(EXPIRED)
    taken, refused = reloads(daemon)
    reload(daemon)
    assert reloads(daemon) == [taken + 1, refused]
    assert daemon.log_lines("security-txt-expired", str(file), "at=2026-01-01T00:00:00")
    wait_until(lambda: alpha.get(PATH).status == 404, "it is not served")
    assert run_program("intaked", "-t", "-c", daemon.conf).returncode == 0
    file.write_bytes(GOOD)
    reload(daemon)
    wait_until(lambda: alpha.get(PATH).body == GOOD, "the new one is served")


def test_bad_file_is_named_and_changes_nothing(daemon, file, alpha):
    words = "it has no Contact"
    file.write_bytes(b"Hello\n")
    taken, refused = reloads(daemon)
    reload(daemon)
    assert reloads(daemon) == [taken, refused + 1]
    check = run_program("intaked", "-t", "-c", daemon.conf)
    assert check.returncode == 1
    assert str(file) in check.stderr and words in check.stderr, check.stderr
    assert daemon.log_lines(str(file), words)
    assert alpha.get(PATH).body == GOOD


def test_missing_file_is_a_fault_with_file_and_line(daemon, file):
    file.unlink()
    check = run_program("intaked", "-t", "-c", daemon.conf)
    assert check.returncode == 1
    assert f"security_txt.file: {file}: No such file" in check.stderr, check.stderr
