# SPDX-License-Identifier: Apache-2.0
"""A batch, one report a line: each line has its own result, in order, and touches no other."""

import hashlib
import json

import pytest

from batches import (
    NDJSON,
    join_lines,
    post_batch,
    read_results,
    results_of,
    statuses,
)
from client import encode, request_bytes
from harness import wait_until
from reports import smallest_report, usual_report


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def stored(daemon, report):
    """The payloads under a report's id, oldest first."""
    rows = daemon.rows(
        "SELECT payload FROM intake.report WHERE report_id = %s ORDER BY revision, received_at",
        [report["report_id"]],
    )
    return [bytes(payload) for (payload,) in rows]


def test_every_line_is_stored_and_has_its_receipt(daemon, alpha):
    reports = [usual_report() for _ in range(20)]
    results = results_of(post_batch(alpha, reports))
    assert [result.line for result in results] == list(range(1, 21))
    assert statuses(results) == [201] * 20
    for report, result in zip(reports, results):
        assert result.receipt["status"] == "stored"
        assert result.receipt["report_id"] == report["report_id"]
        assert result.receipt["sha256"] == sha256(encode(report))
        assert stored(daemon, report) == [encode(report)]
        assert alpha.get(f"/v1/reports/{report['report_id']}").json == result.receipt


def test_receipt_has_what_that_of_a_single_report_has(alpha):
    """Warnings too, which a batch keeps in another form until they are written."""
    report = smallest_report(
        rsit=["abusive-content/spam"], action_areas=["AA3"], additional_categories=["ransomware"],
        indicators=[
            {"type": "ipv6", "value": "fe80::1", "role": "source"},
            {"type": "file-name", "value": "invoice\u202efdp.exe", "role": "source"},
        ],
    )  # fmt: skip
    single = alpha.post(report)
    assert len(single.json["warnings"]) > 3
    other = {**report, "report_id": report["report_id"] + "-B"}
    (result,) = results_of(post_batch(alpha, [other]))
    own = ("id", "received_at", "report_id", "sha256")
    assert list(result.receipt) == list(single.json)
    for name, value in single.json.items():
        assert name in own or result.receipt[name] == value
    assert alpha.get(f"/v1/reports/{other['report_id']}").json == result.receipt


def test_lines_are_numbered_as_they_lie_in_the_body(daemon, alpha):
    """Blank ones take a number; either ending ends a line, and the last needs none."""
    reports = [smallest_report() for _ in range(4)]
    lines = [encode(report) for report in reports]
    body = b"\n" + lines[0] + b"\r\n\r\n  \t\n" + lines[1] + b"\n" + lines[2] + b"\r\n" + lines[3]
    results = results_of(post_batch(alpha, body))
    assert [(result.line, result.status) for result in results] == [
        (2, 201), (5, 201), (6, 201), (7, 201),
    ]  # fmt: skip
    for report, line, result in zip(reports, lines, results):
        assert result.receipt["sha256"] == sha256(line)
        assert stored(daemon, report) == [line]


def test_white_space_in_a_line_is_part_of_it(daemon, alpha):
    report = smallest_report()
    line = b"  " + encode(report) + b" \t"
    (result,) = results_of(post_batch(alpha, line + b"\r\n"))
    assert result.receipt["sha256"] == sha256(line)
    assert stored(daemon, report) == [line]


@pytest.mark.parametrize("body", [b"", b"\n", b"\r\n \n\n"])
def test_batch_of_no_report_has_an_answer_of_no_result(alpha, body):
    assert results_of(post_batch(alpha, body)) == []


