# SPDX-License-Identifier: Apache-2.0
"""The functions of sql/, called as the daemon calls them: outcomes, races, rights, form."""

import hashlib
import itertools
import json
import random
import select
import subprocess
import threading
import uuid
from contextlib import closing

import psycopg2
import psycopg2.errors
import pytest

from harness import ADMINISTRATOR, ROOT, run_program, wait_until

MIGRATIONS = sorted((ROOT / "sql").glob("[0-9]*.sql"))
ROLES = ("intake_daemon", "intake_operator", "intake_view", "intake_analyst")

STORE = """
SELECT place, outcome, id, report_id, revision, is_test, encode(sha256, 'hex') AS sha256
FROM intake.store(
    ARRAY(SELECT r FROM jsonb_populate_recordset(NULL::intake.report, %s) AS r),
    ARRAY(SELECT i FROM jsonb_populate_recordset(NULL::intake.indicator, %s) AS i))
"""
# As daemon/store/pg_link.c sets a session up, where it matters here.
SESSION = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c lock_timeout=10s"

_numbers = itertools.count(1)


def new_key():
    return f"K-{next(_numbers):05d}"


def make_report(report_id, revision=1, payload=None, **columns):
    """A row of intake.report; the same arguments make the same content under another id."""
    payload = payload or json.dumps({"report_id": report_id, "revision": revision})
    payload = payload.encode()
    row = {
        "id": str(uuid.uuid4()),
        "received_at": "2026-11-09T06:05:12.482913Z",
        "partner_id": 1,
        "revision": revision,
        "tlp": 1,
        "tlp_strictest": 1,
        "severity": 3,
        "is_test": False,
        "is_exercise": False,
        "is_critical": False,
        "detected_at": "2026-11-09T06:05:12Z",
        "report_id": report_id,
        "reporter_org": "cert.example.org",
        "taxonomy": "digital-solidarity-2024/1.0.0",
        "category": "phishing",
        "primary_area": "AA4",
        "action_areas": ["AA4", "AA3"],
        "title": "T",
        "sha256": "\\x" + hashlib.sha256(payload).hexdigest(),
        "payload": "\\x" + payload.hex(),
    }
    row.update(columns)
    return row


def make_indicators(report, count=2):
    return [
        {
            "report": report["id"],
            "tlp": 1,
            "type": "domain",
            "role": "source",
            "value": f"host-{number}.example.org",
        }
        for number in range(count)
    ]


class Session:
    """A connection of the daemon's role. Rows come as dictionaries."""

    def __init__(self, postgres, database, user="daemon", options=SESSION):
        self.connection = psycopg2.connect(
            postgres.connection_string(user, database), options=options
        )
        self.connection.autocommit = True

    def query(self, statement, parameters=None):
        with self.connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            if not cursor.description:
                return []
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row)) for row in cursor.fetchall()]

    def store(self, *reports, indicators=None):
        """The answers by place, from 0: "stored" or the row that was returned."""
        if indicators is None:
            indicators = [i for report in reports for i in make_indicators(report)]
        answers = ["stored"] * len(reports)
        for row in self.query(STORE, [json.dumps(reports), json.dumps(indicators)]):
            assert answers[row["place"] - 1] == "stored"
            answers[row["place"] - 1] = "stored" if row["outcome"] == "stored" else row
        return answers

    def outcomes(self, *reports):
        return [a if isinstance(a, str) else a["outcome"] for a in self.store(*reports)]

    def store_atomic(self, *reports):
        """Outcomes by place, without indicators; none when all were stored now."""
        rows = self.query(
            "SELECT place, outcome FROM intake.store_atomic(ARRAY(SELECT r FROM"
            " jsonb_populate_recordset(NULL::intake.report, %s) AS r), '{}')",
            [json.dumps(reports)],
        )
        return {row["place"]: row["outcome"] for row in rows}

    def find(self, *keys):
        """keys: (partner, is_test, report_id, revision or None, digest or None)."""
        columns = [list(column) for column in zip(*keys)]
        return self.query(
            "SELECT * FROM intake.find(%s::int[], %s::boolean[], %s::text[], %s::int[],"
            " %s::bytea[])",
            columns,
        )

    def retract(self, report_id, revision=1, reason="R", **parameters):
        """The answer to a request of its own, unless its id is given."""
        values = {
            "retraction_id": str(uuid.uuid4()),
            "retracted_at": "2026-11-10T07:08:09.123456Z",
            "partner_id": 1,
            "is_test": False,
            **parameters,
        }
        (row,) = self.query(
            "SELECT * FROM intake.retract(%s, %s, %s, %s, %s, %s, %s)",
            [*values.values(), report_id, revision, reason],
        )
        assert row["place"] == 1
        return row

    def close(self):
        self.connection.close()


@pytest.fixture(scope="module")
def postgres(world):
    return world.postgres


@pytest.fixture(scope="module")
def database(world):
    return world.new_database()


@pytest.fixture
def session(postgres, database):
    with closing(Session(postgres, database)) as opened:
        yield opened


@pytest.fixture
def other(postgres, database):
    with closing(Session(postgres, database)) as opened:
        yield opened


@pytest.fixture(scope="module")
def admin(postgres, database):
    with closing(Session(postgres, database, ADMINISTRATOR, "")) as opened:
        yield opened


def rows_of(admin, report_id):
    return admin.query(
        "SELECT id::text, revision FROM intake.report WHERE report_id = %s ORDER BY revision, id",
        [report_id],
    )


def indicator_count(admin, report_id):
    return admin.query(
        "SELECT count(*) AS n FROM intake.indicator AS i JOIN intake.report AS r ON r.id = i.report"
        " WHERE r.report_id = %s",
        [report_id],
    )[0]["n"]


def assert_record_is_consistent(admin):
    """Every report has one key row and one digest, every newest revision is the newest; what is
    erased has left nothing but its proof."""
    keys = (
        "(SELECT * FROM intake.report_key UNION ALL SELECT * FROM intake.superseded_key) AS k"
    )
    rows = (
        "(SELECT id, report_id, partner_id, is_test, revision FROM intake.report UNION ALL"
        " SELECT report, report_id, partner_id, is_test, revision FROM intake.erased_report) AS r"
    )
    for fault in (
        *(
            f"SELECT report FROM intake.{part} WHERE report IN"
            " (SELECT report FROM intake.erased_report)"
            for part in ("indicator", "retraction", "change", "words", "host", "trait")
        ),
        f"SELECT id FROM intake.report WHERE id NOT IN (SELECT id FROM {keys})",
        f"SELECT id FROM {keys} WHERE id NOT IN (SELECT id FROM {rows})",
        f"SELECT id FROM {rows} GROUP BY id HAVING count(*) > 1",
        f"SELECT k.id FROM {keys} JOIN {rows} ON r.id = k.id WHERE"
        " (r.report_id, r.partner_id, r.is_test, r.revision)"
        " <> (k.report_id, k.partner_id, k.is_test, k.revision)",
        f"SELECT report_id FROM {keys} GROUP BY report_id, partner_id, is_test, revision"
        " HAVING count(*) > 1",
        "SELECT s.id FROM intake.superseded_key AS s JOIN intake.report_key AS k"
        " USING (report_id, partner_id, is_test) WHERE s.revision >= k.revision",
        "SELECT report FROM intake.retraction WHERE report NOT IN (SELECT id FROM intake.report)",
        "SELECT id FROM intake.report WHERE sha256(payload) <> sha256",
        "SELECT id FROM intake.report WHERE convert_from(payload, 'UTF8')::jsonb IS NULL",
    ):
        assert admin.query(fault) == [], fault


