# SPDX-License-Identifier: Apache-2.0
"""A report is taken back: once, for a reason, while its newest revision is the one meant."""

import hashlib
import json
import threading
from datetime import datetime

import pytest

from batches import post_batch, results_of
from client import encode, request_bytes
from harness import wait_until
from reports import new_report_id, smallest_report, usual_report

MAX_BYTES = 16384


def path_of(report, suffix="/retraction"):
    return f"/v1/reports/{report['report_id']}{suffix}"


def retract(client, report, revision=1, reason="Sent in error."):
    return client.post({"revision": revision, "reason": reason}, path_of(report))


def receipt_of(client, report, query=""):
    return client.get(path_of(report, query)).json


def at_once(*calls):
    """What the calls return that all begin at the same moment, in their order."""
    answers = [None] * len(calls)
    start = threading.Barrier(len(calls))

    def run(place):
        start.wait()
        answers[place] = calls[place]()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.fixture
def crowd(daemon, credentials):
    """As many connections of one partner as are asked for."""
    clients = []

    def connect(count, partner="alpha"):
        for _ in range(count):
            clients.append(daemon.client(credentials[partner]))
            assert clients[-1].get("/v1/whoami").status == 200
        return clients[-count:]

    yield connect
    for client in clients:
        client.close()


def seen_by_analysts(daemon, report):
    """Revisions in analysis.report, and how many indicators of the report the other view shows."""
    revisions = daemon.postgres.query(
        daemon.database,
        "SELECT revision FROM analysis.report WHERE report_id = %s",
        [report["report_id"]],
        user="analyst",
    )
    ids = daemon.rows(
        "SELECT id FROM intake.report WHERE report_id = %s", [report["report_id"]]
    )
    indicators = daemon.postgres.query(
        daemon.database,
        "SELECT count(*) FROM analysis.indicator WHERE report = ANY (%s::uuid[])",
        [[report_id for (report_id,) in ids]],
        user="analyst",
    )
    return [revision for (revision,) in revisions], indicators[0][0]


# --- outcomes ---


def test_retracted_report_says_so(daemon, alpha):
    """201 with the report's receipt and the retraction at its end; GET shows the same."""
    report = usual_report()
    receipt = alpha.post(report).json
    before = datetime.now().timestamp()
    answer = retract(alpha, report, reason="Two lines,\nand a\ttab: ä \U0001f512")
    assert answer.status == 201, answer
    assert list(answer.json) == [*receipt, "retracted_at", "reason"]
    retracted_at = answer.json["retracted_at"]
    assert retracted_at.endswith("Z") and len(retracted_at) == len(receipt["received_at"])
    assert abs(datetime.fromisoformat(retracted_at[:-1] + "+00:00").timestamp() - before) < 60
    retraction = {
        "status": "retracted",
        "retracted_at": retracted_at,
        "reason": "Two lines,\nand a\ttab: ä \U0001f512",
    }
    assert answer.json == {**receipt, **retraction}
    assert alpha.get(path_of(report, "")).json == answer.json
    assert receipt_of(alpha, report, "?revision=1") == answer.json
    stored = daemon.value(
        "SELECT count(*) FROM intake.retraction WHERE report = %s", [receipt["id"]]
    )
    assert stored == 1


def test_repeat_is_the_same_receipt_and_another_reason_is_a_conflict(alpha):
    report = smallest_report()
    alpha.post(report)
    first = retract(alpha, report, reason="Once")
    repeat = retract(alpha, report, reason="Once")
    assert (repeat.status, repeat.json) == (200, first.json)
    for reason in ("once", "Once ", "Once\n"):
        other = retract(alpha, report, reason=reason)
        assert (other.status, other.problem) == (409, "retraction-conflict")
        assert other.json["receipt"] == first.json
    assert receipt_of(alpha, report) == first.json


def test_only_the_newest_revision_can_be_retracted(alpha):
    report = smallest_report()
    for revision in (1, 3):
        assert alpha.post({**report, "revision": revision}).status == 201
    for revision in (1, 2):
        lower = retract(alpha, report, revision)
        assert (lower.status, lower.problem) == (409, "revision-superseded")
    higher = retract(alpha, report, 4)
    assert (higher.status, higher.problem) == (404, "not-found")
    assert retract(alpha, report, 3).status == 201


