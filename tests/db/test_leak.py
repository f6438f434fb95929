# SPDX-License-Identifier: Apache-2.0
"""Nobody learns of what is hidden from him. For each kind of reader there are two databases that
differ in nothing but what that reader may not see: its content, and how much of it there is. Every
statement has to bring the same of both: rows, errors, and what functions of the reader's own that
are called in it get to see."""

import hashlib
import itertools
import json
import uuid
from contextlib import closing

import psycopg2
import pytest

from harness import ADMINISTRATOR

STORE = """
SELECT * FROM intake.store(
    ARRAY(SELECT r FROM jsonb_populate_recordset(NULL::intake.report, %s) AS r),
    ARRAY(SELECT i FROM jsonb_populate_recordset(NULL::intake.indicator, %s) AS i))
"""
LABELS = ("TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED")
CATEGORIES = {"AA1": ("spam", "denial-of-service"), "AA4": ("phishing", "ransomware")}
HIDDEN_WORDS = ("nightingale", "thunderbolt")  # of the one database and of the other


def carry(rows, indicators):
    """Rows whose payloads hold their indicators, as those of the daemon do."""
    carried = []
    for row in rows:
        document = json.loads(bytes.fromhex(row["payload"].removeprefix("\\x")))
        document["indicators"] = [
            {"type": i["type"], "value": i["value"], "role": i["role"], "tlp": LABELS[i["tlp"]]}
            for i in indicators
            if i["report"] == row["id"]
        ]
        carried.append({**row, "payload": "\\x" + json.dumps(document).encode().hex()})
    return carried


class Reader:
    """A clearance, and what it leaves hidden."""

    def __init__(self, tlp, partners=None, areas=None, is_law_enforcement=False, has_row=True):
        self.tlp = tlp
        self.partners = partners
        self.areas = areas
        self.is_law_enforcement = is_law_enforcement
        self.has_row = has_row

    def sees(self, kind):
        return (
            kind["tlp"] <= self.tlp
            and (self.partners is None or kind["partner"] in self.partners)
            and (self.areas is None or kind["area"] in self.areas)
            and not (self.is_law_enforcement and kind["sharing"] in ("no", "ask-first"))
        )


READERS = {
    "nobody": Reader(1, has_row=False),
    "clear": Reader(0),
    "amber": Reader(2),
    "strict": Reader(3),
    "one partner": Reader(4, partners=["first"]),
    "no partner": Reader(4, partners=[]),
    "one area": Reader(4, areas=["AA4"]),
    "police": Reader(4, is_law_enforcement=True),
    "police at green": Reader(1, is_law_enforcement=True),
    "confined police": Reader(2, ["first"], ["AA4"], True),
}

KINDS = [
    {"partner": partner, "area": area, "tlp": tlp, "strictest": strictest, "sharing": sharing}
    for partner, area, sharing in itertools.product(
        ("first", "second"), ("AA1", "AA4"), (None, "no", "ask-first", "yes")
    )
    for tlp, strictest in ((0, 0), (0, 3), (1, 1), (1, 2), (1, 4), (2, 2), (2, 3), (3, 3), (4, 4))
]


def document(number, kind, word, stem):
    """The payload; of what it holds, all but the title may be hidden where the report is not."""
    return {
        "report_id": f"R-{number}",
        "narrative": f"All of it was about {word} and common things, number {number}.",
        "victims": [
            {"kind": "individual", "name": f"Victim {word}", "protected": True, "count": stem},
            {"kind": "organisation", "name": f"Company {word}"},
        ],
        "techniques": ["T1566", f"T{1000 + stem}"],
        "vulnerabilities": [f"CVE-2026-{1000 + stem}"],
        "references": [{"kind": "url", "value": f"https://{word}.example/{stem}", "org": word}],
        "related_reports": [{"org": word, "report_id": word, "relation": "same-actor"}],
        "attachments": [
            {"name": f"open-{number}.txt", "tlp": LABELS[kind["tlp"]], "size": number},
            {"name": f"{word}.bin", "tlp": LABELS[kind["strictest"]], "size": stem},
        ],
    }