# --- outcomes ---


def test_new_reports_are_stored_as_they_came(session, admin):
    payload = '{"b": 1,  "a": "\\u00e4 é",\n"c":[]}'
    report = make_report(new_key(), payload=payload)
    assert session.store(report) == ["stored"]
    row = admin.query("SELECT * FROM intake.report WHERE id = %s", [report["id"]])[0]
    assert bytes(row["payload"]) == payload.encode()
    assert bytes(row["sha256"]) == hashlib.sha256(payload.encode()).digest()
    assert row["action_areas"] == ["AA4", "AA3"]
    assert row["received_at"].isoformat() == "2026-11-09T06:05:12.482913+00:00"
    assert indicator_count(admin, report["report_id"]) == 2


def test_the_same_ids_again_are_stored_and_not_doubled(session, admin):
    """What a daemon sends again after a lost connection, whether it was committed or not."""
    reports = [make_report(new_key()) for _ in range(3)]
    newer = make_report(reports[0]["report_id"], 2)
    assert session.outcomes(*reports[:2]) == ["stored"] * 2
    assert session.outcomes(*reports) == ["stored"] * 3
    assert session.outcomes(newer) == ["stored"]
    assert session.outcomes(*reports, newer) == ["stored"] * 4
    for report, revisions in zip(reports, (2, 1, 1)):
        assert len(rows_of(admin, report["report_id"])) == revisions
        assert indicator_count(admin, report["report_id"]) == 2 * revisions


def test_repeat_gets_the_first_receipt(session, admin):
    first = make_report(new_key(), warnings='[{"code":"w"}]')
    again = make_report(first["report_id"], warnings=None, received_at="2027-01-01T00:00:00Z")
    session.store(first)
    (answer,) = session.store(again)
    assert answer["outcome"] == "duplicate"
    assert (answer["id"], "\\x" + answer["sha256"]) == (first["id"], first["sha256"])
    assert len(rows_of(admin, first["report_id"])) == 1
    assert indicator_count(admin, first["report_id"]) == 2


EQUALITY = {
    "order of members": ('{"a":1,"b":{"c":2,"d":3}}', '{"b":{"d":3,"c":2},"a":1}', "duplicate"),
    "white space": ('{"a":[1,2]}', ' {\n\t"a" : [ 1 , 2 ] }\r\n', "duplicate"),
    "escapes": ('{"a":"\\u00e4/"}', '{"a":"ä\\/"}', "duplicate"),
    "surrogates": ('{"a":"\\ud83d\\ude00"}', '{"a":"😀"}', "duplicate"),
    "one and one point nought": ('{"a":1}', '{"a":1.0}', "duplicate"),
    "exponent": ('{"a":100}', '{"a":1e2}', "duplicate"),
    "number and string": ('{"a":1}', '{"a":"1"}', "conflict"),
    "absent and null": ('{"a":1}', '{"a":1,"b":null}', "conflict"),
    "absent and its default": ('{"a":1}', '{"a":1,"revision":1}', "conflict"),
    "order of elements": ('{"a":[1,2]}', '{"a":[2,1]}', "conflict"),
    "case": ('{"a":"x"}', '{"a":"X"}', "conflict"),
    "composed and not": ('{"a":"\\u00e4"}', '{"a":"a\\u0308"}', "conflict"),
    "last digit of 2^53": ('{"a":9007199254740992}', '{"a":9007199254740993}', "conflict"),
    "false and 0": ('{"a":false}', '{"a":0}', "conflict"),
}


@pytest.mark.parametrize("first, second, outcome", EQUALITY.values(), ids=EQUALITY)
def test_repeats_are_equal_as_json_values(session, first, second, outcome):
    report = make_report(new_key(), payload=first)
    session.store(report)
    (answer,) = session.store(make_report(report["report_id"], payload=second))
    assert answer["outcome"] == outcome
    # In either case the receipt is of what is stored, with its digest.
    assert (answer["id"], "\\x" + answer["sha256"]) == (report["id"], report["sha256"])


def test_revisions(session, admin):
    key = new_key()
    steps = [
        (make_report(key, 2), "stored", None),
        (make_report(key, 1), "superseded", None),
        (make_report(key, 2), "duplicate", 2),
        (make_report(key, 7), "stored", None),
        (make_report(key, 2), "duplicate", 2),
        (make_report(key, 2, payload="{}"), "conflict", 2),
        (make_report(key, 7, payload="{}"), "conflict", 7),
        (make_report(key, 3), "superseded", None),
        (make_report(key, 8), "stored", None),
        (make_report(key, 7), "duplicate", 7),
    ]
    for report, outcome, revision in steps:
        (answer,) = session.store(report)
        if outcome == "stored":
            assert answer == "stored"
        else:
            assert (answer["outcome"], answer["revision"]) == (outcome, revision)
            assert (answer["id"] is None) == (revision is None)
    assert [row["revision"] for row in rows_of(admin, key)] == [2, 7, 8]
    assert indicator_count(admin, key) == 6


def test_key_is_partner_mode_report_id_and_revision(session):
    key = new_key()
    reports = [
        make_report(key),
        make_report(key, partner_id=2),
        make_report(key, is_test=True),
        make_report(key.lower()),
        make_report(key + " "),
        make_report(key, revision=2),
    ]
    assert session.outcomes(*reports) == ["stored"] * len(reports)
    again = [dict(report, id=str(uuid.uuid4())) for report in reports]
    assert session.outcomes(*again) == ["duplicate"] * len(reports)


def test_atomic_batch_that_no_report_of_it_is_to_blame_for_is_not_told_as_stored(session, admin):
    """It failed whole, and each of it alone does not: what is the matter is for the daemon."""
    admin.query(
        "CREATE SEQUENCE stored; CREATE FUNCTION refuse_first() RETURNS trigger LANGUAGE plpgsql"
        " SECURITY DEFINER AS $$ BEGIN IF nextval('public.stored') = 1 THEN RAISE 'once'; END IF;"
        " RETURN NEW; END $$;"
        "CREATE TRIGGER refuse_first BEFORE INSERT ON intake.report FOR EACH ROW"
        " EXECUTE FUNCTION refuse_first()"
    )
    key = new_key()
    try:
        with pytest.raises(psycopg2.errors.RaiseException, match="once"):
            session.store_atomic(make_report(key), make_report(new_key()))
        assert rows_of(admin, key) == []
    finally:
        admin.query("DROP FUNCTION refuse_first CASCADE; DROP SEQUENCE stored")


@pytest.mark.parametrize("space", [{"partner_id": 2}, {"is_test": True}])
def test_undone_revision_is_judged_by_its_own_key_space(session, space):
    """Of an atomic batch: what a newer line of it superseded is not superseded when all is undone."""
    key, known = new_key(), make_report(new_key())
    session.store(make_report(key, 9, **space), known)
    batch = [make_report(key, 2), make_report(key, 1), make_report(known["report_id"], payload="{}")]
    assert session.store_atomic(*batch) == {
        1: "rolled-back", 2: "conflict", 3: "conflict"
    }  # fmt: skip


