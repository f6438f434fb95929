# SPDX-License-Identifier: Apache-2.0
"""HTTP as the partner interface allows it, and every way of breaking it.

Each broken request is followed by a good one on the same connection: a daemon that lost its place
in the bytes would answer that too.
"""

import json
import time
from email.utils import parsedate_to_datetime

import pytest

from batches import NDJSON, join_lines
from client import chunked, encode, request_bytes
from harness import PATIENCE, wait_until
from reports import smallest_report, usual_report

REPORTS = "/v1/reports"
WHOAMI = request_bytes("GET", "/v1/whoami")
REPORT_BYTES = 1048576
TARGET_BYTES = 4096
HEAD_BYTES = 8192
HEAD_COUNT = 64


def head(*lines, request_line="POST /v1/reports HTTP/1.1", host="Host: localhost"):
    lines = [request_line, *([host] if host else []), *lines]
    return "".join(line + "\r\n" for line in lines).encode("latin-1") + b"\r\n"


def post_head(*lines):
    return head("Content-Type: application/json", *lines)


CHUNKED_HEAD = post_head("Transfer-Encoding: chunked")
BODY = encode(smallest_report(report_id="never-stored"))
LENGTH = f"Content-Length: {len(BODY)}"
GET = "GET /v1/whoami HTTP/1.1"

