# SPDX-License-Identifier: Apache-2.0
"""Legal holds, retention and erasure, called as operators call them, beside what daemons do."""

import hashlib
import json
import random
import re
import threading
import uuid
from contextlib import closing

import psycopg2
import psycopg2.errors
import pytest

from harness import ADMINISTRATOR, wait_until
import test_schema
from test_schema import Call, Session, assert_record_is_consistent, make_indicators, new_key

TIMES = ("started_at", "detected_at", "reported_at", "contained_at", "ended_at", "recovered_at")
PARTS = ("indicator", "retraction", "change", "words", "host", "trait")


@pytest.fixture(scope="module")
def postgres(world):
    return world.postgres


@pytest.fixture(scope="module")
def database(world):
    return world.new_database()


@pytest.fixture(scope="module")
def admin(postgres, database):
    with closing(Session(postgres, database, ADMINISTRATOR, "")) as opened:
        for name in ("one", "two"):
            opened.query(
                "SELECT intake.partner_add(%s, '', '{a.example.org}', false, true)", [name]
            )
        opened.query("INSERT INTO intake.clearance VALUES ('analyst', 4)")
        yield opened


@pytest.fixture
def session(postgres, database, admin):
    with closing(Session(postgres, database)) as opened:
        yield opened


@pytest.fixture
def operator(postgres, database, admin):
    with closing(Session(postgres, database, "operator", "")) as opened:
        yield opened


