# SPDX-License-Identifier: Apache-2.0
"""The daemon's status again and again, on a terminal and elsewhere."""

import itertools
import json
import os
import re
import signal
import subprocess
import time

import pytest

from harness import BUILD, PATIENCE, children_of
from operating import FakeControl
from statuses import STATUS, snapshots
from terminal import Terminal

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"


@pytest.fixture(scope="module")
def site(world):
    """A configuration whose daemon is the test itself, and needs no database."""
    return world.daemon(database=world.TEMPLATE)


def top(site, *options):
    return [BUILD / "intakectl", "-c", site.conf, "top", *options]


@pytest.fixture
def control(site):
    with FakeControl(site, snapshots(), is_endless=True) as fake:
        yield fake


def rate_in(text):
    return float(re.findall(r"^now +([\d.]+) stored/s", text, re.MULTILINE)[-1])


def test_top_draws_in_place_and_gives_the_terminal_back(site, control):
    terminal = Terminal(top(site, "--interval", "1"))
    terminal.wait_for("every 1 s; q ends")
    terminal.wait_for("state         ready")
    assert terminal.modes() == 0
    frame = terminal.wait_for("STORED/S") + terminal.wait_for("every 1 s; q ends")
    assert 50 < rate_in(frame) <= 1100
    assert terminal.seen.count(ENTER) == 1 and LEAVE not in terminal.seen
    terminal.type("xyz")
    terminal.wait_for("every 1 s; q ends")
    terminal.type("q")
    terminal.wait_for(LEAVE)
    assert terminal.end() == 0
    assert terminal.seen.endswith(LEAVE)


@pytest.mark.parametrize("way", ["q", "\x03", "\x04", signal.SIGTERM, signal.SIGHUP])
def test_top_ends_at_once_and_cleanly(site, control, way):
    terminal = Terminal([
        "/bin/sh", "-c", 'trap : INT; stty -a >"$0.before"; "$@"; echo "status $?"; stty -a >"$0.after"',
        site.folder / "stty", *top(site, "--interval", "3600"),
    ])  # fmt: skip
    terminal.wait_for("north    test  suspended")
    began = time.monotonic()
    if isinstance(way, str):
        terminal.type(way)
    else:
        (pid,) = children_of(terminal.pid)
        os.kill(pid, way)
    terminal.wait_for(LEAVE)
    terminal.wait_for("status 0")
    assert time.monotonic() - began < 5 * PATIENCE
    assert terminal.end() == 0
    before, after = (site.folder / f"stty.{when}" for when in ("before", "after"))
    assert before.read_text() == after.read_text()


def test_top_fits_any_terminal(site, control):
    """Cut to lines and columns, drawn again when they change."""
    terminal = Terminal(top(site, "--interval", "3600"), rows=5, columns=20)
    terminal.wait_for("\x1b[J")
    frame = terminal.seen.rpartition("\x1b[H")[2]
    lines = re.sub(r"\x1b\[[KJ]", "", frame).split("\r\n")
    assert len(lines) == 5 and max(map(len, lines)) == 20
    assert lines[2].startswith("state         ready")
    terminal.resize(100, 200)
    terminal.wait_for("too-long, type")
    terminal.type("q")
    assert terminal.end() == 0


def test_top_waits_for_a_daemon_that_is_away(world):
    site = world.daemon(database=world.TEMPLATE)
    terminal = Terminal(top(site, "--interval", "1"))
    terminal.wait_for("! the daemon does not answer at ")
    with FakeControl(site, STATUS):
        terminal.wait_for("state         ready")
    terminal.wait_for("! the daemon does not answer at ")
    terminal.type("q")
    assert terminal.end() == 0


def test_top_without_a_terminal_prints_one_after_the_other(site):
    with FakeControl(site, *itertools.islice(snapshots(), 3)):
        done = subprocess.run(top(site, "--interval", "1"), capture_output=True, text=True,
                              timeout=60 * PATIENCE, check=False, stdin=subprocess.DEVNULL)  # fmt: skip
    # The fourth question finds nobody, which ends it.
    assert done.returncode == 1
    assert "the daemon does not answer at " in done.stderr or "gave no answer" in done.stderr
    first, second, third = done.stdout.split("\nstate ")
    assert "\x1b" not in done.stdout
    assert "now  " not in first
    for later in (second, third):
        assert 50 < rate_in(later) <= 1100
        assert re.search(r"^demo .* (\d+\.\d)$", later, re.MULTILINE)


def test_top_for_programs_is_an_object_a_line(site):
    with FakeControl(site, *itertools.islice(snapshots(), 2)):
        done = subprocess.run(
            [BUILD / "intakectl", "-c", site.conf, "--json", "top", "--interval", "1"],
            capture_output=True, text=True, timeout=60 * PATIENCE, check=False,
        )  # fmt: skip
    statuses = [json.loads(line) for line in done.stdout.splitlines()]
    assert [status["reports"]["stored"] for status in statuses] == [100, 1100]


def test_top_of_a_running_daemon(daemon):
    terminal = Terminal(top(daemon, "--interval", "1"))
    terminal.wait_for("state         ready")
    terminal.wait_for("state         ready")
    terminal.type("q")
    assert terminal.end() == 0