BAD_FRAMING = {
    # Line ends.
    "bare lf after the request line": b"GET /v1/whoami HTTP/1.1\nHost: localhost\r\n\r\n",
    "bare lf after a header": b"GET /v1/whoami HTTP/1.1\r\nHost: localhost\n\r\n",
    "bare lf as the empty line": b"GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\n\n",
    "bare cr in a value": head("X: a\rb", request_line=GET),
    # Request line.
    "two spaces": head(request_line="GET  /v1/whoami HTTP/1.1"),
    "a tab for a space": head(request_line="GET\t/v1/whoami HTTP/1.1"),
    "a space before": head(request_line=" GET /v1/whoami HTTP/1.1"),
    "a space behind": head(request_line="GET /v1/whoami HTTP/1.1 "),
    "a space in the target": head(request_line="GET /v1/who ami HTTP/1.1"),
    "no version": head(request_line="GET /v1/whoami"),
    "HTTP/0.9": b"GET /v1/whoami\r\n\r\n",
    "HTTP/1.9": head(request_line="GET /v1/whoami HTTP/1.9"),
    "HTTP/01.1": head(request_line="GET /v1/whoami HTTP/01.1"),
    "HTTP/2.0": head(request_line="GET /v1/whoami HTTP/2.0"),
    "http/1.1": head(request_line="GET /v1/whoami http/1.1"),
    "absolute form": head(request_line="GET https://localhost/v1/whoami HTTP/1.1"),
    "a method that is no token": head(request_line="GE(T /v1/whoami HTTP/1.1"),
    "nul in the target": head(request_line="GET /v1/who\0ami HTTP/1.1"),
    "8 bit in the target": head(request_line="GET /v1/who\xe4mi HTTP/1.1"),
    # Host.
    "no host": head(request_line=GET, host=None),
    "two hosts": head("Host: localhost", request_line=GET),
    # Header lines.
    "space before the colon": head("X : 1", request_line=GET),
    "no name": head(": 1", request_line=GET),
    "no colon": head("X", request_line=GET),
    "a name that is no token": head("X(Y): 1", request_line=GET),
    "nul in a value": head("X: a\0b", request_line=GET),
    "control character in a value": head("X: a\x0bb", request_line=GET),
    "folded line": head("X: a", " b", request_line=GET),
    # Content-Length.
    "two lengths": post_head(LENGTH, "Content-Length: 3") + BODY,
    "two equal lengths": post_head(LENGTH, LENGTH) + BODY,
    "list of lengths": post_head(f"{LENGTH}, {len(BODY)}") + BODY,
    "signed length": post_head("Content-Length: +5") + b"[[]]]",
    "negative length": post_head("Content-Length: -1"),
    "minus nought": post_head("Content-Length: -0"),
    "hex length": post_head("Content-Length: 0x5") + b"[[]]]",
    "eleven digits": post_head("Content-Length: 00000000005") + b"[[]]]",
    "empty length": post_head("Content-Length: "),
    "length with a tab before": post_head("Content-Length:\t5") + b"[[]]]",
    "length cut by nul": post_head("Content-Length: 5\x005") + b"[[]]]",
    "length with a space before the colon": post_head("Content-Length : 5") + b"[[]]]",
    "length with a fraction": post_head("Content-Length: 5.0") + b"[[]]]",
    # Transfer-Encoding.
    "both framings": post_head(LENGTH, "Transfer-Encoding: chunked") + chunked(BODY),
    "both framings, other order": post_head("Transfer-Encoding: chunked", LENGTH) + chunked(BODY),
    "transfer-encoding twice":
        post_head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + chunked(BODY),
    "xchunked": post_head("Transfer-Encoding: xchunked") + chunked(BODY),
    "gzip": post_head("Transfer-Encoding: gzip") + chunked(BODY),
    "identity": post_head("Transfer-Encoding: identity") + chunked(BODY),
    "gzip, chunked": post_head("Transfer-Encoding: gzip, chunked") + chunked(BODY),
    "chunked, gzip": post_head("Transfer-Encoding: chunked, gzip") + chunked(BODY),
    "quoted": post_head('Transfer-Encoding: "chunked"') + chunked(BODY),
    "vertical tab": post_head("Transfer-Encoding: \x0bchunked") + chunked(BODY),
    "transfer-encoding with a space before the colon":
        post_head("Transfer-Encoding : chunked") + chunked(BODY),
    "folded transfer-encoding": post_head("Transfer-Encoding:", " chunked") + chunked(BODY),
    "chunked on 1.0": head("Content-Type: application/json", "Transfer-Encoding: chunked",
                           request_line="POST /v1/reports HTTP/1.0") + chunked(BODY),
    # Chunks.
    "chunk size with a sign": CHUNKED_HEAD + b"+5\r\n[[]]]\r\n0\r\n\r\n",
    "chunk size with 0x": CHUNKED_HEAD + b"0x5\r\n[[]]]\r\n0\r\n\r\n",
    "chunk size with a space": CHUNKED_HEAD + b" 5\r\n[[]]]\r\n0\r\n\r\n",
    "chunk size with junk": CHUNKED_HEAD + b"5 junk\r\n[[]]]\r\n0\r\n\r\n",
    "chunk size with nul": CHUNKED_HEAD + b"5\0zz\r\n[[]]]\r\n0\r\n\r\n",
    "chunk extension": CHUNKED_HEAD + b"5;a=b\r\n[[]]]\r\n0\r\n\r\n",
    "negative chunk": CHUNKED_HEAD + b"-0\r\n\r\n",
    "nine digits": CHUNKED_HEAD + b"000000005\r\n[[]]]\r\n0\r\n\r\n",
    "empty size": CHUNKED_HEAD + b"\r\n[[]]]\r\n0\r\n\r\n",
    "bare lf after the size": CHUNKED_HEAD + b"5\n[[]]]\r\n0\r\n\r\n",
    "no line end after the content": CHUNKED_HEAD + b"5\r\n[[]]]0\r\n\r\n",
    "bare lf after the content": CHUNKED_HEAD + b"5\r\n[[]]]\n0\r\n\r\n",
    "trailers": CHUNKED_HEAD + chunked(BODY)[:-2] + b"X: 1\r\n\r\n",
    "crumbs": CHUNKED_HEAD + chunked(*[b" "] * 8193),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FRAMING)
def test_broken_framing_is_one_400_and_the_end(daemon, raw, name):
    raw.send(BAD_FRAMING[name] + WHOAMI)
    answer = raw.read_response()
    assert (answer.status, answer.problem) == (400, "framing-invalid"), answer
    assert answer.closes
    raw.read_end()
    assert daemon.value("SELECT count(*) FROM intake.report WHERE report_id = 'never-stored'") == 0