@pytest.fixture
def analyst(postgres, database, admin):
    with closing(Session(postgres, database, "analyst", "")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def no_rules(admin):
    """What a test places does not outlast it."""
    yield
    admin.query("DELETE FROM intake.retention_policy; DELETE FROM intake.legal_hold")


def document(**members):
    return json.dumps({"title": "T", "narrative": "N", **members})


def make_report(report_id, revision=1, payload=None, **columns):
    payload = payload or document(report_id=report_id, revision=revision)
    return test_schema.make_report(report_id, revision, payload, **columns)


def uuid_at(seconds):
    """As a daemon makes them: in the order of time."""
    value = uuid.uuid4().int & ((1 << 80) - 1)
    value = (seconds * 1000) << 80 | value & ~(0xF << 76) | 7 << 76
    return str(uuid.UUID(int=value))


def erase(operator, *reports, is_whole=True, kind="report"):
    (row,) = operator.query(
        "SELECT * FROM intake.erase(%s::uuid[], %s, %s, 'A. Person', 'asked for')",
        [[r if isinstance(r, str) else r["id"] for r in reports], is_whole, kind],
    )
    return row


def housekeep(admin):
    while admin.query("SELECT intake.housekeep(1000) AS n")[0]["n"]:
        pass


def left_of(admin, *reports):
    """The tables that still say something of the reports."""
    ids = [report["id"] for report in reports]
    found = {
        part
        for part in PARTS
        if admin.query(f"SELECT 1 AS one FROM intake.{part} WHERE report = ANY (%s::uuid[])", [ids])
    }
    if admin.query("SELECT 1 AS one FROM intake.report WHERE id = ANY (%s::uuid[])", [ids]):
        found.add("report")
    return found


def daily(analyst):
    return analyst.query(
        "SELECT day, category, partner, severity, tlp, reports::int, people_affected::int,"
        " loss::int, loss_currency FROM analysis.daily ORDER BY 1, 2, 3, 4, 5, 9"
    )


def counted(analyst):
    """The same, from the reports."""
    return analyst.query(
        "SELECT (received_at AT TIME ZONE 'UTC')::date AS day, category, partner, severity, tlp,"
        " count(*)::int AS reports, coalesce(sum(people_affected), 0)::int AS people_affected,"
        " coalesce(sum(loss_amount), 0)::int AS loss, loss_currency"
        " FROM analysis.report GROUP BY 1, 2, 3, 4, 5, 9 ORDER BY 1, 2, 3, 4, 5, 9"
    )


# --- erasure of a report


@pytest.mark.parametrize("is_housekept", [True, False])
def test_erased_report_leaves_its_proof_and_nothing_else(
    session, operator, admin, analyst, is_housekept
):
    word = "w" + uuid.uuid4().hex[:10]
    host = f"{word}.example.org"
    report = make_report(
        new_key(),
        payload=document(narrative=word, techniques=["T1133"], victims=[{"name": "V"}]),
        malware=["lantern"],
        title=f"title {word}",
        people_affected=7,
        warnings='[{"code":"w"}]',
        **{name: f"2026-11-0{day}T00:00:00Z" for day, name in enumerate(TIMES, 1)},
    )
    other = make_report(new_key(), payload=document(narrative=word), title="other")
    indicators = [
        {"report": r["id"], "tlp": 1, "type": "domain", "role": "source", "value": host}
        for r in (report, other)
    ]
    session.store(report, other, indicators=indicators)
    session.retract(other["report_id"], reason="no reason")
    if is_housekept:
        housekeep(admin)
    before = session.find((1, False, report["report_id"], None, None))[0]

    done = erase(operator, report)
    assert [done[f"erased_{what}"] for what in ("reports", "revisions", "indicators")] == [1, 1, 1]
    assert done["held_reports"] == 0
    assert left_of(admin, report) == set()
    assert "report" in left_of(admin, other)
    (proof,) = admin.query("SELECT * FROM intake.erased_report WHERE report = %s", [report["id"]])
    for column in ("report_id", "revision", "partner_id", "is_test", "warnings", "action_areas"):
        assert proof[column] == report[column]
    for column in TIMES:
        assert proof[column].isoformat() == report[column].replace("Z", "+00:00")
    assert bytes(proof["sha256"]).hex() == report["sha256"][2:]
    assert word not in str(proof) and "lantern" not in str(proof)
    after = session.find((1, False, report["report_id"], None, None))[0]
    assert after.pop("erased_at") is not None and before.pop("erased_at") is None
    assert after == before

    for view in ("report", "report_history", "indicator", "victim", "technique"):
        column = "id" if view.startswith("report") else "report"
        query = f"SELECT 1 AS one FROM analysis.{view} WHERE {column} = %s"
        assert analyst.query(query, [report["id"]]) == [], view
    assert analyst.query("SELECT * FROM analysis.search(%s)", [word]) == []
    assert analyst.query("SELECT * FROM analysis.seen(%s)", [host]) == []
    assert analyst.query("SELECT * FROM analysis.related(%s)", [report["id"]]) == []
    assert daily(analyst) == counted(analyst)
    housekeep(admin)
    assert daily(analyst) == counted(analyst)
    assert_record_is_consistent(admin)


def test_whole_report_and_one_revision(session, operator, admin, analyst):
    key = new_key()
    revisions = [make_report(key, number) for number in (1, 2, 4)]
    session.store(*revisions)
    assert erase(operator, revisions[1], is_whole=False)["erased_revisions"] == 1
    assert left_of(admin, revisions[1]) == set()
    assert "report" in left_of(admin, revisions[0])
    assert analyst.query("SELECT revision FROM analysis.report WHERE report_id = %s", [key]) == [
        {"revision": 4}
    ]
    rows = operator.query("SELECT * FROM intake.revisions_of(NULL, 'one', %s, false)", [key])
    told = [(row["revision"], row["erased_at"] is not None, row["leaves_open"]) for row in rows]
    assert told == [(1, False, False), (2, True, False), (4, False, False)]
    assert len({row["received_at"] for row in rows}) == 1
    done = erase(operator, revisions[0])
    assert (done["erased_reports"], done["erased_revisions"]) == (1, 2)
    assert left_of(admin, *revisions) == set()
    assert erase(operator, revisions[0])["erased_revisions"] == 0
    assert_record_is_consistent(admin)


def test_an_erasure_takes_a_thousand_revisions_at_a_time(operator):
    unknown = [str(uuid.uuid4()) for _ in range(1001)]
    assert erase(operator, *unknown[:1000])["erased_revisions"] == 0
    with pytest.raises(psycopg2.errors.InvalidParameterValue, match="at most 1,000 revisions"):
        erase(operator, *unknown)


def test_reports_between_erased_ones_keep_their_parts(session, operator, admin):
    """Parts are looked for by ranges of ids, in which those of others lie."""
    sent = [{"type": "domain", "value": "between.example.org", "role": "source"}]
    first, between, last = (
        make_report(new_key(), id=uuid_at(1700000000 + n), payload=document(indicators=sent))
        for n in range(3)
    )
    values = [i for each in (first, between, last) for i in make_indicators(each, 1)]
    session.store(first, between, last, indicators=values)
    housekeep(admin)
    admin.query("DELETE FROM intake.emptied_range")
    assert erase(operator, first, last)["erased_indicators"] == 2
    assert left_of(admin, first, last) == set()
    assert {"report", "indicator", "host", "words"} <= left_of(admin, between)
    emptied = "SELECT DISTINCT of_table::text AS name FROM intake.emptied_range ORDER BY 1"
    assert [row["name"] for row in admin.query(emptied)] == ["intake.host", "intake.indicator"]


def test_answers_for_what_is_erased(session, operator):
    """The same digest is a repeat; everything else of a whole report is refused."""
    key = new_key()
    first, second = make_report(key, payload='{"narrative":"a"}'), make_report(key, 3, payload='{"narrative":"b"}')
    session.store(first)
    session.store(second)
    erase(operator, first)
    for report, outcome in (
        (make_report(key, payload='{"narrative":"a"}'), "duplicate"),
        (make_report(key, payload='{"narrative": "a"}'), "erased"),
        (make_report(key, payload='{"narrative":"b"}'), "erased"),
        (make_report(key, 3, payload='{"narrative":"b"}'), "duplicate"),
        (make_report(key, 3, payload='{"narrative":"a"}'), "erased"),
        (make_report(key, 2), "erased"),
        (make_report(key, 4), "erased"),
        (dict(second), "stored"),  # this very submission, sent again after a lost connection
    ):
        (answer,) = session.store(report)
        assert (answer if answer == "stored" else answer["outcome"]) == outcome, report
        if outcome == "duplicate":
            assert answer["sha256"] == report["sha256"][2:]
    for revision, outcome in ((1, "erased"), (2, "superseded"), (3, "erased"), (4, "not found")):
        assert session.retract(key, revision)["outcome"] == outcome
    digest = bytes.fromhex(first["sha256"][2:])
    assert session.find((1, False, key, 1, digest))[0]["erased_at"]
    assert session.find((1, False, key, 1, b"\0" * 32)) == []
    # The other key spaces are not concerned.
    assert session.outcomes(make_report(key, is_test=True)) == ["stored"]
    assert session.outcomes(make_report(key, partner_id=2)) == ["stored"]


def test_newest_revision_alone_leaves_the_report_open(session, operator, admin, analyst):
    key = new_key()
    first, second = make_report(key, 1), make_report(key, 2)
    session.store(first)
    session.store(second)
    erase(operator, second, is_whole=False)
    seen = "SELECT revision FROM analysis.report WHERE report_id = %s"
    # An earlier revision does not come back.
    assert analyst.query(seen, [key]) == []
    assert session.outcomes(make_report(key, 2)) == ["duplicate"]
    assert session.outcomes(make_report(key, 2, payload="{}")) == ["erased"]
    assert session.retract(key, 2)["outcome"] == "erased"
    assert session.outcomes(make_report(key, 3)) == ["stored"]
    assert analyst.query(seen, [key]) == [{"revision": 3}]
    assert daily(analyst) == counted(analyst)
    housekeep(admin)
    assert daily(analyst) == counted(analyst)
    # The whole of it is closed, although its newest revision had been erased before.
    done = erase(operator, make_report(key, 3) | {"id": first["id"]})
    assert (done["erased_revisions"], done["closed_reports"]) == (2, 0)
    assert session.outcomes(make_report(key, 5)) == ["erased"]
    other = new_key()
    alone = make_report(other)
    session.store(alone)
    for is_whole, closed, is_open in ((False, 0, True), (True, 1, False), (True, 0, False)):
        assert erase(operator, alone, is_whole=is_whole)["closed_reports"] == closed
        rows = operator.query("SELECT * FROM intake.revisions_of(NULL, 'one', %s, false)", [other])
        assert [row["leaves_open"] for row in rows] == [is_open]
    assert session.outcomes(make_report(other, 2)) == ["erased"]
    assert_record_is_consistent(admin)


def in_each_key_space(store):
    """Two revisions under one id in each: of a partner, of its tests, of another partner."""
    key = new_key()
    return [
        [store(key, revision, **space) for revision in (1, 2)]
        for space in ({}, {"is_test": True}, {"partner_id": 2})
    ]


def test_the_same_id_elsewhere_is_another_report(session, operator, admin):
    def store(key, revision, **space):
        report = make_report(key, revision, **space)
        assert session.store(report) == ["stored"]
        return report

    for erased in range(3):
        spaces = in_each_key_space(store)
        done = erase(operator, spaces[erased][0])
        assert (done["erased_reports"], done["erased_revisions"]) == (1, 2)
        for number, reports in enumerate(spaces):
            for report in reports:
                assert ("report" in left_of(admin, report)) == (number != erased)
    spaces = in_each_key_space(store)
    assert erase(operator, *(first for first, _ in spaces))["erased_reports"] == 3
    assert_record_is_consistent(admin)


def test_retracted_report_is_erased_with_its_reason(session, operator, admin, analyst):
    report = make_report(new_key())
    session.store(report)
    housekeep(admin)
    session.retract(report["report_id"], reason="of Jane Roe")
    erase(operator, report)
    assert left_of(admin, report) == set()
    (proof,) = admin.query("SELECT * FROM intake.erased_report WHERE report = %s", [report["id"]])
    assert proof["retracted_at"].isoformat() == "2026-11-10T07:08:09.123456+00:00"
    assert daily(analyst) == counted(analyst)
    (found,) = session.find((1, False, report["report_id"], None, None))
    assert (found["retracted_at"], found["reason"]) == (None, None)
    assert session.retract(report["report_id"], reason="of Jane Roe")["outcome"] == "erased"


def test_log_of_erasures(session, operator):
    report = make_report(new_key())
    session.store(report)
    done = erase(operator, report)
    entry = operator.query("SELECT * FROM intake.erasures()")[-1]
    assert (entry["id"], entry["kind"], entry["asked_by"]) == (done["erasure"], "report", "A. Person")
    assert (entry["done_by"], entry["reason"]) == ("operator", "asked for")
    assert (entry["reports"], entry["revisions"], entry["indicators"]) == (1, 1, 2)
    (key,) = operator.query("SELECT * FROM intake.erased(%s)", [done["erasure"]])
    assert (key["id"], key["partner"], key["report_id"]) == (report["id"], "one", report["report_id"])
    assert key["sha256"] == report["sha256"][2:]
    for statement in (
        "SELECT * FROM intake.erase('{}', true, 'retention', 'a', 'r')",
        "SELECT * FROM intake.erase('{}', true, 'report', '', 'r')",
        "SELECT * FROM intake.erase('{}', true, 'report', 'a', '')",
        f"SELECT * FROM intake.erase('{{}}', true, 'person', 'a', 'r', {done['erasure']})",
    ):
        with pytest.raises((psycopg2.DataError, psycopg2.IntegrityError, psycopg2.errors.NoDataFound)):
            operator.query(statement)


def test_entry_of_the_log_is_gone_on_with_by_whom_it_names(session, operator, admin):
    """What is erased stands under the name of who does it, and as what it is."""
    reports = [make_report(new_key()) for _ in range(2)]
    session.store(*reports)
    own = erase(operator, reports[0])["erasure"]
    theirs = erase(admin, make_report(new_key()))["erasure"]
    (run,) = admin.query("SELECT erasure FROM intake.retention_step(1)")
    more = "SELECT erasure FROM intake.erase('{}', true, 'report', 'a', 'r', %s)"
    step = "SELECT * FROM intake.retention_step(1, %s)"
    assert operator.query(more, [own]) == [{"erasure": own}]
    operator.query(more.replace("'{}'", "%s::uuid[]"), [[reports[1]["id"]], own])
    (entry,) = (row for row in operator.query("SELECT * FROM intake.erasures()") if row["id"] == own)
    assert (entry["reports"], entry["revisions"], entry["indicators"]) == (2, 2, 4)
    for statement, number in ((more, theirs), (step, run["erasure"]), (step, own)):
        with pytest.raises(psycopg2.errors.NoDataFound):
            operator.query(statement, [number])


def test_daily_sums_stay_exact_whatever_is_erased_when(session, operator, admin, analyst):
    """Revisions, retractions, exercises, housekeeping and erasures in any order."""
    rng = random.Random(5)
    keys = [new_key() for _ in range(30)]
    known = []
    for _ in range(300):
        key = rng.choice(keys)
        step = rng.random()
        if step < 0.6:
            report = make_report(
                key, rng.randint(1, 5), payload=document(n=rng.random()),
                partner_id=rng.randint(1, 2), severity=rng.randint(1, 2),
                people_affected=rng.randint(0, 9), loss_amount=rng.randint(0, 9),
                loss_currency=rng.choice(["EUR", "USD"]), is_exercise=rng.random() < 0.2,
                category=rng.choice(["phishing", "ransomware", "test-report"]),
            )  # fmt: skip
            session.store(report)
            known.append(report)
        elif step < 0.75:
            session.retract(key, rng.randint(1, 5), partner_id=rng.randint(1, 2))
        elif step < 0.85:
            admin.query("SELECT intake.housekeep(7)")
        elif known:
            erase(operator, rng.choice(known), is_whole=rng.random() < 0.5)
    countable = [row for row in counted(analyst) if row["category"] != "test-report"]
    assert daily(analyst) == countable
    housekeep(admin)
    assert daily(analyst) == countable
    assert_record_is_consistent(admin)


# --- a person


def found(operator, person):
    rows = operator.query("SELECT * FROM intake.find_person(%s, 'A', 'R')", [person])
    return {(row["own_id"], row["revision"]): row["found_in"] for row in rows}


PLACES = {
    "victim": ({"victims": [{"kind": "individual", "name": "{}"}]}, ["victims"]),
    "contact": ({"reporter": {"name": "{}"}}, ["reporter"]),
    "indicator": ({"indicators": [{"type": "account", "value": "{}"}]}, ["indicators"]),
    "start of a line of the narrative": ({"narrative": "Then\n{}\nfell."}, ["narrative"]),
    "behind a tab": ({"narrative": "Of\t{}"}, ["narrative"]),
    "behind a backslash": ({"indicators": [{"value": "C:\\Users\\{}\\x"}]}, ["indicators"]),
    "member of an extension": ({"extensions": {"a.example.org": {"{}": 1}}}, ["extensions"]),
    "two places": ({"title": "Of {}", "narrative": "{}'s"}, ["narrative", "title"]),
}


def filled(members, name):
    return json.loads(json.dumps(members).replace("{}", json.dumps(name)[1:-1]))


@pytest.mark.parametrize("members, places", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("is_escaped", [True, False])
@pytest.mark.parametrize("name", ["Nathan Roë", "нина Ли", "李小明", "nat.roe+x@example.org"])
def test_person_is_found_wherever_the_name_stands(session, operator, members, places, is_escaped, name):
    unique = uuid.uuid4().hex[:8]
    name = f"{name} {unique}"
    report = make_report(
        new_key(),
        payload=json.dumps({"narrative": "N", **filled(members, name)}, ensure_ascii=is_escaped),
    )
    session.store(report)
    hit = {(report["report_id"], 1): places}
    for spelling in (name, name.upper(), name.replace(" ", "  "), name.replace("ë", "e\u0308")):
        assert found(operator, spelling) == hit, spelling
    for other in (name + "x", unique[1:], name[1:].replace("athan", "than") if name[0] == "N" else "x" + unique):
        assert found(operator, other) == {}, other


def full_width(text):
    return "".join(chr(ord(character) + 0xFEE0) for character in text)


@pytest.mark.parametrize("is_escaped", [True, False])
@pytest.mark.parametrize("spelt", [str.upper, full_width])
def test_person_is_found_of_whom_no_word_is_spelt_as_asked(session, operator, spelt, is_escaped):
    """Whatever spares a text from being read letter by letter spares none that says the name."""
    name = "q" + uuid.uuid4().hex
    payload = json.dumps({"narrative": f"Of {spelt(name)}."}, ensure_ascii=is_escaped)
    report = make_report(new_key(), payload=payload)
    session.store(report)
    assert found(operator, name) == {(report["report_id"], 1): ["narrative"]}


def test_person_is_found_in_every_revision_mode_and_retraction(session, operator, admin):
    name = "Q" + uuid.uuid4().hex
    key = new_key()
    rows = [
        make_report(key, 1, payload=document(narrative=name)),
        make_report(key, 2, payload=document(narrative="redacted")),
        make_report(new_key(), is_test=True, payload=document(narrative=name)),
        make_report(new_key(), is_exercise=True, payload=document(narrative=name), partner_id=2),
        make_report(new_key()),
    ]
    for row in rows:
        session.store(row)
    session.retract(rows[4]["report_id"], reason=f"It was {name}.")
    assert found(operator, name) == {
        (key, 1): ["narrative"],
        (rows[2]["report_id"], 1): ["narrative"],
        (rows[3]["report_id"], 1): ["narrative"],
        (rows[4]["report_id"], 1): ["retraction"],
    }
    listed = operator.query("SELECT * FROM intake.find_person(%s, 'A', 'R')", [name])
    order = lambda row: (row["partner"], row["own_id"], row["test"], row["revision"])
    assert listed == sorted(listed, key=order)
    erase(operator, rows[0], *rows[2:], is_whole=False, kind="person")
    assert found(operator, name) == {}
    assert left_of(admin, rows[0], *rows[2:]) == set()
    assert "report" in left_of(admin, rows[1])
    # Whom it was for is not in the log.
    log = operator.query("SELECT * FROM intake.erasures()")
    assert [row["kind"] for row in log[-3:]] == ["search", "person", "search"]
    assert (log[-3]["revisions"], log[-1]["revisions"]) == (4, 0)
    assert name not in str(log)


def test_person_in_a_report_under_a_hold_is_shown_with_it(session, operator):
    name = "q" + uuid.uuid4().hex
    held, free = (make_report(new_key(), payload=document(title=name)) for _ in range(2))
    session.store(held, free)
    number = hold(operator, report_id=held["report_id"])
    hold(operator, report_id=held["report_id"])
    rows = operator.query("SELECT * FROM intake.find_person(%s, 'A', 'R')", [name])
    assert {row["id"]: row["hold"] for row in rows} == {held["id"]: number, free["id"]: None}


def test_address_is_found_however_it_is_spelt(session, operator):
    report = make_report(new_key())
    value = "2001:db8:77::1"
    session.store(report, indicators=[{"report": report["id"], "tlp": 1, "type": "ipv6",
                  "role": "source", "value": value, "address": value}])  # fmt: skip
    hit = {(report["report_id"], 1): ["indicators"]}
    assert found(operator, "2001:0DB8:0077:0:0:0:0:1") == hit
    told = make_report(new_key(), payload=document(narrative=f"From {value}."))
    session.store(told)
    assert found(operator, value) == {**hit, (told["report_id"], 1): ["narrative"]}
    assert found(operator, "2001:db8:77::2") == {}


def test_person_is_found_whose_name_is_two_characters_without_an_alphabet(session, operator):
    report = make_report(new_key(), payload=document(narrative="与李朙有关"))
    session.store(report)
    assert found(operator, "李朙") == {(report["report_id"], 1): ["narrative"]}


@pytest.mark.parametrize("person", [None, "", "ab", "  a  ", "é"])
def test_person_of_too_few_characters_is_refused(operator, person):
    with pytest.raises(psycopg2.DataError, match="at least three"):
        found(operator, person)


@pytest.mark.parametrize("person", ["a.c", "(x)|(y)", "[a-z]+", "\\m\\M", "100%_", '"quoted"', "a\\nb"])
def test_person_is_no_pattern(session, operator, person):
    report = make_report(new_key(), payload=document(title=f"<{person}>"))
    decoy = make_report(new_key(), payload=document(title="abc xxy 100 quoted"))
    session.store(report, decoy)
    assert list(found(operator, person)) == [(report["report_id"], 1)]
    erase(operator, report, decoy)


# --- holds


def hold(operator, **conditions):
    values = dict.fromkeys(
        ("report_id", "partner", "category", "received_from", "received_before", "ends_at")
    )
    values.update(conditions)
    (row,) = operator.query(
        "SELECT intake.hold_add(%s, %s, %s, %s, %s, %s, 'court') AS id", list(values.values())
    )
    return row["id"]


@pytest.mark.parametrize(
    "conditions, is_held",
    [
        ({"report_id": "own"}, True),
        ({"report_id": "other"}, False),
        ({"partner": "one"}, True),
        ({"partner": "two"}, False),
        ({"partner": "one", "report_id": "own", "category": "phishing"}, True),
        ({"partner": "one", "report_id": "own", "category": "spam"}, False),
        ({"category": "ransomware"}, True),  # of the earlier revision, a further class
        ({"received_from": "2026-11-09T06:05:12.482913Z"}, True),
        ({"received_from": "2026-11-09T06:05:12.482914Z"}, False),
        ({"received_before": "2026-11-09T06:05:12.482913Z"}, False),
        ({"received_before": "2026-11-09T06:05:12.482914Z"}, True),
        ({"partner": "one", "ends_at": "2020-01-01T00:00:00Z"}, False),
        ({"partner": "one", "ends_at": "2199-01-01T00:00:00Z"}, True),
    ],
)
def test_hold_keeps_what_meets_its_conditions(session, operator, admin, conditions, is_held):
    key = new_key()
    if conditions.get("report_id") == "own":
        conditions = {**conditions, "report_id": key}
    hold(operator, report_id="on something else")  # or none is in force, and none is looked at
    first = make_report(key, 1, additional_categories=["ransomware"])
    second = make_report(key, 2)
    session.store(first)
    session.store(second)
    number = hold(operator, **conditions)
    (shown,) = [row for row in operator.query("SELECT * FROM intake.holds()") if row["id"] == number]
    assert (shown["placed_by"], shown["reason"]) == ("operator", "court")
    assert shown["is_in_force"] == (not conditions.get("ends_at", "").startswith("2020"))
    done = erase(operator, second)
    assert (done["held_reports"], done["erased_reports"]) == ((1, 0) if is_held else (0, 1))
    assert ("report" in left_of(admin, first)) == is_held
    if is_held:
        (row, _) = operator.query(
            "SELECT * FROM intake.revisions_of(%s, NULL, NULL, NULL)", [second["id"]]
        )
        assert row["hold"] == number
        operator.query("SELECT intake.hold_remove(%s)", [number])
        over = operator.query("SELECT removed_by FROM intake.holds() WHERE id = %s", [number])
        assert over == [{"removed_by": "operator"}]
        assert erase(operator, second)["erased_revisions"] == 2
        with pytest.raises(psycopg2.errors.NoDataFound):
            operator.query("SELECT intake.hold_remove(%s)", [number])


@pytest.mark.parametrize("revision", [1, 2])
@pytest.mark.parametrize("held", range(3))
def test_hold_is_on_the_report_of_one_key_space(session, operator, admin, held, revision):
    spaces = []

    def store(key, number, **space):
        is_held = len(spaces) == 2 * held + revision - 1
        report = make_report(key, number, category="spam" if is_held else "phishing", **space)
        assert session.store(report) == ["stored"]
        spaces.append(report)
        return report

    reports = in_each_key_space(store)
    hold(operator, report_id=reports[0][0]["report_id"], category="spam")
    for number, (first, _) in enumerate(reports):
        assert erase(operator, first)["held_reports"] == (number == held)
        assert ("report" in left_of(admin, first)) == (number == held)


def test_hold_that_is_on_nothing_is_refused(operator):
    with pytest.raises(psycopg2.errors.CheckViolation):
        hold(operator)
    with pytest.raises(psycopg2.errors.NoDataFound):
        hold(operator, partner="nobody")
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        hold(operator, category="nothing")


def test_hold_that_was_placed_while_an_erasure_ran(session, operator, admin, postgres, database):
    """It waits for the erasure; one that came first is seen by the erasure that waits for it."""
    first, second = make_report(new_key()), make_report(new_key())
    session.store(first, second)
    with closing(Session(postgres, database, "operator", "")) as other:
        operator.connection.autocommit = False
        erase(operator, first)
        call = Call(other, run=lambda: hold(other, report_id=second["report_id"]))
        call.wait_until_blocked(admin)
        operator.connection.commit()
        assert isinstance(call.outcome(), int)
        assert erase(operator, second)["held_reports"] == 1
        operator.connection.commit()

        third = make_report(new_key())
        session.store(third)
        other.connection.autocommit = False
        hold(other, report_id=third["report_id"])
        call = Call(operator, run=lambda: erase(operator, third))
        call.wait_until_blocked(admin)
        other.connection.commit()
        assert call.outcome()["held_reports"] == 1
        operator.connection.commit()


# --- retention


def policy(operator, tlp=None, category=None, keep=None):
    operator.query("SELECT intake.retention_set(%s, %s, %s)", [tlp, category, keep])


def preview(operator):
    rows = operator.query("SELECT * FROM intake.retention_preview()")
    return {(row["tlp"], row["category"]): (row["reports"], row["held"]) for row in rows}


def run_retention(operator, max_reports=1000):
    """The sums of all steps."""
    sums = {"examined": 0, "erased_reports": 0, "erased_revisions": 0, "held_reports": 0, "steps": 0}
    at = [None, "-infinity", "00000000-0000-0000-0000-000000000000"]
    while True:
        (row,) = operator.query("SELECT * FROM intake.retention_step(%s, %s, %s, %s)", [max_reports, *at])
        at = [row["erasure"], row["last_at"], row["last_id"]]
        sums["steps"] += 1
        for name in sums:
            sums[name] += row.get(name, 0)
        if row["is_done"]:
            return sums


@pytest.fixture
def aged(session, admin, operator):
    """Stores reports of an age in days; what other tests have left is gone."""
    ids = [row["id"] for row in admin.query("SELECT id::text FROM intake.report")]
    for start in range(0, len(ids), 1000):
        erase(operator, *ids[start : start + 1000])

    def store(days, **columns):
        (row,) = admin.query(
            "SELECT (now() - make_interval(days => %s))::text AS at,"
            " extract(epoch FROM now())::int - 86400 * %s AS seconds",
            [days, days],
        )
        report = make_report(
            columns.pop("key", None) or new_key(), columns.pop("revision", 1),
            id=uuid_at(row["seconds"]), received_at=row["at"], **columns,
        )  # fmt: skip
        assert session.store(report) == ["stored"]
        return report

    return store


def test_without_a_policy_everything_is_kept(aged, operator, admin):
    old = aged(10000)
    assert preview(operator) == {}
    assert run_retention(operator)["erased_reports"] == 0
    assert "report" in left_of(admin, old)


def test_the_most_specific_policy_decides(aged, operator, admin, analyst):
    policy(operator, keep="100 days")
    policy(operator, tlp="TLP:RED", keep="10 days")
    policy(operator, category="spam", keep="50 days")
    policy(operator, tlp="TLP:AMBER", category="spam", keep="20 days")
    policy(operator, category="ransomware", keep=None)
    rows = {
        (days, tlp, category): aged(days, tlp=tlp, tlp_strictest=tlp, category=category)
        for days in (5, 15, 30, 60, 200)
        for tlp in (1, 2, 4)
        for category in ("phishing", "spam", "ransomware")
    }
    limits = {"phishing": {1: 100, 2: 100, 4: 10}, "spam": {1: 50, 2: 20, 4: 50}}
    expected = {
        key: row for key, row in rows.items() if key[0] > limits.get(key[2], {}).get(key[1], 10**6)
    }
    labels = {1: "TLP:GREEN", 2: "TLP:AMBER", 4: "TLP:RED"}
    counts = {}
    for _, tlp, category in expected:
        counts[labels[tlp], category] = counts.get((labels[tlp], category), 0) + 1
    assert {key: n for key, (n, _) in preview(operator).items()} == counts
    ages = "SELECT DISTINCT sign(extract(epoch FROM newest - oldest))::int AS age FROM intake.retention_preview()"
    assert [row["age"] for row in operator.query(f"{ages} ORDER BY 1")] == [0, 1]
    assert run_retention(operator)["erased_reports"] == len(expected)
    for key, row in rows.items():
        assert ("report" in left_of(admin, row)) == (key not in expected), key
    assert preview(operator) == {}
    assert daily(analyst) == counted(analyst)


def test_report_goes_as_a_whole_by_its_newest_revision(aged, operator, admin, session):
    policy(operator, keep="100 days")
    young, old = new_key(), new_key()
    kept = [aged(200, key=young, revision=1), aged(50, key=young, revision=2)]
    gone = [aged(300, key=old, revision=1), aged(200, key=old, revision=2)]
    # Of this one the newest revision was erased before.
    rest = new_key()
    left = [aged(300, key=rest, revision=1), aged(50, key=rest, revision=2), aged(20, key=rest, revision=3)]
    erase(operator, left[2], is_whole=False)
    sums = run_retention(operator)
    assert (sums["erased_reports"], sums["erased_revisions"]) == (1, 2)
    assert left_of(admin, *gone) == set()
    assert all("report" in left_of(admin, row) for row in kept + left[:2])
    assert session.outcomes(make_report(old, 9)) == ["erased"]
    policy(operator, keep="40 days")
    assert run_retention(operator)["erased_revisions"] == 4
    assert left_of(admin, *kept, *left) == set()


def test_retention_looks_at_the_revisions_of_one_key_space(aged, operator, admin):
    policy(operator, keep="100 days")
    key = new_key()
    gone, newest = aged(300, key=key, revision=1), aged(200, key=key, revision=2)
    erase(operator, newest, is_whole=False)
    kept = [
        aged(days, key=key, revision=revision, **space)
        for space, ages in (({"is_test": True}, (300, 50, 20)), ({"partner_id": 2}, (300, 20)))
        for revision, days in enumerate(ages, 1)
    ]
    assert preview(operator) == {("TLP:GREEN", "phishing"): (1, 0)}
    assert run_retention(operator)["erased_reports"] == 1
    assert left_of(admin, gone) == set()
    assert all("report" in left_of(admin, row) for row in kept)


def test_hold_stops_the_retention(aged, operator, admin):
    policy(operator, keep="100 days")
    held, free = aged(200, category="spam"), aged(200)
    number = hold(operator, category="spam")
    assert preview(operator) == {("TLP:GREEN", "phishing"): (1, 0), ("TLP:GREEN", "spam"): (0, 1)}
    sums = run_retention(operator)
    assert (sums["erased_reports"], sums["held_reports"]) == (1, 1)
    assert "report" in left_of(admin, held) and not left_of(admin, free)
    operator.query("SELECT intake.hold_remove(%s)", [number])
    assert run_retention(operator)["erased_reports"] == 1


def test_retention_goes_in_bounded_steps(aged, operator, admin):
    policy(operator, keep="100 days")
    policy(operator, category="spam", keep=None)
    for number in range(60):
        aged(200, category="spam" if number < 45 else "phishing")
    sums = run_retention(operator, max_reports=2)
    assert (sums["erased_reports"], sums["examined"]) == (15, 60)
    assert sums["steps"] >= 9
    (entry,) = operator.query("SELECT * FROM intake.erasures() WHERE kind = 'retention' ORDER BY id DESC LIMIT 1")
    assert (entry["reports"], entry["done_by"]) == (15, "operator")
    for number in (0, 1001, None):
        with pytest.raises(psycopg2.DataError, match="1 to 1000"):
            operator.query("SELECT * FROM intake.retention_step(%s)", [number])


def test_retention_goes_on_within_an_instant(aged, operator, session):
    """A batch has one time, and is more than a step."""
    policy(operator, keep="100 days")
    batch = [make_report(new_key(), received_at="2020-01-01T00:00:00Z") for _ in range(50)]
    assert session.store(*batch) == ["stored"] * 50
    assert run_retention(operator, max_reports=2)["erased_reports"] == 50


def test_what_was_emptied_is_found_fast_again(aged, operator, admin, session, postgres, database):
    """New rows lie where erased ones did; the index of block ranges learns of it."""

    def batch(days, count):
        (row,) = admin.query("SELECT extract(epoch FROM now())::int - 86400 * %s AS at", [days])
        reports = [make_report(new_key(), id=uuid_at(row["at"] + n)) for n in range(count)]
        session.store(*reports, indicators=[i for r in reports for i in make_indicators(r, 20)])
        return reports

    def blocks_read(report):
        query = "SELECT value FROM intake.indicator WHERE report = %s"
        plan = "\n".join(row["QUERY PLAN"] for row in admin.query("EXPLAIN (ANALYZE) " + query, [report["id"]]))
        assert "Bitmap Index Scan on indicator_report" in plan, plan
        return int(re.search(r"lossy=(\d+)", plan)[1]), len(admin.query(query, [report["id"]]))

    admin.query("VACUUM intake.indicator")
    old, middle = batch(900, 600), batch(500, 1)
    admin.query("SELECT brin_summarize_new_values('intake.indicator_report')")
    erase(operator, *old)
    admin.query("VACUUM intake.indicator")
    young = batch(10, 600)
    admin.query("SET enable_seqscan = off; SELECT brin_summarize_new_values('intake.indicator_report')")
    blocks, rows = blocks_read(middle[0])
    assert rows == 20 and blocks > 100
    # Not yet: somebody may still see the rows.
    tidy = "SELECT intake.retention_tidy(1000) AS n"
    for age in ("0", "59 minutes"):
        admin.query("UPDATE intake.emptied_range SET noted_at = now() - %s::interval", [age])
        assert operator.query(tidy) == [{"n": 0}]
    admin.query("UPDATE intake.emptied_range SET noted_at = now() - interval '61 minutes'")
    # Where rows went again just now, it is as if they were the first.
    erase(operator, young.pop())
    late = "SELECT count(*)::int AS n, bool_and(first_block % 16 = 0) AS is_first FROM intake.emptied_range"
    (late_ranges,) = admin.query(f"{late} WHERE noted_at > now() - interval '1 hour'")
    assert late_ranges["n"] > 0 and late_ranges["is_first"]
    with closing(Session(postgres, database, ADMINISTRATOR, "")) as other:
        other.connection.autocommit = False
        other.query("LOCK TABLE intake.host IN SHARE UPDATE EXCLUSIVE MODE")
        assert operator.query(tidy) == [{"n": 0}]
    # The server's own vacuum may hold the table for a moment.
    one = tidy.replace("1000", "1")
    wait_until(lambda: operator.query(one)[0]["n"] == 1, "one range is summarised anew")
    wait_until(lambda: operator.query(tidy)[0]["n"] > 4, "the others are")
    assert operator.query(tidy) == [{"n": 0}]
    fewer, rows = blocks_read(middle[0])
    assert rows == 20 and fewer < blocks / 3
    assert all(blocks_read(report)[1] == 20 for report in young[::60])
    admin.query("RESET enable_seqscan")


def test_policies_are_listed_changed_and_removed(operator):
    policy(operator, keep="5 years")
    policy(operator, tlp="TLP:RED", category="spam", keep="1 year")
    policy(operator, tlp="TLP:CLEAR", keep="2 years")
    policy(operator, category="spam", keep="3 years")
    policy(operator, category="phishing", keep="4 years")
    first_set_at = operator.query("SELECT set_at FROM intake.retention_policies()")[-1]["set_at"]
    policy(operator, keep="6 years")
    listed = operator.query("SELECT * FROM intake.retention_policies()")
    assert listed[-1]["set_at"] > first_set_at
    rows = operator.query("SELECT tlp, category, keep::text, set_by FROM intake.retention_policies()")
    assert [tuple(row.values()) for row in rows] == [
        (None, "phishing", "4 years", "operator"),
        ("TLP:RED", "spam", "1 year", "operator"),
        (None, "spam", "3 years", "operator"),
        ("TLP:CLEAR", None, "2 years", "operator"),
        (None, None, "6 years", "operator"),
    ]
    operator.query("SELECT intake.retention_remove(NULL, NULL)")
    with pytest.raises(psycopg2.errors.NoDataFound):
        operator.query("SELECT intake.retention_remove(NULL, NULL)")
    for faulty in (
        {"tlp": "RED", "keep": "1 year"},
        {"category": "nothing", "keep": "1 year"},
        {"keep": "3 seconds"},
        {"keep": "-1 year"},
        {"keep": "12001 months"},
    ):
        with pytest.raises((psycopg2.DataError, psycopg2.IntegrityError)):
            policy(operator, **faulty)


def test_policy_without_limit_of_an_earlier_form_is_brought_to_the_limit(world, postgres):
    database = world.new_database()
    with closing(Session(postgres, database, ADMINISTRATOR, "")) as mine:
        mine.query(
            "ALTER TABLE intake.retention_policy DROP CONSTRAINT retention_policy_keep_check,"
            " ADD CONSTRAINT retention_policy_keep_check CHECK (keep >= interval '1 day')"
        )
        policy(mine, keep="9999 years")
        policy(mine, tlp="TLP:RED", keep="30 days")
        policy(mine, tlp="TLP:GREEN", keep=None)
        with pytest.raises(psycopg2.DataError, match="out of range"):
            mine.query("SELECT * FROM intake.retention_step(1000)")
        for _ in range(2):
            test_schema.apply_by_psql(postgres, database, test_schema.MIGRATIONS[-1:])
            rows = mine.query("SELECT tlp, keep::text FROM intake.retention_policies()")
            assert [tuple(row.values()) for row in rows] == [
                ("TLP:GREEN", None), ("TLP:RED", "30 days"), (None, "1000 years")
            ]  # fmt: skip
        assert run_retention(mine)["erased_reports"] == 0
        with pytest.raises(psycopg2.errors.CheckViolation):
            policy(mine, keep="12001 months")


# --- races


def test_new_revision_that_waits_for_an_erasure(session, operator, admin):
    key = new_key()
    first = make_report(key)
    session.store(first)
    operator.connection.autocommit = False
    erase(operator, first)
    call = Call(session, make_report(key, 2), make_report(key), make_report(key, payload="{}"))
    call.wait_until_blocked(admin)
    operator.connection.commit()
    assert call.outcome() == ["erased", "duplicate", "erased"]


def test_erasure_that_waits_for_a_new_revision(session, operator, admin):
    key = new_key()
    first, second = make_report(key), make_report(key, 2)
    session.store(first)
    session.connection.autocommit = False
    session.store(second)
    call = Call(operator, run=lambda: erase(operator, first)["erased_revisions"])
    call.wait_until_blocked(admin)
    session.connection.commit()
    assert call.outcome() == 2
    assert left_of(admin, first, second) == set()


@pytest.mark.parametrize("is_newest_erased", [False, True])
def test_retention_that_waits_for_a_new_revision(aged, session, operator, admin, is_newest_erased):
    """By the old revision the report has expired; by the one that its partner has a receipt of, not."""
    policy(operator, keep="100 days")
    first, other = aged(200), aged(200)
    key = first["report_id"]
    if is_newest_erased:
        erase(operator, aged(150, key=key, revision=2), is_whole=False)
    session.connection.autocommit = False
    newest = aged(0, key=key, revision=3)
    call = Call(operator, run=lambda: run_retention(operator))
    call.wait_until_blocked(admin)
    session.connection.commit()
    sums = call.outcome()
    assert (sums["erased_reports"], sums["erased_revisions"], sums["held_reports"]) == (1, 1, 0)
    assert left_of(admin, other) == set()
    assert all("report" in left_of(admin, row) for row in (first, newest))
    session.connection.autocommit = True
    assert session.outcomes(make_report(key, 4)) == ["stored"]


def test_retraction_that_waits_for_an_erasure(session, operator, admin):
    key = new_key()
    report = make_report(key)
    session.store(report)
    operator.connection.autocommit = False
    erase(operator, report)
    call = Call(session, run=lambda: session.retract(key)["outcome"])
    call.wait_until_blocked(admin)
    operator.connection.commit()
    assert call.outcome() == "erased"
    assert left_of(admin, report) == set()


@pytest.fixture
def housekeeper(postgres, database, admin):
    """In a transaction of its own, which waits for no lock for ever; nothing was left to take."""
    housekeep(admin)
    with closing(Session(postgres, database, ADMINISTRATOR, "-c lock_timeout=10s")) as opened:
        opened.connection.autocommit = False
        yield opened


def make_unlike(*days):
    """Reports that count in none of each other's sums, with something for every table."""
    host = {"type": "domain", "role": "source", "value": "a.example.org"}
    members = {"techniques": ["T1133"], "indicators": [host]}
    return [
        make_report(
            new_key(), payload=document(**members), received_at=f"2026-10-{day:02}T00:00:00Z",
            people_affected=3,
        )
        for day in days
    ]  # fmt: skip


def assert_forgotten(admin, analyst, *reports):
    assert left_of(admin, *reports) == set()
    housekeep(admin)
    assert left_of(admin, *reports) == set()
    assert daily(analyst) == counted(analyst)
    assert_record_is_consistent(admin)


def test_atomic_batch_that_was_committed_is_stored_whatever_became_of_it(session, operator):
    """It is sent again when the news of its commit was lost; what is no more is no reason to undo."""
    batch = make_unlike(3, 4)
    assert session.store_atomic(*batch) == {}
    newer = {**batch[0], "id": str(uuid.uuid4()), "revision": 2}
    assert session.store(newer) == ["stored"]
    erase(operator, newer)
    assert session.store_atomic(*batch) == {1: "stored", 2: "stored"}

    (kept,) = make_unlike(5)
    assert session.store(kept) == ["stored"]
    spaced = b" " + bytes.fromhex(kept["payload"].removeprefix("\\x"))
    repeat = {**kept, "id": str(uuid.uuid4()), "payload": "\\x" + spaced.hex(),
              "sha256": "\\x" + hashlib.sha256(spaced).hexdigest()}  # fmt: skip
    mixed = [*make_unlike(6), repeat]
    assert session.store_atomic(*mixed) == {2: "duplicate"}
    assert session.store_atomic(*mixed) == {1: "stored", 2: "duplicate"}
    erase(operator, kept)
    assert session.store_atomic(*mixed) == {1: "stored", 2: "erased"}
    assert session.store_atomic(*make_unlike(7), repeat) == {1: "rolled-back", 2: "erased"}


def test_erasure_waits_for_housekeeping_that_is_under_way(
    session, operator, housekeeper, admin, analyst
):
    """Housekeeping has taken one of two reports and goes on to the other; whoever erases begins with
    the other. Without a lock before all else each would wait for the other."""
    reports = {report["id"]: report for report in make_unlike(3, 4)}
    session.store(*reports.values())
    assert housekeeper.query("SELECT intake.housekeep(1) AS n") == [{"n": 1}]
    (left,) = housekeeper.query("SELECT report::text AS id FROM intake.change")
    other = reports.pop(left["id"])
    (taken,) = reports.values()

    operator.connection.autocommit = False
    call = Call(operator, run=lambda: [erase(operator, each) for each in (other, taken)])
    call.wait_until_blocked(admin)
    assert housekeeper.query("SELECT intake.housekeep(1) AS n") == [{"n": 1}]
    housekeeper.connection.commit()
    assert [done["erased_revisions"] for done in call.outcome()] == [1, 1]
    operator.connection.commit()
    assert_forgotten(admin, analyst, other, taken)


def test_housekeeping_does_not_wait_for_an_erasure(session, operator, housekeeper, admin, analyst):
    """It comes again, and takes then what is left."""
    erased, kept = make_unlike(5, 6)
    session.store(erased, kept)
    operator.connection.autocommit = False
    erase(operator, erased)
    assert housekeeper.query("SELECT intake.housekeep(1000) AS n") == [{"n": 0}]
    housekeeper.connection.commit()
    operator.connection.commit()
    assert housekeeper.query("SELECT intake.housekeep(1000) AS n") == [{"n": 1}]
    housekeeper.connection.commit()
    assert_forgotten(admin, analyst, erased)
    assert {"report", "words", "host", "trait"} <= left_of(admin, kept)


def test_whatever_runs_beside_erasures_and_retention_never_deadlocks(
    postgres, database, admin, operator, analyst
):
    policy(operator, category="spam", keep="1 day")
    keys = [new_key() for _ in range(12)]
    errors, seen = [], set()

    def store(number):
        rng = random.Random(number)
        with closing(Session(postgres, database)) as mine:
            for _ in range(40):
                batch = [
                    make_report(
                        rng.choice(keys), rng.randint(1, 9),
                        payload=document(n=rng.randint(1, 2)),
                        category=rng.choice(["phishing", "spam"]),
                        received_at="2020-01-01T00:00:00Z",
                    )
                    for _ in range(rng.randint(1, 12))
                ]  # fmt: skip
                seen.update(mine.outcomes(*batch))
                mine.retract(rng.choice(keys), rng.randint(1, 9))

    def forget(number):
        rng = random.Random(number)
        with closing(Session(postgres, database, "operator", "-c lock_timeout=20s")) as mine:
            for _ in range(40):
                rows = [
                    row["id"]
                    for key in rng.sample(keys, 3)
                    for row in mine.query("SELECT id::text FROM intake.revisions_of(NULL, 'one', %s, false)", [key])
                ]
                erase(mine, *rng.sample(rows, min(2, len(rows))), is_whole=False)
                run_retention(mine, rng.randint(1, 5))
                mine.query("SELECT intake.housekeep(5)")

    def guarded(work, number):
        try:
            work(number)
        except psycopg2.Error as error:
            errors.append(error)

    threads = [
        threading.Thread(target=guarded, args=(work, number))
        for number in range(2)
        for work in (store, forget)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert {"stored", "duplicate", "erased"} <= seen
    assert_record_is_consistent(admin)
    assert daily(analyst) == counted(analyst)
    housekeep(admin)
    assert daily(analyst) == counted(analyst)


# --- rights


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM intake.erased_report",
        "SELECT * FROM intake.erasure",
        "SELECT * FROM intake.legal_hold",
        "DELETE FROM intake.erasure",
        "SELECT intake.remove_parts('{}')",
        "SELECT intake.erase_locked(1, '{}', true, false)",
        "SELECT intake.hold_on('x', 1, false)",
        "SELECT intake.folded('{}')",
    ],
)
@pytest.mark.parametrize("user", ["daemon", "operator", "analyst"])
def test_nobody_gets_past_the_functions(postgres, database, user, statement):
    with closing(Session(postgres, database, user, "")) as mine:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            mine.query(statement)


def test_operators_functions_return_keys_and_never_content(session, operator):
    """Every column of every row that they return, of a report that is all one word."""
    word = "z" + uuid.uuid4().hex
    report = make_report(
        new_key(), payload=document(narrative=word, title=word), title=word, actor_name=word,
        malware=[word],
    )  # fmt: skip
    session.store(report, indicators=[{**make_indicators(report)[0], "value": word}])
    policy(operator, keep="1 day")
    number = hold(operator, report_id=report["report_id"])
    said = [
        operator.query("SELECT * FROM intake.find_person(%s, 'A', 'R')", [word]),
        operator.query("SELECT * FROM intake.revisions_of(%s, NULL, NULL, NULL)", [report["id"]]),
        operator.query("SELECT * FROM intake.retention_preview()"),
    ]
    assert len(said[0]) == len(said[1]) == 1
    operator.query("SELECT intake.hold_remove(%s)", [number])
    said += [erase(operator, report), operator.query("SELECT * FROM intake.erasures()")]
    said += [operator.query("SELECT * FROM intake.erased(%s)", [said[3]["erasure"]])]
    assert word not in str(said)


# --- bytes that leave


@pytest.fixture
def cleared(admin, analyst):
    def clear(tlp):
        admin.query("UPDATE intake.clearance SET max_tlp = %s WHERE user_name = 'analyst'", [tlp])
        return analyst

    yield clear
    clear(4)


def test_payload_is_exported_up_to_clearance_and_limit(session, cleared):
    labels = ["TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"]
    rows = [
        make_report(new_key(), tlp=tlp, tlp_strictest=strictest, payload=document(n=tlp * 10 + strictest))
        for tlp in range(5)
        for strictest in range(tlp, 5)
    ]
    session.store(*rows)
    for clearance in range(5):
        reader = cleared(clearance)
        for limit in range(5):
            for row in rows:
                (answer,) = reader.query(
                    "SELECT analysis.export_payload(%s, %s) AS payload", [row["id"], labels[limit]]
                )
                expected = None
                if row["tlp_strictest"] <= min(clearance, limit):
                    expected = bytes.fromhex(row["payload"][2:])
                payload = answer["payload"]
                assert (payload if payload is None else bytes(payload)) == expected
    for limit in ("RED", "", None):
        with pytest.raises(psycopg2.DataError, match="max_tlp"):
            reader.query("SELECT analysis.export_payload(%s, %s)", [rows[0]["id"], limit])


def test_embargoed_payload_is_not_exported(session, analyst):
    past, ahead = (
        make_report(new_key(), embargo_until=f"{year}-01-01T00:00:00Z") for year in (2020, 2199)
    )
    session.store(past, ahead)
    asked = "SELECT analysis.export_payload(%s) AS payload"
    assert hashlib.sha256(analyst.query(asked, [past["id"]])[0]["payload"]).hexdigest() == past["sha256"][2:]
    assert analyst.query(asked, [ahead["id"]]) == [{"payload": None}]