def test_report_that_is_not_there_cannot_be_retracted(alpha):
    for report_id in (new_report_id(), "x" * 128, "x" * 129, "%zz", "%", "a%2fb", ""):
        answer = retract(alpha, {"report_id": report_id})
        assert (answer.status, answer.problem) == (404, "not-found"), report_id
        assert alpha.get("/v1/whoami").status == 200


def test_id_may_be_escaped_in_the_path(alpha):
    report = smallest_report(report_id=new_report_id("a:b.c_"))
    alpha.post(report)
    escaped = "".join(f"%{ord(c):02x}" for c in report["report_id"])
    assert retract(alpha, {"report_id": escaped}).status == 201
    assert receipt_of(alpha, report)["status"] == "retracted"


def test_another_partners_report_is_not_there(alpha, beta):
    report = smallest_report()
    alpha.post(report)
    assert retract(beta, report).status == 404
    beta.post(report)
    assert retract(beta, report).status == 201
    assert receipt_of(alpha, report)["status"] == "stored"


def test_test_mode_has_its_own_key_space(daemon, world, alpha):
    """What was retracted as a test is not, and cannot be, retracted as a live report."""
    daemon.add_partner("epsilon", is_live=False)
    report = smallest_report()
    with daemon.client(world.authority.issue("epsilon")) as epsilon:
        wait_until(lambda: epsilon.get("/v1/whoami").status == 200, "epsilon is known", 5)
        assert epsilon.post(report).status == 201
        as_test = retract(epsilon, report)
        assert (as_test.status, as_test.json["test"]) == (201, True)
        daemon.control("partner", "set", "epsilon", "--mode", "live")
        wait_until(lambda: epsilon.get("/v1/whoami").json["mode"] == "live", "it is live", 5)
        assert retract(epsilon, report).status == 404
        assert epsilon.post(report).status == 201
        assert receipt_of(epsilon, report)["status"] == "stored"


# --- what follows from it ---


def test_repeat_of_a_retracted_report_gets_its_first_receipt(alpha):
    """A receipt comes back unchanged but for its status; what became of it is asked by GET."""
    report = usual_report()
    receipt = alpha.post(report).json
    retracted = retract(alpha, report).json
    repeat = alpha.post(report)
    assert (repeat.status, repeat.json) == (200, {**receipt, "status": "duplicate"})
    other = {**report, "title": "Another"}
    changed = alpha.post(other)
    assert (changed.status, changed.problem) == (409, "report-conflict")
    assert changed.json["receipt"] == retracted
    for query in ("", "?atomic=true"):
        (line,) = results_of(post_batch(alpha, [other], query=query), 409 if query else 200)
        assert (line.status, line.problem_body["receipt"]) == (409, retracted)
    assert receipt_of(alpha, report) == retracted


def test_new_revision_makes_the_report_current_again(daemon, alpha):
    report = usual_report()
    alpha.post({**report, "revision": 1})
    assert seen_by_analysts(daemon, report) == ([1], 5)
    retracted = retract(alpha, report).json
    assert seen_by_analysts(daemon, report) == ([], 0)

    second = alpha.post({**report, "revision": 2})
    assert second.status == 201
    assert seen_by_analysts(daemon, report) == ([2], 5)
    assert receipt_of(alpha, report) == second.json
    assert receipt_of(alpha, report, "?revision=1") == retracted
    assert retract(alpha, report).json == retracted

    assert retract(alpha, report, 2, "This one too").status == 201
    assert seen_by_analysts(daemon, report) == ([], 0)
    assert receipt_of(alpha, report)["reason"] == "This one too"
    assert receipt_of(alpha, report, "?revision=1") == retracted


# --- the body ---

