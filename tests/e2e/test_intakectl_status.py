# SPDX-License-Identifier: Apache-2.0
"""The daemon's status: of a real one, and of one that has everything to tell."""

import re
import socket
from contextlib import ExitStack

import pytest

from operating import FakeControl, json_of, refusal
from reports import smallest_report
from statuses import STATUS, changed


@pytest.fixture(scope="module")
def site(world):
    """A configuration whose daemon is the test itself, and needs no database."""
    return world.daemon(database=world.TEMPLATE)


SHOWN = """\
state         ready
up since      2026-11-09 02:05:12 UTC (3 d 4 h)
version       0.1.0, 2 workers, taxonomy digital-solidarity-2024/1.0.0
connections   3: 2 idle, 1 commit
rate          12.4 reports/s, 0.1 refused/s, commit p50 1.9 ms, p99 6.0 ms in the last 60 s
reports       100 stored, 3 duplicate, 2 refused
last commit   2026-11-12 06:05:02 UTC (10 s ago)
queue         7 of 4096 reports, 7.0 of 64.0 MiB
database      ready, 3 links
certificate   ! expires 2026-12-01 00:00:00 UTC, 18 d left
partner CA    expires 2027-12-01 00:00:00 UTC, 383 d left
reloads       0 taken, 0 refused

REFUSAL         COUNT
report-invalid     12
body-too-large      2

HANDSHAKE FAILURE  COUNT
no-certificate         1

PARTNER  MODE  STATE      STORED  DUPLICATE  REFUSED
demo     live  active        100          3        2
north    test  suspended       0          0        0

REFUSED AT               PARTNER  STATUS  PROBLEM          PATH         CODES
2026-11-12 06:00:00 UTC  demo     422     report-invalid   /v1/reports  too-long, type
2026-11-12 05:00:00 UTC  -        403     partner-unknown  /v1/reports  -
"""


def shown(site, status):
    with FakeControl(site, status) as control:
        said = site.control("status").stdout
    assert control.heard == ["status"]
    return said


def test_status_of_a_running_daemon_says_that_it_is_ready(daemon, alpha):
    assert alpha.post(smallest_report()).status == 201
    for _ in range(3):
        status = json_of(daemon, "status")
        assert status["ready"] is True
        assert status.get("partner_count", status["partners"]) == 3
    said = daemon.control("status").stdout
    assert re.search(r"^state +ready$", said, re.MULTILINE)
    assert re.search(r"^up since +20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC \(\d+ s\)$", said, re.MULTILINE)


def test_status_is_shown_at_a_glance(site):
    assert shown(site, STATUS) == SHOWN


def test_trouble_is_marked(site):
    said = shown(
        site,
        changed(
            ready=False, reason="the database is away",
            database={"state": "away", "links": 3, "links_away": 2, "connects": 9,
                      "away_since": "2026-11-12T06:04:02Z", "reason": "connection refused"},
            reload={"taken": 3, "refused": 1, "last_at": "2026-11-12T06:00:00Z",
                    "last_result": "refused", "faults": ["intaked.conf:3: it is bad"],
                    "needs_restart": ["listen.address"]},
        ),
    )  # fmt: skip
    expected = [
        "state         ! not ready: the database is away",
        "database      ! away since 2026-11-12 06:04:02 UTC (1 min 10 s ago), 3 links, 2 of them away",
        "              ! connection refused",
        "reloads       3 taken, 1 refused, the last refused 2026-11-12 06:00:00 UTC (5 min 12 s ago)",
        "              ! intaked.conf:3: it is bad",
        "              ! listen.address was changed, which takes a restart",
    ]
    lines = said.splitlines()
    assert [line for line in lines if line in expected] == expected


def test_control_characters_do_not_reach_the_terminal(site):
    assert "\x1b" not in shown(site, changed(taxonomy="a\x1b[2Jb", refusals={"a\x1b[2Jb": 1}))


def test_status_for_programs_is_the_daemons_object(site):
    with FakeControl(site, STATUS):
        assert json_of(site, "status") == STATUS


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b'{"error":"unknown command"}', "the daemon says: unknown command"),
        (b"", "is not a JSON object"),
        (b"[]", "is not a JSON object"),
        (b'{"a":1', "is not a JSON object"),
    ],
)
def test_status_says_what_is_wrong_with_an_answer(site, answer, sentence):
    with FakeControl(site, answer):
        assert sentence in refusal(site, "status")


def test_status_without_a_daemon_says_so(world):
    site = world.daemon(database=world.TEMPLATE)
    assert "the daemon does not answer at " in refusal(site, "status")
    site.configure({"control.path": ""})
    assert "control.path is empty in " in refusal(site, "status")


def test_queue_that_is_full_is_not_waited_for_without_end(world):
    """As that of a daemon is which was stopped, once enough others have asked."""
    site = world.daemon(database=world.TEMPLATE)
    with socket.socket(socket.AF_UNIX) as stopped, ExitStack() as waiting:
        stopped.bind(str(site.settings["control.path"]))
        stopped.listen(0)
        try:
            while True:
                one = waiting.enter_context(socket.socket(socket.AF_UNIX))
                one.setblocking(False)
                one.connect(str(site.settings["control.path"]))
        except BlockingIOError:
            pass
        assert refusal(site, "top") == "the daemon gave no answer within 3 seconds"


def test_status_can_be_asked_when_the_configuration_has_faults(world):
    """Then more than ever: a reload was refused for them."""
    site = world.daemon({"quota.connections": 0}, database=world.TEMPLATE)
    with FakeControl(site, STATUS):
        assert json_of(site, "status") == STATUS