@pytest.mark.parametrize("name", ["two spaces", "two lengths", "chunk extension", "trailers"])
def test_broken_framing_is_found_byte_by_byte_too(raw, name):
    raw.send_byte_by_byte(BAD_FRAMING[name])
    assert raw.read_response().status == 400
    raw.read_end()


# Method, path, further header lines; then what is answered, and Allow where there is one.
REFUSED_HEADS = [
    ("GET", "/", [], 404, "not-found", None),
    ("GET", "/v1", [], 404, "not-found", None),
    ("GET", "/v1/reports/", [], 404, "not-found", None),
    ("GET", "/v1/whoami/", [], 404, "not-found", None),
    ("GET", "/V1/whoami", [], 404, "not-found", None),
    ("GET", "/metrics", [], 404, "not-found", None),
    ("GET", "/healthz", [], 404, "not-found", None),
    ("GET", "/.well-known/security.txt", [], 404, "not-found", None),
    ("GET", "/v1/reports/../whoami", [], 404, "not-found", None),
    ("GET", "/v1/reports", [], 405, "method-not-allowed", {"POST"}),
    ("PUT", "/v1/reports", [], 405, "method-not-allowed", {"POST"}),
    ("DELETE", "/v1/reports/x", [], 405, "method-not-allowed", {"GET", "HEAD"}),
    ("OPTIONS", "/v1/whoami", [], 405, "method-not-allowed", {"GET", "HEAD"}),
    ("TRACE", "/v1/whoami", [], 405, "method-not-allowed", {"GET", "HEAD"}),
    ("POST", "/v1/whoami", ["Content-Length: 0"], 405, "method-not-allowed", {"GET", "HEAD"}),
    ("BREW", "/v1/whoami", [], 501, "method-unknown", None),
    ("get", "/v1/whoami", [], 501, "method-unknown", None),
    ("POST", REPORTS, ["Content-Type: application/json"], 411, "length-required", None),
    ("POST", REPORTS, ["Content-Length: 5"], 415, "media-type", None),
    ("POST", REPORTS, ["Content-Type: text/plain", "Content-Length: 5"], 415, "media-type", None),
    ("POST", REPORTS, ["Content-Type: application/jsonx", "Content-Length: 5"], 415, "media-type",
     None),
    ("POST", REPORTS, ["Content-Type: application/json", "Content-Encoding: br",
                       "Content-Length: 5"], 415, "content-encoding", None),
    ("POST", REPORTS, ["Content-Type: application/json",
                       f"Content-Length: {REPORT_BYTES + 1}"], 413, "body-too-large", None),
    ("POST", REPORTS, ["Content-Type: application/json", "Content-Length: 9999999999"], 413,
     "body-too-large", None),
    ("POST", REPORTS, ["Content-Type: application/json", "Content-Length: 5",
                       "Expect: 200-ok"], 417, "expectation", None),
]  # fmt: skip


@pytest.mark.parametrize("method, path, lines, status, problem, allow", REFUSED_HEADS)
def test_head_alone_is_refused_before_any_body(raw, method, path, lines, status, problem, allow):
    """No byte of a body is sent, so an answer proves that none was waited for."""
    answer = raw.exchange(head(*lines, request_line=f"{method} {path} HTTP/1.1"))
    assert (answer.status, answer.problem) == (status, problem), answer
    if allow:
        assert set(answer.headers["allow"].replace(",", " ").split()) == allow
    if answer.closes:
        raw.read_end()
    else:
        assert (status, raw.exchange(WHOAMI).status) == (404, 200)


@pytest.mark.parametrize("case", [case for case in REFUSED_HEADS if case[0] == "POST"])
def test_no_100_continue_comes_before_a_refusal(raw, case):
    method, path, lines, status, _, _ = case
    lines = [*lines, "Expect: 100-continue"] if status != 417 else lines
    answer = raw.exchange(head(*lines, request_line=f"{method} {path} HTTP/1.1"))
    assert answer.status == status


