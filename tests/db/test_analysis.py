# SPDX-License-Identifier: Apache-2.0
"""The analysts' views and functions: exact at every moment, whether housekeeping has been or not."""

import json
import random
import threading
import time
import unicodedata
import uuid
from contextlib import closing, contextmanager

import psycopg2
import pytest

from harness import ADMINISTRATOR, ROOT, wait_until
from test_leak import SPY, STORE, carry, everything_of, text_of

RED = "INSERT INTO intake.clearance VALUES ('postgres', 4) ON CONFLICT DO NOTHING"


@pytest.fixture
def database(world):
    return world.new_database()


@pytest.fixture
def admin(world, database):
    """Cleared to RED, and able to store and to keep house."""
    connection = psycopg2.connect(world.postgres.connection_string(ADMINISTRATOR, database))
    connection.autocommit = True
    with closing(connection):
        made = Admin(connection)
        made.run("SELECT intake.partner_add('alpha', '', '{cert.example.org}', false, true)")
        made.run("SELECT intake.partner_add('beta', '', '{cert.example.org}', false, true)")
        made.run(RED)
        yield made


class Admin:
    def __init__(self, connection):
        self.connection = connection

    def run(self, statement, parameters=None):
        with self.connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def store(self, *reports, indicators=()):
        rows = carry(reports, indicators) if indicators else reports
        self.run(STORE, [json.dumps(rows), json.dumps(list(indicators))])

    def retract(self, report):
        self.run(
            "SELECT intake.retract(%s, '2026-11-22Z', %s, %s, %s, %s, 'R')",
            [
                str(uuid.uuid4()), report["partner_id"], report["is_test"], report["report_id"],
                report["revision"],
            ],
        )  # fmt: skip

    def housekeep(self, changes=100000):
        return self.run("SELECT intake.housekeep(%s)", [changes])[0][0]


_ids = iter(range(1, 1 << 30))


def make_report(report_id=None, **members):
    """members: columns of the row; narrative and others of the payload go by document."""
    number = next(_ids)
    document = {"narrative": "Nothing to say.", **members.pop("document", {})}
    return {
        "id": f"01a20000-{number >> 16:04x}-7000-8000-{number:012x}",
        "received_at": "2026-11-09T06:05:12Z",
        "partner_id": 1,
        "revision": 1,
        "tlp": 1,
        "tlp_strictest": 1,
        "severity": 3,
        "is_test": False,
        "is_exercise": False,
        "is_critical": False,
        "detected_at": "2026-11-09T06:05:12Z",
        "report_id": report_id or f"A-{number}",
        "reporter_org": "cert.example.org",
        "taxonomy": "digital-solidarity-2024/1.0.0",
        "category": "phishing",
        "primary_area": "AA4",
        "action_areas": ["AA4"],
        "title": "T",
        "sha256": "\\x00",
        "payload": "\\x" + json.dumps(document).encode().hex(),
        **members,
    }


# ---- the daily sums

EXPECTED_DAILY = """
SELECT (h.received_at AT TIME ZONE 'UTC')::date, h.primary_area, h.category, h.partner, h.severity,
    h.tlp, count(*), sum(coalesce(h.people_affected, 0)), sum(coalesce(h.loss_amount, 0)),
    h.loss_currency
FROM analysis.report AS h JOIN analysis.category AS c ON c.code = h.category
WHERE c.countable GROUP BY 1, 2, 3, 4, 5, 6, 10 ORDER BY 1, 2, 3, 4, 5, 6, 10
"""
DAILY = """
SELECT day, primary_area, category, partner, severity, tlp, reports, people_affected, loss,
    loss_currency
FROM analysis.daily ORDER BY 1, 2, 3, 4, 5, 6, 10
"""


EXPECTED_DAILY_AREA = """
SELECT day, primary_area, tlp, sum(reports), sum(people_affected) FROM analysis.daily
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
DAILY_AREA = "SELECT * FROM analysis.daily_area ORDER BY day, primary_area, tlp"


def assert_exact(admin):
    """Sums and search show the current reports."""
    assert admin.run(DAILY) == admin.run(EXPECTED_DAILY)
    assert admin.run(DAILY_AREA) == admin.run(EXPECTED_DAILY_AREA)
    found = admin.run("SELECT report FROM analysis.search('nothing', 10000) ORDER BY 1")
    assert found == admin.run("SELECT id FROM analysis.report ORDER BY 1")


def random_report(chance, **members):
    """A category is of another area where another taxonomy says so."""
    category, area = chance.choice(
        [("phishing", "AA4"), ("phishing", "AA1"), ("spam", "AA1"), ("ransomware", "AA3"),
         ("test-report", "AA4")]
    )  # fmt: skip
    return make_report(
        received_at=f"2026-11-{chance.randrange(1, 4):02}T{chance.choice([0, 12, 23])}:59:59Z",
        partner_id=chance.choice([1, 2]),
        severity=chance.randrange(2),
        tlp=chance.randrange(5),
        tlp_strictest=4,
        category=category,
        primary_area=area,
        is_test=chance.random() < 0.1,
        is_exercise=chance.random() < 0.1,
        people_affected=chance.choice([None, 0, 7]),
        loss_amount=chance.choice([None, "10.25"]),
        loss_currency=chance.choice([None, "EUR", "USD"]),
        **members,
    )


@pytest.mark.parametrize("seed", range(4))
def test_sums_and_search_are_exact_whenever_they_are_looked_at(admin, seed):
    """Reports, revisions and retractions by chance, and housekeeping in between."""
    chance = random.Random(seed)
    newest = {}
    for _ in range(120):
        what = chance.random()
        if what < 0.55 or not newest:
            report = random_report(chance)
            admin.store(report)
            newest[report["report_id"]] = report
        elif what < 0.75:
            old = newest[chance.choice(list(newest))]
            report = random_report(chance, report_id=old["report_id"])
            report.update(
                {key: old[key] for key in ("partner_id", "is_test")}, revision=old["revision"] + 1
            )
            admin.store(report)
            newest[report["report_id"]] = report
        elif what < 0.85:
            admin.retract(chance.choice(list(newest.values())))
        else:
            admin.housekeep(chance.choice([1, 3, 100]))
        if chance.random() < 0.2:
            assert_exact(admin)
    assert_exact(admin)
    while admin.housekeep():
        pass
    assert_exact(admin)
    assert admin.run("SELECT count(*) FROM intake.change") == [(0,)]
    assert admin.run(
        "SELECT count(*) FROM intake.words AS w JOIN analysis.report_history AS h ON h.id = w.report"
        " WHERE NOT h.is_current"
    ) == [(0,)]


@pytest.mark.parametrize("partners", [None, ["beta"], []])
@pytest.mark.parametrize("areas", [None, ["AA4"]])
@pytest.mark.parametrize("is_law_enforcement", [False, True])
def test_sums_are_those_of_the_reports_for_every_reader(admin, partners, areas, is_law_enforcement):
    chance = random.Random(7)
    for _ in range(2):
        admin.store(
            *[
                random_report(chance, sharing_law_enforcement=chance.choice([None, "no", "yes"]))
                for _ in range(400)
            ]
        )
        admin.housekeep(300)
    admin.run(
        "UPDATE intake.clearance SET max_tlp = 2, partners = %s, areas = %s, is_law_enforcement = %s",
        [partners, areas, is_law_enforcement],
    )
    assert admin.run(DAILY) == admin.run(EXPECTED_DAILY)
    assert admin.run(DAILY_AREA) == admin.run(EXPECTED_DAILY_AREA)
    assert bool(admin.run(DAILY_AREA)) == (partners != [])


def test_sums_of_nothing_but_what_is_kept_from_a_reader_are_no_rows(world, database, admin):
    """Not even for a function of the reader's own, which may be called before the view leaves out zeros."""
    admin.store(make_report(category="spam", sharing_law_enforcement="no"), make_report())
    admin.housekeep()
    admin.run("INSERT INTO intake.clearance VALUES ('analyst', 4, NULL, NULL, true)")
    analyst = psycopg2.connect(world.postgres.connection_string("analyst", database))
    with closing(analyst):
        analyst.cursor().execute(SPY)
        _, notices = everything_of(analyst, "SELECT FROM analysis.daily WHERE pg_temp.spy(category)")
        assert list(map(text_of, notices)) == ["phishing"]


