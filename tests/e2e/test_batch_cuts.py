# SPDX-License-Identifier: Apache-2.0
"""Batches whose connection, database or framing ends before they do."""

import json
import random
import signal
import ssl
import time

import pytest

from client import BadAnswer, encode, request_bytes
from harness import PATIENCE, wait_until
from reports import smallest_report, usual_report

NDJSON = "application/x-ndjson"
# Nothing of what is tested here is about quotas.
NO_QUOTA = {"quota.reports_per_s": 0, "quota.bytes_per_s": 0, "quota.reports_in_flight": 0}


@pytest.fixture(scope="module")
def settings():
    return NO_QUOTA


def rows_of(daemon, report_ids):
    rows = daemon.rows(
        "SELECT report_id, count(*) FROM intake.report WHERE report_id = ANY (%s)"
        " GROUP BY report_id",
        [report_ids],
    )
    return dict(rows)


def batch_request(body, **headers):
    return request_bytes("POST", "/v1/reports", body, headers, content_type=NDJSON)


def read_results(raw):
    """The whole result lines that come before the connection ends, one way or another."""
    data = raw.pending
    try:
        while piece := raw.socket.recv(65536):
            data += piece
    except OSError:
        pass
    lines = [line for line in data.split(b"\n") if line.startswith(b'{"line":')]
    results = []
    for line in lines:
        try:
            results.append(json.loads(line.rstrip(b"\r")))
        except ValueError:
            continue
    return results


def test_cut_anywhere_a_batch_leaves_a_clean_prefix(daemon, credentials):
    """200 places of a batch of 40: what has a result is stored once, the rest at most once, and
    sending all of it again stores each exactly once."""
    random.seed(20261124)
    client = daemon.client(credentials["alpha"])
    for _ in range(200):
        reports = [smallest_report() for _ in range(40)]
        lines = [encode(report) for report in reports]
        body = b"\n".join(lines)
        request = batch_request(body)
        head_len = len(request) - len(body)
        cut = random.randrange(head_len, len(request))
        whole_lines = body[: cut - head_len].count(b"\n")
        with daemon.raw_client(credentials["alpha"]) as raw:
            raw.send(request[:cut])
            if random.random() < 0.5:
                raw.socket.settimeout(0.05)
                results = read_results(raw)
            else:
                results = []
        answered = {reports[result["line"] - 1]["report_id"] for result in results}
        assert all(result["status"] == 201 for result in results)
        assert len(answered) <= whole_lines
        ids = [report["report_id"] for report in reports]
        sent = set(ids[:whole_lines])
        # A pause for what is in flight is the database's: the repeat below comes behind it.
        stored = rows_of(daemon, ids)
        assert all(stored.get(report_id) == 1 for report_id in answered)
        assert all(count == 1 for count in stored.values())
        assert set(stored) <= sent
        again = client.request("POST", "/v1/reports", body, content_type=NDJSON)
        statuses = [json.loads(line)["status"] for line in again.body.splitlines()]
        assert set(statuses) <= {200, 201} and len(statuses) == 40
        assert rows_of(daemon, ids) == {report_id: 1 for report_id in ids}
    client.close()


def test_broken_framing_in_mid_batch_ends_the_answer_without_its_end(daemon, credentials):
    report = smallest_report()
    line = encode(report) + b"\n"
    head = request_bytes(
        "POST", "/v1/reports",
        headers={"Content-Type": NDJSON, "Transfer-Encoding": "chunked"},
    )  # fmt: skip
    with daemon.raw_client(credentials["alpha"]) as raw:
        raw.send(head + b"%x\r\n%s\r\n" % (len(line), line))
        wait_until(lambda: b'"line":1' in receive_some(raw), "the first result came")
        raw.send(b"nonsense\r\n")
        with pytest.raises(BadAnswer):
            raw.read_response()
    assert rows_of(daemon, [report["report_id"]]) == {report["report_id"]: 1}