def make_report(number, kind, partner_ids, reader, variant):
    """A row and its indicators. What reader may not see depends on the variant."""
    is_seen = reader.sees(kind)
    shows_all = is_seen and kind["strictest"] <= reader.tlp
    word = f"shared{number % 7}" if shows_all else HIDDEN_WORDS[variant]
    stem = number % 11 if shows_all else 100 + 37 * variant + number % (3 + variant)
    title = f"Report {number} of many" if is_seen else f"{HIDDEN_WORDS[variant]} {number}"
    payload = json.dumps(document(number, kind, word, stem)).encode()
    seed = f"{number}-{'' if shows_all else variant}"
    place = 0 if is_seen else variant
    row = {
        "id": f"01a00000-{number:04x}-7000-8000-{number:012x}",
        "received_at": f"2026-11-{1 + (number + 5 * place) % 20:02}T0{number % 10}:00:00Z",
        "partner_id": partner_ids[kind["partner"]],
        "revision": 1,
        "tlp": kind["tlp"],
        "tlp_strictest": kind["strictest"],
        "severity": (number + place) % 6,
        "is_test": False,
        "is_exercise": number % 17 == 0,
        "is_critical": (number + place) % 2 == 0,
        "detected_at": "2026-10-09T06:05:12Z",
        "report_id": f"R-{number}" if is_seen else f"H-{HIDDEN_WORDS[variant]}-{number}",
        "reporter_org": "cert.example.org" if is_seen else f"{HIDDEN_WORDS[variant]}.example.org",
        "taxonomy": "digital-solidarity-2024/1.0.0",
        "category": CATEGORIES[kind["area"]][(number + place) % 2],
        "primary_area": kind["area"],
        "action_areas": [kind["area"]],
        "people_affected": number + 1000 * place,
        "loss_amount": 10 + 1000 * place,
        "loss_currency": "EUR",
        "language": "en",
        "malware": ["lockbit"] if is_seen else ["lockbit", HIDDEN_WORDS[variant]],
        "sharing_law_enforcement": kind["sharing"],
        "title": title,
        "sha256": "\\x" + hashlib.sha256(payload + seed.encode()).hexdigest(),
        "payload": "\\x" + payload.hex(),
    }
    return row, make_indicators(row, number, kind, word, stem, is_seen, variant)


def make_indicators(row, number, kind, word, stem, is_seen, variant):
    """The first has the report's label, the others the strictest."""
    first = number % 5 if is_seen else 50 + variant
    return [
        {
            "report": row["id"], "tlp": kind["tlp"], "type": "ipv4", "role": "source",
            "value": f"203.0.113.{first}", "address": f"203.0.113.{first}",
        },
        {
            "report": row["id"], "tlp": kind["strictest"], "type": "domain", "role": "source",
            "value": f"{word}.common.example",
        },
        {
            "report": row["id"], "tlp": kind["strictest"], "type": "url", "role": "source",
            "value": f"https://{word}.common.example/{stem}",
        },
        {
            "report": row["id"], "tlp": kind["strictest"], "type": "cidr", "role": "source",
            "value": f"198.51.{stem}.0/24", "address": f"198.51.{stem}.0/24",
        },
    ]  # fmt: skip