def test_100_continue_comes_when_the_body_is_wanted(raw):
    body = encode(smallest_report())
    first = raw.exchange(post_head(f"Content-Length: {len(body)}", "Expect: 100-continue"))
    assert first.status == 100
    assert raw.exchange(body).status == 201
    assert raw.exchange(WHOAMI).status == 200


SMUGGLED = request_bytes("GET", "/v1/taxonomy")


@pytest.mark.parametrize(
    "request_line, framing, body",
    [
        ("POST /v1/nothing HTTP/1.1", f"Content-Length: {len(SMUGGLED)}", SMUGGLED),
        ("GET /v1/nothing HTTP/1.1", f"Content-Length: {len(SMUGGLED)}", SMUGGLED),
        ("GET /v1/whoami HTTP/1.1", f"Content-Length: {len(SMUGGLED)}", SMUGGLED),
        ("POST /v1/nothing HTTP/1.1", "Transfer-Encoding: chunked", chunked(SMUGGLED)),
        ("BREW /v1/reports HTTP/1.1", f"Content-Length: {len(SMUGGLED)}", SMUGGLED),
        ("HEAD /v1/whoami HTTP/1.1", f"Content-Length: {len(SMUGGLED)}", SMUGGLED),
    ],
)
def test_body_of_a_refused_request_is_never_the_next_request(raw, request_line, framing, body):
    """It is skipped, or the connection closes."""
    is_head = request_line.startswith("HEAD")
    raw.send(head(framing, request_line=request_line) + body + WHOAMI)
    answer = raw.read_response(is_head=is_head)
    if answer.closes:
        raw.read_end()
    else:
        assert raw.read_response().json["partner"] == "alpha"


def test_memory_for_requests_has_a_limit_and_comes_back(world, credentials):
    """Bodies that do not end fill the pool; who comes then gets 503, until they are gone."""
    settings = {"limits.input_pool_bytes": 1048576, "listen.workers": 1}
    part = request_bytes("POST", REPORTS, b" " * 600000)[:-100000]
    with world.running(settings) as daemon:
        held = [daemon.raw_client(credentials["alpha"]) for _ in range(4)]
        try:
            for raw in held:
                raw.send(part)
            wait_until(lambda: daemon.metrics()["intaked_input_bytes"] > 900000, "it is full")
            refused = []
            for raw in held:
                raw.socket.settimeout(1)
                try:
                    refused.append(raw.read_response())
                except TimeoutError:
                    continue
            assert refused
            for answer in refused:
                assert (answer.status, answer.problem, answer.closes) == (503, "unavailable", True)
            assert daemon.metrics()["intaked_input_bytes"] <= 1048576
        finally:
            for raw in held:
                raw.close()
        wait_until(lambda: daemon.metrics()["intaked_input_bytes"] == 0, "it is empty again")
        with daemon.client(credentials["alpha"]) as client:
            assert client.post(padded_report(500000)).status == 201


def test_report_that_never_fits_into_the_memory_for_requests_is_refused_for_good(world, credentials):
    """A worker has a part of it."""
    settings = {"limits.input_pool_bytes": 1048576, "listen.workers": 4}
    with world.running(settings) as daemon, daemon.client(credentials["alpha"]) as client:
        answer = client.post(padded_report(400000))
        assert (answer.status, answer.problem, answer.closes) == (413, "body-too-large", True)
        assert "input_pool_bytes" in answer.json["detail"]
        assert client.post(padded_report(100000)).status == 201