WRONG = [
    ({}, [("", "member-missing"), ("", "member-missing")]),
    ({"revision": 1}, [("", "member-missing")]),
    ({"revision": 1, "reason": "R", "colour": "red"}, [("/colour", "member-unknown")]),
    ({"revision": "1", "reason": ["R"]}, [("/revision", "type"), ("/reason", "type")]),
    ({"revision": 1.0, "reason": "R"}, [("/revision", "not-integer")]),
    ({"revision": 0, "reason": "R"}, [("/revision", "too-small")]),
    ({"revision": 1000001, "reason": "R"}, [("/revision", "too-large")]),
    ({"revision": 1, "reason": ""}, [("/reason", "too-short")]),
    ({"revision": 1, "reason": "ä" * 1001}, [("/reason", "too-long")]),
    ({"revision": 1, "reason": "bell \u0007"}, [("/reason", "text-forbidden")]),
    ({"revision": 1, "reason": "left\u202eright"}, [("/reason", "text-forbidden")]),
    ({"revision": 1, "reason": "a\rb"}, [("/reason", "text-forbidden")]),
    ({"reason": "", "revision": -1}, [("/reason", "too-short"), ("/revision", "too-small")]),
    ([], [("", "type")]),
]


@pytest.fixture(scope="module")
def unretracted(daemon, credentials):
    """A report that no body of this module's refusals retracts."""
    report = smallest_report()
    with daemon.client(credentials["alpha"]) as client:
        assert client.post(report).status == 201
        yield report
        assert receipt_of(client, report)["status"] == "stored"


@pytest.mark.parametrize("body, errors", WRONG)
def test_wrong_body_is_refused_with_every_place_and_code(alpha, unretracted, body, errors):
    answer = alpha.post(body, path_of(unretracted))
    assert (answer.status, answer.problem) == (422, "retraction-invalid"), answer
    assert answer.errors == errors
    assert all(error["detail"] for error in answer.json["errors"])
    assert not answer.closes


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"revision":1,"revision":1,"reason":"R"}', b'{"reason":"\xff"}', b"{}{}"]
)
def test_what_is_no_i_json_is_refused(alpha, unretracted, body):
    answer = alpha.post(body, path_of(unretracted))
    assert (answer.status, answer.problem) == (400, "json-invalid"), answer
    assert not answer.closes


@pytest.mark.parametrize("character", ["x", "\U0001f512"])
def test_reason_at_its_limit_is_kept_whole(alpha, character):
    report = smallest_report()
    alpha.post(report)
    assert retract(alpha, report, reason=character * 1001).errors == [("/reason", "too-long")]
    body = json.dumps({"revision": 1, "reason": character * 1000}, ensure_ascii=True).encode()
    assert alpha.post(body, path_of(report)).status == 201
    assert receipt_of(alpha, report)["reason"] == character * 1000


def test_body_has_a_limit_of_its_own(daemon, alpha, credentials):
    report = smallest_report()
    alpha.post(report)
    body = encode({"revision": 1, "reason": "R"})
    at_limit, past = body.ljust(MAX_BYTES), body.ljust(MAX_BYTES + 1)
    declared = alpha.post(past, path_of(report))
    assert (declared.status, declared.problem) == (413, "body-too-large")
    head = request_bytes(
        "POST", path_of(report), b"", {"Content-Length": None, "Transfer-Encoding": "chunked"}
    )
    with daemon.raw_client(credentials["alpha"]) as raw:
        raw.send(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(past), past))
        assert raw.read_response().problem == "body-too-large"
    assert alpha.post(at_limit, path_of(report)).status == 201


def test_other_methods_and_media_types_are_refused(alpha, unretracted):
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        answer = alpha.request(method, path_of(unretracted))
        assert (answer.status, answer.headers["allow"]) == (405, "POST"), method
    body = {"revision": 1, "reason": "R"}
    for content_type in ("text/plain", "application/x-ndjson"):
        answer = alpha.post(body, path_of(unretracted), content_type=content_type)
        assert (answer.status, answer.problem) == (415, "media-type")
    for path in ("/retraction/", "/retractions", "/Retraction", "/retraction/1"):
        assert alpha.post(body, path_of(unretracted, path)).status == 404


# --- in parallel ---


def test_equal_retractions_in_parallel_are_one(daemon, alpha, crowd):
    clients = crowd(16)
    for _ in range(5):
        report = smallest_report()
        alpha.post(report)
        answers = at_once(*[lambda client=client: retract(client, report) for client in clients])
        assert sorted(answer.status for answer in answers) == [200] * 15 + [201]
        assert all(answer.json == answers[0].json for answer in answers)
    pairs = daemon.value(
        "SELECT count(*) - count(DISTINCT report) FROM intake.retraction"
    )
    assert pairs == 0