class Database:
    """One of two, with the reports as the reader's clearance and the variant make them."""

    def __init__(self, world, name, reader, variant):
        self.postgres = world.postgres
        self.name = world.new_database()
        self.user = "reader_" + name.replace(" ", "_")
        self.reader = reader
        self.variant = variant
        with closing(self.connect(ADMINISTRATOR)) as admin:
            self.fill(admin.cursor())

    def connect(self, user):
        connection = psycopg2.connect(self.postgres.connection_string(user, self.name))
        connection.autocommit = True
        return connection

    def fill(self, admin):
        for partner in ("first", "second"):
            admin.execute(
                "SELECT intake.partner_add(%s, '', '{cert.example.org}', false, true)", [partner]
            )
        admin.execute("SELECT name, id FROM intake.partner")
        partner_ids = dict(admin.fetchall())
        if self.reader.has_row:
            admin.execute(
                "INSERT INTO intake.clearance VALUES (%s, %s, %s, %s, %s)",
                [
                    self.user, self.reader.tlp, self.reader.partners, self.reader.areas,
                    self.reader.is_law_enforcement,
                ],
            )  # fmt: skip
        self.reports = [
            make_report(number, kind, partner_ids, self.reader, self.variant)
            for number, kind in enumerate(KINDS)
        ]
        # Of what is hidden there may be more in the one than in the other.
        hidden = [kind for kind in KINDS if not self.reader.sees(kind)]
        self.reports += [
            make_report(len(KINDS) + number, kind, partner_ids, self.reader, self.variant)
            for number, kind in enumerate(hidden[:: 3 - self.variant])
        ]
        rows = [row for row, _ in self.reports]
        indicators = [each for _, some in self.reports for each in some]
        admin.execute(STORE, [json.dumps(carry(rows, indicators)), json.dumps(indicators)])
        self.change(admin, rows, partner_ids)

    def change(self, admin, rows, partner_ids):
        """Revisions, retractions and refusals, those of hidden reports by variant."""
        for number, row in enumerate(rows):
            is_seen = number < len(KINDS) and self.reader.sees(KINDS[number])
            word = "seen" if is_seen else HIDDEN_WORDS[self.variant]
            if number % 13 == 3 and (is_seen or self.variant == 0):
                admin.execute(
                    "SELECT intake.retract(%s, '2026-11-22Z', %s, false, %s, 1, %s)",
                    [str(uuid.uuid4()), row["partner_id"], row["report_id"], f"reason {word}"],
                )
            if number % 13 == 5 and (is_seen or self.variant == 1):
                newer = {**row, "revision": 2, "id": row["id"].replace("8000", "9000")}
                admin.execute(STORE, [json.dumps([newer]), "[]"])
        if self.reader.partners is not None:
            admin.execute(
                "INSERT INTO intake.refusal SELECT '2026-11-20Z', %s, %s, 422, 'report-invalid',"
                " NULL, NULL, NULL, 7, 0 FROM generate_series(1, %s)",
                [partner_ids["second"], HIDDEN_WORDS[self.variant], 1 + self.variant],
            )

    def housekeep(self):
        with closing(self.connect(ADMINISTRATOR)) as admin:
            admin.cursor().execute("SELECT intake.housekeep(100000)")
            admin.cursor().execute("ANALYZE")


SPY = """
CREATE FUNCTION pg_temp.spy(seen text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
BEGIN
    RAISE NOTICE '%', seen;
    RETURN true;
END $$;
CREATE OPERATOR pg_temp.~~~ (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)
"""


def everything_of(connection, statement, parameters=None):
    """Rows, the error, and what a function of the reader's got to see, in no order."""
    connection.notices = Notices()
    cursor = connection.cursor()
    try:
        cursor.execute(statement, parameters)
        rows = sorted(map(repr, cursor.fetchall()))
    except psycopg2.Error as error:
        rows = [error.pgcode, str(error)]
    return rows, sorted(connection.notices.texts)


class Notices:
    """psycopg2 keeps the last fifty."""

    def __init__(self):
        self.texts = []

    def append(self, text):
        self.texts.append(text)


