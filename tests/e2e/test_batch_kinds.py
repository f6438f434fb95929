# SPDX-License-Identifier: Apache-2.0
"""Atomic batches, dry runs, zipped bodies, limits, and clients that send all before they read."""

import gzip
import http.client
import json
import os
import ssl
import subprocess

import pytest

from client import chunked, encode, request_bytes, tls_context
from harness import IS_SANITIZED, wait_until
from reports import new_report_id, smallest_report

NDJSON = "application/x-ndjson"
# Lines wait for the database as long as a busy machine needs, not as long as a partner likes.
NO_QUOTA = {
    "quota.reports_per_s": 0,
    "quota.bytes_per_s": 0,
    "quota.reports_in_flight": 0,
    "database.store_wait_ms": 60000,
}


@pytest.fixture(scope="module")
def settings():
    return NO_QUOTA


def post_lines(client, lines, path="/v1/reports", **headers):
    answer = client.request(
        "POST", path, b"\n".join(lines), {**headers} or None, content_type=NDJSON
    )
    return answer, [json.loads(line) for line in answer.body.splitlines()]


def statuses(results):
    return [result["status"] for result in results]


def count_rows(daemon, *reports):
    return daemon.value(
        "SELECT count(*) FROM intake.report WHERE report_id = ANY (%s)",
        [[report["report_id"] for report in reports]],
    )


ATOMIC = "/v1/reports?atomic=true"


def test_atomic_batch_is_stored_whole_and_repeated_whole(daemon, alpha):
    reports = [smallest_report() for _ in range(5)]
    lines = [encode(report) for report in reports]
    answer, results = post_lines(alpha, lines, ATOMIC)
    assert (answer.status, statuses(results)) == (201, [201] * 5)
    assert count_rows(daemon, *reports) == 5
    again, repeated = post_lines(alpha, lines, ATOMIC)
    assert (again.status, statuses(repeated)) == (200, [200] * 5)
    first, second = results[0]["receipt"], repeated[0]["receipt"]
    assert {**first, "status": "duplicate"} == second
    mixed, results = post_lines(alpha, [*lines, encode(smallest_report())], ATOMIC)
    assert (mixed.status, statuses(results)) == (201, [200] * 5 + [201])


def test_atomic_batch_with_a_bad_line_stores_nothing(daemon, alpha):
    good = [smallest_report(), smallest_report()]
    answer, results = post_lines(
        alpha, [encode(good[0]), encode(smallest_report(tlp="TLP:NONE")), encode(good[1])], ATOMIC
    )
    assert (answer.status, statuses(results)) == (422, [424, 422, 424])
    assert results[0]["problem"]["type"].rpartition(":")[2] == "batch-rolled-back"
    assert count_rows(daemon, *good) == 0


@pytest.mark.parametrize("value", ["=", "=1", "=TRUE", "", "=yes", "=false&atomic=true"])
def test_atomic_takes_no_other_word(daemon, alpha, value):
    report = smallest_report()
    answer, _ = post_lines(alpha, [encode(report)], "/v1/reports?atomic" + value)
    assert (answer.status, answer.json["detail"]) == (404, "atomic is true or false, once")
    assert count_rows(daemon, report) == 0


def test_batch_that_says_that_it_is_not_atomic_is_none(daemon, alpha):
    good = smallest_report()
    answer, results = post_lines(
        alpha, [encode(good), encode({})], "/v1/reports?atomic=false"
    )
    assert (answer.status, statuses(results)) == (200, [201, 422])


def test_atomic_batch_with_a_conflict_stores_nothing(daemon, alpha):
    stored = smallest_report()
    assert alpha.post(stored).status == 201
    new = smallest_report()
    newer = smallest_report(revision=3)
    assert alpha.post(newer).status == 201
    older = {**newer, "revision": 2}
    for other in ({**stored, "title": "changed"}, older):
        answer, results = post_lines(alpha, [encode(new), encode(other)], ATOMIC)
        assert (answer.status, statuses(results)) == (409, [424, 409])
        assert count_rows(daemon, new) == 0