def test_revisions_are_those_of_one_key_space(session, admin):
    """The same report_id of another partner, or of the tests, is another report in all revisions."""
    key = new_key()
    spaces = [{}, {"partner_id": 2}, {"is_test": True}, {"partner_id": 2, "is_test": True}]
    sent = [
        (space, [make_report(key, revision, f'{{"n":{number}}}', **space) for revision in (1, 2, 3)])
        for number, space in enumerate(spaces)
    ]
    for space, (first, second, third) in sent:
        assert session.outcomes(first) == ["stored"]
        answer = session.retract(key, 1, **space)
        assert (answer["outcome"], answer["id"]) == ("retracted", first["id"])
        assert session.outcomes(second, third) == ["stored", "stored"]
    for space, reports in sent:
        own = (space.get("partner_id", 1), space.get("is_test", False), key)
        for report in reports:
            (answer,) = session.store({**report, "id": str(uuid.uuid4())})
            assert (answer["outcome"], answer["id"]) == ("duplicate", report["id"])
            (found,) = session.find((*own, report["revision"], None))
            assert found["id"] == report["id"]
        (newest,) = session.find((*own, None, None))
        assert newest["id"] == reports[2]["id"]
        answer = session.retract(key, 1, **space)
        assert (answer["outcome"], answer["id"]) == ("duplicate", reports[0]["id"])
    assert_record_is_consistent(admin)


def test_one_batch_is_as_if_sent_one_after_the_other(session, admin):
    key, known = new_key(), new_key()
    session.store(make_report(known, 3))
    batch = [
        (make_report(key), "stored"),
        (make_report(key), "duplicate"),
        (make_report(known, 2), "superseded"),
        (make_report(key, payload="{}"), "conflict"),
        (make_report(new_key()), "stored"),
        (make_report(key, 3), "stored"),
        (make_report(known, 4), "stored"),
        (make_report(key, 2), "superseded"),
        (make_report(known, 4), "duplicate"),
        (make_report(key, 3), "duplicate"),
        (make_report(key, 4), "stored"),
        (make_report(key, 3, payload="{}"), "conflict"),
        (make_report(known, 3), "duplicate"),
    ]
    answers = session.store(*[report for report, _ in batch])
    outcomes = [a if a == "stored" else a["outcome"] for a in answers]
    assert outcomes == [outcome for _, outcome in batch]
    assert answers[1]["id"] == batch[0][0]["id"]
    assert answers[9]["id"] == batch[5][0]["id"]
    assert [row["revision"] for row in rows_of(admin, key)] == [1, 3, 4]
    assert indicator_count(admin, key) == 6
    assert indicator_count(admin, known) == 4
    assert_record_is_consistent(admin)


def test_batch_is_stored_whole_or_not_at_all(session, admin):
    """The database refuses one row: its neighbours are not stored by this call either."""
    known = make_report(new_key())
    session.store(known)
    good = [make_report(new_key()), make_report(known["report_id"], 2)]
    for bad in (
        make_report(new_key(), category="no-such-category"),
        make_report(new_key(), title=None),
    ):
        with pytest.raises(psycopg2.IntegrityError):
            session.store(*good, bad)
    assert rows_of(admin, good[0]["report_id"]) == []
    assert len(rows_of(admin, known["report_id"])) == 1
    assert session.outcomes(*good) == ["stored"] * 2


def test_empty_batch_does_nothing(session):
    assert session.store() == []


def test_longest_values_are_stored_and_found_by_an_index(session, admin, postgres, database):
    """2,048 characters of 4 bytes that no compression makes short."""
    rng = random.Random(1)
    value = "".join(chr(rng.randrange(0x10000, 0x2FFFF)) for _ in range(2048))
    limit, past = "x" * 512, "x" * 513
    report = make_report("i" * 128)
    indicators = [
        {"report": report["id"], "tlp": 1, "type": "other", "role": "source", "value": text}
        for text in (value, limit, past)
    ]
    assert session.store(report, indicators=indicators) == ["stored"]
    with closing(Session(postgres, database, "analyst", "-c enable_seqscan=off")) as analyst:
        for text in (value, limit, past):
            found = analyst.query("SELECT report FROM analysis.indicator WHERE value = %s", [text])
            assert [row["report"] for row in found] == [report["id"]]
        plan = json.dumps(
            analyst.query("EXPLAIN (FORMAT JSON) SELECT * FROM analysis.indicator WHERE value = 'x'")
        )
    for index in ("indicator_value", "indicator_long_value"):
        assert f'"Index Name": "{index}"' in plan
    assert len(rows_of(admin, report["report_id"])) == 1


# --- look-ups ---


def test_find(session):
    key = new_key()
    old, new = make_report(key, 1), make_report(key, 3)
    session.store(old)
    session.store(new)
    digest_of = {r["revision"]: bytes.fromhex(r["sha256"][2:]) for r in (old, new)}
    cases = [
        ((1, False, key, None, None), new),
        ((1, False, key, 3, None), new),
        ((1, False, key, 1, None), old),
        ((1, False, key, 2, None), None),
        ((1, False, key, 4, None), None),
        ((2, False, key, None, None), None),
        ((1, True, key, None, None), None),
        ((1, False, "no-such-key", None, None), None),
        ((1, False, key, None, digest_of[3]), new),
        ((1, False, key, None, digest_of[1]), None),
        ((1, False, key, 1, digest_of[1]), old),
        ((1, False, key, 1, digest_of[3]), None),
        ((1, False, key, 3, digest_of[3]), new),
    ]
    rows = session.find(*[asked for asked, _ in cases])
    found = {row["place"]: row["id"] for row in rows}
    assert [row["place"] for row in rows] == sorted(found)
    expected = {place: r["id"] for place, (_, r) in enumerate(cases, 1) if r}
    assert found == expected
    (row,) = session.find((1, False, key, None, None))
    assert (row["report_id"], row["revision"], row["is_test"]) == (key, 3, False)
    assert (row["category"], row["primary_area"]) == ("phishing", "AA4")
    assert (row["action_areas"], row["warnings"]) == ("AA4 AA3", None)


# --- retractions ---


def receipt_in(row):
    """What of a row is the report's receipt."""
    return {name: value for name, value in row.items() if name not in ("place", "outcome")}


def seen_by_analysts(postgres, database, report_id):
    """Revisions and indicators that the views show."""
    with closing(Session(postgres, database, "analyst", "")) as analyst:
        rows = analyst.query(
            "SELECT r.revision, count(i) AS n FROM analysis.report AS r"
            " LEFT JOIN analysis.indicator AS i ON i.report = r.id"
            " WHERE r.report_id = %s GROUP BY r.id, r.revision",
            [report_id],
        )
    return [(row["revision"], row["n"]) for row in rows]


def indicators_seen_by_analysts(postgres, database, report):
    with closing(Session(postgres, database, "analyst", "")) as analyst:
        seen = "SELECT count(*) AS n FROM analysis.indicator WHERE report = %s"
        return analyst.query(seen, [report["id"]])[0]["n"]


