# SPDX-License-Identifier: Apache-2.0
"""What operators and their monitoring see: the admin listener and the log."""

import http.client
import re
import socket
import stat
import urllib.request
from contextlib import ExitStack, suppress

import pytest

from client import encode
from harness import wait_until
from reports import smallest_report

NAME = r"[a-z][a-z0-9_]*"
LABELS = r'\{[a-z_]+="[^"\\\n]*"(?:,[a-z_]+="[^"\\\n]*")*\}'
SAMPLE = re.compile(rf"({NAME})({LABELS})? (-?[0-9.]+(?:e[-+]?[0-9]+)?|\+Inf|NaN)")
COMMENT = re.compile(rf"# (TYPE|HELP|UNIT) ({NAME}) ?(.*)")
SUFFIXES = ("_total", "_created", "_bucket", "_count", "_sum", "_info")


def test_healthz_and_readyz_are_200_with_a_database(daemon):
    assert daemon.admin("/healthz")[0] == 200
    assert daemon.admin("/readyz")[0] == 200


def test_unknown_page_is_404(daemon):
    """And names those that there are."""
    status, headers, text = daemon.admin_answer("/v1/whoami")
    assert (status, headers["Content-Type"]) == (404, "text/plain; charset=utf-8")
    for path in text.removeprefix("here are ").split():
        assert daemon.admin(path)[0] == 200, path


def test_no_answer_lets_another_page_in(daemon):
    for path in ("/healthz", "/status.json", "/history.json", "/metrics", "/nowhere"):
        _, headers, _ = daemon.admin_answer(path)
        policy = headers["Content-Security-Policy"]
        assert policy == "default-src 'none'; frame-ancestors 'none'", path
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_admin_listener_changes_nothing(daemon):
    """Whatever is posted to it."""
    for path in ("/healthz", "/reload", "/v1/reports"):
        request = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        with socket.create_connection(("127.0.0.1", daemon.admin_port), 15) as plain:
            plain.sendall(request.encode())
            assert re.match(rb"HTTP/1\.1 (404|405) ", plain.recv(1000))


def answers_of(daemon, request):
    """All that comes until the daemon closes the connection."""
    with socket.create_connection(("127.0.0.1", daemon.admin_port), 15) as plain:
        plain.sendall(request)
        return plain.makefile("rb").read()


