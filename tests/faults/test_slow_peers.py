# SPDX-License-Identifier: Apache-2.0
"""A crowd that is slow at every stage of a connection, and one that is idle: each is cut when its
time is over, memory comes back, and good partners are served meanwhile. Their latencies, alone and
meanwhile, are printed.

One slow peer at a time, and what is answered to it, is in e2e/test_deadlines.py; a daemon short of
descriptors in e2e/test_supervision.py. INTAKED_LONG=1: 1,000 slow peers and 5,000 idle ones, the
default deadlines, a byte a second.
"""

import time

import pytest

from harness import PATIENCE, wait_until
from peers import IS_LONG, LIMITS_MS, connections, resident_kib, serving

IDLE_PEERS = 5000 if IS_LONG else 200
SLOW_PEERS = 1000 if IS_LONG else 36
READERS = 50 if IS_LONG else 5
# Each stage, the deadlines of which one ends it, and what its peer is told.
STAGES = {
    "silent": (["handshake_timeout_ms"], None),
    "hello": (["handshake_timeout_ms"], None),
    "certificate": (["handshake_timeout_ms"], None),
    "idle": (["idle_timeout_ms"], None),
    "record": (["idle_timeout_ms"], None),
    "head": (["head_timeout_ms"], 408),
    "body": (["request_timeout_ms", "min_rate_grace_ms"], 408),
    "chunk": (["request_timeout_ms", "min_rate_grace_ms"], 408),
    "batch": (["min_rate_grace_ms"], 408),
}
SLACK_S = 1.0 * PATIENCE


@pytest.fixture(scope="module")
def serving_one(world):
    with serving(world, max(IDLE_PEERS, SLOW_PEERS)) as made:
        yield made


@pytest.fixture
def served(serving_one):
    serving_one.settle()
    return serving_one


def check_cut(cut):
    """Not before its deadline, and at most a second after it."""
    deadlines, status = STAGES[cut["stage"]]
    limit_s = min(LIMITS_MS[name] for name in deadlines) / 1000
    assert limit_s * 0.9 <= cut["seconds"] <= limit_s + SLACK_S, cut
    assert cut["status"] == status, cut


def latest_of(cuts):
    """The seconds of the last one, stage by stage."""
    latest = {}
    for cut in cuts:
        latest[cut["stage"]] = max(latest.get(cut["stage"], 0), round(cut["seconds"], 2))
    return latest


@pytest.mark.parametrize(
    "stages",
    [dict.fromkeys(STAGES, SLOW_PEERS // len(STAGES)), {"idle": IDLE_PEERS}],
    ids=["slow", "idle"],
)
def test_each_is_cut_and_leaves_nothing(served, stages, capsys):
    count = sum(stages.values())
    longest_s = max(LIMITS_MS.values()) / 1000
    with served.crowd(stages) as crowd:
        assert crowd.has_begun.wait(120 * PATIENCE), "not all have begun"
        came = served.take()
        most_kib = resident_kib(served.daemon)
        wait_until(lambda: len(crowd.cut) == count, "all are cut", 2 * longest_s + 60)
        meanwhile = served.take()
        for cut in crowd.cut:
            check_cut(cut)
        with capsys.disabled():
            print(f"\n{count} peers, the last cut after {latest_of(crowd.cut)} s")
            print(f"p99 of a good partner {came[0]} while they came, {came[1]}")
            print(served.told(meanwhile, most_kib))


def test_who_reads_a_byte_at_a_time_is_cut(served, capsys):
    """They ask for more than all buffers hold, and keep taking of it. What the daemon sees is that
    no further record fits; they themselves see nothing of the cut, as they have not read so far."""
    limit_s = LIMITS_MS["write_timeout_ms"] / 1000
    with served.crowd({"answer": READERS}) as crowd:
        assert crowd.has_begun.wait(60 * PATIENCE), "not all have begun"

        def answers():
            return connections(served.daemon, "answer")

        wait_until(lambda: answers() >= READERS, "all have an answer before them")
        began, most_kib = time.monotonic(), resident_kib(served.daemon)
        served.good[0].is_over.wait(limit_s * 0.5)
        assert answers() >= READERS, "some were cut too early"
        left_s = limit_s + 1.5 * SLACK_S - (time.monotonic() - began)
        wait_until(lambda: answers() <= len(served.good), "all are cut", left_s)
        meanwhile = served.take()
        with capsys.disabled():
            print(f"\n{READERS} slow readers, cut within {time.monotonic() - began:.2f} s")
            print(served.told(meanwhile, most_kib))
