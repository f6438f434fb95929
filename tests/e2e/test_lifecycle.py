# SPDX-License-Identifier: Apache-2.0
"""Start, reload, drain and stop: nothing in flight is lost, nothing is answered by half."""

import os
import resource
import signal
import threading
import time
from contextlib import suppress

import pytest

from client import encode, request_bytes
from harness import PATIENCE, wait_until
from reports import smallest_report

WHOAMI = request_bytes("GET", "/v1/whoami")


def test_second_daemon_on_the_same_port_does_not_start(daemon, world):
    other = world.daemon({"listen.address": daemon.settings["listen.address"]})
    other.start(is_ready_expected=False)
    assert other.wait_for_exit() == 1
    assert other.log_lines("start-failed", "listen.address: ", str(daemon.port))


def test_there_is_a_worker_for_each_core_unless_told_otherwise(world):
    with world.running({"listen.workers": 0}) as daemon:
        assert daemon.status()["workers"] == os.sysconf("SC_NPROCESSORS_ONLN")
    with world.running({"listen.workers": 3}) as daemon:
        assert daemon.status()["workers"] == 3


def test_descriptors_are_limited_by_what_the_system_allows_at_most(world):
    """A shell gives 1,024 of them, fewer than the connections that the configuration allows."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, limits[1]))
    try:
        with world.running() as daemon:
            soft, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
            assert soft == hard == limits[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("level", ["debug", "info", "warn"])
def test_log_level_of_the_configuration_is_in_force_from_the_start(world, credentials, level):
    with world.running({"log.level": level}) as daemon:
        with daemon.client(credentials["alpha"]) as client:
            assert client.get("/v1/whoami").status == 200
        closed = lambda: daemon.log_lines("event=connection-closed")
        if level == "debug":
            wait_until(closed, "the end of a connection is told")
        assert not closed() or level == "debug"
        assert bool(daemon.log_lines("event=ready")) == (level != "warn")


def test_sigterm_closes_idle_connections_with_close_notify_and_exits_0(world, credentials):
    with world.running() as daemon:
        with daemon.raw_client(credentials["alpha"]) as idle:
            assert idle.exchange(WHOAMI).status == 200
            began = time.monotonic()
            daemon.process.send_signal(signal.SIGTERM)
            idle.read_end()
        assert daemon.wait_for_exit() == 0
        assert time.monotonic() - began < 3 * PATIENCE


def test_sigterm_finishes_what_is_in_flight(world, credentials):
    """A request whose body is still on its way is stored and answered."""
    with world.running() as daemon:
        data = request_bytes("POST", "/v1/reports", encode(smallest_report()))
        with daemon.raw_client(credentials["alpha"]) as raw:
            raw.send(data[:-10])
            wait_until(lambda: daemon.admin("/healthz")[0] == 200, "the daemon is up")
            daemon.process.send_signal(signal.SIGTERM)
            wait_until(lambda: daemon.notify.has("STOPPING=1"), "it is stopping")
            assert daemon.admin("/readyz") == (503, "stopping\n")
            status = daemon.status()
            assert (status["ready"], status["reason"]) == (False, "stopping")
            assert raw.exchange(data[-10:]).status == 201
            raw.read_end()
        assert daemon.wait_for_exit() == 0


def test_drain_ends_at_its_deadline(world, credentials):
    """A request that never ends gets an answer or a close, and the daemon goes."""
    with world.running({"limits.drain_timeout_ms": 700}) as daemon:
        with daemon.raw_client(credentials["alpha"]) as raw:
            raw.send(request_bytes("POST", "/v1/reports", b"{" * 100)[:-50])
            began = time.monotonic()
            daemon.process.send_signal(signal.SIGTERM)
            answer = raw.read_response()
            assert (answer.status, answer.closes) == (503, True)
            raw.read_end()
        assert daemon.wait_for_exit() == 0
        assert time.monotonic() - began < 3 * PATIENCE


def test_manager_is_told_to_wait_for_the_drain(world):
    with world.running({"limits.drain_timeout_ms": 60000}) as daemon:
        daemon.process.send_signal(signal.SIGTERM)
        wait_until(lambda: daemon.notify.has("EXTEND_TIMEOUT_USEC=65000000"), "it is told")
        assert daemon.wait_for_exit() == 0


def test_second_sigterm_ends_at_once(world, credentials):
    with world.running({"limits.drain_timeout_ms": 60000}) as daemon:
        with daemon.raw_client(credentials["alpha"]) as raw:
            raw.send(request_bytes("POST", "/v1/reports", b"{" * 100)[:-50])
            daemon.process.send_signal(signal.SIGTERM)
            wait_until(lambda: daemon.notify.has("STOPPING=1"), "it is stopping")
            daemon.process.send_signal(signal.SIGTERM)
            daemon.wait_for_exit(timeout=5)


def test_sigint_stops_too(world):
    with world.running() as daemon:
        daemon.process.send_signal(signal.SIGINT)
        assert daemon.wait_for_exit() == 0


def test_no_answer_is_cut_in_half_by_a_stop(world, credentials):
    """Clients post until they are turned away; every answer that began is whole."""
    with world.running() as daemon:
        ledger, faults = [], []

        def post_until_refused():
            try:
                with daemon.raw_client(credentials["alpha"]) as raw:
                    while True:
                        report = smallest_report()
                        raw.send(request_bytes("POST", "/v1/reports", encode(report)))
                        answer = raw.read_response()
                        if answer.status == 201:
                            ledger.append(report["report_id"])
                        if answer.closes:
                            raw.read_end()
                            return
            except OSError:
                return
            except AssertionError as error:
                # Closed between two requests: the request was not taken, nothing was answered.
                if "after b''" not in str(error):
                    faults.append(error)

        threads = [threading.Thread(target=post_until_refused) for _ in range(8)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(ledger) > 50, "there is load")
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.wait_for_exit() == 0
        for thread in threads:
            thread.join()
        assert not faults
        stored = daemon.rows("SELECT report_id FROM intake.report")
        assert {(report_id,) for report_id in ledger} <= set(stored)


def reload_by_signal(daemon):
    os.kill(daemon.process.pid, signal.SIGHUP)


def test_hangup_during_the_start_is_a_reload_after_it(world):
    """A pipe in place of a file holds the start up."""
    pipe = world.folder / "security.txt"
    os.mkfifo(pipe)
    daemon = world.daemon({"security_txt.file": str(pipe)})
    daemon.start(is_ready_expected=False)
    writer = []

    def is_reading():
        with suppress(OSError):
            writer.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return writer

    wait_until(is_reading, "the daemon reads the file")
    daemon.configure({"security_txt.file": ""})
    daemon.process.send_signal(signal.SIGHUP)
    os.write(writer[0], b"Contact: mailto:a@example.org\nExpires: 2199-01-01T00:00:00Z\n")
    os.close(writer[0])
    wait_until(lambda: daemon.log_lines("event=reloaded"), "it has reloaded")
    wait_until(lambda: daemon.notify.has("READY=1"), "it is ready")
    daemon.stop()


def test_reload_changes_settings_without_dropping_connections(world, credentials):
    with world.running() as daemon, daemon.raw_client(credentials["alpha"]) as raw:
        assert raw.exchange(WHOAMI).status == 200
        daemon.configure({"limits.report_bytes": 2000})
        reload_by_signal(daemon)
        too_long = request_bytes("POST", "/v1/reports", b" " * 2001)[:-2001]

        def is_in_force():
            with daemon.raw_client(credentials["alpha"]) as other:
                other.send(too_long + b"\x20" * 2001)
                return other.read_response().status == 413

        wait_until(is_in_force, "the new limit is in force")
        assert raw.exchange(WHOAMI).status == 200


def test_reload_with_a_fault_keeps_the_old_and_says_so(world, credentials):
    with world.running() as daemon, daemon.raw_client(credentials["alpha"]) as raw:
        daemon.configure({"tls.certificate": "/nonexistent.crt"})
        reload_by_signal(daemon)
        wait_until(lambda: daemon.log_lines("/nonexistent.crt"), "the fault is logged")
        assert raw.exchange(WHOAMI).status == 200
        with daemon.client(credentials["alpha"]) as client:
            assert client.post(smallest_report()).status == 201


def test_certificate_revoked_by_a_new_list_is_dropped_on_reload(world, credentials):
    """Its open connection closes within 5 s; the others' stay."""
    doomed = world.authority.issue("alpha")
    crl = world.authority.write_crl(world.folder / "reload.crl")
    with world.running({"tls.partner_crl": crl}) as daemon:
        with daemon.raw_client(doomed) as one, daemon.raw_client(credentials["alpha"]) as other:
            assert [raw.exchange(WHOAMI).status for raw in (one, other)] == [200, 200]
            world.authority.revoke(doomed)
            world.authority.write_crl(crl)
            reload_by_signal(daemon)
            one.socket.settimeout(5)
            one.read_end()
            assert other.exchange(WHOAMI).status == 200

        def is_refused():
            # A worker that has not heard yet lets it in, and closes when it has.
            with suppress(AssertionError):
                return daemon.refusal_of(doomed) == "SSLV3_ALERT_CERTIFICATE_REVOKED"

        wait_until(is_refused, "a new handshake is refused", timeout=5)