def test_answer_that_breaks_off_does_not_look_whole_over_http_1_0(world, credentials):
    """It ends with the connection, so the close_notify alone says whether that was its end."""
    lines = [encode(smallest_report()) + b"\n" for _ in range(2)]
    body = b"".join(lines)
    request = batch_request(body).replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1)
    with world.running({**NO_QUOTA, "limits.drain_timeout_ms": 200}) as daemon:
        with daemon.raw_client(credentials["alpha"]) as whole:
            whole.send(request)
            wait_until(lambda: receive_some(whole).count(b'"status":201') == 2, "both are answered")
            assert whole.socket.recv(1) == b""
        with daemon.raw_client(credentials["alpha"]) as broken:
            broken.send(request[: -len(lines[1])])
            wait_until(lambda: b'"status":200' in receive_some(broken), "one is answered")
            daemon.process.send_signal(signal.SIGTERM)
            with pytest.raises(ssl.SSLError, match="unexpected eof"):
                broken.socket.recv(1)
        assert daemon.wait_for_exit() == 0


def test_broken_framing_before_any_line_is_an_ordinary_refusal(daemon, credentials):
    head = request_bytes(
        "POST", "/v1/reports",
        headers={"Content-Type": NDJSON, "Transfer-Encoding": "chunked"},
    )  # fmt: skip
    with daemon.raw_client(credentials["alpha"]) as raw:
        answer = raw.exchange(head + b"nonsense\r\n")
        assert (answer.status, answer.problem) == (400, "framing-invalid")


def test_results_flow_back_while_the_body_is_held_back(daemon, credentials):
    """By Content-Length and in chunks: the first result is there before the second line is."""
    reports = [smallest_report(), smallest_report()]
    first, second = (encode(report) + b"\n" for report in reports)
    chunked = {"Content-Type": NDJSON, "Transfer-Encoding": "chunked"}
    ways = [
        (batch_request(first + second)[: -len(second)], second),
        (
            request_bytes("POST", "/v1/reports", headers=chunked)
            + b"%x\r\n%s\r\n" % (len(first), first),
            b"%x\r\n%s\r\n0\r\n\r\n" % (len(second), second),
        ),
    ]
    for begin, end in ways:
        with daemon.raw_client(credentials["alpha"]) as raw:
            raw.send(begin)
            wait_until(lambda: b'"line":1' in receive_some(raw), "the first result came")
            assert b'"line":2' not in raw.pending
            raw.send(end)
            answer = raw.read_response()
            lines = [json.loads(line) for line in answer.body.splitlines()]
            assert [line["line"] for line in lines] == [1, 2]


def receive_some(raw):
    raw.socket.settimeout(0.05)
    try:
        raw.pending += raw.socket.recv(65536)
    except TimeoutError:
        pass
    finally:
        raw.socket.settimeout(30)
    return raw.pending


def test_database_away_in_mid_batch_answers_each_line(world, credentials):
    settings = {**NO_QUOTA, "database.store_wait_ms": 300}
    with world.running(settings) as daemon:
        reports = [smallest_report() for _ in range(20)]
        lines = [encode(report) + b"\n" for report in reports]
        request = batch_request(b"".join(lines))
        head_len = len(request) - sum(map(len, lines))
        half = head_len + sum(map(len, lines[:10]))
        with daemon.raw_client(credentials["alpha"]) as raw:
            raw.send(request[:half])
            wait_until(lambda: b'"line":10' in receive_some(raw), "ten are answered")
            daemon.postgres.stop()
            try:
                raw.send(request[half:])
                answer = raw.read_response()
            finally:
                daemon.postgres.start()
            results = [json.loads(line) for line in answer.body.splitlines()]
            assert answer.status == 200
            assert [result["status"] for result in results] == [201] * 10 + [503] * 10
            assert all(result["retry_after"] >= 1 for result in results[10:])
        ids = [report["report_id"] for report in reports]
        assert set(rows_of(daemon, ids)) >= set(ids[:10])