def test_atomic_batch_that_is_undone_gives_no_receipt_of_what_was_in_it(daemon, alpha):
    """A repeat within it, or a conflict, was compared with a line that is not stored either."""
    stored = smallest_report()
    assert alpha.post(stored).status == 201
    conflict = {**stored, "title": "changed"}
    new = smallest_report()
    revised = {**stored, "revision": 2}
    for lines, expected in (
        ([new, new, conflict], [424, 424, 409]),
        ([new, {**new, "title": "changed"}], [424, 409]),
        ([revised, revised, conflict], [424, 424, 409]),
        ([new, stored, new, {**new, "title": "changed"}, conflict], [424, 424, 424, 409, 409]),
        ([{**stored, "revision": 3}, revised], [424, 409]),
    ):
        answer, results = post_lines(alpha, [encode(line) for line in lines], ATOMIC)
        assert (answer.status, statuses(results)) == (409, expected)
        problems = {result["problem"]["type"].rpartition(":")[2] for result in results}
        assert problems == {"batch-rolled-back", "report-conflict"}
        receipts = [result["problem"]["receipt"]["report_id"] for result in results
                    if "receipt" in result["problem"]]  # fmt: skip
        assert receipts == [stored["report_id"]] * (lines[-1] is conflict)
        assert count_rows(daemon, new) == 0
    newest = alpha.get(f"/v1/reports/{stored['report_id']}")
    assert newest.json["revision"] == 1


def test_atomic_batch_over_its_limits_is_refused_as_a_whole(world, credentials):
    settings = {**NO_QUOTA, "limits.max_atomic_reports": 3, "limits.max_atomic_bytes": 65536}
    with world.running(settings) as daemon, daemon.client(credentials["alpha"]) as client:
        reports = [smallest_report() for _ in range(4)]
        answer, results = post_lines(client, [encode(r) for r in reports[:3]], ATOMIC)
        assert (answer.status, statuses(results)) == (201, [201] * 3)
        answer, _ = post_lines(client, [encode(r) for r in reports], ATOMIC)
        assert (answer.status, answer.problem) == (413, "too-many-reports")
        large = smallest_report(narrative="x" * 20000)
        answer, _ = post_lines(client, [encode(large)] * 4, ATOMIC)
        assert (answer.status, answer.problem) == (413, "body-too-large")
        zipped = gzip.compress(encode(large) + b"\n" + b" \n" * 32768)
        answer, _ = post_lines(client, [zipped], ATOMIC, **{"Content-Encoding": "gzip"})
        assert (answer.status, answer.problem) == (413, "body-too-large")
        assert count_rows(daemon, *reports[3:], large) == 0


def test_atomic_batch_without_a_database_is_unavailable(world, credentials):
    with world.running({**NO_QUOTA, "database.store_wait_ms": 300}) as daemon:
        with daemon.client(credentials["alpha"]) as client:
            assert client.get("/v1/whoami").status == 200
            daemon.postgres.stop()
            try:
                lines = [encode(smallest_report()) for _ in range(3)]
                answer, results = post_lines(client, lines, ATOMIC)
            finally:
                daemon.postgres.start()
            assert (answer.status, statuses(results)) == (503, [503] * 3)
            assert int(answer.headers["retry-after"]) >= 1


def test_dry_run_judges_both_kinds_of_body_and_stores_nothing(daemon, alpha):
    good, bad = smallest_report(), smallest_report(category="ransomwear")
    valid = alpha.post(good, "/v1/reports/validate")
    assert (valid.status, valid.json["status"]) == (200, "valid")
    assert "id" not in valid.json and "received_at" not in valid.json
    refused = alpha.post(bad, "/v1/reports/validate")
    real = alpha.post(bad)
    assert (refused.status, refused.json) == (real.status, real.json)
    answer, results = post_lines(
        alpha, [encode(good), encode(bad), b"{"], "/v1/reports/validate"
    )
    assert (answer.status, statuses(results)) == (200, [200, 422, 400])
    assert results[0]["receipt"] == valid.json
    assert results[1]["problem"] == real.json
    assert count_rows(daemon, good, bad) == 0


def test_dry_run_needs_no_database(world, credentials):
    with world.running(NO_QUOTA) as daemon, daemon.client(credentials["alpha"]) as client:
        assert client.get("/v1/whoami").status == 200
        daemon.postgres.stop()
        try:
            assert client.post(smallest_report(), "/v1/reports/validate").status == 200
            bad = smallest_report(tlp="TLP:NONE")
            assert client.post(bad, "/v1/reports/validate").status == 422
        finally:
            daemon.postgres.start()