def test_housekeeping_from_many_sessions_counts_once(world, database, admin):
    admin.store(*[random_report(random.Random(9)) for _ in range(300)])

    def keep_house():
        connection = psycopg2.connect(world.postgres.connection_string("daemon", database))
        connection.autocommit = True
        with closing(connection), connection.cursor() as cursor:
            for _ in range(60):
                cursor.execute("SELECT intake.housekeep(7)")

    threads = [threading.Thread(target=keep_house) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        assert admin.run(DAILY) == admin.run(EXPECTED_DAILY)
    for thread in threads:
        thread.join()
    while admin.housekeep():
        pass
    assert admin.run(DAILY) == admin.run(EXPECTED_DAILY)


VALUE_INDEX = "intake.indicator_value"


def waiting_pages(admin):
    """Of the list of values that their index has not taken in."""
    admin.run("CREATE EXTENSION IF NOT EXISTS pgstattuple")
    return admin.run("SELECT pending_pages FROM pgstatginindex(%s)", [VALUE_INDEX])[0][0]


def store_values(admin, count):
    """Indicators of nobody's report: what matters is their index."""
    admin.run(
        "INSERT INTO intake.indicator (report, tlp, type, role, value)"
        " SELECT gen_random_uuid(), 1, 'sha256', 'source', sha256(random()::text::bytea)::text"
        " FROM generate_series(1, %s)",
        [count],
    )


def test_estimates_do_not_tell_hidden_titles_and_numbers(world, database, admin):
    """The largest of a column can be found by comparing it, where a plan shows how many are more."""
    hidden = [
        make_report(f"zz{n}", tlp=4, tlp_strictest=4, people_affected=10**6 + n, loss_amount=10**6 + n,
                    loss_currency="EUR", actor_name=f"zz{n}", title=f"zz{n}", reporter_org=f"zz{n}")
        for n in range(2000)
    ]  # fmt: skip
    seen = [make_report(people_affected=n, title=f"a{n}", severity=n % 6) for n in range(2000)]
    admin.store(*hidden, *seen)
    admin.run("ANALYZE intake.report, intake.indicator")
    analyst = psycopg2.connect(world.postgres.connection_string("analyst", database))
    with closing(analyst), analyst.cursor() as cursor:

        def estimate(column, constant):
            cursor.execute(
                f"EXPLAIN (FORMAT JSON) SELECT 1 FROM analysis.report WHERE {column} > %s", [constant]
            )
            return rows_of_reports(cursor.fetchone()[0][0]["Plan"])

        def rows_of_reports(node):
            own = [node["Plan Rows"]] if node.get("Relation Name") == "report" else []
            return own + [rows for part in node.get("Plans", ()) for rows in rows_of_reports(part)]

        for column in ("people_affected", "loss_amount"):
            assert estimate(column, 500) == estimate(column, 10**7)
        for column in ("title", "actor_name", "reporter_org", "loss_currency", "report_id"):
            assert estimate(column, "b") == estimate(column, "zzz")
        assert estimate("primary_area", "AA0") != estimate("primary_area", "AA9")


@pytest.mark.parametrize(
    ("view", "condition", "constants"),
    [
        ("report_history", "retraction_reason > %s", ("b", "zzz")),
        ("refusal", "%s = ANY (pointers)", ("/zz", "/b")),
    ],
)
def test_estimates_do_not_tell_what_partners_wrote(world, database, admin, view, condition, constants):
    """Of a reader who may see neither the reports nor the refusals."""
    hidden = [make_report(tlp=4, tlp_strictest=4) for _ in range(300)]
    admin.store(*hidden)
    admin.run(
        "INSERT INTO intake.retraction SELECT id, id, now(), 'zz' || report_id FROM intake.report"
    )
    admin.run(
        "INSERT INTO intake.refusal SELECT now(), 1, '/v1/reports', 422, 'report-invalid',"
        " '{type}', '{/zz}', '\\x00', n, 0 FROM generate_series(1, 300) AS n"
    )
    admin.run("INSERT INTO intake.clearance (user_name, max_tlp, partners) VALUES ('analyst', 1, '{}')")
    admin.run("ANALYZE")
    analyst = psycopg2.connect(world.postgres.connection_string("analyst", database))
    with closing(analyst), analyst.cursor() as cursor:

        def estimate(constant):
            statement = f"EXPLAIN (FORMAT JSON) SELECT 1 FROM analysis.{view} WHERE {condition}"
            cursor.execute(statement, [constant])
            return cursor.fetchone()[0][0]["Plan"]["Plan Rows"]

        assert estimate(constants[0]) == estimate(constants[1])


def test_housekeeping_waits_for_nothing_that_a_reader_may_lock(world, database, admin):
    """Who may connect may take any advisory lock, and keep it."""
    functions = admin.run(
        "SELECT oid::regprocedure FROM pg_proc"
        " WHERE pronamespace IN ('intake'::regnamespace, 'analysis'::regnamespace)"
        " AND (prosrc ~ 'advisory' OR pg_get_functiondef(oid) ~ 'advisory') AND prokind <> 'a'"
    )
    assert functions == []
    analyst = psycopg2.connect(world.postgres.connection_string("analyst", database))
    with closing(analyst), analyst.cursor() as cursor:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("LOCK TABLE intake.turn IN ACCESS SHARE MODE")


def note_refusals(admin, count, age):
    admin.run(
        "INSERT INTO intake.refusal SELECT now() - %s::interval, 1, '/v1/reports', 422, 'report-invalid',"
        " '{type}', '{/title}', '\\x00', n, 0 FROM generate_series(1, %s) AS n",
        [age, count],
    )


def refusals(admin):
    return admin.run("SELECT count(*) FROM intake.refusal")[0][0]


def test_housekeeping_takes_as_many_changes_as_it_is_told(admin):
    admin.store(*(make_report() for _ in range(5)))
    for changes in (0, 100001, None):
        with pytest.raises(psycopg2.errors.InvalidParameterValue, match="expected 1 to 100000"):
            admin.housekeep(changes)
    assert [admin.housekeep(changes) for changes in (1, 3, 100000, 1)] == [1, 3, 1, 0]


def test_housekeeping_derives_what_a_report_shares_once(admin):
    """Hosts, malware and so on of what is not current any more stay; words do not."""
    report = make_report(malware=["lockbit"])
    admin.store(report, indicators=[make_indicator(report, "domain", "c2.example.net")])
    for words in (1, 0):
        assert admin.housekeep() == 1
        for table, rows in (("host", 1), ("trait", 1), ("words", words)):
            assert admin.run(f"SELECT count(*) FROM intake.{table}") == [(rows,)]
        if words:
            admin.retract(report)


@contextmanager
def elsewhere(world, database, statement):
    """Another session has begun a transaction with this, and holds its locks meanwhile."""
    with closing(world.postgres.connect(database)) as other:
        other.autocommit = False
        other.cursor().execute(statement)
        yield
        other.rollback()


def test_housekeeping_leaves_changes_to_whoever_is_at_them(world, database, admin):
    """Another daemon, or an erasure, which takes them itself."""
    admin.store(make_report())
    with elsewhere(world, database, "LOCK TABLE intake.turn IN EXCLUSIVE MODE"):
        assert admin.housekeep() == 0
    assert admin.housekeep() == 1


def test_housekeeping_does_not_wait_for_whoever_maintains_the_values(world, database, admin):
    admin.store(make_report())
    admin.run("SET statement_timeout = '30s'")
    with elsewhere(world, database, "REINDEX INDEX intake.indicator_value"):
        assert admin.housekeep() == 1


def test_old_refusals_are_forgotten_in_bounded_steps(admin):
    """A step that had to take all that have waited would be ended by its statement_timeout for ever."""
    note_refusals(admin, 5, "89 days")
    note_refusals(admin, 15000, "91 days")
    for left in (5005, 5, 5):
        assert admin.housekeep(200) == 0
        assert refusals(admin) == left


def test_old_refusals_are_forgotten_although_reports_never_cease(admin):
    note_refusals(admin, 10, "91 days")
    for _ in range(3000):
        admin.run("INSERT INTO intake.change VALUES (gen_random_uuid(), -1)")
        assert admin.housekeep(200) == 1
        if refusals(admin) == 0:
            break
    assert refusals(admin) == 0


def test_values_wait_for_housekeeping_which_takes_them_all(admin):
    admin.store(make_report())
    store_values(admin, 1000)
    assert waiting_pages(admin) > 0
    assert admin.housekeep(1) == 1
    assert waiting_pages(admin) == 0


def test_no_report_has_to_take_in_what_has_waited_long(admin):
    """64 MB and more: by default a list of 4 MB is taken in by whoever makes it longer."""
    store_values(admin, 1200000)
    before = waiting_pages(admin)
    assert before * 8192 > 64 << 20
    store_values(admin, 1)
    assert waiting_pages(admin) >= before


def test_a_long_list_is_taken_in_although_steps_are_ended(admin):
    """A step has a fifth of the time that it would need for the whole list, and gets on in pieces. All
    at once would have to be begun anew, until what was done in vain before makes it short enough."""
    admin.store(*(make_report() for _ in range(200)))
    store_values(admin, 200000)
    start = time.monotonic()
    admin.housekeep(1)
    timeout_ms = int((time.monotonic() - start) * 1000 / 5)
    store_values(admin, 200000)
    lengths = [waiting_pages(admin)]
    while lengths[-1] > 0:
        admin.run("SET statement_timeout = %s", [timeout_ms])
        try:
            admin.housekeep(1)
        except psycopg2.errors.QueryCanceled:
            pass
        admin.run("RESET statement_timeout")
        lengths.append(waiting_pages(admin))
    assert len(lengths) > 2
    assert lengths[2] < lengths[0], lengths


def test_what_was_stored_by_an_older_version_counts(world):
    """The change rows of 0013 are made for reports that are there, once."""
    database = world.new_database()
    connection = psycopg2.connect(world.postgres.connection_string(ADMINISTRATOR, database))
    connection.autocommit = True
    with closing(connection):
        admin = Admin(connection)
        admin.run("SELECT intake.partner_add('alpha', '', '{cert.example.org}', false, true)")
        admin.run(RED)
        admin.store(make_report(), make_report())
        admin.run("DELETE FROM intake.change")
        admin.run("DELETE FROM intake.migration WHERE version >= 13")
        world.daemon(database=database).control("db", "migrate")
        assert admin.run("SELECT sum(reports) FROM analysis.daily") == [(2,)]
        world.daemon(database=database).control("db", "migrate")
        assert admin.run("SELECT sum(reports) FROM analysis.daily") == [(2,)]


# ---- search


def found(admin, query):
    return {row[0] for row in admin.run("SELECT report_id FROM analysis.search(%s)", [query])}


LANGUAGES = {
    None: ("Invoices were altered", "invoice"),
    "DE-at": ("Die Rechnungen wurden geändert", "Rechnung"),
    "fr": ("Les factures ont été modifiées", "facture modifiée"),
    "es": ("Las facturas fueron alteradas", "factura"),
    "ru": ("Счета были изменены", "счет"),
    "ja": ("請求書 改ざん", "請求書"),
    "ar": ("تم تغيير الفواتير", "الفواتير"),
}


@pytest.mark.parametrize("is_housekept", [False, True])
def test_search_finds_words_as_their_language_spells_them(admin, is_housekept):
    for tag, (narrative, _) in LANGUAGES.items():
        admin.store(make_report(f"L-{tag}", language=tag, document={"narrative": narrative}))
    if is_housekept:
        admin.housekeep()
    for tag, (_, query) in LANGUAGES.items():
        assert f"L-{tag}" in found(admin, query), tag
    assert found(admin, "nowhere") == found(admin, "") == found(admin, "the") == set()


@pytest.mark.parametrize("is_housekept", [False, True])
def test_search_takes_phrases_or_and_not_and_leaves_out_what_is_not_current(admin, is_housekept):
    admin.store(
        # Others are shown its title only, the words of which are a row of their own.
        make_report("S-1", title="Blue whale", document={"narrative": "ate the red herring"},
                    tlp_strictest=3),
        make_report("S-2", title="Red whale", document={"narrative": "ate the blue herring"}),
        make_report("S-3", title="Blue whale", is_exercise=True),
        make_report("S-4", title="Blue whale", is_test=True),
        make_report("S-5", title="Blue whale"),
        make_report("S-6", title="Blue whale"),
    )  # fmt: skip
    admin.store(make_report("S-5", revision=2, title="Green turtle"))
    admin.retract(make_report("S-6"))
    if is_housekept:
        admin.housekeep()
    assert found(admin, "whale") == {"S-1", "S-2"}
    assert found(admin, '"red herring"') == {"S-1"}
    assert found(admin, "whale -blue") == set()
    assert found(admin, "whale -herring") == set()
    assert found(admin, "turtle or herring") == {"S-1", "S-2", "S-5"}
    ranked = [row[0] for row in admin.run("SELECT report_id FROM analysis.search('blue')")]
    assert ranked == ["S-1", "S-2"], "a word of the title counts more"
    assert admin.run("SELECT report_id FROM analysis.search('blue', 1)") == [("S-1",)]


@pytest.mark.parametrize("is_housekept", [False, True])
def test_search_shows_the_newest_of_those_that_are_as_good(admin, is_housekept):
    admin.store(*(make_report(f"S-{n}") for n in range(5)))
    if is_housekept:
        admin.housekeep()
    for rows in (1, 3, 5):
        asked = "SELECT report_id FROM analysis.search('nothing', %s)"
        assert admin.run(asked, [rows]) == [(f"S-{n}",) for n in (4, 3, 2, 1, 0)[:rows]]


def test_search_ranks_the_newest_and_says_so(admin):
    """Of 10,000 and more; the others here are words without reports."""
    admin.store(make_report("S-1", title="Whale"))
    admin.housekeep()

    def add(first, last):
        admin.run(
            "INSERT INTO intake.words SELECT ('01a2ffff-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid,"
            " 1, 9, 1, false, 'AA4', 'english', 'whale' FROM generate_series(%s, %s) AS n",
            [first, last],
        )

    asked = "SELECT report_id, is_complete FROM analysis.search('whale')"
    add(2, 10000)
    assert admin.run(asked) == [("S-1", True)]
    add(10001, 10001)
    assert admin.run(asked) == [("S-1", False)]
    add(10002, 10002)
    assert admin.run(asked) == []


@pytest.mark.parametrize("is_housekept", [False, True])
def test_search_by_a_title_alone_is_like_that_by_all_words(admin, is_housekept):
    """Of a reader to whom narratives are hidden: its words weigh as much, and may be spelt as they like."""
    title = unicodedata.normalize("NFD", "Größe")
    admin.store(
        make_report("S-1", title=title, tlp_strictest=2),
        make_report("S-2", document={"narrative": title}),
    )
    if is_housekept:
        admin.housekeep()
    admin.run("UPDATE intake.clearance SET max_tlp = 1")
    rows = admin.run("SELECT report_id FROM analysis.search(%s)", [unicodedata.normalize("NFC", "Größe")])
    assert rows == [("S-1",), ("S-2",)]


@pytest.mark.parametrize("is_housekept", [False, True])
def test_search_finds_letters_however_they_are_spelt(admin, is_housekept):
    for form in ("NFC", "NFD"):
        title = unicodedata.normalize(form, "Łódź: rançongiciel à l’hôpital")
        narrative = unicodedata.normalize(form, "Ein größeres Lösegeld")
        document = {"narrative": narrative}
        admin.store(make_report(form, title=title, language="fr", document=document))
    admin.store(make_report("wide", title="ＨＯＰＩＴＡＬ ﬁnance"))
    if is_housekept:
        admin.housekeep()
    for form in ("NFC", "NFD"):
        for word in ("rançongiciel", "łódź", "hôpital", "lösegeld", '"größeres lösegeld"'):
            query = unicodedata.normalize(form, word)
            assert found(admin, query) == {"NFC", "NFD"}, (form, word)
    assert found(admin, "hopital finance") == {"wide"}


def test_a_payload_that_lacks_what_it_should_have_holds_nobody_up(admin):
    bare = make_report("B-1", title="Barnacle", payload="\\x" + b"{}".hex())
    admin.store(bare, make_report("B-2", title="Barnacle"))
    assert admin.housekeep() == 2
    assert found(admin, "barnacle") == {"B-1", "B-2"}


@pytest.mark.parametrize("function", ["search('x', %s)", "related(gen_random_uuid(), %s)"])
@pytest.mark.parametrize(("max_rows", "is_taken"), [(0, False), (1, True), (10000, True),
                                                    (10001, False), (None, False)])  # fmt: skip
def test_number_of_rows_has_its_limits(admin, function, max_rows, is_taken):
    if is_taken:
        admin.run(f"SELECT * FROM analysis.{function}", [max_rows])
    else:
        with pytest.raises(psycopg2.errors.InvalidParameterValue, match="expected 1 to 10000"):
            admin.run(f"SELECT * FROM analysis.{function}", [max_rows])


# ---- indicators


def make_indicator(report, type_, value, **columns):
    address = value if type_ in ("ipv4", "ipv6", "cidr") else None
    return {
        "report": report["id"], "tlp": 1, "type": type_, "role": "source", "value": value,
        "address": address, **columns,
    }  # fmt: skip


LONGEST_HOST = "b." * 123 + "example"

SEEN = {
    "192.0.2.7": {("192.0.2.7", "exact"), ("192.0.2.0/24", "around"), ("192.0.0.0/8", "around")},
    "192.0.2.0/24": {
        ("192.0.2.0/24", "exact"), ("192.0.2.7", "within"), ("192.0.2.128/25", "within"),
        ("192.0.0.0/8", "around"),
    },
    "192.0.3.0/24": {("192.0.0.0/8", "around")},
    "300.0.2.7": set(),
    "2001:db8::1": {("2001:db8::1", "exact"), ("2001:db8::/32", "around"), ("::/0", "around")},
    "2001:db8::/64": {("2001:db8::1", "within"), ("2001:db8::/32", "around"), ("::/0", "around")},
    "2001:DB8::/32": {
        ("2001:db8::/32", "exact"), ("2001:db8::1", "within"), ("::/0", "around"),
    },
    "example.org": {
        ("example.org", "exact"), ("a.example.org", "below"),
        ("https://user@Mail.Example.org:8443/x?y", "below"), ("me@example.org", "host"),
    },
    "mail.example.org": {("https://user@Mail.Example.org:8443/x?y", "host")},
    "Mail.Example.org.": {("https://user@Mail.Example.org:8443/x?y", "host")},
    "evil.example.net": {
        ("http://a@b@evil.example.net/", "host"), ("http://evil.example.net./", "host"),
        ("http://evil.example.net\\@good.example.com/", "host"),
    },
    "198.51.100.7": {("http://198.51.100.7:8080/x.exe", "host"), ("root@[198.51.100.7]", "host")},
    "2001:DB8:77:0::1": {
        ("http://[2001:db8:77::1]:8080/x.exe", "host"), ("2001:db8::/32", "around"),
        ("::/0", "around"),
    },
    "query.example.net": {("http://query.example.net?x@good.example.com/", "host")},
    "fragment.example.net": {("svn+ssh://fragment.example.net#x@good.example.com/", "host")},
    "good.example.com": set(),
    "inner.example.net": set(),
    "_x.test-1.example": {("http://_x.test-1.example/", "host")},
    LONGEST_HOST: {(f"http://{LONGEST_HOST}/", "host")},
    "a" + LONGEST_HOST: set(),
    "org": set(),
    "mail[.]example[.]org": {("https://user@Mail.Example.org:8443/x?y", "host")},
    "hXXp://198.51.100[.]7:8080/x.exe": {("http://198.51.100.7:8080/x.exe", "exact")},
    "192.0.2[.]7": {("192.0.2.7", "exact"), ("192.0.2.0/24", "around"), ("192.0.0.0/8", "around")},
    "hxxp://example[.]com/Path": {("http://example.com/Path", "exact")},
    "http://example.com/hxxp": {("http://example.com/hxxp", "exact")},
    "A[.]txt": {("A[.]txt", "exact")},
    "B[.]TXT": {("b[.]txt", "exact")},
    " ME@Example[.]org ": {("me@example.org", "exact")},
    "hxxp://example.com/" + "x" * 600: {("http://example.com/" + "x" * 600, "exact")},
    "ample.org": set(),
    "AB" * 32: {("ab" * 32, "exact")},
    "x" * 512: {("x" * 512, "exact")},
    "x" * 600: {("x" * 600, "exact")},
    "[.]" * 171: {("[.]" * 171, "exact")},
    "": set(),
    "%": set(),
}  # fmt: skip


@pytest.mark.parametrize("is_housekept", [False, True])
def test_seen_finds_indicators_by_value_network_and_host(admin, is_housekept):
    values = [
        ("ipv4", "192.0.2.7"), ("cidr", "192.0.2.0/24"), ("cidr", "192.0.2.128/25"),
        ("cidr", "192.0.0.0/8"), ("ipv4", "192.1.2.7"), ("ipv6", "2001:db8::1"),
        ("cidr", "2001:db8::/32"), ("domain", "example.org"), ("domain", "a.example.org"),
        ("domain", "notexample.org"), ("url", "https://user@Mail.Example.org:8443/x?y"),
        ("email", "me@example.org"), ("sha256", "ab" * 32), ("other", "x" * 600),
        ("file-name", "A[.]txt"), ("url", "http://example.com/" + "x" * 600),
        ("url", "http://a@b@evil.example.net/"), ("url", "http://evil.example.net./"),
        ("url", "http://evil.example.net\\@good.example.com/"),
        ("url", "http://198.51.100.7:8080/x.exe"), ("email", "root@[198.51.100.7]"),
        ("url", "http://[2001:db8:77::1]:8080/x.exe"), ("url", "http://./"), ("url", "http://[/"),
        ("cidr", "::/0"), ("url", "http://192.0.3.0/"), ("url", "data:,http://inner.example.net/"),
        ("url", "http://query.example.net?x@good.example.com/"),
        ("url", "svn+ssh://fragment.example.net#x@good.example.com/"),
        ("url", "http://_x.test-1.example/"), ("url", f"http://{LONGEST_HOST}/"),
        ("url", f"http://a{LONGEST_HOST}/"), ("url", "http://example.com/Path"),
        ("url", "http://example.com/hxxp"), ("url", "http://example.com/http"),
        ("file-name", "b[.]txt"), ("other", "x" * 512), ("other", "[.]" * 171),
    ]  # fmt: skip
    sent = [{"type": type_, "value": value, "role": "source"} for type_, value in values]
    report = make_report(document={"indicators": sent})
    admin.store(report, indicators=[make_indicator(report, *each) for each in values])
    if is_housekept:
        admin.housekeep()
    for value, expected in SEEN.items():
        rows = admin.run("SELECT indicator, match FROM analysis.seen(%s)", [value])
        assert set(rows) == expected, value
        assert len(rows) == len(expected), value


def test_indicators_in_a_network_are_those_of_the_view(admin):
    report = make_report()
    addresses = ["10.1.0.0", "10.1.255.255", "10.1.128.0/17", "10.0.255.255", "10.2.0.0", "10.0.0.0/8",
                 "10.1.0.0/16"]
    seen = {"tlp": 2, "first_seen": "2026-11-01Z", "last_seen": "2026-11-02Z", "confidence": 7}
    admin.store(
        report,
        indicators=[make_indicator(report, "cidr" if "/" in a else "ipv4", a, **seen) for a in addresses],
    )
    store_what_is_not_current(admin, "ipv4", "10.1.2.3")
    expected = "SELECT * FROM analysis.indicator WHERE address <<= '10.1.0.0/16' ORDER BY value"
    rows = admin.run("SELECT * FROM analysis.indicators_in('10.1.0.0/16') ORDER BY value")
    assert rows == admin.run(expected)
    assert [row[3] for row in rows] == ["10.1.0.0", "10.1.0.0/16", "10.1.128.0/17", "10.1.255.255"]


def store_what_is_not_current(admin, type_, value):
    """A test, an exercise, an older revision and a retracted report, all with the indicator."""
    reports = [make_report(is_test=True), make_report(is_exercise=True), make_report(), make_report()]
    admin.store(*reports, indicators=[make_indicator(each, type_, value) for each in reports])
    admin.store(make_report(reports[2]["report_id"], revision=2))
    admin.retract(reports[3])


def test_seen_shows_current_reports_the_newest_first_and_both_labels(admin):
    value = "c2.example.net"
    newest = make_report("S-1", received_at="2026-11-12Z")
    oldest = make_report("S-2", received_at="2026-11-10Z")
    between = make_report("S-3", received_at="2026-11-11Z", tlp=0)
    admin.store(
        newest, oldest, between,
        indicators=[
            make_indicator(newest, "domain", value), make_indicator(oldest, "domain", value, tlp=2),
            make_indicator(between, "domain", value, role="target"),
        ],
    )  # fmt: skip
    store_what_is_not_current(admin, "domain", value)
    rows = admin.run("SELECT report_id, report_tlp, tlp, role FROM analysis.seen(%s)", [value])
    assert rows == [
        ("S-1", "TLP:GREEN", "TLP:GREEN", "source"), ("S-3", "TLP:CLEAR", "TLP:GREEN", "target"),
        ("S-2", "TLP:GREEN", "TLP:AMBER", "source"),
    ]  # fmt: skip


def test_seen_orders_what_came_at_one_time(admin):
    reports = [make_report() for _ in range(5)]
    values = [("url", "http://b.example.net/"), ("domain", "c.example.net"), ("domain", "a.example.net")]
    admin.store(
        *reports, indicators=[make_indicator(each, *value) for value in values for each in reports]
    )
    rows = admin.run("SELECT report::text, type, indicator FROM analysis.seen('example.net')")
    assert rows == sorted(rows)
    assert len(rows) == 15


@pytest.mark.parametrize("is_housekept", [False, True])
def test_indicator_without_a_label_has_that_of_its_report(admin, is_housekept):
    sent = [{"type": "domain", "value": "c2.example.net", "role": "source"}]
    admin.store(make_report(tlp=2, document={"indicators": sent}))
    if is_housekept:
        admin.housekeep()
    assert admin.run("SELECT tlp FROM analysis.seen('example.net')") == [("TLP:AMBER",)]


@pytest.mark.parametrize("is_housekept", [False, True])
def test_related_reports_share_things_and_rare_ones_weigh_more(admin, is_housekept):
    common = {"techniques": ["T1566"]}
    first = make_report("R-1", document=common, malware=["LockBit"])
    same_host = make_report("R-2", document=common)
    same_malware = make_report("R-3", malware=["lockbit"])
    same_technique = make_report("R-4", document=common)
    # What is spelt alike is not the same where it is of another kind.
    alike = {"techniques": ["T1000"], "references": [{"value": "lockbit"}]}
    stranger = make_report("R-5", document=alike)
    gone = make_report("R-6", malware=["lockbit"])
    exercise = make_report("R-7", malware=["lockbit"], is_exercise=True)
    test = make_report("R-8", malware=["lockbit"], is_test=True)
    corrected = make_report("R-9", malware=["lockbit"])
    admin.store(
        first, same_host, same_malware, same_technique, stranger, gone, exercise, test, corrected,
        indicators=[
            *(
                make_indicator(each, "domain", "c2.example.net")
                for each in (first, same_host, exercise, test)
            ),
            make_indicator(first, "domain", "c2.example.net", role="target"),
        ],
    )  # fmt: skip
    admin.retract(gone)
    admin.store(make_report("R-9", revision=2, malware=["other"]))
    if is_housekept:
        admin.housekeep()
    rows = admin.run("SELECT report_id, shared FROM analysis.related(%s)", [first["id"]])
    assert rows == [
        ("R-2", ["indicator c2.example.net", "technique T1566"]),
        ("R-3", ["malware lockbit"]),
        ("R-4", ["technique T1566"]),
    ]
    assert admin.run("SELECT * FROM analysis.related(gen_random_uuid())") == []


def test_related_reports_that_share_what_few_have_come_first(admin):
    """Then the newest."""
    first = make_report("R-1", malware=["rare", "frequent"])
    rare = make_report("R-2", malware=["rare"])
    admin.store(first, rare, *(make_report(f"R-{n}", malware=["frequent"]) for n in (3, 4)))
    ordered = [("R-2",), ("R-4",), ("R-3",)]
    for rows in (1, 2, 3):
        asked = "SELECT report_id FROM analysis.related(%s, %s)"
        assert admin.run(asked, [first["id"], rows]) == ordered[:rows]


@pytest.mark.parametrize("is_housekept", [False, True])
def test_reports_are_related_by_what_is_long_too(admin, is_housekept):
    document = {"references": [{"value": "https://example.org/" + "x" * 300}]}
    first, second = (make_report(document=document) for _ in range(2))
    admin.store(first, second)
    if is_housekept:
        admin.housekeep()
    rows = admin.run("SELECT report::text FROM analysis.related(%s)", [first["id"]])
    assert rows == [(second["id"],)]


def test_indicator_relates_more_than_malware_and_that_more_than_a_technique(admin):
    technique = {"techniques": ["T1566"]}
    first = make_report("R-1", malware=["lockbit"], document=technique)
    same_hosts = make_report("R-2")
    same_malware, same_technique = make_report("R-3", malware=["lockbit"]), make_report("R-4", document=technique)
    hosts = [f"{n}.example.net" for n in "cab"]
    admin.store(
        first, same_hosts, same_malware, same_technique,
        indicators=[make_indicator(each, "domain", host) for host in hosts for each in (first, same_hosts)],
    )  # fmt: skip
    rows = admin.run("SELECT report_id, score::text, shared FROM analysis.related(%s)", [first["id"]])
    assert rows == [
        ("R-2", "8.192", [f"indicator {host}" for host in sorted(hosts)]),
        ("R-3", "1.820", ["malware lockbit"]),
        ("R-4", "0.455", ["technique T1566"]),
    ]


@pytest.mark.parametrize("is_housekept", [False, True])
def test_report_above_the_clearance_is_not_found_by_what_has_a_looser_label(admin, is_housekept):
    """The daemon takes no such report; nothing but the label of the report hides it here."""
    hidden, shown = (make_report(tlp=tlp, tlp_strictest=tlp) for tlp in (4, 1))
    admin.store(
        hidden, shown, indicators=[make_indicator(each, "ipv4", "192.0.2.7") for each in (hidden, shown)]
    )
    if is_housekept:
        admin.housekeep()
    admin.run("UPDATE intake.clearance SET max_tlp = 3")
    for function in ("seen('192.0.2.7')", "indicators_in('192.0.2.0/24')"):
        rows = admin.run(f"SELECT report::text FROM analysis.{function}")
        assert rows == [(shown["id"],)], function
    for each in (hidden, shown):
        assert admin.run("SELECT * FROM analysis.related(%s)", [each["id"]]) == []


def test_what_more_than_a_thousand_reports_have_relates_none(admin):
    crowd = [make_report(malware=["common"]) for _ in range(1001)]
    asked = "SELECT count(*) FROM analysis.related(%s, 10000)"
    admin.store(*crowd[:1000])
    assert admin.run(asked, [crowd[0]["id"]]) == [(999,)]
    admin.store(crowd[1000])
    assert admin.run(asked, [crowd[0]["id"]]) == [(0,)]


@pytest.mark.parametrize("is_housekept", [False, True])
def test_related_reports_share_only_what_the_reader_may_see_of_both(admin, is_housekept):
    """Either would tell of the other what stands there under a stricter label."""
    members = {
        "malware": ["lockbit"],
        "document": {
            "techniques": ["T1566"], "vulnerabilities": ["CVE-2026-1"], "references": [{"value": "r"}]
        },
    }  # fmt: skip
    open_one, partly_open = make_report("R-1", **members), make_report("R-2", tlp_strictest=2, **members)
    admin.store(
        open_one, partly_open,
        indicators=[
            make_indicator(open_one, "domain", "c2.example.net"),
            make_indicator(partly_open, "domain", "c2.example.net", tlp=2),
        ],
    )  # fmt: skip
    if is_housekept:
        admin.housekeep()
    kinds = {1: {"malware"}, 2: {"indicator", "malware", "reference", "technique", "vulnerability"}}
    for tlp, shared in kinds.items():
        admin.run("UPDATE intake.clearance SET max_tlp = %s", [tlp])
        for report in (open_one, partly_open):
            ((rows,),) = admin.run("SELECT shared FROM analysis.related(%s)", [report["id"]])
            assert {row.split()[0] for row in rows} == shared, (tlp, report["report_id"])


def test_timeline_has_every_step(admin):
    store_what_is_not_current(admin, "domain", "example.net")  # one has a newer revision that is
    admin.store(
        make_report(received_at="2026-11-09T06:00:00Z", severity=0),
        make_report(received_at="2026-11-09T06:59:59.999999Z", severity=5, people_affected=3),
        make_report(received_at="2026-11-09T07:00:00Z", severity=4, is_critical=True),
        make_report(received_at="2026-11-09T09:00:00Z"),
    )
    rows = admin.run(
        "SELECT extract(hour FROM step_starts_at AT TIME ZONE 'UTC')::int, reports,"
        " critical_reports, max_severity, people_affected FROM analysis.timeline("
        "'2026-11-09T06:00:00Z', '2026-11-09T09:00:00Z', '1 hour')"
    )
    assert rows == [(6, 3, 0, 5, 3), (7, 1, 1, 4, 0), (8, 0, 0, None, 0)]
    longer = "SELECT reports FROM analysis.timeline('2026-11-09T06:00:00Z', '2026-11-09T09:00:00Z', '2 hours')"
    assert admin.run(longer) == [(4,), (0,)]
    most = "SELECT count(*) FROM analysis.timeline('2026-11-01Z', '2026-11-08Z', make_interval(secs => %s))"
    assert admin.run(most, [7 * 8.64]) == [(10000,)]
    with pytest.raises(psycopg2.errors.InvalidParameterValue, match="at most 10,000 steps"):
        admin.run(most, [7 * 8.6395])
    for step in ("0 seconds", "-1 hour", "1 second"):
        with pytest.raises(psycopg2.errors.InvalidParameterValue):
            admin.run("SELECT * FROM analysis.timeline('2026-11-01Z', '2026-12-01Z', %s)", [step])


def test_timeline_counts_a_day_as_24_hours_over_a_change_of_the_clock(admin):
    admin.store(*(make_report(received_at=f"2026-10-{day}T12:00:00Z") for day in range(22, 30)))
    admin.run("SET timezone = 'Europe/Berlin'")
    rows = admin.run("SELECT reports FROM analysis.timeline('2026-10-22', '2026-10-30', '1 day')")
    assert rows == [(1,)] * 8 + [(0,)]  # the hour that the clock was set back


def test_replica_counts_what_was_retracted_and_superseded_once(world, admin, database):
    """Its tables are copied side by side, in transactions that do not see each other."""
    first, second = make_report("R-1"), make_report("R-2")
    admin.store(first, second)
    admin.run("DELETE FROM intake.change")
    admin.run((ROOT / "config" / "replica.sql").read_text())
    superseded = (
        "INSERT INTO intake.superseded_key SELECT report_id, partner_id, is_test, revision, id"
        " FROM intake.report WHERE id = %s"
    )
    retracted = "INSERT INTO intake.retraction VALUES (%s, gen_random_uuid(), now(), '')"
    for report, statements in ((first, (superseded, retracted)), (second, (retracted, superseded))):
        copies = [world.postgres.connect(database) for _ in range(2)]
        for copy in copies:
            copy.autocommit = False
            copy.cursor().execute("SET session_replication_role = replica")
            copy.commit()
        copies[0].cursor().execute(statements[0], [report["id"]])
        waiting = threading.Thread(
            target=lambda: copies[1].cursor().execute(statements[1], [report["id"]])
        )
        waiting.start()
        with closing(copies[0]), closing(copies[1]):
            wait_until(
                lambda: admin.run("SELECT 1 FROM pg_locks WHERE relation = 'intake.replica_turn'::regclass AND NOT granted"),
                "the second copy waits for the first",
            )
            copies[0].commit()
            waiting.join()
            copies[1].commit()
        changes = "SELECT sign FROM intake.change WHERE report = %s"
        assert admin.run(changes, [report["id"]]) == [(-1,)]


def test_id_at_is_below_and_above_every_id_where_time_ends(admin):
    first, last = (f"{digits}-0000-0000-000000000000" for digits in ("00000000-0000", "ffffffff-ffff"))
    for at, expected in (
        ("-infinity", first), ("1960-01-01Z", first), ("1970-01-01Z", first),
        ("12000-01-01Z", last), ("infinity", last), (None, None),
    ):  # fmt: skip
        assert admin.run("SELECT analysis.id_at(%s)::text", [at]) == [(expected,)]


def test_campaigns_hang_together_by_rare_indicators(admin):
    other = [make_report(f"D-{n}") for n in range(2)]
    chain = [make_report(f"C-{n}", partner_id=1 + n % 2) for n in range(4)]
    crowd = [make_report() for _ in range(25)]
    indicators = [make_indicator(each, "domain", "popular.example") for each in crowd + chain]
    for n in range(3):  # each shares something with the next, none with all
        indicators += [make_indicator(each, "domain", f"{n}.link.example") for each in chain[n : n + 2]]
    indicators += [make_indicator(each, "domain", "other.example") for each in other]
    indicators += [make_indicator(each, "domain", "victim.example", role="target")
                   for each in (chain[0], other[0])]  # fmt: skip
    admin.store(*chain, *other, *crowd, indicators=indicators)
    rows = admin.run(
        "SELECT campaign::text, reports, partners, indicators"
        " FROM analysis.campaigns_between('2026-11-01Z', '2026-12-01Z')"
    )
    assert rows == [
        (chain[0]["id"], 4, ["alpha", "beta"], [f"{n}.link.example" for n in range(3)]),
        (other[0]["id"], 2, ["alpha"], ["other.example"]),
    ]


def test_roots_are_the_smallest_numbers_that_hang_together(admin):
    asked = "SELECT intake.roots(%s, %s, 6)"
    assert admin.run(asked, [[4, 3, 2], [3, 2, 1]]) == [([1, 1, 1, 1, 5, 6],)]
    assert admin.run(asked, [[2, 5, 2], [6, 3, 5]]) == [([1, 2, 2, 4, 2, 2],)]


def test_campaigns_are_of_the_current_reports_of_a_time(admin):
    """The first instant belongs to it, the last does not."""
    first, last = "2026-11-01T00:00:00Z", "2026-11-30T23:59:59.999999Z"
    inside = [make_report(received_at=at) for at in (last, first)]
    outside = [make_report(received_at=at) for at in ("2026-10-31T23:59:59.999999Z", "2026-12-01Z")]
    indicators = [make_indicator(each, "domain", "c2.example.net") for each in inside + outside]
    admin.store(*inside, *outside, indicators=indicators)
    store_what_is_not_current(admin, "domain", "c2.example.net")
    rows = admin.run(
        "SELECT members::text[], first_received_at = %s, last_received_at = %s"
        " FROM analysis.campaigns_between('2026-11-01Z', '2026-12-01Z')",
        [first, last],
    )
    assert rows == [([each["id"] for each in inside], True, True)]


def test_campaigns_of_now_are_those_of_30_days(admin):
    def at(age):
        return admin.run("SELECT (now() - %s::interval)::text", [age])[0][0]

    ages = {"old": ("30 days 1 hour", "29 days"), "young": ("29 days", "-1 hour")}
    for name, pair in ages.items():
        reports = [make_report(received_at=at(age)) for age in pair]
        values = [make_indicator(each, "domain", f"{name}.example.net") for each in reports]
        admin.store(*reports, indicators=values)
    assert admin.run("SELECT indicators FROM analysis.campaigns") == [(["young.example.net"],)]


def test_campaign_shows_ten_indicators_those_first_that_most_share(admin):
    reports = [make_report(category=category) for category in ("spam", "phishing", "spam")]
    few = [f"{n:02}.example.net" for n in range(11)]
    indicators = [make_indicator(each, "domain", value) for value in few for each in reports[:2]]
    indicators += [make_indicator(each, "domain", "most.example.net") for each in reports]
    admin.store(*reports, indicators=indicators)
    asked = (
        "SELECT reports, categories, indicators"
        " FROM analysis.campaigns_between('2026-11-01Z', '2026-12-01Z', %s)"
    )
    both = ["phishing", "spam"]
    assert admin.run(asked, [3]) == [(3, both, ["most.example.net", *few[:9]])]
    assert admin.run(asked, [2]) == [(2, both, few[:10])]
    assert admin.run(asked, [1]) == []


def test_campaign_is_tied_by_values_of_512_bytes_and_by_no_longer_ones(admin):
    pairs = {size: [make_report(f"L-{size}-{n}") for n in range(2)] for size in (512, 513)}
    indicators = [
        make_indicator(each, "url", "https://example.net/".ljust(size, "x"))
        for size, pair in pairs.items() for each in pair
    ]  # fmt: skip
    admin.store(*pairs[512], *pairs[513], indicators=indicators)
    rows = admin.run(
        "SELECT members::text[] FROM analysis.campaigns_between('2026-11-01Z', '2026-12-01Z')"
    )
    assert rows == [([each["id"] for each in pairs[512]],)]


def test_there_may_be_no_campaign(admin):
    """No report at all, none that shares anything, and none of whose indicators is rare."""
    asked = "SELECT * FROM analysis.campaigns_between('2026-11-01Z', '2026-12-01Z')"
    assert admin.run("SELECT * FROM analysis.campaigns") == []
    assert admin.run(asked) == []
    crowd = [make_report() for _ in range(25)]
    same = [make_indicator(crowd[0], "domain", "popular.example", role=role) for role in ("source", "other")]
    admin.store(crowd[0], indicators=same)
    assert admin.run(asked) == []
    popular = [make_indicator(each, "domain", "popular.example") for each in crowd[1:]]
    admin.store(*crowd[1:], indicators=popular)
    assert admin.run(asked) == []


# ---- revisions and parts


def test_history_shows_every_revision_with_its_flags_in_the_order_of_partner_mode_and_revision(admin):
    first, drill = make_report("H-1"), make_report("H-1", partner_id=2, is_exercise=True)
    admin.store(drill, make_report("H-1", is_test=True), first, make_report("H-2"))
    admin.retract(first)
    for revision in (2, 3):
        admin.store(make_report("H-1", revision=revision))
    rows = admin.run(
        "SELECT partner, is_test, revision, is_current, is_retracted, is_exercise, retraction_reason"
        " FROM analysis.revisions('H-1')"
    )
    assert rows == [
        ("alpha", False, 1, False, True, False, "R"), ("alpha", False, 2, False, False, False, None),
        ("alpha", False, 3, True, False, False, None), ("alpha", True, 1, True, False, False, None),
        ("beta", False, 1, True, False, True, None),
    ]  # fmt: skip
    admin.retract(make_report("H-1", revision=3))
    current = "SELECT partner, is_test FROM analysis.revisions('H-1') WHERE is_current"
    assert admin.run(current) == [("alpha", True), ("beta", False)]


def test_attachments_are_those_of_current_reports_each_under_its_label(admin):
    def make(**members):
        files = [{"name": "report's"}, {"name": "own", "tlp": "TLP:RED"}]
        return make_report(tlp=2, tlp_strictest=4, document={"attachments": files}, **members)

    shown, old, gone = make(), make(), make()
    admin.store(shown, old, gone, make(is_test=True), make(is_exercise=True))
    admin.store(make_report(old["report_id"], revision=2))
    admin.retract(gone)
    asked = "SELECT report::text, name, tlp FROM analysis.attachment ORDER BY tlp"
    rows = [(shown["id"], "report's", "TLP:AMBER"), (shown["id"], "own", "TLP:RED")]
    for max_tlp, count in ((4, 2), (3, 1), (2, 1), (1, 0)):
        admin.run("UPDATE intake.clearance SET max_tlp = %s", [max_tlp])
        assert admin.run(asked) == rows[:count]


def test_name_of_a_protected_victim_is_hidden_even_where_the_payload_is_not(admin):
    """The daemon lets no such payload be seen."""
    victims = [{"name": "A", "protected": True}, {"name": "B", "protected": False}, {"name": "C"}]
    admin.store(make_report(document={"victims": victims}))
    asked = "SELECT name, protected FROM analysis.victim ORDER BY protected DESC, name"
    for max_tlp, name in ((3, "A"), (2, None)):
        admin.run("UPDATE intake.clearance SET max_tlp = %s", [max_tlp])
        assert admin.run(asked) == [(name, True), ("B", False), ("C", False)]


def test_clearance_is_that_of_the_reader(admin):
    asked = "SELECT * FROM analysis.clearance"
    assert admin.run(asked) == [("postgres", "TLP:RED", None, None, False)]
    admin.run("INSERT INTO intake.clearance VALUES ('analyst', 3)")
    admin.run("UPDATE intake.clearance SET partners = '{beta}', areas = '{AA4}', is_law_enforcement = true"
              " WHERE user_name = 'postgres'")  # fmt: skip
    assert admin.run(asked) == [("postgres", "TLP:RED", ["beta"], ["AA4"], True)]
    admin.run("DELETE FROM intake.clearance WHERE user_name = 'postgres'")
    assert admin.run(asked) == [("postgres", "TLP:GREEN", None, None, False)]


def test_refusals_are_shown_as_they_were_noted(admin):
    admin.run(
        "INSERT INTO intake.refusal VALUES ('2026-11-09Z', 2, '/v1/reports', 422, 'report-invalid',"
        " '{type}', '{/title}', '\\x00ff', 7, 3)"
    )
    rows = admin.run(
        "SELECT refused_at = '2026-11-09Z', partner, path, status, problem, codes, pointers, sha256,"
        " size_bytes, unrecorded FROM analysis.refusal"
    )
    assert rows == [
        (True, "beta", "/v1/reports", 422, "report-invalid", ["type"], ["/title"], "00ff", 7, 3)
    ]


# ---- payloads


TEXTS = [
    "emoji 👩🏽‍🚒 and 🏴󠁧󠁢󠁳󠁣󠁴󠁿", "עברית וعربية", "e\u0301 u\u0308 combining", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
    "\u200f\u200e marks", "tab\tand\r\nlines", "\\u escapes \" and / and \\",
]  # fmt: skip


def test_text_comes_back_as_it_went_in(admin):
    for number, text in enumerate(TEXTS):
        admin.store(make_report(f"P-{number}", title=text, document={"narrative": text}))
        rows = admin.run(
            "SELECT title, narrative, payload ->> 'narrative' FROM analysis.report"
            " WHERE report_id = %s",
            [f"P-{number}"],
        )
        assert rows == [(text, text, text)]
