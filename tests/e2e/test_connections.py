# SPDX-License-Identifier: Apache-2.0
"""Connections whose circumstances change while they are open: limits, partners, lists, memory."""

import os
import signal
import socket
import ssl
import time

import pytest

from client import encode, request_bytes, tls_context
from harness import IS_SANITIZED, PATIENCE, wait_until
from reports import smallest_report

WHOAMI = request_bytes("GET", "/v1/whoami")


def reload(daemon, settings):
    """Returns when the new configuration is in force in the main thread; workers follow at once."""
    before = len(daemon.log_lines("event=reloaded"))
    daemon.configure(settings)
    os.kill(daemon.process.pid, signal.SIGHUP)
    wait_until(lambda: len(daemon.log_lines("event=reloaded")) > before, "it was reloaded")


def post_in_two_parts(report):
    data = request_bytes("POST", "/v1/reports", encode(report))
    return data[:-20], data[-20:]


def wait_for_requests(daemon, count):
    """Until so many requests have begun and are not answered."""
    name = 'intaked_connections{state="request"}'
    wait_until(lambda: daemon.metrics()[name] == count, f"{count} requests have begun")


def test_suspended_in_mid_request_is_answered_and_then_closed(world, credentials):
    with world.running() as daemon, daemon.raw_client(credentials["alpha"]) as raw:
        begin, end = post_in_two_parts(smallest_report())
        raw.send(begin)
        wait_for_requests(daemon, 1)
        daemon.suspend_partner("alpha", credentials["alpha"])
        assert raw.exchange(end).status == 201
        raw.socket.settimeout(5)
        raw.read_end()


def test_suspended_while_the_report_is_stored_is_answered_and_then_closed(world, credentials):
    """The receipt was made before, and says that the connection stays."""
    with world.running({"database.store_wait_ms": 30000}) as daemon:
        with daemon.locked_reports() as lock:
            with daemon.raw_client(credentials["alpha"]) as raw:
                raw.send(request_bytes("POST", "/v1/reports", encode(smallest_report())))
                name = 'intaked_connections{state="commit"}'
                wait_until(lambda: daemon.metrics()[name] == 1, "it waits for its commit")
                daemon.suspend_partner("alpha", credentials["alpha"])
                lock.rollback()
                assert raw.read_response().status == 201
                raw.socket.settimeout(5)
                raw.read_end()


def test_suspended_partner_has_time_to_ask_on_a_new_connection(world, credentials):
    with world.running() as daemon:
        daemon.suspend_partner("alpha", credentials["alpha"])
        with daemon.raw_client(credentials["alpha"]) as raw:
            with pytest.raises(TimeoutError):
                raw.socket.settimeout(0.3)
                raw.socket.recv(1)
            raw.socket.settimeout(10)
            assert raw.exchange(WHOAMI).problem == "partner-suspended"


def test_revoked_in_mid_request_is_answered_and_then_closed(world, credentials):
    doomed = world.authority.issue("alpha")
    crl = world.authority.write_crl(world.folder / "connections.crl")
    with world.running({"tls.partner_crl": crl}) as daemon:
        with daemon.raw_client(doomed) as busy, daemon.raw_client(doomed) as idle:
            assert idle.exchange(WHOAMI).status == 200
            begin, end = post_in_two_parts(smallest_report())
            busy.send(begin)
            wait_for_requests(daemon, 1)
            world.authority.revoke(doomed)
            world.authority.write_crl(crl)
            reload(daemon, {})
            idle.socket.settimeout(5)
            idle.read_end()
            busy.send(end + WHOAMI)
            assert busy.read_response().status == 201
            busy.read_end()


class Held:
    """A TLS client whose bytes are passed on by hand."""

    def __init__(self, daemon, credential):
        self.plain = socket.create_connection(("127.0.0.1", daemon.port), 15)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = tls_context(daemon.authority.certificate, credential)
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def _step(self):
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def send_hello(self):
        """And waits for the server's, so that the server holds a session by then."""
        self._step()
        self.flush()
        while not self._step():
            self.incoming.write(self.plain.recv(65536))

    def flush(self):
        self.plain.sendall(self.outgoing.read())

    def receive_all(self):
        """The records as they come over the wire."""
        records = b""
        try:
            while part := self.plain.recv(65536):
                records += part
        except ConnectionResetError:
            pass
        self.incoming.write(records)
        self.incoming.write_eof()
        return records

    def is_turned_away(self):
        """True when no request is answered after the rest of the handshake."""
        self.tls.write(WHOAMI)
        self.flush()
        self.receive_all()
        try:
            return not self.tls.read(100)
        except OSError:
            return True

    def close(self):
        self.plain.close()


def test_handshake_begun_by_the_old_list_is_judged_by_the_new(world):
    """The client's first bytes are there before the reload, its certificate comes after."""
    doomed = world.authority.issue("alpha")
    crl = world.authority.write_crl(world.folder / "handshake.crl")
    with world.running({"tls.partner_crl": crl}) as daemon:
        held = Held(daemon, doomed)
        try:
            held.send_hello()
            world.authority.revoke(doomed)
            world.authority.write_crl(crl)
            reload(daemon, {})
            assert held.is_turned_away()
        finally:
            held.close()


def test_reload_shortens_the_time_of_what_waits_already(world, credentials):
    with world.running({"limits.idle_timeout_ms": 600000}) as daemon:
        with daemon.raw_client(credentials["alpha"]) as idle:
            assert idle.exchange(WHOAMI).status == 200
            reload(daemon, {"limits.idle_timeout_ms": 200})
            idle.socket.settimeout(5)
            idle.read_end()