def test_report_may_be_called_validate(daemon, alpha):
    report = smallest_report(report_id="validate")
    assert alpha.post(report).status == 201
    assert alpha.get("/v1/reports/validate").json["report_id"] == "validate"


def post_zipped(client, body, path="/v1/reports", **options):
    return client.request("POST", path, body, {"Content-Encoding": "gzip"}, **options)


def test_zipped_bodies_are_taken_and_hashed_unzipped(daemon, alpha):
    import hashlib

    body = encode(smallest_report())
    answer = post_zipped(alpha, gzip.compress(body))
    assert answer.status == 201
    assert answer.json["sha256"] == hashlib.sha256(body).hexdigest()
    lines = [encode(smallest_report()) for _ in range(300)]
    zipped = gzip.compress(b"\n".join(lines[:200]) + b"\n") + gzip.compress(b"\n".join(lines[200:]))
    answer = post_zipped(alpha, zipped, content_type=NDJSON)
    results = [json.loads(line) for line in answer.body.splitlines()]
    assert statuses(results) == [201] * 300
    assert [result["receipt"]["sha256"] for result in results] == [
        hashlib.sha256(line).hexdigest() for line in lines
    ]


@pytest.mark.parametrize("is_chunked", [False, True], ids=["declared", "chunked"])
def test_limit_of_a_zipped_report_is_that_of_its_content(alpha, is_chunked):
    """It is longer than its content where that does not get shorter."""
    for past, expected in ((0, 201), (1, 413)):
        body = encode(smallest_report())
        body += b" " * (1048576 + past - len(body))
        zipped = gzip.compress(body, 0)
        assert len(zipped) > len(body)
        headers = {"Content-Encoding": "gzip"}
        if is_chunked:
            zipped = chunked(*(zipped[at : at + 65536] for at in range(0, len(zipped), 65536)))
            headers |= {"Content-Length": None, "Transfer-Encoding": "chunked"}
        answer = alpha.request("POST", "/v1/reports", zipped, headers)
        assert answer.status == expected
    assert answer.json["detail"] == "1048576 bytes at most are expected, unzipped"


def test_limit_of_a_zipped_batch_is_that_of_its_content(world, credentials):
    with world.running({**NO_QUOTA, "limits.max_batch_bytes": 65536}) as daemon:
        with daemon.client(credentials["alpha"]) as client:
            for past, expected in ((0, [201]), (1, [413])):
                body = encode(smallest_report())
                body += b" " * (65536 + past - len(body))
                answer = post_zipped(client, gzip.compress(body, 0), content_type=NDJSON)
                assert statuses(map(json.loads, answer.body.splitlines())) == expected


@pytest.mark.parametrize("kind", ["application/json", NDJSON])
def test_broken_zip_is_refused(daemon, alpha, kind):
    whole = gzip.compress(encode(smallest_report()))
    broken = [whole[:-1], whole[:20], b"x" + whole[1:], whole[:-8] + b"\0" * 8, b""]
    for body in broken:
        answer = post_zipped(alpha, body, content_type=kind)
        if answer.status == 200:
            assert statuses(map(json.loads, answer.body.splitlines())) == [201]
            continue
        assert (answer.status, answer.problem) == (400, "framing-invalid"), body
    unknown = alpha.request(
        "POST", "/v1/reports", whole, {"Content-Encoding": "br"}, content_type=kind
    )
    assert (unknown.status, unknown.problem) == (415, "content-encoding")


@pytest.mark.parametrize("coding", ["identity", "Identity", "GZIP", "gzip"])
def test_codings_are_told_apart_in_whatever_letters(alpha, coding):
    report = encode(smallest_report())
    body = gzip.compress(report) if coding.lower() == "gzip" else report
    assert alpha.request("POST", "/v1/reports", body, {"Content-Encoding": coding}).status == 201


def peak_memory_bytes(pid):
    with open(f"/proc/{pid}/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer's memory is its own")
