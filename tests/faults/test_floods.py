# SPDX-License-Identifier: Apache-2.0
"""Floods of connections that never become a partner's: handshakes left half done or broken off,
garbage in place of them, connections that are reset at once; and slowhttptest through stunnel, for
a second opinion on who is slow. Good partners are served meanwhile, and nothing is left behind."""

import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import BUILD, PATIENCE, die_with_parent, free_port, wait_until
from peers import IS_LONG, LIMITS_MS, connections, resident_kib, serving, start_program

FLOOD_S = 30 if IS_LONG else 2
FLOOD_PEERS = 400
GOOD_PEERS = 2
KINDS = ["garbage", "storm", "half-hello", "half-handshake", "reset-handshake"]
# What is logged of a kind of failure in a second, and of other things now and then.
LOG_LINES_A_SECOND = 4
SLOW_HTTP_CONNECTIONS = 200 if IS_LONG else 30
SLOW_HTTP = {
    "headers": ["-H", "-u", "/v1/whoami"],
    "body": ["-B", "-f", "application/json", "-s", "100000", "-u", "/v1/reports"],
    "reading": ["-X", "-w", "512", "-y", "1024", "-z", "32", "-k", "10", "-u", "/v1/taxonomy"],
}


@pytest.fixture(scope="module")
def serving_one(world):
    with serving(world, FLOOD_PEERS) as made:
        yield made


@pytest.fixture
def served(serving_one):
    serving_one.settle()
    return serving_one


@pytest.mark.parametrize("kind", KINDS)
def test_flood_is_survived_and_leaves_nothing(served, kind, capsys):
    daemon = served.daemon
    lines = len(daemon.log_lines())
    accepted = daemon.metrics()["intaked_connections_accepted_total"]
    flood = start_program("flood.py", kind, daemon.port, FLOOD_S)
    served.good[0].is_over.wait(FLOOD_S * 0.75)
    most_kib = resident_kib(daemon)
    count = int(flood.communicate(timeout=FLOOD_S + 60)[0])
    meanwhile = served.take()
    wait_until(lambda: connections(daemon) <= GOOD_PEERS, "all are closed")
    # Those it has reset before they were accepted were none to it.
    assert daemon.metrics()["intaked_connections_accepted_total"] - accepted >= count / 2
    assert len(daemon.log_lines()) - lines <= LOG_LINES_A_SECOND * (FLOOD_S + 10) * PATIENCE
    with capsys.disabled():
        print(f"\n{kind}: {count / FLOOD_S:.0f} connections a second")
        print(served.told(meanwhile, most_kib))


@contextmanager
def stunnel(daemon, credential, folder):
    """What speaks mutual TLS for a program that does not; its port."""
    program = shutil.which("stunnel4", path=BUILD / "stunnel") or shutil.which("stunnel4")
    assert program, f"no stunnel4 in {BUILD}/stunnel or on the path: tests/run puts it there"
    port = free_port()
    conf = Path(folder) / "stunnel.conf"
    conf.write_text(
        f"foreground = yes\npid =\n[intake]\nclient = yes\naccept = 127.0.0.1:{port}\n"
        f"connect = 127.0.0.1:{daemon.port}\ncert = {credential.certificate}\n"
        f"key = {credential.key}\nCAfile = {daemon.authority.certificate}\nverifyChain = yes\n"
    )
    with (Path(folder) / "stunnel.log").open("w") as log:
        process = subprocess.Popen([program, conf], stdout=log, stderr=log, preexec_fn=die_with_parent)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


@contextmanager
def slowhttptest(port, kind, limit_s):
    *options, path = SLOW_HTTP[kind]
    process = subprocess.Popen(
        ["slowhttptest", *options, f"http://127.0.0.1:{port}{path}", "-i", "1", "-v", "1",
         "-c", str(SLOW_HTTP_CONNECTIONS), "-r", "50", "-l", str(limit_s)],
        stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kind", SLOW_HTTP)
def test_slowhttptest_is_left_without_a_connection(served, kind, tmp_path, capsys):
    """It says so itself and ends; but who reads slowly only learns it from stunnel when it has read
    to the end."""
    daemon = served.daemon
    longest_s = max(LIMITS_MS.values()) / 1000
    limit_s = int(2 * longest_s * PATIENCE) + 10
    accepted = daemon.metrics()["intaked_connections_accepted_total"]

    def have_come():
        arrived = daemon.metrics()["intaked_connections_accepted_total"] - accepted
        # A good partner comes again and again meanwhile.
        return arrived >= SLOW_HTTP_CONNECTIONS and connections(daemon) > GOOD_PEERS

    with stunnel(daemon, served.bad_credential, tmp_path) as port:
        with slowhttptest(port, kind, limit_s) as process:
            began = time.monotonic()
            wait_until(have_come, "they are connected", 20)
            most_kib = resident_kib(daemon)
            wait_until(lambda: connections(daemon) <= GOOD_PEERS, "all are cut", limit_s)
            took_s = time.monotonic() - began
            meanwhile = served.take()
            if kind != "reading":
                said = process.communicate(timeout=limit_s + 20)[0]
                assert "No open connections left" in said, said[-2000:]
    with capsys.disabled():
        print(f"\nslow {kind}: all {SLOW_HTTP_CONNECTIONS} were cut after {took_s:.1f} s")
        print(served.told(meanwhile, most_kib))