def test_memory_of_an_atomic_batch_counts_and_is_limited(world, credentials):
    """It is gathered to its end; one that alone takes more than there is would never pass."""
    settings = {"limits.input_pool_bytes": 1048576, "listen.workers": 1}
    lines = join_lines(usual_report() for _ in range(1000))
    assert len(lines) > 1048576
    path = f"{REPORTS}?atomic=true"
    whole = request_bytes("POST", path, lines, content_type=NDJSON)
    head_len = len(whole) - len(lines)
    with world.running(settings) as daemon:
        input_bytes = lambda: daemon.metrics()["intaked_input_bytes"]  # noqa: E731
        with daemon.raw_client(credentials["alpha"]) as held:
            held.send(whole[: head_len + 300000])
            wait_until(lambda: input_bytes() > 300000, "it counts")
            with daemon.raw_client(credentials["alpha"]) as other:
                other.send(whole[: head_len + 700000])
                answer = other.read_response()
                assert (answer.status, answer.problem, answer.closes) == (503, "unavailable", True)
        wait_until(lambda: input_bytes() == 0, "it is empty again")
        with daemon.raw_client(credentials["alpha"]) as raw:
            raw.send(whole[: head_len + 900000])
            answer = raw.read_response()
            assert (answer.status, answer.problem, answer.closes) == (413, "body-too-large", True)
            assert "input_pool_bytes" in answer.json["detail"]


def test_expectation_on_1_0_is_ignored(raw):
    body = encode(smallest_report())
    raw.send(
        head("Content-Type: application/json", f"Content-Length: {len(body)}",
             "Expect: 100-continue", request_line="POST /v1/reports HTTP/1.0") + body
    )  # fmt: skip
    assert raw.read_response().status == 201


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"],
)
def test_media_type_is_compared_without_case_and_parameters(alpha, content_type):
    assert alpha.post(smallest_report(), content_type=content_type).status == 201


# ---- limits, at and one past


def target_of(length):
    """A request line of so many bytes, its line end left out."""
    fixed = len("GET /v1/whoami? HTTP/1.1")
    return "GET /v1/whoami?" + "x" * (length - fixed) + " HTTP/1.1"


def test_request_line_limit(raw):
    assert raw.exchange(head(request_line=target_of(TARGET_BYTES))).status == 200
    answer = raw.exchange(head(request_line=target_of(TARGET_BYTES + 1)))
    assert (answer.status, answer.problem) == (414, "target-too-long")
    raw.read_end()


def test_request_line_without_an_end_is_refused_at_the_limit(raw):
    answer = raw.exchange(b"GET /" + b"x" * (TARGET_BYTES + 2))
    assert answer.status == 414
    raw.read_end()


def head_of(length):
    """A request whose header lines have so many bytes with their line ends."""
    fixed = len("Host: localhost\r\nX: \r\n")
    return head("X: " + "x" * (length - fixed), request_line=GET)


def test_head_bytes_limit(raw):
    assert raw.exchange(head_of(HEAD_BYTES)).status == 200
    answer = raw.exchange(head_of(HEAD_BYTES + 1))
    assert (answer.status, answer.problem) == (431, "headers-too-large")
    raw.read_end()


def test_head_count_limit(raw):
    lines = [f"X{n}: 1" for n in range(HEAD_COUNT)]
    assert raw.exchange(head(*lines[1:], request_line=GET)).status == 200
    answer = raw.exchange(head(*lines, request_line=GET))
    assert (answer.status, answer.problem) == (431, "headers-too-large")
    raw.read_end()


def padded_report(length):
    body = encode(usual_report())
    return body + b" " * (length - len(body))


def test_report_bytes_limit_declared(alpha):
    assert alpha.post(padded_report(REPORT_BYTES)).status == 201


def test_report_bytes_limit_chunked(raw):
    size = 65536
    body = padded_report(REPORT_BYTES)
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    assert raw.exchange(CHUNKED_HEAD + chunked(*parts)).status == 201
    body = padded_report(REPORT_BYTES)
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    raw.send(CHUNKED_HEAD + chunked(*parts, b" ")[:-5])
    answer = raw.read_response()
    assert (answer.status, answer.problem) == (413, "body-too-large")
    raw.read_end()


def test_crumbs_at_the_limit_are_read(raw):
    body = padded_report(8192)
    assert raw.exchange(CHUNKED_HEAD + chunked(*[bytes([byte]) for byte in body])).status == 201


# ---- connections