@pytest.mark.parametrize("kind, expected", [("application/json", 413), (NDJSON, 200)])
def test_bomb_is_refused_before_it_costs_memory(daemon, alpha, kind, expected):
    bomb = gzip.compress(b" " * (64 << 20), 9)
    assert len(bomb) < 70000
    assert alpha.post(smallest_report()).status == 201
    pid = daemon.process.pid
    with open(f"/proc/{pid}/clear_refs", "w") as refs:
        refs.write("5")
    before = peak_memory_bytes(pid)
    answer = post_zipped(alpha, bomb, content_type=kind)
    assert answer.status == expected
    if expected == 413:
        assert answer.problem == "body-too-large"
    else:
        assert statuses(map(json.loads, answer.body.splitlines())) == [413]
    assert peak_memory_bytes(pid) - before < 2 << 20


def test_limits_of_a_batch_at_and_past(world, credentials):
    settings = {
        **NO_QUOTA, "limits.max_batch_reports": 3, "limits.max_batch_bytes": 65536,
        "limits.report_bytes": 2000,
    }  # fmt: skip
    with world.running(settings) as daemon, daemon.client(credentials["alpha"]) as client:
        reports = [smallest_report() for _ in range(4)]
        _, results = post_lines(client, [encode(r) for r in reports[:3]] + [b"", b" \t"])
        assert statuses(results) == [201] * 3
        answer, results = post_lines(client, [encode(r) for r in reports] + [b"{}"])
        assert statuses(results) == [200] * 3 + [413]
        assert results[3]["problem"]["type"] == "urn:intaked:problem:too-many-reports"
        fits = encode(smallest_report())
        fits += b" " * (2000 - len(fits))
        _, results = post_lines(client, [fits, fits + b" ", encode(smallest_report())])
        assert statuses(results) == [201, 413, 201]
        assert results[1]["problem"]["type"] == "urn:intaked:problem:line-too-long"
        answer, _ = post_lines(client, [b" " * 65537])
        assert (answer.status, answer.problem) == (413, "body-too-large")
        _, results = post_lines(client, [fits + b" "] * 4 + [encode(smallest_report())])
        assert statuses(results) == [413] * 4
        assert results[3]["problem"]["type"] == "urn:intaked:problem:too-many-reports"


def test_line_that_passes_the_limit_of_a_batch_is_refused_itself(world, credentials):
    """Its length is not declared: a line has one result, at the limit and one byte past it."""
    with world.running({**NO_QUOTA, "limits.max_batch_bytes": 65536}) as daemon:
        with daemon.client(credentials["alpha"]) as client:
            for past, expected in ((0, [201, 201, 201]), (1, [201, 201, 413])):
                body = b"".join(encode(smallest_report()) + b"\n" for _ in range(2))
                last = encode(smallest_report())
                body += last + b" " * (65536 + past - len(body) - len(last))
                answer = post_zipped(client, gzip.compress(body), content_type=NDJSON)
                results = [json.loads(line) for line in answer.body.splitlines()]
                assert statuses(results) == expected
                assert [result["line"] for result in results] == [1, 2, 3]
            assert results[2]["problem"]["type"] == "urn:intaked:problem:body-too-large"


def python_client(daemon, credential):
    context = tls_context(daemon.authority.certificate, credential)
    return http.client.HTTPSConnection("localhost", daemon.port, context=context, timeout=120)


def test_client_that_sends_all_before_it_reads_works_at_the_default_limit(daemon, credentials):
    """Good ones, ones with a misspelt code (a long list of allowed ones), and repeats."""
    count = 1000 if IS_SANITIZED else 10000
    good = [encode(smallest_report()) for _ in range(count)]
    bad = [encode(smallest_report(category="ransomwear")) for _ in range(count)]
    connection = python_client(daemon, credentials["alpha"])
    for lines, expected in ((good, 201), (bad, 422), (good, 200)):
        connection.request(
            "POST", "/v1/reports", b"\n".join(lines), {"Content-Type": NDJSON}
        )
        answer = connection.getresponse()
        results = [json.loads(line) for line in answer.read().splitlines()]
        assert statuses(results) == [expected] * count
        assert [result["line"] for result in results] == list(range(1, count + 1))
    connection.close()