def test_admin_listener_speaks_http(daemon):
    question = b"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    head = answers_of(daemon, question)
    assert head.startswith(b"HTTP/1.1 200 ") and head.endswith(b"\r\n\r\n")
    assert int(re.search(rb"(?i)content-length: (\d+)", head)[1]) > 1000
    assert re.search(rb"\r\n(?i:date): \w{3}, \d\d \w{3} \d{4} ", head)

    for request in (
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nGET ",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ):
        answer = answers_of(daemon, request)
        assert answer.startswith(b"HTTP/1.1 405 "), request
        assert b"\r\nAllow: GET, HEAD\r\n" in answer

    broken = answers_of(daemon, b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n")
    assert broken.startswith(b"HTTP/1.1 400 ")


def test_admin_listener_keeps_connections(daemon):
    """In HTTP/1.0 when asked to, and says so."""
    one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert answers_of(daemon, one * 5 + last + one).count(b"HTTP/1.1 200 OK") == 6
    old = b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    kept = answers_of(daemon, old * 2 + last)
    assert kept.count(b"HTTP/1.1 200 OK") == 3
    assert len(re.findall(rb"(?i)\r\nconnection: keep-alive\r\n", kept)) == 2


def test_who_keeps_the_admin_listener_busy_keeps_others_out_no_longer_than_he_stays(daemon):
    with ExitStack() as crowd:
        for _ in range(100):
            crowd.enter_context(socket.create_connection(("127.0.0.1", daemon.admin_port), 15))
        with pytest.raises((OSError, http.client.HTTPException)):
            daemon.admin("/healthz")
    wait_until(lambda: is_served(daemon), "there is room again")


def is_served(daemon):
    with suppress(OSError, http.client.HTTPException):
        return daemon.admin("/healthz")[0] == 200
    return False


def family_of(name, families):
    """The metric family a sample belongs to."""
    if name in families:
        return name
    return next(
        (name[: -len(suffix)] for suffix in SUFFIXES if name.endswith(suffix)), None
    )  # fmt: skip


def test_metrics_are_openmetrics_text(daemon, alpha):
    """Each sample belongs to a family whose type was named before; histograms rise."""
    alpha.post(smallest_report())
    url = f"http://127.0.0.1:{daemon.admin_port}/metrics"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        text = answer.read().decode()
    assert text.endswith("\n# EOF\n")
    families, seen = {}, set()
    for line in text.splitlines()[:-1]:
        if comment := COMMENT.fullmatch(line):
            if comment[1] == "TYPE":
                assert comment[2] not in families, line
                families[comment[2]] = comment[3]
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample, line
        family = family_of(sample[1], families)
        assert family in families, line
        assert family.startswith("intaked_"), line
        if families[family] == "counter":
            assert sample[1].endswith(("_total", "_created")), line
        assert (sample[1], sample[2]) not in seen, line
        seen.add((sample[1], sample[2]))
    assert families


def sum_of(metrics, *words):
    return sum(value for name, value in metrics.items() if all(word in name for word in words))


@pytest.fixture
def changes(daemon):
    """What a metric has risen by since the test began, by words of its name and labels."""
    before = daemon.metrics()
    return lambda *words: sum_of(daemon.metrics(), *words) - sum_of(before, *words)


def test_stored_duplicate_and_refused_reports_are_counted(alpha, changes):
    report = smallest_report()
    assert [alpha.post(report).status for _ in range(3)] == [201, 200, 200]
    assert alpha.post({**report, "title": "Another"}).status == 409
    assert alpha.post(smallest_report(severity={"level": 9})).status == 422
    wait_until(lambda: changes("reports", "stored") == 1, "one stored")
    wait_until(lambda: changes("reports", "duplicate") == 2, "two duplicates")
    wait_until(lambda: changes("refus", "report-conflict") >= 1, "a conflict")
    wait_until(lambda: changes("refus", "report-invalid") >= 1, "an invalid one")


def test_failed_handshakes_are_counted_by_reason(daemon, changes):
    daemon.refusal_of(None)
    wait_until(lambda: changes("handshake", "no_certificate") == 1, "one without a certificate")


def test_log_has_no_content_and_escapes_what_peers_say(daemon, alpha, raw):
    """Neither of a stored report nor of a refused one, nor raw control characters."""
    secret = "Kassandra-4417"
    alpha.post(smallest_report(narrative=secret))
    alpha.post(smallest_report(narrative=secret, category=secret))
    raw.send(b"GET /v1/\x1b[31m HTTP/1.1\r\nHost: a\r\n\r\n")
    assert raw.read_response().status == 400
    raw.read_end()
    wait_until(lambda: daemon.log_lines(), "there is a log")
    text = daemon.log.read_text(errors="replace")
    assert secret not in text
    assert "\x1b" not in text


def test_log_lines_are_key_value(daemon, alpha):
    alpha.post(encode(smallest_report()))
    for line in daemon.log_lines():
        assert re.search(r"(^| )event=[a-z0-9-]+", line), line
        assert re.search(r"(^| )severity=(debug|info|warn|error|fatal)( |$)", line), line


def test_admin_listener_and_control_socket_may_be_left_out(world, credentials):
    daemon = world.daemon()
    control = daemon.settings["control.path"]
    daemon.add_partner("alpha")
    daemon.configure({"admin.address": "", "control.path": ""})
    daemon.start()
    with daemon.client(credentials["alpha"]) as client:
        wait_until(lambda: client.post(smallest_report()).status == 201, "it serves")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", daemon.admin_port))
    assert not control.exists()
    daemon.stop()


def test_admin_listener_may_be_a_unix_socket(world):
    path = world.folder / "admin.socket"
    with world.running({"admin.address": str(path)}):
        with socket.socket(socket.AF_UNIX) as plain:
            plain.settimeout(10)
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            plain.connect(str(path))
            # Any Host: whoever can open it is no browser, or a proxy that knows what it does.
            plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: intake.example.org\r\n\r\n")
            assert plain.recv(1000).startswith(b"HTTP/1.1 200 ")