def test_bad_lines_spoil_no_neighbour(daemon, alpha):
    known, newer = smallest_report(), smallest_report(revision=3)
    assert statuses(results_of(post_batch(alpha, [known, newer]))) == [201, 201]
    good = [smallest_report() for _ in range(9)]
    lines = [
        (good[0], 201, None),
        (b"{", 400, "json-invalid"),
        (good[1], 201, None),
        (b'"' + b"x" * 1048576, 413, "line-too-long"),
        (good[2], 201, None),
        (smallest_report(category="ransomwear"), 422, "report-invalid"),
        (good[3], 201, None),
        ({**known, "title": "Other"}, 409, "report-conflict"),
        (good[4], 201, None),
        ({**newer, "revision": 2}, 409, "revision-superseded"),
        (good[5], 201, None),
        (known, 200, None),
        (good[6], 201, None),
        (b"[]", 422, "report-invalid"),
        (good[7], 201, None),
        (b"\xff", 400, "json-invalid"),
        (good[8], 201, None),
    ]
    results = results_of(post_batch(alpha, [line for line, _, _ in lines]))
    found = [(result.status, result.problem) for result in results]
    assert found == [(status, problem) for _, status, problem in lines]
    assert results[5].errors == [("/category", "value-unknown")]
    assert results[7].problem_body["receipt"]["report_id"] == known["report_id"]
    assert results[7].problem_body["receipt"]["status"] == "stored"
    assert results[11].receipt["status"] == "duplicate"
    for report in good:
        assert stored(daemon, report) == [encode(report)]


def test_a_bad_line_is_told_what_a_bad_report_is(alpha):
    """The problem is the same to the byte, whatever it quotes."""
    bad = [
        smallest_report(category="ransomwear", tlp="TLP:GREN", action_areas=["AA1"]),
        smallest_report(colour="red", severity={"level": 9}),
        smallest_report(times={"detected": "yesterday"}, rsit=["x/y"], title=""),
        {"schema": "intaked-report/1"},
        b"{",
        b'{"a":1,"a":2}',
        b"[]",
    ]
    singles = [alpha.post(report).body for report in bad]
    answer = post_batch(alpha, bad)
    assert len(results_of(answer)) == len(bad)
    for number, (line, single) in enumerate(zip(answer.body.splitlines(), singles), 1):
        status = read_results(line + b"\n")[0].status
        expected = b'{"line":%d,"status":%d,"problem":%s}' % (number, status, single.strip())
        assert line == expected


def test_repeat_is_answered_with_the_first_receipt(alpha):
    report = usual_report()
    first = alpha.post(report).json
    (result,) = results_of(post_batch(alpha, [report]))
    assert (result.status, result.receipt) == (200, {**first, "status": "duplicate"})


def test_repeat_within_the_batch_gets_the_receipt_of_the_line_before(daemon, alpha):
    """Lines end as if they had been sent one after the other."""
    report = smallest_report()
    shuffled = dict(reversed(report.items()))
    newer = {**report, "revision": 2}
    lines = [report, shuffled, {**report, "title": "Other"}, newer, newer, report]
    results = results_of(post_batch(alpha, lines))
    assert statuses(results) == [201, 200, 409, 201, 200, 200]
    first = results[0].receipt
    assert results[1].receipt == {**first, "status": "duplicate"}
    assert results[2].problem_body["receipt"] == first
    assert results[4].receipt == {**results[3].receipt, "status": "duplicate"}
    assert results[5].receipt == {**first, "status": "duplicate"}
    assert stored(daemon, report) == [encode(report), encode(newer)]


def test_refused_report_that_was_stored_before_the_rules_changed(daemon, alpha):
    """What has a receipt keeps it: a line that breaks a rule is looked up first."""
    old = encode(smallest_report(category="no-longer-known"))
    report = smallest_report()
    first = alpha.post(report).json
    daemon.rows(
        "UPDATE intake.report SET payload = %s, sha256 = sha256(%s) WHERE id = %s",
        [old, old, first["id"]],
    )
    daemon.rows(
        "UPDATE intake.report_key SET report_id = %s WHERE id = %s",
        [(old_id := json.loads(old)["report_id"]), first["id"]],
    )
    daemon.rows("UPDATE intake.report SET report_id = %s WHERE id = %s", [old_id, first["id"]])
    refused = smallest_report(category="no-longer-known")
    results = results_of(post_batch(alpha, [old, refused, old]))
    assert statuses(results) == [200, 422, 200]
    assert results[0].receipt["id"] == first["id"]