def test_retraction_is_a_row_beside_the_report(session, admin):
    report = make_report(new_key(), warnings='[{"code":"w"}]')
    session.store(report)
    before = admin.query("SELECT * FROM intake.report WHERE id = %s", [report["id"]])
    answer = session.retract(report["report_id"], reason="Sent in error.\n")
    assert answer["outcome"] == "retracted"
    assert (answer["id"], answer["warnings"]) == (report["id"], report["warnings"])
    assert answer["retracted_at"].isoformat() == "2026-11-10T07:08:09.123456+00:00"
    assert answer["reason"] == "Sent in error.\n"
    assert admin.query("SELECT * FROM intake.report WHERE id = %s", [report["id"]]) == before
    (found,) = session.find((1, False, report["report_id"], None, None))
    assert receipt_in(found) == receipt_in(answer)


def test_repeated_retraction_shows_the_first_one(session):
    key = new_key()
    session.store(make_report(key))
    first = session.retract(key, reason="Once")
    later = "2027-01-01T00:00:00Z"
    repeat = session.retract(key, reason="Once", retracted_at=later)
    assert (repeat["outcome"], receipt_in(repeat)) == ("duplicate", receipt_in(first))
    other = session.retract(key, reason="once", retracted_at=later)
    assert (other["outcome"], receipt_in(other)) == ("conflict", receipt_in(first))


def test_retraction_is_of_the_newest_revision(session, admin):
    """Lower numbers are superseded, stored or not; a retracted one still knows its repeat."""
    key = new_key()
    for revision in (1, 3):
        session.store(make_report(key, revision))
    for revision, outcome in ((1, "superseded"), (2, "superseded"), (4, "not found")):
        answer = session.retract(key, revision)
        assert answer["outcome"] == outcome
        assert set(receipt_in(answer).values()) == {None}
    first = session.retract(key, 3)
    session.store(make_report(key, 4))
    for reason, outcome in (("R", "duplicate"), ("other", "conflict")):
        answer = session.retract(key, 3, reason)
        assert (answer["outcome"], receipt_in(answer)) == (outcome, receipt_in(first))
    assert session.retract(key, 1)["outcome"] == "superseded"
    assert session.retract(key, 4)["outcome"] == "retracted"
    assert_record_is_consistent(admin)


def test_retraction_is_of_this_partner_and_mode(session):
    key = new_key()
    session.store(make_report(key))
    for other in ({"partner_id": 2}, {"is_test": True}):
        assert session.retract(key, **other)["outcome"] == "not found"
    assert session.retract(key.lower())["outcome"] == "not found"
    session.store(make_report(key, is_test=True))
    assert session.retract(key, is_test=True)["outcome"] == "retracted"
    (found,) = session.find((1, False, key, None, None))
    assert found["retracted_at"] is None


def test_the_same_retraction_again_is_retracted(session, admin):
    """What a daemon sends again after a lost connection, also when a revision came in between."""
    key, own_id = new_key(), str(uuid.uuid4())
    session.store(make_report(key))
    first = session.retract(key, retraction_id=own_id)
    assert session.retract(key, retraction_id=own_id) == first
    session.store(make_report(key, 2))
    assert session.retract(key, retraction_id=own_id) == first
    assert admin.query(
        "SELECT count(*) AS n FROM intake.retraction AS t JOIN intake.report AS r ON r.id = t.report"
        " WHERE r.report_id = %s",
        [key],
    ) == [{"n": 1}]


def test_repeat_and_conflict_of_a_retracted_report_are_as_before(session):
    key = new_key()
    session.store(make_report(key))
    session.retract(key)
    outcomes = session.outcomes(make_report(key), make_report(key, payload="{}"))
    assert outcomes == ["duplicate", "conflict"]


def test_new_revision_makes_a_retracted_report_current_again(session, admin, postgres, database):
    add = "SELECT intake.partner_add('retracts', '', '{a.example.org}', false, true) AS partner_id"
    (partner,) = admin.query(add)
    key = new_key()
    first, second = make_report(key, **partner), make_report(key, 2, **partner)
    session.store(first)
    assert seen_by_analysts(postgres, database, key) == [(1, 2)]
    session.retract(key, **partner)
    assert seen_by_analysts(postgres, database, key) == []
    assert indicators_seen_by_analysts(postgres, database, first) == 0
    session.store(second)
    assert seen_by_analysts(postgres, database, key) == [(2, 2)]
    own = partner["partner_id"]
    newest, old = session.find((own, False, key, None, None), (own, False, key, 1, None))
    assert (newest["revision"], newest["retracted_at"], newest["reason"]) == (2, None, None)
    assert (old["revision"], old["reason"]) == (1, "R")
    session.retract(key, 2, **partner)
    assert seen_by_analysts(postgres, database, key) == []
    assert indicators_seen_by_analysts(postgres, database, second) == 0


# --- races ---


class Call(threading.Thread):
    """A call that may have to wait: of intake.store(), or what is given."""

    def __init__(self, session, *reports, run=None):
        super().__init__()
        self.session = session
        self.call = run or (lambda: session.outcomes(*reports))
        self.result = None
        self.start()

    def run(self):
        try:
            self.result = self.call()
        except psycopg2.Error as error:
            self.result = error

    def wait_until_blocked(self, admin):
        pid = self.session.connection.info.backend_pid
        wait_until(
            lambda: admin.query("SELECT pg_blocking_pids(%s) AS pids", [pid])[0]["pids"],
            "the call waits for the other transaction",
        )

    def outcome(self):
        self.join(timeout=30)
        return self.result


@pytest.mark.parametrize("is_committed, outcome", [(True, "duplicate"), (False, "stored")])
def test_equal_reports_in_parallel(session, other, admin, is_committed, outcome):
    """The second waits for the first, and sees what became of it."""
    key = new_key()
    session.connection.autocommit = False
    assert session.outcomes(make_report(key)) == ["stored"]
    call = Call(other, make_report(key))
    call.wait_until_blocked(admin)
    assert rows_of(admin, key) == []
    if is_committed:
        session.connection.commit()
    else:
        session.connection.rollback()
    assert call.outcome() == [outcome]
    assert len(rows_of(admin, key)) == 1


@pytest.mark.parametrize(
    "first, second, outcome, stored",
    [
        (2, 3, "stored", [1, 2, 3]),
        (3, 2, "superseded", [1, 3]),
        (2, 2, "duplicate", [1, 2]),
    ],
)
def test_revisions_in_parallel(session, other, admin, first, second, outcome, stored):
    key = new_key()
    session.store(make_report(key, 1))
    session.connection.autocommit = False
    assert session.outcomes(make_report(key, first)) == ["stored"]
    call = Call(other, make_report(key, second))
    call.wait_until_blocked(admin)
    session.connection.commit()
    assert call.outcome() == [outcome]
    assert [row["revision"] for row in rows_of(admin, key)] == stored
    assert indicator_count(admin, key) == 2 * len(stored)