def statements(connection):
    """All that a reader might try, by the views and functions that there are."""
    cursor = connection.cursor()
    cursor.execute(
        "SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum) FROM pg_class AS c"
        " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0"
        " WHERE c.relnamespace = 'analysis'::regnamespace AND c.relkind = 'v' GROUP BY 1"
    )
    for view, columns in cursor.fetchall():
        yield f"SELECT * FROM analysis.{view}", None
        yield f"SELECT count(*) FROM analysis.{view}", None
        yield f"SELECT 1 FROM analysis.{view} AS v WHERE pg_temp.spy(v::text)", None
        for column in columns:
            yield f"SELECT count({column}), count(DISTINCT {column}::text) FROM analysis.{view}", None
            yield f"SELECT 1 FROM analysis.{view} WHERE pg_temp.spy({column}::text)", None
            yield f"SELECT {column}::text::int FROM analysis.{view} WHERE {column} IS NULL", None
    for word in (*HIDDEN_WORDS, "common", "-common", "report -nightingale", '"all of it"', "victim"):
        yield "SELECT * FROM analysis.search(%s, 1000)", [word]
        yield "SELECT 1 FROM analysis.search(%s, 1000) AS s WHERE pg_temp.spy(s::text)", [word]
    for value in (
        *(f"{word}.common.example" for word in HIDDEN_WORDS), "common.example", "203.0.113.0/24",
        "203.0.113.50", "203.0.113.51", "198.51.0.0/16", "198.51.100.7", "198.51.137.9",
        "https://nightingale.common.example/100", "0.0.0.0/0", "::/0",
    ):  # fmt: skip
        yield "SELECT * FROM analysis.seen(%s)", [value]
        yield "SELECT 1 FROM analysis.seen(%s) AS s WHERE pg_temp.spy(s::text)", [value]
    for network in ("203.0.113.0/24", "198.51.0.0/16", "0.0.0.0/0"):
        yield "SELECT * FROM analysis.indicators_in(%s)", [network]
    for number in range(0, len(KINDS) + 30, 7):
        report = f"01a00000-{number:04x}-7000-8000-{number:012x}"
        yield "SELECT * FROM analysis.related(%s, 1000)", [report]
        for key in (f"R-{number}", *(f"H-{word}-{number}" for word in HIDDEN_WORDS)):
            yield "SELECT * FROM analysis.revisions(%s)", [key]
            yield "SELECT 1 FROM analysis.revisions(%s) AS s WHERE pg_temp.spy(s::text)", [key]
    yield "SELECT * FROM analysis.timeline('2026-11-01Z', '2026-12-01Z', '6 hours')", None
    yield "SELECT * FROM analysis.campaigns_between('2026-11-01Z', '2026-12-01Z', 1000)", None
    yield "SELECT * FROM analysis.campaigns_between('2026-11-01Z', '2026-12-01Z', 30)", None
    yield "SELECT * FROM pg_stats WHERE schemaname IN ('intake', 'analysis')", None
    yield "SELECT * FROM pg_stats_ext WHERE schemaname IN ('intake', 'analysis')", None
    for table in ("report", "indicator", "words", "host", "trait", "change", "daily_total"):
        yield f"SELECT * FROM intake.{table}", None


@pytest.fixture(scope="module", params=READERS)
def pair(request, world):
    name = request.param
    user = "reader_" + name.replace(" ", "_")
    world.postgres.query(ADMINISTRATOR, f"CREATE ROLE {user} LOGIN IN ROLE intake_analyst")
    return [Database(world, name, READERS[name], variant) for variant in (0, 1)]


def open_values(connection, statement):
    """What a function may get to see before the view has left it out, as the planner likes: tests,
    exercises, older and retracted revisions, which the reader has in analysis.report_history, and
    the names of partners."""
    cursor = connection.cursor()
    cursor.execute("SELECT name FROM analysis.partner")
    values = {name for (name,) in cursor.fetchall()}
    if statement.startswith("SELECT 1 FROM analysis.report "):
        cursor.execute(
            "SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute"
            " WHERE attrelid = 'analysis.report'::regclass AND attnum > 0"
        )
        columns = cursor.fetchone()[0]
        texts = ", ".join(f"{column}::text" for column in columns)
        cursor.execute(f"SELECT ROW({', '.join(columns)})::text, {texts} FROM analysis.report_history")
        values |= {value for row in cursor.fetchall() for value in row}
    return values