def test_test_mode_holds_for_a_batch_too(gamma):
    (result,) = results_of(post_batch(gamma, [smallest_report()]))
    assert (result.status, result.receipt["test"]) == (201, True)


def test_report_of_anothers_organisation_is_refused(beta):
    report = smallest_report(reporter={"org": "cert.other.example"})
    results = results_of(post_batch(beta, [report, smallest_report()]))
    assert statuses(results) == [422, 201]
    assert results[0].errors == [("/reporter/org", "reporter-not-yours")]


def test_connection_stays_for_other_requests(alpha):
    """A pipelined one included, behind either framing of the body."""
    report = smallest_report()
    assert not post_batch(alpha, [report]).closes
    raw = alpha.connection
    whoami = request_bytes("GET", "/v1/whoami")
    body = join_lines([smallest_report(), smallest_report()])
    pipelined = [
        request_bytes("POST", "/v1/reports", body, content_type=NDJSON),
        whoami,
        request_bytes(
            "POST", "/v1/reports", None,
            {"Content-Type": NDJSON, "Transfer-Encoding": "chunked"},
        ) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body),
        request_bytes("HEAD", f"/v1/reports/{report['report_id']}"),
        request_bytes("POST", "/v1/reports", encode(smallest_report())),
    ]  # fmt: skip
    raw.send(b"".join(pipelined))
    assert statuses(results_of(raw.read_response())) == [201, 201]
    assert raw.read_response().json["partner"] == "alpha"
    assert statuses(results_of(raw.read_response())) == [200, 200]
    assert raw.read_response(is_head=True).status == 200
    assert raw.read_response().status == 201


def test_media_type_may_have_parameters_and_any_case(alpha):
    for media_type in ("Application/X-NDJSON", "application/x-ndjson; charset=utf-8"):
        body = join_lines([smallest_report()])
        answer = alpha.request("POST", "/v1/reports", body, content_type=media_type)
        assert statuses(results_of(answer)) == [201]


def test_length_must_be_told(alpha):
    answer = alpha.request(
        "POST", "/v1/reports", None, {"Content-Type": NDJSON}, content_type=NDJSON
    )
    assert (answer.status, answer.problem) == (411, "length-required")


def test_answer_to_a_client_that_closes_ends_as_any_other(raw):
    body = join_lines([smallest_report()])
    data = request_bytes(
        "POST", "/v1/reports", body, {"Connection": "close"}, content_type=NDJSON
    )
    answer = raw.exchange(data)
    assert answer.closes
    assert statuses(results_of(answer)) == [201]
    raw.read_end()


def test_refused_lines_leave_traces_without_content(daemon, gamma):
    """As single reports do. Of a partner whose rate of traces no other test uses."""
    known, newer = smallest_report(), smallest_report(revision=2)
    post_batch(gamma, [known, newer])
    invalid = smallest_report(severity={"level": 7})
    conflict, superseded = {**known, "title": "Other"}, {**newer, "revision": 1}
    single = {**known, "title": "By itself"}
    post_batch(gamma, [b"{", invalid, conflict, superseded, b" " * 1048577])

    def traces():
        return daemon.rows(
            "SELECT status, problem, codes, pointers, encode(sha256, 'hex'), size_bytes"
            " FROM intake.refusal WHERE partner_id = intake.partner_id('gamma')"
            " AND path = '/v1/reports' ORDER BY refused_at"
        )

    wait_until(lambda: len(traces()) == 5, "five refusals were kept")
    of = lambda data: (sha256(data), len(data))
    assert sorted(traces()) == [
        (400, "json-invalid", None, None, *of(b"{")),
        (409, "report-conflict", None, None, *of(encode(conflict))),
        (409, "revision-superseded", None, None, *of(encode(superseded))),
        (413, "line-too-long", None, None, None, 0),
        (422, "report-invalid", ["too-large"], ["/severity/level"], *of(encode(invalid))),
    ]
    # So many were enough for this second.
    wait_until(
        lambda: gamma.post(single).status == 409 and len(traces()) > 5, "one of a single report"
    )
    assert traces()[5] == (409, "report-conflict", None, None, *of(encode(single)))
