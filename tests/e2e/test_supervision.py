# SPDX-License-Identifier: Apache-2.0
"""What a service manager sees and does: the watchdog, sockets that it passes, and a daemon that is
short of descriptors or cannot write its log."""

import os
import resource
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from client import encode, request_bytes
from harness import PATIENCE, wait_until
from reports import smallest_report
from threads import stopped_thread, thread_named

WHOAMI = request_bytes("GET", "/v1/whoami")


def watchdog_pings(daemon):
    return daemon.notify.read().count("WATCHDOG=1")


def test_a_silent_worker_starves_the_watchdog(world, credentials):
    daemon = world.daemon()
    daemon.add_partner("alpha")
    daemon.environment["WATCHDOG_USEC"] = str(int(1500000 * PATIENCE))
    daemon.start()
    wait_until(lambda: watchdog_pings(daemon) >= 3, "the watchdog is fed")
    began, fed = time.monotonic(), watchdog_pings(daemon)
    wait_until(lambda: watchdog_pings(daemon) >= fed + 4, "the watchdog is fed")
    assert time.monotonic() - began < 3 * PATIENCE, "less than twice a period"
    with stopped_thread(thread_named(daemon.process.pid, "worker-1")):
        wait_until(lambda: daemon.log_lines("worker-silent"), "it is noticed")
        fed = watchdog_pings(daemon)
        assert daemon.admin("/readyz") == (503, "a worker does not answer\n")
        assert daemon.admin("/healthz")[0] == 200
        assert daemon.metrics()["intaked_silent_workers"] == 1
        # It would have been fed three times meanwhile.
        deadline = time.monotonic() + 1.5 * PATIENCE
        while time.monotonic() < deadline:
            assert watchdog_pings(daemon) == fed
            time.sleep(0.05)
        wait_until(lambda: daemon.notify.has("STATUS=a worker does not answer"), "systemd is told")
    wait_until(lambda: daemon.log_lines("worker-answers"), "it answers again")
    wait_until(lambda: watchdog_pings(daemon) > fed, "the watchdog is fed again")
    assert daemon.admin("/readyz")[0] == 200
    with daemon.client(credentials["alpha"]) as client:
        assert client.post(smallest_report()).status == 201
    daemon.stop()


def test_the_watchdog_is_fed_when_the_database_comes_late(world):
    """The manager's patience is shorter than the wait for it, in which there are no workers."""
    daemon = world.daemon()
    daemon.add_partner("alpha")
    daemon.environment["WATCHDOG_USEC"] = str(int(1500000 * PATIENCE))
    with world.postgres.frozen():
        daemon.start()
        fed = watchdog_pings(daemon)
        not_read = "the database is away: the partners were not read yet"
        assert daemon.admin("/readyz") == (503, f"{not_read}\n")
        assert (daemon.status()["ready"], daemon.status()["reason"]) == (False, not_read)
        assert "STATUS=the database is away, answering 503" in daemon.notify.lines
        assert "STATUS=serving" not in daemon.notify.lines
        wait_until(lambda: watchdog_pings(daemon) >= fed + 3, "the watchdog is fed")
    wait_until(lambda: daemon.admin("/readyz")[0] == 200, "the daemon is ready", timeout=30)
    daemon.stop()


def test_the_watchdog_is_fed_in_a_long_drain(world, credentials):
    """One worker has nothing left to do and has ended; that is not silence."""
    minute = ("drain_timeout_ms", "min_rate_grace_ms", "request_timeout_ms")
    daemon = world.daemon({f"limits.{name}": 60000 for name in minute})
    daemon.add_partner("alpha")
    daemon.environment["WATCHDOG_USEC"] = str(int(1500000 * PATIENCE))
    daemon.start()
    report = request_bytes("POST", "/v1/reports", encode(smallest_report()))
    with daemon.raw_client(credentials["alpha"]) as raw:
        raw.send(report[:-10])
        wait_until(lambda: daemon.status()["connections"]["request"], "a request is on its way")
        daemon.process.send_signal(signal.SIGTERM)
        wait_until(lambda: daemon.notify.has("STOPPING=1"), "it is stopping")
        fed = watchdog_pings(daemon)
        wait_until(lambda: watchdog_pings(daemon) >= fed + 3, "the watchdog is fed")
        assert raw.exchange(report[-10:]).status == 201
    assert daemon.wait_for_exit() == 0
    assert not daemon.log_lines("worker-silent")
    assert not daemon.settings["control.path"].exists()