def test_pipelined_requests_are_answered_in_order(raw):
    """Also when one in the middle is refused and all come in one segment."""
    reports = [smallest_report() for _ in range(8)]
    reports[3]["severity"] = {"level": 9}
    data = b""
    for report in reports:
        data += request_bytes("POST", REPORTS, encode(report))
        data += request_bytes("GET", f"/v1/reports/{report['report_id']}")
    raw.send(data)
    for report in reports:
        is_good = report["severity"]["level"] == 1
        answer = raw.read_response()
        assert answer.status == (201 if is_good else 422)
        receipt = raw.read_response()
        assert receipt.status == (200 if is_good else 404)
        if is_good:
            assert receipt.json["report_id"] == report["report_id"]
            assert receipt.json["id"] == answer.json["id"]


def test_body_of_a_chunked_request_ends_where_it_ends(raw):
    report = smallest_report()
    raw.send(CHUNKED_HEAD + chunked(encode(report)) + WHOAMI)
    assert raw.read_response().status == 201
    assert raw.read_response().json["partner"] == "alpha"


def test_blank_line_before_a_request_is_skipped(raw):
    assert raw.exchange(b"\r\n" + WHOAMI).status == 200


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_request_may_come_byte_by_byte(raw, framing):
    body = encode(smallest_report())
    data = request_bytes("POST", REPORTS, body)
    if framing == "chunked":
        data = CHUNKED_HEAD + chunked(body[:100], body[100:])
    raw.send_byte_by_byte(data)
    assert raw.read_response().status == 201


def test_connection_is_kept(raw):
    for _ in range(20):
        assert raw.exchange(WHOAMI).status == 200


@pytest.mark.parametrize(
    "lines, version",
    [(["Connection: close"], "1.1"), (["Connection: keep-alive, Close"], "1.1"), ([], "1.0")],
)
def test_connection_closes_with_close_notify_when_asked(raw, lines, version):
    answer = raw.exchange(head(*lines, request_line=f"GET /v1/whoami HTTP/{version}"))
    assert answer.status == 200
    assert answer.closes
    raw.read_end()


def test_answers_forbid_caching_and_sniffing_and_name_no_server(alpha):
    for answer in (alpha.get("/v1/whoami"), alpha.post(smallest_report()), alpha.get("/none")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers
        age_s = time.time() - parsedate_to_datetime(answer.headers["date"]).timestamp()
        assert -1 < age_s < 5 * PATIENCE


# ---- the small resources


def test_whoami_says_who_is_speaking(alpha, credentials):
    answer = alpha.get("/v1/whoami")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json["partner"] == "alpha"
    assert "cert.example.org" in answer.json["organisations"]
    assert answer.json["mode"] == "live"
    assert answer.json["may_relay"] is False
    assert answer.json["certificate"]["expires_at"].endswith("Z")


def test_mode_of_a_new_partner_is_test(gamma):
    assert gamma.get("/v1/whoami").json["mode"] == "test"


@pytest.mark.parametrize("path", ["/v1/whoami", "/v1/taxonomy", "/v1/schema"])
def test_head_has_the_headers_of_get(alpha, path):
    got = alpha.get(path)
    answer = alpha.request("HEAD", path)
    assert answer.status == 200
    assert answer.headers["content-length"] == got.headers["content-length"]
    assert alpha.get(path).status == 200


def test_taxonomy_has_an_etag(alpha):
    answer = alpha.get("/v1/taxonomy")
    assert (answer.status, answer.json["id"]) == (200, "digital-solidarity-2024")
    etag = answer.headers["etag"]
    for value in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        unchanged = alpha.get("/v1/taxonomy", headers={"If-None-Match": value})
        assert (unchanged.status, unchanged.body) == (304, b""), value
    assert alpha.get("/v1/taxonomy", headers={"If-None-Match": '"other"'}).status == 200


def test_schema_describes_the_report(alpha):
    schema = alpha.get("/v1/schema").json
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(schema["required"]) <= set(smallest_report())
    assert "ransomware" in json.dumps(schema["properties"]["category"])
