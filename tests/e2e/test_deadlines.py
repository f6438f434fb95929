# SPDX-License-Identifier: Apache-2.0
"""Slow and silent peers are cut when their time is over, and not before.

The settings are short; each deadline is tested in a daemon where no other one can come first.
"""

import select
import socket
import time

import pytest

from client import encode, request_bytes
from harness import PATIENCE, wait_until
from reports import smallest_report

WHOAMI = request_bytes("GET", "/v1/whoami")
SLACK_S = 1.0 * PATIENCE


@pytest.fixture(scope="module")
def settings():
    return {
        "limits.handshake_timeout_ms": 800,
        "limits.head_timeout_ms": 900,
        "limits.request_timeout_ms": 1500,
        "limits.idle_timeout_ms": 1000,
        "limits.min_rate_bytes_per_s": 0,
    }


def drip(sock, data):
    """A byte every 50 ms, until something comes back. One thread: a TLS socket takes no two."""
    for byte in data:
        sock.send(bytes([byte]))
        if select.select([sock], [], [], 0.05)[0]:
            return
    raise AssertionError("nothing came back")


def assert_took(began, seconds):
    took = time.monotonic() - began
    assert seconds * 0.9 <= took <= seconds + SLACK_S


def read_plain_end(plain):
    """Reads a plain socket to its end: what came before it."""
    data = b""
    try:
        while part := plain.recv(4096):
            data += part
    except ConnectionResetError:
        pass
    return data


def test_silent_connection_is_cut_at_the_handshake_deadline(daemon):
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=15) as plain:
        read_plain_end(plain)
    assert_took(began, 0.8)


def test_dripped_handshake_is_cut_at_its_deadline(daemon):
    """Bytes that keep coming buy no time."""
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=15) as plain:
        drip(plain, hello)
        read_plain_end(plain)
    assert_took(began, 0.8)


@pytest.mark.parametrize("is_dripped", [False, True])
def test_head_that_does_not_end_is_answered_408(raw, is_dripped):
    began = time.monotonic()
    if is_dripped:
        drip(raw.socket, b"GET /v1/whoami HTTP/1.1\r\n" + b"X: 1\r\n" * 100)
    else:
        raw.send(b"GET /v1/who")
    answer = raw.read_response()
    assert (answer.status, answer.problem) == (408, "timeout")
    assert_took(began, 0.9)
    assert answer.closes
    raw.read_end()


@pytest.mark.parametrize("is_chunked", [False, True])
def test_body_that_does_not_end_is_answered_408(raw, is_chunked):
    framing = "Transfer-Encoding: chunked" if is_chunked else "Content-Length: 1000"
    began = time.monotonic()
    raw.send(
        f"POST /v1/reports HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{framing}"
        "\r\n\r\n".encode()
    )
    drip(raw.socket, b"1\r\n{\r\n" * 100 if is_chunked else b"{" * 999)
    answer = raw.read_response()
    assert (answer.status, answer.problem) == (408, "timeout")
    assert_took(began, 1.5)
    raw.read_end()


def test_idle_connection_is_closed_with_close_notify_and_no_answer(raw):
    assert raw.exchange(WHOAMI).status == 200
    began = time.monotonic()
    raw.read_end()
    assert_took(began, 1.0)


def test_connection_that_never_asks_is_idle_too(raw):
    began = time.monotonic()
    raw.read_end()
    assert_took(began, 1.0)


def test_busy_connection_outlives_the_idle_timeout(raw):
    ends_at = time.monotonic() + 1.6
    while time.monotonic() < ends_at:
        assert raw.exchange(WHOAMI).status == 200
        select.select([raw.socket], [], [], 0.3)


def test_body_slower_than_the_minimum_rate_is_answered_408(world, credentials):
    settings = {"limits.min_rate_bytes_per_s": 10000, "limits.min_rate_grace_ms": 500}
    with world.running(settings) as daemon, daemon.raw_client(credentials["alpha"]) as raw:
        began = time.monotonic()
        raw.send(request_bytes("POST", "/v1/reports", b"{" * 100000)[:-99999])
        drip(raw.socket, b"{" * 1000)
        answer = raw.read_response()
        assert (answer.status, answer.problem) == (408, "timeout")
        assert_took(began, 0.5)
        raw.read_end()


def test_minimum_rate_is_not_looked_at_within_the_grace(world, credentials):
    settings = {"limits.min_rate_bytes_per_s": 1000000, "limits.min_rate_grace_ms": 20000}
    with world.running(settings) as daemon, daemon.raw_client(credentials["alpha"]) as raw:
        data = request_bytes("POST", "/v1/reports", encode(smallest_report()))
        raw.send(data[:-1])
        select.select([raw.socket], [], [], 0.7)
        assert raw.exchange(data[-1:]).status == 201