@pytest.mark.parametrize(
    "is_committed, reason, outcome",
    [(True, "R", "duplicate"), (True, "other", "conflict"), (False, "R", "retracted")],
)
def test_retractions_in_parallel(session, other, admin, is_committed, reason, outcome):
    key = new_key()
    session.store(make_report(key))
    session.connection.autocommit = False
    assert session.retract(key)["outcome"] == "retracted"
    call = Call(other, run=lambda: other.retract(key, reason=reason)["outcome"])
    call.wait_until_blocked(admin)
    if is_committed:
        session.connection.commit()
    else:
        session.connection.rollback()
    assert call.outcome() == outcome


def test_retraction_waits_for_a_new_revision(session, other, admin):
    key = new_key()
    session.store(make_report(key))
    session.connection.autocommit = False
    session.store(make_report(key, 2))
    call = Call(other, run=lambda: other.retract(key)["outcome"])
    call.wait_until_blocked(admin)
    session.connection.commit()
    assert call.outcome() == "superseded"


def test_new_revision_waits_for_a_retraction(session, other, admin):
    key = new_key()
    session.store(make_report(key))
    session.connection.autocommit = False
    assert session.retract(key)["outcome"] == "retracted"
    call = Call(other, make_report(key, 2))
    call.wait_until_blocked(admin)
    session.connection.commit()
    assert call.outcome() == ["stored"]
    old, new = session.find((1, False, key, 1, None), (1, False, key, None, None))
    assert (old["reason"], new["revision"], new["reason"]) == ("R", 2, None)


def test_revisions_that_wait_at_one_key(session, other, admin, postgres, database):
    """Both have seen that the key is known, neither has looked at which revision is the newest."""
    key = new_key()
    session.store(make_report(key, 1))
    with closing(Session(postgres, database, ADMINISTRATOR, "")) as holder:
        holder.connection.autocommit = False
        holder.query("SELECT FROM intake.report_key WHERE report_id = %s FOR NO KEY UPDATE", [key])
        calls = [Call(session, make_report(key, 2)), Call(other, make_report(key, 3))]
        for call in calls:
            call.wait_until_blocked(admin)
        holder.connection.rollback()
    second, third = [call.outcome() for call in calls]
    assert (second, third) in ((["stored"], ["stored"]), (["superseded"], ["stored"]))
    assert rows_of(admin, key)[-1]["revision"] == 3
    assert_record_is_consistent(admin)


def test_batch_sent_again_while_the_first_sending_still_runs(session, other, admin):
    """A new connection, and the old one's backend has not noticed that it is alone."""
    reports = [make_report(new_key()) for _ in range(4)]
    session.connection.autocommit = False
    session.store(*reports)
    call = Call(other, *reports)
    call.wait_until_blocked(admin)
    session.connection.commit()
    assert call.outcome() == ["stored"] * 4
    assert all(len(rows_of(admin, r["report_id"])) == 1 for r in reports)


def test_new_keys_and_known_keys_do_not_cross(session, other, admin):
    """One batch holds a new key and wants a known one, the other has it the other way round."""
    low, high = sorted((new_key(), new_key()))
    session.store(make_report(high))
    session.connection.autocommit = False
    session.store(make_report(high, 2))
    call = Call(other, make_report(low), make_report(high, 3))
    call.wait_until_blocked(admin)
    third = session.outcomes(make_report(high, 4))
    session.connection.commit()
    assert (third, call.outcome()) == (["stored"], ["stored", "superseded"])


def test_random_batches_from_four_sessions_never_deadlock(postgres, database, admin):
    """200 batches over few keys, in any order; the record ends as if they came in some order."""
    keys = [new_key() for _ in range(12)]
    answers = []
    errors = []

    def run(number):
        rng = random.Random(number)
        with closing(Session(postgres, database)) as mine:
            for _ in range(50):
                batch = [
                    make_report(
                        rng.choice(keys), rng.randint(1, 9), payload=f'{{"c":{rng.randint(1, 2)}}}'
                    )
                    for _ in range(rng.randint(1, 16))
                ]
                try:
                    answers.extend(zip(batch, mine.outcomes(*batch)))
                except psycopg2.Error as error:
                    errors.append(error)
                    return

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert_record_is_consistent(admin)
    stored = {report["id"] for report, outcome in answers if outcome == "stored"}
    rows = {row["id"] for key in keys for row in rows_of(admin, key)}
    assert stored == rows
    assert sum(indicator_count(admin, key) for key in keys) == 2 * len(rows)
    newest = {row["report_id"]: row["revision"] for row in admin.query(
        "SELECT report_id, revision FROM intake.report_key WHERE report_id = ANY (%s)", [keys])}
    for report, outcome in answers:
        assert outcome != "superseded" or report["revision"] < newest[report["report_id"]]
    assert {outcome for _, outcome in answers} == {"stored", "duplicate", "conflict", "superseded"}


# --- durability ---


@pytest.mark.parametrize("allowed", [False, True])
def test_batch_or_retraction_that_would_not_be_durable_is_refused(postgres, database, allowed):
    options = "-c synchronous_commit=off"
    if allowed:
        options += " -c intaked.allow_unsafe_durability=on"
    with closing(Session(postgres, database, options=options)) as unsafe:
        report = make_report(new_key())
        if not allowed:
            with pytest.raises(psycopg2.errors.ObjectNotInPrerequisiteState):
                unsafe.store(report)
            unsafe.query("SET synchronous_commit = local")
        assert unsafe.store(report) == ["stored"]
        if not allowed:
            unsafe.query("SET synchronous_commit = off")
            with pytest.raises(psycopg2.errors.ObjectNotInPrerequisiteState):
                unsafe.retract(report["report_id"])
            unsafe.query("SET synchronous_commit = local")
        assert unsafe.retract(report["report_id"])["outcome"] == "retracted"


# --- partners ---


def test_registry_lists_partners_with_their_keys(session, admin, postgres, database):
    with closing(Session(postgres, database, "operator", "")) as operator:
        add = "SELECT intake.partner_add(%s, '', %s, %s, %s)"
        operator.query(add, ["reg-one", ["a.example.org", "b.example.org"], False, True])
        operator.query(add, ["reg-two", ["c.example.org"], True, False])
        for byte in (3, 1, 2):
            operator.query("SELECT intake.key_add('reg-one', %s, '')", [bytes([byte]) * 32])
        operator.query("SELECT intake.key_revoke(%s)", [b"\1" * 32])
        operator.query("SELECT intake.partner_set_suspended('reg-two', true)")
    rows = {row["name"]: row for row in session.query("SELECT * FROM intake.registry()")}
    one, two = rows["reg-one"], rows["reg-two"]
    assert one["organisations"] == "a.example.org b.example.org"
    assert (one["keys"], one["revoked_keys"]) == ("02" * 32 + " " + "03" * 32, "01" * 32)
    assert (one["may_relay"], one["is_live"], one["is_suspended"]) == (False, True, False)
    assert (two["may_relay"], two["is_live"], two["is_suspended"]) == (True, False, True)
    assert (two["keys"], two["revoked_keys"]) == ("", "")


QUOTAS = (
    "connections", "reports_in_flight", "reports_per_s", "reports_burst", "bytes_per_s",
    "bytes_burst",
)  # fmt: skip