def test_different_reasons_in_parallel_are_one_and_conflicts(alpha, crowd):
    report = smallest_report()
    alpha.post(report)
    answers = at_once(
        *[
            lambda client=client, n=n: retract(client, report, reason=f"Reason {n}")
            for n, client in enumerate(crowd(12))
        ]
    )
    assert sorted(answer.status for answer in answers) == [201] + [409] * 11
    winner = next(answer.json for answer in answers if answer.status == 201)
    for answer in answers:
        assert answer.status == 201 or answer.json["receipt"] == winner
    assert receipt_of(alpha, report) == winner


def test_retraction_and_new_revision_in_parallel_end_as_if_in_some_order(daemon, alpha, crowd):
    """Retracted first: both succeed. Revised first: the retraction was of an old revision."""
    first, second = crowd(2)
    outcomes = set()
    for _ in range(30):
        report = smallest_report()
        alpha.post({**report, "revision": 1})
        newer = {**report, "revision": 2}
        retraction, revision = at_once(
            lambda: retract(first, report), lambda: second.post(newer)
        )
        assert revision.status == 201
        outcomes.add(retraction.status)
        assert receipt_of(alpha, report) == revision.json
        old = receipt_of(alpha, report, "?revision=1")
        if retraction.status == 201:
            assert old == retraction.json
        else:
            assert retraction.problem == "revision-superseded"
            assert old["status"] == "stored"
        assert seen_by_analysts(daemon, report)[0] == [2]
    assert outcomes <= {201, 409}


def test_pipelined_requests_of_one_report_are_answered_in_order(daemon, credentials):
    report = smallest_report()
    newer = {**report, "revision": 2}
    body = encode({"revision": 1, "reason": "R"})
    requests = [
        request_bytes("POST", "/v1/reports", encode(report)),
        request_bytes("POST", path_of(report), body),
        request_bytes("POST", path_of(report), body),
        request_bytes("GET", path_of(report, "")),
        request_bytes("POST", "/v1/reports", encode(newer)),
        request_bytes("GET", path_of(report, "")),
    ]
    with daemon.raw_client(credentials["alpha"]) as raw:
        raw.send(b"".join(requests))
        answers = [raw.read_response() for _ in requests]
    assert [answer.status for answer in answers] == [201, 201, 200, 200, 201, 200]
    statuses = [answer.json["status"] for answer in answers]
    assert statuses == ["stored", "retracted", "retracted", "retracted", "stored", "stored"]


# --- traces ---


def test_requests_are_counted_under_the_resource(daemon, alpha):
    report = smallest_report()
    alpha.post(report)
    name = 'intaked_requests_total{path="/v1/reports/{report_id}/retraction",status="%d"}'
    before = daemon.metrics()
    retract(alpha, report)
    retract(alpha, report)
    after = daemon.metrics()
    for status in (200, 201):
        assert after[name % status] - before.get(name % status, 0) == 1


def test_refused_retractions_leave_a_trace_without_their_content(daemon, beta):
    report = smallest_report()
    beta.post(report)
    retract(beta, report)
    secret = "Kassandra-7731"
    refused = [
        {"revision": 1, "reason": secret},
        {"revision": 0, "reason": secret, "colour": secret},
    ]
    assert [beta.post(body, path_of(report)).status for body in refused] == [409, 422]

    def traces():
        return daemon.rows(
            "SELECT r.status, r.problem, r.codes, r.pointers, encode(r.sha256, 'hex'),"
            " r.size_bytes, r::text"
            " FROM intake.refusal AS r JOIN intake.partner AS p ON p.id = r.partner_id"
            " WHERE p.name = 'beta' AND r.path = '/v1/reports/{report_id}/retraction'"
            " ORDER BY r.refused_at"
        )

    conflict, invalid = wait_until(lambda: len(traces()) == 2 and traces(), "two traces", 5)
    digests = [(hashlib.sha256(encode(body)).hexdigest(), len(encode(body))) for body in refused]
    assert conflict[:6] == (409, "retraction-conflict", None, None, *digests[0])
    codes, pointers = ["too-small", "member-unknown"], ["/revision", "/colour"]
    assert invalid[:6] == (422, "retraction-invalid", codes, pointers, *digests[1])
    assert secret not in conflict[6] + invalid[6]