def is_the_same(one, other, statement, parameters):
    (rows, seen), (other_rows, other_seen) = (
        everything_of(connection, statement, parameters) for connection in (one, other)
    )
    if rows != other_rows:
        return False
    told_apart = set(seen) ^ set(other_seen)
    return not told_apart or {text_of(notice) for notice in told_apart} <= open_values(one, statement)


def text_of(notice):
    return notice.removeprefix("NOTICE:  ").removesuffix("\n")


def compare(pair, user):
    """Statements that tell the two databases apart."""
    with closing(pair[0].connect(user)) as one, closing(pair[1].connect(user)) as other:
        for connection in (one, other):
            connection.cursor().execute(SPY)
        return [
            (statement, parameters)
            for statement, parameters in statements(one)
            if not is_the_same(one, other, statement, parameters)
        ]


def test_nothing_tells_what_is_hidden(pair):
    """Before housekeeping has taken anything, and after it has taken all."""
    assert compare(pair, pair[0].user) == []
    for database in pair:
        database.housekeep()
    assert compare(pair, pair[0].user) == []


def test_the_statements_would_tell_whoever_may_see_it(pair):
    """The administrator, to whom no policy applies, but whose clearance is looked up too."""
    for database in pair:
        with closing(database.connect(ADMINISTRATOR)) as admin:
            admin.cursor().execute("INSERT INTO intake.clearance VALUES ('postgres', 4)")
    told = {statement.split("(")[0].split(" WHERE")[0] for statement, _ in compare(pair, "postgres")}
    assert {
        f"SELECT * FROM analysis.{name}"
        for name in ("report", "report_history", "indicator", "victim", "technique", "reference",
            "vulnerability", "attachment", "related_report", "daily", "search", "seen",
            "indicators_in", "related", "revisions", "timeline", "campaigns_between")
    } <= told  # fmt: skip


def test_a_reader_sees_what_is_not_hidden(pair):
    """So that an empty view is not taken for a tight one."""
    expected = sorted(
        row["id"]
        for number, (row, _) in enumerate(pair[0].reports[: len(KINDS)])
        if pair[0].reader.sees(KINDS[number])
    )
    with closing(pair[0].connect(pair[0].user)) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT id FROM analysis.report_history WHERE revision = 1 ORDER BY 1")
        assert [row[0] for row in cursor.fetchall()] == expected
        cursor.execute("SELECT sum(reports) FROM analysis.daily")
        (total,) = cursor.fetchone()
        cursor.execute("SELECT count(*) FROM analysis.report")
        assert (total or 0) <= cursor.fetchone()[0]


def test_printed_plans_do_not_name_what_is_hidden(world):
    """What housekeeping has not taken yet is a list of ids to the functions that search."""
    world.postgres.query(ADMINISTRATOR, "CREATE ROLE reader_of_plans LOGIN IN ROLE intake_analyst")
    reader = Reader(1, has_row=False)
    database = Database(world, "of plans", reader, 0)
    hidden = [row["id"] for row, _ in database.reports if row["tlp"] > 1]
    with closing(database.connect(database.user)) as connection:
        connection.cursor().execute("SET debug_print_plan = on; SET client_min_messages = log")
        for statement in (
            "SELECT * FROM analysis.search('common')", "SELECT * FROM analysis.seen('common.example')",
            "SELECT * FROM analysis.indicators_in('0.0.0.0/0')",
            "SELECT * FROM analysis.related('01a00000-0000-7000-8000-000000000000')",
            "SELECT * FROM analysis.revisions('R-1')",
            "SELECT * FROM analysis.timeline('2026-11-01Z', '2026-12-01Z', '6 hours')",
            "SELECT * FROM analysis.campaigns_between('2026-11-01Z', '2026-12-01Z')",
        ):  # fmt: skip
            _, notices = everything_of(connection, statement)
            printed = " ".join(" ".join(notices).split())
            assert "PLANNEDSTMT" in printed
            assert [report for report in hidden if as_printed(report) in printed] == [], statement


def as_printed(report):
    return " ".join(str(byte - (byte > 127) * 256) for byte in uuid.UUID(report).bytes)