def test_partner_changes_in_what_is_given(session, admin, postgres, database):
    """A quota is a number, 0 for none, or null for the configuration's."""
    with closing(Session(postgres, database, "operator", "")) as operator:

        def change(*values, quotas=None):
            quotas = quotas if quotas is None else json.dumps(quotas)
            operator.query(
                "SELECT intake.partner_set('set-one', %s, %s, %s, %s, %s)", [*values, quotas]
            )

        def row():
            (found,) = admin.query("SELECT * FROM intake.partner WHERE name = 'set-one'")
            return found

        operator.query(
            "SELECT intake.partner_add('set-one', 'T', '{a.example.org}', true, false)"
        )
        expected = row()
        assert [expected[f"quota_{key}"] for key in QUOTAS] == [None] * 6
        for column, value, arguments in (
            ("title", "U", ["U", None, None, None]),
            ("organisations", ["b.example.org"], [None, ["b.example.org"], None, None]),
            ("may_relay", False, [None, None, False, None]),
            ("is_live", True, [None, None, None, True]),
        ):
            change(*arguments)
            expected[column] = value
            assert {**row(), "changed_at": expected["changed_at"]} == expected
        nothing = [None] * 4
        for number, key in enumerate(QUOTAS):
            for value in (number, None, 2**63 - 1, number):
                change(*nothing, quotas={key: value})
                expected[f"quota_{key}"] = value
                assert {**row(), "changed_at": expected["changed_at"]} == expected
        (read,) = session.query("SELECT * FROM intake.partner_quotas() WHERE name = 'set-one'")
        assert [read[key] for key in QUOTAS] == list(range(6))

        before = row()
        for faulty, error in (
            (lambda: change(None, ["UPPER.example.org"], None, True), psycopg2.DataError),
            (lambda: change(None, [], None, True), psycopg2.IntegrityError),
            (lambda: change("x" * 201, None, None, True), psycopg2.IntegrityError),
            (lambda: change(*nothing[1:], True, quotas={"colour": 1}), psycopg2.DataError),
            (lambda: change(*nothing, quotas={"connections": -1}), psycopg2.IntegrityError),
            (lambda: change(*nothing, quotas={"connections": 1.5}), psycopg2.DataError),
            (lambda: change(*nothing, quotas={"connections": 2**63}), psycopg2.DataError),
        ):
            with pytest.raises(error):
                faulty()
        assert row() == before
        with pytest.raises(psycopg2.errors.NoDataFound, match="nobody"):
            operator.query("SELECT intake.partner_set('nobody', NULL, NULL, NULL, NULL, NULL)")


def test_daemons_hear_of_every_change(session, postgres, database):
    session.query("LISTEN intake_registry")
    with closing(Session(postgres, database, "operator", "")) as operator:
        for statement in (
            "SELECT intake.partner_add('heard', '', '{a.example.org}', false, true)",
            "SELECT intake.partner_set_suspended('heard', true)",
            "SELECT intake.partner_set('heard', NULL, NULL, NULL, true, NULL)",
            "SELECT intake.partner_set('heard', NULL, NULL, NULL, NULL, '{\"connections\":1}')",
            "SELECT intake.key_add('heard', '\\x" + "77" * 32 + "', '')",
            "SELECT intake.key_revoke('\\x" + "77" * 32 + "')",
        ):
            operator.query(statement)
            assert select.select([session.connection], [], [], 10)[0], statement
            session.connection.poll()
            assert session.connection.notifies, statement
            session.connection.notifies.clear()


@pytest.mark.parametrize(
    "name, organisation",
    [
        ("Upper", "a.example.org"),
        ("-first", "a.example.org"),
        ("", "a.example.org"),
        ("n" * 64, "a.example.org"),
        ("good-1", "UPPER.example.org"),
        ("good-2", "no spaces.example.org"),
        ("good-3", "single"),
        ("good-4", "a.example.org\n"),
    ],
)
def test_partner_that_breaks_a_rule_is_refused(postgres, database, name, organisation):
    with closing(Session(postgres, database, "operator", "")) as operator:
        with pytest.raises((psycopg2.IntegrityError, psycopg2.DataError)):
            operator.query(
                "SELECT intake.partner_add(%s, '', %s, false, true)", [name, [organisation]]
            )


def test_refusals_are_kept_and_nobody_reads_them(session, admin, postgres, database):
    session.query(
        "SELECT intake.note_refusals(ARRAY(SELECT r FROM"
        " jsonb_populate_recordset(NULL::intake.refusal, %s) AS r))",
        [
            json.dumps(
                [
                    {
                        "refused_at": "2026-11-09T06:05:12Z",
                        "partner_id": 4,
                        "path": "/v1/reports",
                        "status": 422,
                        "problem": "report-invalid",
                        "codes": ["type"],
                        "pointers": ["/title"],
                        "size_bytes": 12,
                        "unrecorded": 0,
                    }
                ]
            )
        ],
    )
    assert admin.query("SELECT codes FROM intake.refusal WHERE partner_id = 4")
    for user in ("daemon", "operator", "analyst"):
        with closing(Session(postgres, database, user, "")) as reader:
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                reader.query("SELECT * FROM intake.refusal")


# --- rights ---

# Of each role on each table and function: policies.sql and functions.sql, beside this file.

# Those of the analysts' functions to which the policies of the record apply.
OF_VIEW = (
    "analysis.timeline(", "analysis.campaigns_between(", "analysis.export_payload(",
    "analysis.revisions(",
)  # fmt: skip


def test_schemas_open_for_use_only_to_whom_they_are(admin):
    rows = admin.query(
        "SELECT n.nspname, r.rolname, p FROM pg_namespace AS n, pg_roles AS r,"
        " unnest('{USAGE,CREATE}'::text[]) AS p"
        " WHERE n.nspname IN ('intake', 'analysis') AND r.rolname = ANY (%s)"
        " AND has_schema_privilege(r.oid, n.oid, p)",
        [list(ROLES)],
    )
    assert {tuple(row.values()) for row in rows} == {
        ("intake", "intake_daemon", "USAGE"),
        ("intake", "intake_operator", "USAGE"),
        ("intake", "intake_view", "USAGE"),
        ("analysis", "intake_view", "USAGE"),
        ("analysis", "intake_view", "CREATE"),
        ("analysis", "intake_analyst", "USAGE"),
    }


def test_public_has_nothing(admin):
    rows = admin.query(
        """
        SELECT c.oid::regclass::text AS name FROM pg_class AS c, aclexplode(c.relacl) AS a
        WHERE c.relnamespace IN ('intake'::regnamespace, 'analysis'::regnamespace)
            AND a.grantee = 0
        UNION ALL
        SELECT p.oid::regprocedure::text FROM pg_proc AS p,
            aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
        WHERE p.pronamespace IN ('intake'::regnamespace, 'analysis'::regnamespace)
            AND a.grantee = 0
        UNION ALL
        SELECT n.nspname FROM pg_namespace AS n, aclexplode(n.nspacl) AS a
        WHERE n.nspname IN ('intake', 'analysis') AND a.grantee = 0
        """
    )
    assert rows == []