def test_client_that_sends_a_chunk_a_line_works(daemon, credentials):
    connection = python_client(daemon, credentials["alpha"])
    lines = [encode(smallest_report()) + b"\n" for _ in range(2000)]
    connection.request(
        "POST", "/v1/reports", iter(lines), {"Content-Type": NDJSON}, encode_chunked=True
    )
    answer = connection.getresponse()
    results = [json.loads(line) for line in answer.read().splitlines()]
    assert statuses(results) == [201] * 2000
    connection.close()


def test_curl_and_http_1_0_work(daemon, credentials, tmp_path):
    credential = credentials["alpha"]
    path = tmp_path / "batch.ndjson"
    path.write_bytes(b"\n".join(encode(smallest_report()) for _ in range(50)))
    for version, expected in (("--http1.1", 201), ("--http1.0", 200)):
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--noproxy", "*", version,
             "--cacert", daemon.authority.certificate, "--cert", credential.certificate,
             "--key", credential.key, "--header", f"Content-Type: {NDJSON}",
             "--data-binary", f"@{path}", f"https://localhost:{daemon.port}/v1/reports"],
            capture_output=True, check=True, timeout=60,
        )  # fmt: skip
        assert statuses(map(json.loads, done.stdout.splitlines())) == [expected] * 50


def test_request_behind_a_batch_is_answered(raw):
    lines = b"\n".join(encode(smallest_report()) for _ in range(3))
    batch = request_bytes("POST", "/v1/reports", lines, content_type=NDJSON)
    raw.send(batch + request_bytes("GET", "/v1/whoami") + batch)
    assert len(raw.read_response().body.splitlines()) == 3
    assert raw.read_response().json["partner"] == "alpha"
    assert len(raw.read_response().body.splitlines()) == 3


def test_bad_lines_spoil_no_neighbour(daemon, alpha):
    first = smallest_report()
    stored = smallest_report(report_id=new_report_id("B"))
    lines = [
        encode(first), b"", encode(smallest_report(tlp="TLP:NONE")) + b"\r", b"nonsense",
        encode(stored), encode({**stored, "title": "changed"}), encode(first),
    ]  # fmt: skip
    _, results = post_lines(alpha, lines)
    assert [(result["line"], result["status"]) for result in results] == [
        (1, 201), (3, 422), (4, 400), (5, 201), (6, 409), (7, 200),
    ]  # fmt: skip
    assert results[4]["problem"]["type"] == "urn:intaked:problem:report-conflict"
    assert results[4]["problem"]["receipt"]["id"] == results[3]["receipt"]["id"]


@pytest.mark.skipif(
    not os.environ.get("INTAKED_LONG"), reason="sends 1.5 GB: set INTAKED_LONG=1"
)
def test_a_million_lines_cost_little_memory(world, credentials):
    send_many(world, credentials, 1000000)


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer's memory is its own")
def test_many_lines_cost_little_memory(world, credentials):
    send_many(world, credentials, 20000)


def send_many(world, credentials, count):
    from reports import usual_report

    settings = {
        **NO_QUOTA, "limits.max_batch_reports": 10000000, "limits.max_batch_bytes": 1 << 40,
    }  # fmt: skip
    with world.running(settings) as daemon, daemon.raw_client(credentials["alpha"]) as raw:
        template = usual_report()
        before, after = encode({**template, "report_id": "NUMBER"}).split(b"NUMBER")
        assert raw.exchange(request_bytes("GET", "/v1/whoami")).status == 200
        pid = daemon.process.pid
        with open(f"/proc/{pid}/clear_refs", "w") as refs:
            refs.write("5")
        at_rest = peak_memory_bytes(pid)
        raw.send(request_bytes(
            "POST", "/v1/reports", headers={"Content-Type": NDJSON, "Transfer-Encoding": "chunked"}))  # fmt: skip
        sent = 0
        answered = 0
        while answered < count:
            if sent < count and sent - answered < 5000:
                lines = b"".join(
                    before + b"M-%d" % number + after + b"\n" for number in range(sent, sent + 500)
                )
                raw.send(b"%x\r\n%s\r\n" % (len(lines), lines))
                sent += 500
                if sent == count:
                    raw.send(b"0\r\n\r\n")
                continue
            data = raw.socket.recv(1 << 20)
            assert data
            answered += data.count(b'"status":"stored"')
        wait_until(lambda: daemon.value("SELECT count(*) FROM intake.report") == count, "all stored")
        assert peak_memory_bytes(pid) - at_rest < 32 << 20