def test_nobody_who_does_not_watch_is_told(world):
    with world.running() as daemon:
        assert daemon.admin("/readyz")[0] == 200
        assert daemon.metrics()["intaked_silent_workers"] == 0


# ---- sockets that are passed


def listen_on(family, address):
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.bind(address)
    listening.listen(64)
    return listening


@pytest.fixture
def passed(world):
    """A daemon whose configured addresses are elsewhere, and the sockets it is to serve on."""
    daemon = world.daemon()
    daemon.add_partner("alpha")
    daemon.passed_sockets = {
        "partners": listen_on(socket.AF_INET, ("127.0.0.1", 0)),
        "admin": listen_on(socket.AF_INET, ("127.0.0.1", 0)),
        "control": listen_on(socket.AF_UNIX, str(daemon.folder / "passed")),
    }
    daemon.configured_port = daemon.port
    daemon.port = daemon.passed_sockets["partners"].getsockname()[1]
    daemon.admin_port = daemon.passed_sockets["admin"].getsockname()[1]
    yield daemon
    if daemon.process:
        daemon.stop()
    for listening in daemon.passed_sockets.values():
        listening.close()


def test_passed_sockets_are_served_instead_of_configured_ones(passed, credentials):
    passed.start()
    with passed.client(credentials["alpha"]) as client:
        assert client.post(smallest_report()).status == 201
    assert passed.admin("/readyz")[0] == 200
    control = passed.settings["control.path"]
    assert not control.exists()
    passed.settings["control.path"] = passed.folder / "passed"
    assert passed.ask("status")["ready"]
    passed.settings["control.path"] = control
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", passed.configured_port))
    for name in ("partners", "admin", "control"):
        assert passed.log_lines("socket-passed", f"name={name}")


def test_who_connects_during_a_restart_is_served_by_the_next_process(passed, credentials):
    passed.start()
    passed.stop()
    assert (passed.folder / "passed").exists(), "the socket's file is the service manager's"
    answers = []

    def connect():
        with passed.client(credentials["alpha"]) as client:
            answers.append(client.post(smallest_report()).status)

    waiting = threading.Thread(target=connect)
    waiting.start()
    passed.start()
    waiting.join(timeout=20 * PATIENCE)
    assert answers == [201]


@pytest.mark.parametrize("name", ["intaked.socket", "unknown"])
def test_a_socket_without_a_name_of_ours_is_the_partners(passed, credentials, name):
    for other in ("admin", "control"):
        passed.passed_sockets.pop(other).close()
    passed.passed_sockets[name] = passed.passed_sockets.pop("partners")
    passed.admin_port = int(str(passed.settings["admin.address"]).rpartition(":")[2])
    passed.start()
    with passed.client(credentials["alpha"]) as client:
        assert client.get("/v1/whoami").status == 200


def test_sockets_that_are_not_understood_end_the_start(passed):
    passed.passed_sockets["partner"] = passed.passed_sockets.pop("partners")
    passed.start(is_ready_expected=False)
    assert passed.wait_for_exit() == 1
    assert passed.log_lines("start-failed", "partner", "expected partners, admin or control")


def test_two_sockets_for_one_place_end_the_start(passed):
    passed.passed_sockets["intaked.socket"] = listen_on(socket.AF_INET, ("127.0.0.1", 0))
    passed.start(is_ready_expected=False)
    assert passed.wait_for_exit() == 1
    assert passed.log_lines("start-failed", "passed two sockets named partners, expected one")