FORBIDDEN = {
    "daemon": [
        "SELECT * FROM intake.report",
        "SELECT payload FROM intake.report",
        "SELECT * FROM intake.report_key",
        "SELECT * FROM intake.partner",
        "SELECT * FROM analysis.report",
        "INSERT INTO intake.category VALUES ('x', 'x', 'AA1', 0, false, true, false)",
        "UPDATE intake.report SET title = 'x'",
        "DELETE FROM intake.report",
        "TRUNCATE intake.report",
        "SELECT intake.receipt_of(1, '', gen_random_uuid())",
        "SELECT intake.store_again(NULL, 1)",
        "SELECT * FROM intake.retraction",
        "DELETE FROM intake.retraction",
        "SELECT intake.partner_add('x', '', '{a.example.org}', false, true)",
        "SELECT intake.partner_set_suspended('x', true)",
        "SELECT intake.partner_set('x', NULL, NULL, NULL, true, NULL)",
        "SELECT * FROM intake.keys()",
        "CREATE TABLE intake.mine ()",
        "CREATE FUNCTION intake.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP FUNCTION intake.schema_version()",
        "SET ROLE intake_owner",
        "SET ROLE intake_operator",
        "COPY intake.report TO STDOUT",
    ],
    "operator": [
        "SELECT * FROM intake.report",
        "SELECT * FROM intake.partner_key",
        "UPDATE intake.partner SET is_live = true",
        "SELECT * FROM intake.registry()",
        "SELECT * FROM intake.find('{1}', '{f}', '{x}', '{1}', '{NULL}')",
        "SELECT intake.retract(gen_random_uuid(), now(), 1, false, 'x', 1, 'x')",
        "SELECT * FROM analysis.report",
        "SET ROLE intake_owner",
    ],
    "analyst": [
        "SELECT * FROM intake.report",
        "SELECT * FROM intake.indicator",
        "SELECT * FROM intake.retraction",
        "SELECT * FROM intake.partner",
        "SELECT * FROM intake.clearance",
        "SELECT intake.cleared_tlp()",
        "INSERT INTO analysis.category (code) VALUES ('x')",
        "UPDATE analysis.category SET title = 'x'",
        "DELETE FROM analysis.partner",
        "CREATE VIEW analysis.mine AS SELECT 1",
        "SET ROLE intake_view",
    ],
}


@pytest.mark.parametrize("user", FORBIDDEN)
def test_user_is_refused_everything_else(postgres, database, user):
    with closing(Session(postgres, database, user, "")) as session:
        for statement in FORBIDDEN[user]:
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                if statement.startswith("COPY"):
                    with session.connection.cursor() as cursor, open("/dev/null", "w") as out:
                        cursor.copy_expert(statement, out)
                else:
                    session.query(statement)
                pytest.fail(f"{user}: {statement}")


def test_analyst_reads_the_views_up_to_the_clearance(session, admin, postgres, database):
    label = "clearance"
    add = "SELECT intake.partner_add('views', '', '{a.example.org}', false, true) AS partner_id"
    (enrolled,) = admin.query(add)
    reports = [
        make_report(new_key(), tlp=tlp, tlp_strictest=max(tlp, 2), title=label, **enrolled)
        for tlp in range(5)
    ]
    session.store(*reports)
    seen = "SELECT tlp, payload IS NULL AS is_veiled FROM analysis.report WHERE title = %s"
    with closing(Session(postgres, database, "analyst", "")) as analyst:
        assert {row["tlp"] for row in analyst.query(seen, [label])} == {"TLP:CLEAR", "TLP:GREEN"}
        assert all(row["is_veiled"] for row in analyst.query(seen, [label]))
        admin.query("INSERT INTO intake.clearance VALUES ('analyst', 4)")
        try:
            rows = analyst.query(seen, [label])
            assert len(rows) == 5
            assert not any(row["is_veiled"] for row in rows)
        finally:
            admin.query("DELETE FROM intake.clearance")


def test_functions_heed_no_search_path_of_the_caller(session, admin):
    """Tables, functions and operators of the same names lie in front, and are not taken."""
    session.query(
        """
        CREATE TEMP TABLE report_key (report_id text);
        CREATE TEMP TABLE report (id uuid);
        CREATE FUNCTION pg_temp.cardinality(anyarray) RETURNS int LANGUAGE sql AS 'SELECT 0';
        CREATE FUNCTION pg_temp.always(uuid, uuid) RETURNS boolean LANGUAGE sql AS 'SELECT true';
        CREATE OPERATOR pg_temp.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = pg_temp.always);
        SET search_path = pg_temp, intake, pg_catalog
        """
    )
    report = make_report(new_key())
    assert session.outcomes(report, make_report(report["report_id"])) == ["stored", "duplicate"]
    assert len(rows_of(admin, report["report_id"])) == 1


# --- form ---


PLANTED = (
    "convert_from(bytea, text) RETURNS text",
    "array_to_string(text[], text) RETURNS text",
    "pg_has_role(name, text, text) RETURNS boolean",
    "pg_try_advisory_lock(int) RETURNS boolean",
    "to_json(timestamptz) RETURNS json",
    "rpad(text, int, varchar) RETURNS text",
)


def test_no_function_of_somebody_elses_runs_where_anybody_may_create_some(world, postgres):
    """As in a database that is older than PostgreSQL 15. For a call that fits it better than
    PostgreSQL's own it would be taken, by the superuser who migrates as by the daemon."""
    postgres.query(ADMINISTRATOR, "CREATE DATABASE shared")
    postgres.query("shared", "GRANT CREATE ON SCHEMA public TO PUBLIC")
    with closing(Session(postgres, "shared", "analyst", "")) as analyst:
        analyst.query("CREATE SEQUENCE public.ran; GRANT ALL ON SEQUENCE public.ran TO PUBLIC")
        for function in PLANTED:
            analyst.query(
                f"CREATE FUNCTION public.{function} LANGUAGE plpgsql AS"
                " $$ BEGIN PERFORM nextval('public.ran'); RETURN NULL; END $$"
            )
        site = world.daemon(database="shared")
        site.control("db", "migrate")
        site.control("db", "status")
        site.add_partner("alpha")
        with closing(Session(postgres, "shared")) as session:
            assert session.store(make_report(new_key())) == ["stored"]
            session.query("SELECT intake.housekeep(100)")
        assert run_program("intaked", "-t", "-c", site.conf).returncode == 0
        assert analyst.query("SELECT is_called FROM public.ran") == [{"is_called": False}]


def test_functions_that_run_as_their_owner_fix_their_search_path(admin):
    rows = admin.query(
        "SELECT oid::regprocedure::text AS name, proowner::regrole::text AS owner, prosecdef,"
        " proconfig, prosqlbody IS NOT NULL AS is_parsed FROM pg_proc"
        " WHERE pronamespace IN ('intake'::regnamespace, 'analysis'::regnamespace)"
    )
    assert rows
    for row in rows:
        of_view = row["name"].startswith(OF_VIEW)
        assert row["owner"] == ("intake_view" if of_view else "intake_owner"), row
        if row["is_parsed"]:  # no name in it is looked up when it is called
            assert not row["prosecdef"], row
        else:
            assert row["proconfig"][0] == "search_path=pg_catalog, pg_temp", row