def test_reload_raises_the_report_limit_of_an_open_connection(world, credentials):
    with world.running({"limits.report_bytes": 2000}) as daemon:
        with daemon.raw_client(credentials["alpha"]) as raw:
            assert raw.exchange(WHOAMI).status == 200
            reload(daemon, {"limits.report_bytes": 1000000})
            padded = encode(smallest_report()) + b" " * 900000
            assert raw.exchange(request_bytes("POST", "/v1/reports", padded)).status == 201


def test_reload_lets_in_who_waits_at_the_connection_limit(world, credentials):
    with world.running({"listen.max_connections": 1}) as daemon:
        with daemon.raw_client(credentials["alpha"]) as only:
            assert only.exchange(WHOAMI).status == 200
            with pytest.raises(TimeoutError):
                daemon.raw_client(credentials["alpha"], timeout=0.3)
            reload(daemon, {"listen.max_connections": 3})
            with daemon.raw_client(credentials["alpha"]) as second:
                assert second.exchange(WHOAMI).status == 200
            assert only.exchange(WHOAMI).status == 200


def test_fixed_setting_keeps_its_value_and_says_so(world, credentials):
    """A database that cannot be reached would be noticed at the next connect."""
    with world.running({"database.store_wait_ms": 5000}) as daemon:
        reload(daemon, {"database.connection": "host=/nonexistent dbname=x"})
        assert daemon.log_lines("reload-needs-restart", "database.connection")
        daemon.postgres.kill_backends(daemon.database)
        with daemon.client(credentials["alpha"]) as client:
            wait_until(lambda: client.post(smallest_report()).status == 201, "it is stored")


def test_reload_refuses_a_taxonomy_that_the_database_does_not_know(world, credentials):
    with world.running() as daemon:
        path = daemon.folder / "taxonomy.json"
        text = daemon.settings["taxonomy.file"].read_text()
        path.write_text(text.replace('"business-email-compromise"', '"new-kind-of-fraud"'))
        daemon.configure({"taxonomy.file": path})
        os.kill(daemon.process.pid, signal.SIGHUP)
        wait_until(lambda: daemon.log_lines("reload-refused"), "it is refused")
        with daemon.client(credentials["alpha"]) as client:
            assert client.post(smallest_report()).status == 201
        daemon.configure({"taxonomy.file": daemon.settings["taxonomy.file"]})


def test_many_reloads_under_load_lose_nothing(world, credentials):
    with world.running() as daemon, daemon.client(credentials["alpha"]) as client:
        for _ in range(15):
            os.kill(daemon.process.pid, signal.SIGHUP)
            for _ in range(5):
                assert client.post(smallest_report()).status == 201


def test_connection_over_the_partners_cap_is_not_given_idle_time(world, credentials):
    settings = {"quota.connections": 1, "limits.head_timeout_ms": 300}
    with world.running(settings) as daemon, daemon.raw_client(credentials["alpha"]) as first:
        assert first.exchange(WHOAMI).status == 200
        with daemon.raw_client(credentials["alpha"]) as second:
            began = time.monotonic()
            assert second.read_response().status == 408
            assert time.monotonic() - began < 2 * PATIENCE
            second.read_end()
        assert first.exchange(WHOAMI).status == 200


def test_client_of_http_1_0_is_told_that_the_connection_stays(world, credentials):
    with world.running() as daemon, daemon.raw_client(credentials["alpha"]) as raw:
        for _ in range(2):
            answer = raw.exchange(b"GET /v1/whoami HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert answer.headers["connection"] == "keep-alive"


def test_client_that_ends_first_is_ended_with_close_notify(world, credentials):
    with world.running() as daemon:
        held = Held(daemon, credentials["alpha"])
        try:
            held.send_hello()
            with pytest.raises(ssl.SSLWantReadError):
                held.tls.unwrap()
            held.flush()
            # Nothing else is sent, so one encrypted record is the alert.
            assert held.receive_all().startswith(b"\x17\x03\x03")
            held.tls.unwrap()
        finally:
            held.close()


def test_nobody_waits_in_the_queue_of_a_daemon_that_stops(world, credentials):
    """New connections are refused while old ones are finished."""
    with world.running({"limits.drain_timeout_ms": 20000}) as daemon:
        with daemon.raw_client(credentials["alpha"]) as raw:
            begin, end = post_in_two_parts(smallest_report())
            raw.send(begin)
            wait_for_requests(daemon, 1)
            daemon.process.send_signal(signal.SIGTERM)

            def is_refused():
                try:
                    socket.create_connection(("127.0.0.1", daemon.port), 1).close()
                except ConnectionRefusedError:
                    return True
                except ConnectionResetError:
                    pass  # the port closed in the middle of this handshake: the next one tells
                return False

            wait_until(is_refused, "the port is closed")
            assert raw.exchange(end).status == 201
        assert daemon.wait_for_exit() == 0


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer keeps what was freed")
def test_admin_client_that_reads_nothing_costs_no_memory(world):
    """Its requests wait until it has taken the answers to those before."""
    with world.running() as daemon:
        status = f"/proc/{daemon.process.pid}/status"

        def resident_kib():
            with open(status, encoding="ascii") as lines:
                return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

        with socket.create_connection(("127.0.0.1", daemon.admin_port), 15) as greedy:
            greedy.settimeout(0.5)
            before = resident_kib()
            with pytest.raises((TimeoutError, ConnectionError)):
                for _ in range(20000):
                    greedy.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
            assert resident_kib() - before < 4096 * PATIENCE
            assert daemon.admin("/healthz")[0] == 200


def test_admin_client_that_ends_its_side_still_gets_its_answer(daemon):
    with socket.create_connection(("127.0.0.1", daemon.admin_port), 15) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        plain.shutdown(socket.SHUT_WR)
        assert plain.recv(4096).startswith(b"HTTP/1.1 200 ")