def test_old_connection_closes_at_the_next_answer(world, credentials):
    with world.running({"limits.connection_life_ms": 1000}) as daemon:
        with daemon.raw_client(credentials["alpha"]) as raw:
            began = time.monotonic()
            while not (answer := raw.exchange(WHOAMI)).closes:
                assert time.monotonic() - began < 1.0 + SLACK_S
                select.select([raw.socket], [], [], 0.05)
            assert answer.status == 200
            assert time.monotonic() - began > 0.9
            raw.read_end()


def test_peer_that_reads_nothing_is_cut(world, credentials):
    """It asks for more than all buffers between hold; the daemon stops reading, then cuts."""
    with world.running({"limits.write_timeout_ms": 800}) as daemon:
        with daemon.raw_client(credentials["alpha"], timeout=15) as raw:
            many = request_bytes("GET", "/v1/taxonomy") * 50
            with pytest.raises(OSError):
                for _ in range(2000):
                    raw.send(many)
        with daemon.client(credentials["alpha"]) as client:
            assert client.get("/v1/whoami").status == 200


def test_full_daemon_leaves_further_connections_waiting(world, credentials):
    """The one past the limit is served as soon as another closes."""
    with world.running({"listen.max_connections": 4}) as daemon:
        held = [daemon.raw_client(credentials["alpha"]) for _ in range(4)]
        try:
            for raw in held:
                assert raw.exchange(WHOAMI).status == 200
            with pytest.raises(TimeoutError):
                daemon.raw_client(credentials["alpha"], timeout=0.5)
            held.pop().close()
            with daemon.raw_client(credentials["alpha"]) as next_one:
                assert next_one.exchange(WHOAMI).status == 200
        finally:
            for raw in held:
                raw.close()


def test_unidentified_connections_of_one_address_are_limited(world, credentials):
    """Those whose handshake is over do not count."""
    with world.running({"listen.max_unidentified_per_address": 3}) as daemon:
        silent = []
        with daemon.raw_client(credentials["alpha"]) as identified:
            assert identified.exchange(WHOAMI).status == 200
            try:
                for _ in range(3):
                    silent.append(socket.create_connection(("127.0.0.1", daemon.port), 15))

                def is_one_more_cut():
                    with socket.create_connection(("127.0.0.1", daemon.port), 15) as plain:
                        plain.settimeout(0.5)
                        try:
                            return read_plain_end(plain) == b""
                        except TimeoutError:
                            return False

                wait_until(is_one_more_cut, "the fourth is cut at once")
                assert identified.exchange(WHOAMI).status == 200
            finally:
                for plain in silent:
                    plain.close()

        def is_served_again():
            try:
                with daemon.raw_client(credentials["alpha"]) as raw:
                    return raw.exchange(WHOAMI).status == 200
            except OSError:
                return False

        wait_until(is_served_again, "there is room again")


def test_connections_of_one_partner_are_limited(world, credentials):
    with world.running({"quota.connections": 3}, partners=("alpha", "beta")) as daemon:
        held = [daemon.raw_client(credentials["alpha"]) for _ in range(3)]
        try:
            for raw in held:
                assert raw.exchange(WHOAMI).status == 200
            with daemon.raw_client(credentials["alpha"]) as fourth:
                answer = fourth.exchange(WHOAMI)
                assert (answer.status, answer.closes) == (429, True)
                assert answer.problem == "quota"
                assert int(answer.headers["retry-after"]) > 0
                fourth.read_end()
            with daemon.client(credentials["beta"]) as other:
                assert other.get("/v1/whoami").status == 200
        finally:
            for raw in held:
                raw.close()


LOCAL_S = 10


def test_local_peers_have_ten_seconds_for_a_request_and_no_longer(daemon):
    """Of the admin listener and the control socket: silence and single bytes are cut, and who goes
    on asking on one connection is served."""

    def admin():
        return socket.create_connection(("127.0.0.1", daemon.admin_port), timeout=30)

    def control():
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(30)
        plain.connect(str(daemon.settings["control.path"]))
        return plain

    question = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    began = time.monotonic()
    dripping = [admin(), control()]
    silent = [admin(), control()]
    ended = {}
    with admin() as asking:
        while len(ended) < 4:
            asking.sendall(question)
            assert asking.recv(4096).startswith(b"HTTP/1.1 200 ")
            for place, plain in enumerate(dripping + silent):
                if place not in ended and select.select([plain], [], [], 0)[0]:
                    assert read_plain_end(plain) == b""
                    ended[place] = time.monotonic() - began
                elif plain in dripping and place not in ended:
                    plain.send(b"G")
            assert time.monotonic() - began < LOCAL_S + 2 + SLACK_S, ended
            time.sleep(0.5)
        assert min(ended.values()) >= LOCAL_S * 0.9
        asking.sendall(question)
        assert asking.recv(4096).startswith(b"HTTP/1.1 200 ")
    for plain in dripping + silent:
        plain.close()