def test_everything_has_the_owner_it_should(admin):
    rows = admin.query(
        "SELECT c.oid::regclass::text AS name, c.relnamespace::regnamespace::text AS schema,"
        " c.relowner::regrole::text AS owner, c.reloptions, c.relkind FROM pg_class AS c"
        " WHERE c.relnamespace IN ('intake'::regnamespace, 'analysis'::regnamespace)"
    )
    assert len(rows) > 20
    for row in rows:
        expected = "intake_view" if row["schema"] == "analysis" else "intake_owner"
        assert row["owner"] == expected, row
        if row["relkind"] == "v":
            # See sql/0011_clearance.sql for those that need none.
            is_open = row["name"] in ("analysis.report", "analysis.daily")
            assert (row["reloptions"] == ["security_barrier=true"]) != is_open, row
    owners = admin.query(
        "SELECT nspowner::regrole::text AS owner FROM pg_namespace"
        " WHERE nspname IN ('intake', 'analysis')"
    )
    assert owners == [{"owner": "intake_owner"}] * 2


def test_roles_cannot_log_in_and_have_no_powers(admin):
    rows = admin.query(
        "SELECT rolname FROM pg_roles WHERE rolname LIKE 'intake\\_%' AND (rolcanlogin OR rolsuper"
        " OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)"
    )
    assert rows == []
    members = admin.query(
        "SELECT roleid::regrole::text AS role, member::regrole::text FROM pg_auth_members"
        " WHERE member::regrole::text LIKE 'intake\\_%'"
    )
    assert members == [{"role": "intake_view", "member": "intake_owner"}]


def test_everything_carries_a_comment(admin):
    missing = admin.query(
        """
        WITH ours AS (SELECT oid FROM pg_namespace WHERE nspname IN ('intake', 'analysis'))
        SELECT c.oid::regclass::text AS name FROM pg_class AS c
        WHERE c.relnamespace IN (SELECT oid FROM ours) AND c.relkind IN ('r', 'p', 'v', 'm')
            AND coalesce(obj_description(c.oid, 'pg_class'), '') = ''
        UNION ALL
        SELECT c.oid::regclass || '.' || a.attname
        FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
        WHERE c.relnamespace IN (SELECT oid FROM ours) AND c.relkind IN ('r', 'p', 'v', 'm')
            AND a.attnum > 0 AND NOT a.attisdropped
            AND coalesce(col_description(c.oid, a.attnum), '') = ''
        UNION ALL
        SELECT p.oid::regprocedure::text FROM pg_proc AS p
        WHERE p.pronamespace IN (SELECT oid FROM ours)
            AND coalesce(obj_description(p.oid, 'pg_proc'), '') = ''
        UNION ALL
        SELECT t.oid::regtype::text FROM pg_type AS t JOIN pg_class AS c ON c.oid = t.typrelid
        WHERE t.typnamespace IN (SELECT oid FROM ours) AND c.relkind = 'c'
            AND coalesce(obj_description(t.oid, 'pg_type'), '') = ''
        UNION ALL
        SELECT nspname FROM pg_namespace WHERE oid IN (SELECT oid FROM ours)
            AND coalesce(obj_description(oid, 'pg_namespace'), '') = ''
        """
    )
    assert missing == []


def test_taxonomy_of_the_database_is_that_of_the_file(admin):
    """Codes with their titles, areas, least labels and flags."""
    taxonomy = json.loads((ROOT / "config" / "taxonomy.json").read_bytes())
    labels = ["TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"]
    rows = admin.query("SELECT code, primary_area, title, min_tlp FROM intake.category")
    stored = {row["code"]: row for row in rows}
    assert set(stored) == {category["code"] for category in taxonomy["categories"]}
    for category in taxonomy["categories"]:
        row = stored[category["code"]]
        assert row["title"] == category["title"]
        assert row["primary_area"] == category["primary_area"]
        assert labels[row["min_tlp"]] == category["min_tlp"]


def apply_by_psql(postgres, database, migrations=None):
    files = [argument for path in migrations or MIGRATIONS for argument in ("--file", path)]
    done = subprocess.run(
        [
            postgres.programs / "psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1",
            *files, postgres.connection_string(ADMINISTRATOR, database),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def note_digests(postgres, database):
    """As intakectl does for what it applies."""
    for path in MIGRATIONS:
        postgres.query(
            database,
            "UPDATE intake.migration SET sha256 = %s WHERE name = %s",
            [hashlib.sha256(path.read_bytes()).digest(), path.stem],
        )


def dump(postgres, database):
    """Everything that defines the database, without what differs from one dump to the next."""
    done = subprocess.run(
        [
            postgres.programs / "pg_dump", "--schema-only",
            "--dbname", postgres.connection_string(ADMINISTRATOR, database),
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    return [line for line in lines if not line.startswith(("\\restrict", "\\unrestrict"))]


def test_migrations_may_run_again_and_either_way(world, postgres):
    """By psql, by psql again, by intakectl; and by intakectl, then by psql: one schema."""
    databases = {}
    for way in ("by_psql_twice", "by_intakectl"):
        postgres.query(ADMINISTRATOR, f"CREATE DATABASE {way}")
        databases[way] = world.daemon(database=way)
    apply_by_psql(postgres, "by_psql_twice")
    once = dump(postgres, "by_psql_twice")
    applied = "SELECT version, name, applied_at FROM intake.migration ORDER BY version"
    record = postgres.query("by_psql_twice", applied)
    apply_by_psql(postgres, "by_psql_twice")
    assert dump(postgres, "by_psql_twice") == once
    assert databases["by_psql_twice"].control("db", "migrate").stdout.count(" applied") == len(MIGRATIONS)
    assert dump(postgres, "by_psql_twice") == once
    assert "nothing to apply" in databases["by_psql_twice"].control("db", "migrate").stdout
    assert postgres.query("by_psql_twice", applied) == record
    assert [name for _, name, _ in record] == [path.stem for path in MIGRATIONS]

    databases["by_intakectl"].control("db", "migrate")
    assert dump(postgres, "by_intakectl") == once
    apply_by_psql(postgres, "by_intakectl")
    assert dump(postgres, "by_intakectl") == once


def test_migrations_leave_data_alone(session, admin, postgres, database):
    report = make_report(new_key())
    session.store(report)
    apply_by_psql(postgres, database)
    assert session.outcomes(make_report(report["report_id"])) == ["duplicate"]
    assert indicator_count(admin, report["report_id"]) == 2


def test_migrations_need_no_superuser(world, postgres):
    """A role that may create roles and owns the database; afterwards it may do it again."""
    name = "by_role"
    postgres.query(ADMINISTRATOR, f"CREATE ROLE {name} LOGIN CREATEROLE")
    postgres.query(ADMINISTRATOR, f"GRANT intake_owner, intake_view TO {name} WITH ADMIN OPTION")
    postgres.query(ADMINISTRATOR, f"CREATE DATABASE {name} OWNER {name}")
    site = world.daemon(
        {"database.owner_connection": postgres.connection_string(name, name)}, database=name
    )
    site.control("db", "migrate")
    assert run_program("intaked", "-t", "-c", site.conf).returncode == 0
    with closing(Session(postgres, name)) as session:
        assert session.store(make_report(new_key())) == ["stored"]


def test_other_encodings_are_refused(postgres):
    postgres.query(
        ADMINISTRATOR,
        "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    )
    with pytest.raises(psycopg2.Error, match="UTF8"):
        postgres.query("latin", MIGRATIONS[0].read_text())