def test_stopping_daemon_leaves_no_batch_with_a_false_end(world, credentials):
    """What it could not finish in time has no last chunk, and what has a receipt has a row."""
    with world.running({**NO_QUOTA, "limits.drain_timeout_ms": 300}) as daemon:
        reports = [smallest_report() for _ in range(3)]
        lines = [encode(report) + b"\n" for report in reports]
        request = batch_request(b"".join(lines))
        with daemon.raw_client(credentials["alpha"]) as raw:
            raw.send(request[: -len(lines[2])])
            wait_until(lambda: b'"line":2' in receive_some(raw), "two are answered")
            daemon.process.send_signal(signal.SIGTERM)
            with pytest.raises(BadAnswer):
                raw.read_response()
        assert daemon.wait_for_exit() == 0
        ids = [report["report_id"] for report in reports[:2]]
        assert rows_of(daemon, ids) == {report_id: 1 for report_id in ids}
        daemon.start()


def test_suspended_in_mid_batch_answers_what_was_taken(world, credentials):
    with world.running(NO_QUOTA) as daemon:
        lines = [encode(smallest_report()) + b"\n" for _ in range(3)]
        request = batch_request(b"".join(lines))
        with daemon.raw_client(credentials["alpha"]) as raw:
            raw.send(request[: -len(lines[2])])
            wait_until(lambda: b'"line":2' in receive_some(raw), "two are answered")
            daemon.control("partner", "suspend", "alpha")
            began = time.monotonic()
            results = [json.loads(line) for line in raw.read_response().body.splitlines()]
            assert time.monotonic() - began < 5 * PATIENCE
            assert [(one["line"], one["status"]) for one in results] == [(1, 201), (2, 201), (3, 403)]
            assert results[2]["problem"]["type"].endswith(":partner-suspended")
            raw.read_end()
        with daemon.raw_client(credentials["alpha"]) as raw:
            answer = raw.exchange(request)
            assert (answer.status, answer.problem) == (403, "partner-suspended")


def test_client_that_never_reads_is_cut_once_it_holds_us_up(world, credentials):
    settings = {**NO_QUOTA, "limits.max_unread_bytes": 65536, "limits.write_timeout_ms": 500}
    with world.running(settings) as daemon, daemon.raw_client(credentials["alpha"]) as raw:
        line = b'{"x":1}\n'
        body = line * 200000
        raw.socket.settimeout(10 * PATIENCE)
        with pytest.raises(OSError):
            raw.send(batch_request(body[: 256 << 10]))
            while True:
                raw.send(line * 1000)
        dropped = "intaked_answers_dropped_total"
        wait_until(lambda: daemon.metrics().get(dropped, 0) >= 1, "it was cut")


def test_rate_of_a_body_counts_only_while_more_is_wanted(world, credentials):
    """A batch that trickles is cut; one that waits for us is not."""
    settings = {
        **NO_QUOTA, "limits.min_rate_bytes_per_s": 100000, "limits.min_rate_grace_ms": 300,
        "database.store_wait_ms": 30000,
    }  # fmt: skip
    with world.running(settings) as daemon:
        with daemon.raw_client(credentials["alpha"]) as slow:
            slow.send(batch_request(encode(usual_report()) * 2)[:200])
            answer = slow.read_response()
            assert (answer.status, answer.problem) == (408, "timeout")
        with daemon.locked_reports() as lock:
            with daemon.raw_client(credentials["alpha"]) as waiting:
                body = b"\n".join(encode(smallest_report()) for _ in range(1500))
                waiting.send(batch_request(body)[:-10])
                began = time.monotonic()
                name = "intaked_queue_reports"
                wait_until(lambda: daemon.metrics()[name] >= 1024, "it holds what it may")
                wait_until(lambda: time.monotonic() > began + 1, "far past the grace")
                lock.rollback()
                waiting.send(body[-10:])
                assert waiting.read_response().status == 200