def test_the_partners_socket_may_be_one_that_others_reach(passed, credentials):
    passed.passed_sockets["partners"].close()
    passed.passed_sockets["partners"] = listen_on(socket.AF_INET, ("0.0.0.0", 0))
    passed.port = passed.passed_sockets["partners"].getsockname()[1]
    passed.start()
    with passed.client(credentials["alpha"]) as client:
        assert client.get("/v1/whoami").status == 200


@pytest.mark.parametrize("name", ["admin", "control"])
def test_a_passed_socket_that_others_reach_ends_the_start(passed, name):
    """There is no authentication behind it."""
    passed.passed_sockets[name].close()
    passed.passed_sockets[name] = listen_on(socket.AF_INET, ("0.0.0.0", 0))
    passed.start(is_ready_expected=False)
    assert passed.wait_for_exit() == 1
    assert passed.log_lines("start-failed", f"the socket named {name}", "expected a loopback address")


def test_a_passed_socket_that_does_not_listen_ends_the_start(passed):
    passed.passed_sockets["admin"].close()
    passed.passed_sockets["admin"] = socket.socket()
    passed.start(is_ready_expected=False)
    assert passed.wait_for_exit() == 1
    assert passed.log_lines("start-failed", "the socket named admin", "is no stream socket")


# ---- what runs short


def open_descriptors(daemon):
    return len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))


def test_without_descriptors_it_goes_on_serving_and_says_so(world, credentials):
    daemon = world.daemon()
    daemon.add_partner("alpha")
    daemon.environment["WATCHDOG_USEC"] = str(int(1500000 * PATIENCE))
    daemon.start()
    with daemon.raw_client(credentials["alpha"]) as served:
        assert served.exchange(WHOAMI).status == 200
        limit = open_descriptors(daemon) + 4
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        crowd = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(40)]
        wait_until(lambda: daemon.log_lines("accept-failing"), "it is logged")
        assert served.exchange(WHOAMI).status == 200
        assert len(daemon.log_lines("accept-failing")) <= 2, "once for each worker"
        fed = watchdog_pings(daemon)
        wait_until(lambda: watchdog_pings(daemon) >= fed + 2, "the watchdog is fed")
        for one in crowd:
            one.close()

        def is_served():
            with suppress(OSError), daemon.raw_client(credentials["alpha"]) as new:
                return new.exchange(WHOAMI).status == 200

        wait_until(is_served, "new connections are served again")
        wait_until(lambda: daemon.metrics()["intaked_accept_failures_total"] > 0, "it is counted")
    daemon.stop()


def test_a_log_that_cannot_be_written_stops_nothing(world, credentials):
    daemon = world.daemon()
    daemon.add_partner("alpha")
    daemon.log.unlink()
    daemon.log.symlink_to("/dev/full")
    daemon.start()
    with daemon.client(credentials["alpha"]) as client:
        assert client.post(smallest_report()).status == 201
    lost = daemon.metrics()["intaked_log_lines_lost_total"]
    assert lost > 0
    assert daemon.ask("reload")["reloaded"]
    assert daemon.metrics()["intaked_log_lines_lost_total"] > lost
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.wait_for_exit() == 0


def test_a_log_whose_reader_has_gone_stops_nothing(world):
    """As in intaked | head."""
    daemon = world.daemon()
    daemon.log.unlink()
    os.mkfifo(daemon.log)
    reader = os.open(daemon.log, os.O_RDONLY | os.O_NONBLOCK)
    daemon.start()
    os.close(reader)
    daemon.log.unlink()
    daemon.log.touch()
    assert daemon.ask("reload")["reloaded"]
    assert daemon.metrics()["intaked_log_lines_lost_total"] > 0
    daemon.stop()
