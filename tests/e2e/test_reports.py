# SPDX-License-Identifier: Apache-2.0
"""A report becomes a row and a receipt, once, however often and by how many ways it is sent."""

import hashlib
import json
import random
import threading
import urllib.parse
import uuid
from contextlib import closing
from datetime import datetime
from decimal import Decimal

import pytest

from client import encode, request_bytes
from harness import wait_until
from reports import EXAMPLES, ORGANISATION, new_report_id, smallest_report, usual_report

RECEIPT_MEMBERS = [
    "status", "id", "partner", "report_id", "revision", "received_at", "sha256", "taxonomy",
    "category", "action_areas", "primary_area", "test", "warnings",
]  # fmt: skip


def without_status(receipt):
    return {name: value for name, value in receipt.items() if name != "status"}


def stored_payloads(daemon, report_id):
    rows = daemon.rows(
        "SELECT payload, sha256 FROM intake.report WHERE report_id = %s ORDER BY revision",
        [report_id],
    )
    return [(bytes(payload), bytes(digest).hex()) for payload, digest in rows]


def post_at_once(daemon, credential, bodies):
    """One connection a body, all sent at the same moment; answers in the order of the bodies."""
    answers = [None] * len(bodies)
    start = threading.Barrier(len(bodies))

    def post(place):
        with daemon.client(credential) as client:
            client.get("/v1/whoami")
            start.wait()
            answers[place] = client.post(bodies[place])

    threads = [threading.Thread(target=post, args=(place,)) for place in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.parametrize("name", ["smallest", "usual", *(path.stem for path in EXAMPLES)])
def test_valid_report_is_stored_repeated_and_conflicts(daemon, alpha, name):
    """201 with a receipt, 200 with the same for a repeat, 409 with it for other content."""
    made = {"smallest": smallest_report, "usual": usual_report}
    if name in made:
        body = encode(made[name]())
    else:
        body = next(path for path in EXAMPLES if path.stem == name).read_bytes()
    report = json.loads(body)

    first = alpha.post(body)
    assert first.status == 201, first
    receipt = first.json
    assert list(receipt) == RECEIPT_MEMBERS
    assert receipt["status"] == "stored"
    assert uuid.UUID(receipt["id"]).version == 7
    assert receipt["partner"] == "alpha"
    assert receipt["report_id"] == report["report_id"]
    assert receipt["revision"] == report.get("revision", 1)
    assert receipt["sha256"] == hashlib.sha256(body).hexdigest()
    assert receipt["taxonomy"] == "digital-solidarity-2024/1.0.0"
    assert receipt["category"] == report["category"]
    assert receipt["action_areas"] == report["action_areas"]
    assert receipt["test"] is False
    location = urllib.parse.unquote(first.headers["location"])
    assert location == f"/v1/reports/{report['report_id']}"
    assert stored_payloads(daemon, report["report_id"]) == [(body, receipt["sha256"])]

    repeat = alpha.post(body)
    assert repeat.status == 200
    assert repeat.json == {**receipt, "status": "duplicate"}

    changed = alpha.post({**report, "title": "Another title"})
    assert (changed.status, changed.problem) == (409, "report-conflict")
    assert without_status(changed.json["receipt"]) == without_status(receipt)
    assert len(stored_payloads(daemon, report["report_id"])) == 1


def test_received_at_is_utc_with_microseconds_and_is_now(daemon, alpha):
    receipt = alpha.post(smallest_report()).json
    age = daemon.value(
        "SELECT extract(epoch FROM now() - received_at) FROM intake.report WHERE id = %s",
        [receipt["id"]],
    )
    assert 0 <= age < 60
    text = daemon.value(
        "SELECT to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
        " FROM intake.report WHERE id = %s",
        [receipt["id"]],
    )
    assert receipt["received_at"] == text


def test_member_order_and_white_space_do_not_make_a_conflict(alpha):
    """The digest stays that of the first copy's bytes."""
    report = usual_report()
    receipt = alpha.post(report).json
    other_form = json.dumps(dict(reversed(report.items())), indent=3).encode()
    repeat = alpha.post(other_form)
    assert repeat.status == 200
    assert repeat.json == {**receipt, "status": "duplicate"}


def test_absent_member_and_its_default_are_different_content(alpha):
    report = smallest_report()
    assert alpha.post(report).status == 201
    assert alpha.post({**report, "revision": 1}).problem == "report-conflict"


def test_revisions_only_rise(alpha):
    report_id = new_report_id()
    revisions = {n: smallest_report(report_id=report_id, revision=n) for n in (1, 2, 4)}
    receipts = {}
    for n in (1, 4):
        answer = alpha.post(revisions[n])
        assert answer.status == 201
        receipts[n] = answer.json
    late = alpha.post(revisions[2])
    assert (late.status, late.problem) == (409, "revision-superseded")
    for n in (1, 4):
        repeat = alpha.post(revisions[n])
        assert (repeat.status, repeat.json["id"]) == (200, receipts[n]["id"])
    changed = alpha.post({**revisions[1], "title": "Another"})
    assert (changed.status, changed.problem) == (409, "report-conflict")
    assert changed.json["receipt"]["id"] == receipts[1]["id"]


def test_receipt_can_be_fetched_by_report_id_and_revision(alpha):
    report_id = new_report_id("fetch:me.v1_x")
    receipts = {}
    for n in (1, 3):
        receipts[n] = alpha.post(smallest_report(report_id=report_id, revision=n)).json
    newest = alpha.get(f"/v1/reports/{report_id}")
    assert newest.status == 200
    assert without_status(newest.json) == without_status(receipts[3])
    for n in (1, 3):
        one = alpha.get(f"/v1/reports/{report_id}?revision={n}")
        assert without_status(one.json) == without_status(receipts[n])
    escaped = "".join(f"%{ord(c):02{x}}" for c, x in zip(report_id, "xX" * len(report_id)))
    assert alpha.get(f"/v1/reports/{escaped}").json == newest.json
    for wrong in ("%", "%3", "%3g", "%00", "%ff", "%20", "a%", "x" * 129, "%78" * 129):
        assert alpha.get(f"/v1/reports/{wrong}").status == 404
    for revision in ("2", "4", "0", "x", "-1", "1e0", "99999999999999999999", ""):
        answer = alpha.get(f"/v1/reports/{report_id}?revision={revision}")
        assert (answer.status, answer.problem) == (404, "not-found"), revision


def test_head_answers_like_get_without_the_body(alpha):
    report_id = alpha.post(smallest_report()).json["report_id"]
    got = alpha.get(f"/v1/reports/{report_id}")
    head = alpha.request("HEAD", f"/v1/reports/{report_id}")
    assert head.status == 200
    assert head.headers["content-length"] == got.headers["content-length"]
    assert alpha.request("HEAD", "/v1/reports/never-sent").status == 404


def test_another_partner_sees_nothing_and_has_its_own_key_space(alpha, beta):
    report = smallest_report()
    receipt = alpha.post(report).json
    assert beta.get(f"/v1/reports/{report['report_id']}").status == 404
    answer = beta.post({**report, "title": "Mine"})
    assert answer.status == 201
    assert answer.json["id"] != receipt["id"]
    assert alpha.get(f"/v1/reports/{report['report_id']}").json["id"] == receipt["id"]


def test_analysts_see_no_exercises(daemon, alpha):
    drill = smallest_report(exercise=True)
    assert alpha.post(drill).status == 201
    real = smallest_report()
    assert alpha.post(real).status == 201
    seen = daemon.postgres.query(
        daemon.database, "SELECT report_id, partner FROM analysis.report", user="analyst"
    )
    assert (real["report_id"], "alpha") in seen
    assert drill["report_id"] not in [report_id for report_id, _ in seen]


def test_reporter_must_be_one_of_the_partners_organisations(alpha):
    answer = alpha.post(smallest_report(reporter={"org": "cert.elsewhere.example.org"}))
    assert (answer.status, answer.problem) == (422, "report-invalid")
    assert answer.errors == [("/reporter/org", "reporter-not-yours")]


def test_relay_may_report_for_anybody(daemon, world):
    daemon.add_partner("relay", "relay.example.org", may_relay=True)
    with daemon.client(world.authority.issue("relay")) as relay:
        wait_until(lambda: relay.get("/v1/whoami").status == 200, "the relay is known", 5)
        answer = relay.post(smallest_report(reporter={"org": "cert.elsewhere.example.org"}))
        assert answer.status == 201


def test_stored_report_keeps_its_receipt_when_the_rules_become_stricter(daemon, world):
    """Its bytes get the receipt; other bytes under the same key get the refusal."""
    daemon.add_partner("delta")
    with daemon.client(world.authority.issue("delta")) as delta:
        wait_until(lambda: delta.get("/v1/whoami").status == 200, "delta is known", 5)
        report = smallest_report()
        receipt = delta.post(report).json
        daemon.rows(
            "UPDATE intake.partner SET organisations = '{other.example.org}' WHERE name = 'delta'"
        )
        wait_until(
            lambda: delta.post(smallest_report()).status == 422, "the rule is in force", timeout=5
        )
        repeat = delta.post(report)
        assert repeat.status == 200
        assert repeat.json == {**receipt, "status": "duplicate"}
        assert delta.post({**report, "title": "Another"}).status == 422


def test_equal_reports_in_parallel_make_one_row(daemon, credentials):
    for _ in range(5):
        body = encode(usual_report())
        answers = post_at_once(daemon, credentials["alpha"], [body] * 20)
        assert sorted(answer.status for answer in answers) == [200] * 19 + [201]
        assert len({answer.json["id"] for answer in answers}) == 1
        report_id = json.loads(body)["report_id"]
        assert len(stored_payloads(daemon, report_id)) == 1
        indicators = daemon.value(
            "SELECT count(*) FROM intake.indicator AS i JOIN intake.report AS r ON r.id = i.report"
            " WHERE r.report_id = %s",
            [report_id],
        )
        assert indicators == 5


def test_different_contents_in_parallel_make_one_row_and_conflicts(daemon, credentials):
    report = smallest_report()
    bodies = [encode({**report, "title": f"Title {n}"}) for n in range(12)]
    answers = post_at_once(daemon, credentials["alpha"], bodies)
    assert sorted(answer.status for answer in answers) == [201] + [409] * 11
    winner = next(answer.json["id"] for answer in answers if answer.status == 201)
    for answer in answers:
        if answer.status == 409:
            assert answer.json["receipt"]["id"] == winner


def test_different_revisions_in_parallel_end_as_if_sent_one_after_the_other(daemon, credentials):
    report_id = new_report_id()
    revisions = list(range(1, 13))
    bodies = [encode(smallest_report(report_id=report_id, revision=n)) for n in revisions]
    answers = post_at_once(daemon, credentials["alpha"], bodies)
    stored = {n for n, answer in zip(revisions, answers) if answer.status == 201}
    for answer in answers:
        assert answer.status == 201 or answer.problem == "revision-superseded"
    assert max(revisions) in stored
    assert len(stored_payloads(daemon, report_id)) == len(stored)
    newest = daemon.rows("SELECT revision FROM analysis.report WHERE report_id = %s", [report_id])
    assert newest == [(max(revisions),)]


def post_in_orders(daemon, credential, orders):
    """One connection an order, its reports pipelined; (report, answer) of all."""
    connections = [daemon.raw_client(credential) for _ in orders]
    try:
        for connection, order in zip(connections, orders):
            connection.send(
                b"".join(request_bytes("POST", "/v1/reports", encode(report)) for report in order)
            )
        return [
            (report, connection.read_response())
            for connection, order in zip(connections, orders)
            for report in order
        ]
    finally:
        for connection in connections:
            connection.close()


def test_revisions_contents_and_repeats_in_parallel_end_as_if_in_some_order(daemon, credentials):
    """A revision is superseded for all who sent it, or one stored it: then the equal ones are
    repeats of that and the others conflict with it. The newest is stored in any order."""
    rng = random.Random(1)
    for _ in range(6):
        report_id = new_report_id()
        reports = [
            smallest_report(report_id=report_id, revision=revision, title=title)
            for revision in range(1, 7)
            for title in ("One", "Other")
        ]
        orders = [rng.sample(reports, len(reports)) for _ in range(8)]
        answers = post_in_orders(daemon, credentials["alpha"], orders)
        stored = {}
        for report, answer in answers:
            if answer.status == 201:
                assert report["revision"] not in stored
                stored[report["revision"]] = report["title"], answer.json
        assert max(stored) == 6
        for report, answer in answers:
            if report["revision"] not in stored:
                assert answer.problem == "revision-superseded"
                continue
            title, receipt = stored[report["revision"]]
            if report["title"] != title:
                assert answer.problem == "report-conflict"
                assert answer.json["receipt"] == receipt
            elif answer.json != receipt:
                assert (answer.status, answer.json) == (200, {**receipt, "status": "duplicate"})
        rows = daemon.rows(
            "SELECT revision, title FROM intake.report WHERE report_id = %s", [report_id]
        )
        assert dict(rows) == {revision: title for revision, (title, _) in stored.items()}
        newest = daemon.rows("SELECT revision FROM analysis.report WHERE report_id = %s", [report_id])
        assert newest == [(6,)]


def test_every_stored_payload_has_the_digest_of_its_receipt(daemon, alpha):
    for number in range(20):
        title = f"Ünïcode and a number: {number} \U0001f512"
        body = json.dumps(usual_report(title=title), indent=number % 3, ensure_ascii=number % 2)
        answer = alpha.post(body.encode())
        assert answer.status == 201
        assert answer.json["sha256"] == hashlib.sha256(body.encode()).hexdigest()
    wrong = daemon.value("SELECT count(*) FROM intake.report WHERE sha256(payload) <> sha256")
    castable = daemon.value(
        "SELECT count(convert_from(payload, 'UTF8')::jsonb) FROM intake.report"
    )
    assert (wrong, castable) == (0, daemon.value("SELECT count(*) FROM intake.report"))


@pytest.mark.parametrize("sent", [{}, {"rsit": []}], ids=["absent", "empty"])
def test_absent_members_are_shown_with_their_documented_defaults(daemon, alpha, sent):
    report = smallest_report(category="online-scam", **sent)
    assert alpha.post(report).status == 201
    taxonomy = alpha.get("/v1/taxonomy").json
    category = next(one for one in taxonomy["categories"] if one["code"] == "online-scam")
    shown = daemon.postgres.query(
        daemon.database,
        "SELECT revision, status, determination, language, rsit FROM analysis.report"
        " WHERE report_id = %s",
        [report["report_id"]],
        user="analyst",
    )
    assert shown == [(1, "new", "suspected", "en", category["rsit"][:1])]


def moment(text):
    return text and datetime.fromisoformat(text)


def as_analysts_see(report, taxonomy):
    """The row of analysis.report, but for what the daemon gives it."""
    categories = {one["code"]: one for one in taxonomy["categories"]}
    category = categories[report["category"]]
    times, severity, sharing, impact, actor = (
        report.get(name, {}) for name in ("times", "severity", "sharing", "impact", "actor")
    )
    loss = impact.get("loss", {})
    places = [impact, *report.get("victims", [])]
    further = report.get("additional_categories", [])
    return {
        "partner": "alpha",
        "reporter_org": report["reporter"]["org"],
        "report_id": report["report_id"],
        "revision": report.get("revision", 1),
        "taxonomy_version": taxonomy["version"],
        **{f"{name}_at": moment(times.get(name))
           for name in ("detected", "started", "reported", "contained", "ended", "recovered")},
        "category": report["category"],
        "category_title": category["title"],
        "additional_categories": further,
        "primary_area": category["primary_area"],
        "action_areas": report["action_areas"],
        "rsit": report.get("rsit", category["rsit"][:1]),
        "tlp": report["tlp"],
        "pap": report.get("pap"),
        "severity": severity["level"],
        "score": severity.get("score"),
        "confidence": report.get("confidence"),
        "status": report.get("status", "new"),
        "determination": report.get("determination", "suspected"),
        "critical": any(categories[code].get("critical", False) for code in (report["category"], *further)),
        "title": report["title"],
        "narrative": report["narrative"],
        "language": report.get("language", "en"),
        "countries": {*impact.get("countries", []), *(p["country"] for p in places if "country" in p)},
        "sectors": {*impact.get("sectors", []), *(p["sector"] for p in places if "sector" in p)},
        "people_affected": impact.get("people_affected"),
        "loss_amount": Decimal(loss["amount"]) if loss else None,
        "loss_currency": loss.get("currency"),
        "actor_kind": actor.get("kind"),
        "actor_name": actor.get("name"),
        "malware": report.get("malware", []),
        "assistance_requested": report.get("assistance", {}).get("requested"),
        "law_enforcement_notified": report.get("legal", {}).get("law_enforcement_notified"),
        "sharing_law_enforcement": sharing.get("law_enforcement"),
        "sharing_audience": sharing.get("audience", []),
        "embargo_until": moment(sharing.get("embargo_until")),
        "payload": report,
    }  # fmt: skip


def parts_as_analysts_see(report):
    """{view: rows}: one row an element."""
    def members(element, *names, **defaults):
        return (*(element.get(name) for name in names), *(element.get(n, d) for n, d in defaults.items()))

    return {
        "victim": [members(each, "kind", "name", "sector", "country", "count", "notified", protected=False)
                   for each in report.get("victims", [])],
        "technique": [(each,) for each in report.get("techniques", [])],
        "vulnerability": [(each,) for each in report.get("vulnerabilities", [])],
        "reference": [members(each, "kind", "value", "org") for each in report.get("references", [])],
        "related_report": [members(each, "org", "report_id", "relation")
                           for each in report.get("related_reports", [])],
        "attachment": [members(each, "name", "media_type", "size", "sha256", "description", tlp=report["tlp"])
                       for each in report.get("attachments", [])],
        "indicator": [
            (*members(each, "type", "value", "role", "confidence", tlp=report["tlp"]),
             moment(each.get("first_seen")), moment(each.get("last_seen")))
            for each in report.get("indicators", [])
        ],
    }  # fmt: skip


PART_COLUMNS = {
    "victim": "kind, name, sector, country, count, notified, protected",
    "technique": "technique",
    "vulnerability": "vulnerability",
    "reference": "kind, value, org",
    "related_report": "org, report_id, relation",
    "attachment": "name, media_type, size_bytes, sha256, description, tlp",
    "indicator": "type, value, role, confidence, tlp, first_seen, last_seen",
}


@pytest.mark.parametrize("name", ["smallest", *(path.stem for path in EXAMPLES)])
def test_views_show_what_a_report_says(daemon, alpha, name):
    """In every column; the examples together have every member."""
    example = next((json.loads(p.read_bytes()) for p in EXAMPLES if p.stem == name), smallest_report())
    report = {**example, "report_id": new_report_id()}
    receipt = alpha.post(report).json
    daemon.rows("INSERT INTO intake.clearance VALUES ('analyst', 4)")
    try:
        with closing(daemon.postgres.connect(daemon.database, "analyst")) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT * FROM analysis.report WHERE id = %s", [receipt["id"]])
            columns = [column.name for column in cursor.description]
            (row,) = cursor.fetchall()
            shown = dict(zip(columns, row))
            assert shown.pop("id") == receipt["id"]
            assert shown.pop("received_at") == moment(receipt["received_at"])
            for several in ("countries", "sectors"):
                assert len(shown[several]) == len(set(shown[several]))
                shown[several] = set(shown[several])
            assert shown == as_analysts_see(report, alpha.get("/v1/taxonomy").json)

            cursor.execute(
                f"SELECT {', '.join(columns)} FROM analysis.report_history WHERE id = %s", [receipt["id"]]
            )
            assert cursor.fetchall() == [row]
            for view, rows in parts_as_analysts_see(report).items():
                cursor.execute(
                    f"SELECT {PART_COLUMNS[view]} FROM analysis.{view}"
                    " WHERE report = %s AND received_at = %s",
                    [receipt["id"], receipt["received_at"]],
                )
                assert sorted(cursor.fetchall(), key=repr) == sorted(rows, key=repr), view
    finally:
        daemon.rows("DELETE FROM intake.clearance WHERE user_name = 'analyst'")


def test_equal_indicators_are_stored_once(daemon, alpha):
    indicator = {"type": "domain", "value": "twice.example.net", "role": "source"}
    answer = alpha.post(smallest_report(indicators=[indicator, indicator]))
    assert answer.status == 201
    assert [warning["code"] for warning in answer.json["warnings"]] == ["element-repeated"]
    count = daemon.value(
        "SELECT count(*) FROM intake.indicator WHERE report = %s", [answer.json["id"]]
    )
    assert count == 1


def test_warnings_come_back_with_a_repeat(alpha):
    report = smallest_report(
        action_areas=["AA3"],
        indicators=[{"type": "ipv4", "value": "10.1.2.3", "role": "source"}],
    )
    first = alpha.post(report)
    assert first.status == 201
    codes = {(warning["pointer"], warning["code"]) for warning in first.json["warnings"]}
    assert codes == {
        ("/action_areas", "area-primary-missing"),
        ("/indicators/0/value", "address-special"),
    }
    assert alpha.post(report).json["warnings"] == first.json["warnings"]


def test_report_is_for_the_organisation_it_names(daemon, alpha):
    receipt = alpha.post(smallest_report()).json
    reporter = daemon.value(
        "SELECT reporter_org FROM analysis.report WHERE id = %s", [receipt["id"]]
    )
    assert reporter == ORGANISATION


def test_client_that_hangs_up_before_the_answer_learns_the_truth_by_asking_again(
    daemon, credentials
):
    """Whether the report was stored by then or not."""
    reports = [smallest_report() for _ in range(30)]
    for report in reports:
        with daemon.raw_client(credentials["alpha"]) as raw:
            raw.send(request_bytes("POST", "/v1/reports", encode(report)))
    with daemon.client(credentials["alpha"]) as client:
        for report in reports:
            answer = client.post(report)
            assert answer.status in (200, 201)
            assert len(stored_payloads(daemon, report["report_id"])) == 1
