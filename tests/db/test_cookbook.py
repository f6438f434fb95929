# SPDX-License-Identifier: Apache-2.0
"""intake-analysis(7) is true: it names what there is, each of its statements runs and brings what it
shows, also through PgBouncer, on a standby and on a replica that its recipe makes."""

import json
import re
import shutil
import subprocess
import time
from contextlib import closing
from datetime import datetime, timedelta, timezone

import psycopg2
import pytest

from cookbook_page import PAGE_PATH, READER, ask, make_database, read_between, read_blocks, read_questions
from cookbook_reports import ORGANISATIONS, Reports
from cookbook_rows import STORE, rows_of
from harness import (
    ADMINISTRATOR, BUILD, ROOT, Intaked, Postgres, die_with_parent, free_port, wait_until,
)  # fmt: skip

PAGE = PAGE_PATH.read_text()
QUESTIONS = read_questions(PAGE)
SHARED_QUESTIONS = [each[1].text for each in QUESTIONS[1::4]]


def midday():
    """The time in a zone where it is about noon: today has begun long ago, and does not end."""
    now = datetime.now(timezone.utc)
    return now.astimezone(timezone(timedelta(hours=12 - now.hour)))


NOW = midday()
# The signs of these names are those of POSIX: hours west of Greenwich.
ZONE = f"Etc/GMT{-NOW.utcoffset() // timedelta(hours=1):+d}"


@pytest.fixture(scope="module")
def postgres(world):
    return world.postgres


@pytest.fixture(scope="module")
def database(world):
    return make_database(world, NOW)


@pytest.fixture(scope="module")
def reader(postgres, database):
    with closing(postgres.connect(database, READER)) as connection:
        yield connection.cursor()


def rows(cursor, statement, parameters=None):
    cursor.execute(statement, parameters)
    return cursor.fetchall()


def headings(answer):
    return [name.strip() for name in answer.splitlines()[0].split("|")]


def row_count(answer):
    return int(re.fullmatch(r"\((\d+) rows?\)", answer.splitlines()[-1])[1])


# ---- what it names


def named(text):
    """The names behind .Va of some lines, in order."""
    found = (re.match(r"\.(?:It )?Va (.*)", line) for line in text)
    return [name for each in found if each for name in re.findall(r"\w+", each[1])]


def test_every_view_and_column_is_named(reader):
    there = dict(rows(reader,
        "SELECT c.relname, array_agg(a.attname::text ORDER BY a.attname) FROM pg_class AS c"
        " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0"
        " WHERE c.relnamespace = 'analysis'::regnamespace AND c.relkind = 'v' GROUP BY 1"))  # fmt: skip
    text = "\n".join(read_between(PAGE, "VIEWS", "FUNCTIONS"))
    sections = [each.split("\n") for each in text.split(".Ss analysis.")[1:]]
    columns = {
        section[0]: {
            name for line in section if line.startswith(".It ") for name in named([line])
        }
        for section in sections
    }
    columns["report_history"] |= columns["report"]
    assert {view: sorted(names) for view, names in columns.items()} == there


def test_every_function_is_named_with_its_arguments_and_columns(reader):
    there = dict(rows(reader,
        "SELECT proname || '(' || pg_get_function_arguments(oid) || ')',"
        " proargnames[pronargs + 1:]::text[] FROM pg_proc"
        " WHERE pronamespace = 'analysis'::regnamespace"))  # fmt: skip
    lines = read_between(PAGE, "FUNCTIONS", "HOW TO BE QUICK")
    items = "\n".join(lines).split("\n.It Li analysis.")[1:]
    shown = {}
    for item in items:
        signature, *text = item.split("\n")
        lists = [line for line in text if line.startswith(".Va ") and " , " in line]
        shown[signature] = named(lists[:1]) or None
    assert shown == {name: columns or None for name, columns in there.items()}


def test_the_questions_use_all_there_is(reader):
    statements = " ".join(statement.text for _, statement, _ in QUESTIONS)
    there = rows(reader,
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'analysis'::regnamespace"
        " AND relkind = 'v' UNION SELECT proname FROM pg_proc"
        " WHERE pronamespace = 'analysis'::regnamespace")  # fmt: skip
    assert {name for (name,) in there} == set(re.findall(r"analysis\.(\w+)", statements))
    assert len(QUESTIONS) >= 30


def test_a_reader_of_the_page_sees_what_is_tried():
    command = ["mandoc", "-K", "utf-8", "-T", "utf8", "-O", "width=120", PAGE_PATH]
    shown = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    seen = {line.strip() for line in shown.splitlines()}
    for block in read_blocks(PAGE):
        assert {line.strip() for line in block.text.splitlines()} <= seen


# ---- what it asks


@pytest.mark.parametrize("question, statement, shown", QUESTIONS, ids=[each[0] for each in QUESTIONS])
def test_question_is_answered_as_shown(postgres, database, question, statement, shown):
    answer = ask(postgres.connection_string(READER, database), statement.text, ZONE)
    assert row_count(answer) > 0
    assert row_count(shown.text) == len(shown.text.splitlines()) - 3
    assert headings(answer) == headings(shown.text)


def test_the_reports_are_such_as_the_daemon_takes():
    documents = [document for _, _, document in Reports(NOW).made]
    bodies = []
    for document in documents:
        taxonomy = {**document["taxonomy"], "version": "1.0.0"}
        bodies.append(json.dumps({**document, "taxonomy": taxonomy}).encode())
    done = subprocess.run(
        [
            BUILD / "tests" / "report_judge", ROOT / "config" / "taxonomy.json",
            str(int(NOW.timestamp() * 1e6)),
        ],
        input=b"".join(b"%d\n%s" % (len(body), body) for body in bodies),
        stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    assert [verdict for verdict in verdicts if verdict["verdict"] != "valid"] == []
    assert len(verdicts) == len(documents)


def conditions(start, end):
    """(view, condition) of one of the two lists."""
    text = "\n".join(read_between(PAGE, "HOW TO BE QUICK", "QUESTIONS"))
    found = re.findall(r'^\.It (\S+) Ta Li "(.*)"$', text.split(start)[1].split(end)[0], re.MULTILINE)
    assert found
    return [(view, condition.replace(r"\(dq", '"')) for view, condition in found]


def index_conditions(plan):
    """Of a plan and of all below it."""
    found = [plan[name] for name in ("Index Cond", "Recheck Cond") if name in plan]
    return found + [each for below in plan.get("Plans", []) for each in index_conditions(below)]


def is_answered_from_an_index(cursor, view, condition):
    column = re.search(r"\b(received_at|id|primary_area|value|address|report|day|title|payload)\b", condition)[0]
    statement = f"EXPLAIN (FORMAT JSON) SELECT * FROM {view} WHERE {condition}"
    cursor.execute("SET enable_seqscan = off")
    ((plan,),) = rows(cursor, statement)
    operators = r"[ )]*(::\w+)? (=|>=|<=|<|>) (?!\w*\.?\w+_\d)"
    return any(re.search(rf"(?<!octet_length\()\b{column}\b{operators}", each) for each in index_conditions(plan[0]["Plan"]))


def test_quick_conditions_use_an_index_and_slow_ones_do_not(reader):
    try:
        for view, condition in conditions("These do:", "These read"):
            assert is_answered_from_an_index(reader, view, condition), condition
        for view, condition in conditions("These read", "So:"):
            assert not is_answered_from_an_index(reader, view, condition), condition
    finally:
        reader.execute("RESET enable_seqscan")


# ---- a day of many reports that share things


MASS_VALUES = [f"www{number}.mass.example.net" for number in range(30)]


def make_mass_report(number, partner):
    """Five things of thirty, and one that all of the day's have."""
    values = [MASS_VALUES[(number + step * step) % 30] for step in range(5)] + ["all.mass.example.net"]
    return {
        **make_late_report(number, "Mass mailing", "TLP:GREEN"), "reporter": {"org": ORGANISATIONS[partner]},
        "indicators": [{"type": "domain", "value": value, "role": "source"} for value in values],
    }  # fmt: skip


def store_mass(cursor, count):
    """As the daemon and its housekeeping leave it; how many indicators they have."""
    partners = dict(rows(cursor, "SELECT name, id FROM intake.partner"))
    made, indicators = [], []
    for number in range(count):
        partner = ("nordhaven", "southisle", "eastport", "alpen")[number % 4]
        row, some = rows_of(
            20000 + number, NOW, partners[partner], False, make_mass_report(20000 + number, partner)
        )
        made.append(row)
        indicators += some
    assert rows(cursor, STORE, [json.dumps(made), json.dumps(indicators)]) == []
    cursor.execute("SELECT intake.housekeep(100000)")
    cursor.execute("ANALYZE intake.report, intake.indicator")
    return len(indicators)


def most_rows(plan):
    """That a step of a plan looks at, in all its turns."""
    own = plan["Actual Rows"] + sum(plan[name] for name in plan if name.startswith("Rows Removed"))
    return max([own * plan["Actual Loops"], *map(most_rows, plan.get("Plans", []))])


@pytest.fixture
def mass(postgres, database):
    """A cursor of the reader's, and how many indicators have come today; all of it is undone."""
    with closing(psycopg2.connect(postgres.connection_string(ADMINISTRATOR, database))) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('TimeZone', %s, false)", [ZONE])
            count = store_mass(cursor, 1000)
            cursor.execute(f"SET LOCAL SESSION AUTHORIZATION {READER}")
            yield cursor, count


@pytest.mark.parametrize("words", ["new to all partners", "did several partners report"])
def test_what_many_reports_share_is_looked_at_once(mass, words):
    """Not once a report, and not once a pair of them, of which there are half a million."""
    cursor, count = mass
    (statement,) = [each.text for question, each, _ in QUESTIONS if words in question]
    ((plan,),) = rows(cursor, f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
    assert most_rows(plan[0]["Plan"]) < 10 * count


def test_mass_mailing_does_not_hide_the_days_other_news(mass):
    cursor, _ = mass
    statements = {question: each.text for question, each, _ in QUESTIONS}
    new = rows(cursor, statements["Which indicators of today are new to all partners?"])
    assert {("domain", value) for value in [*MASS_VALUES, "tax0.refund.example.net"]} <= set(new)
    incidents = rows(cursor, statements["Which incidents did several partners report?"])
    assert "accounts@harbour-lines.example.net" in str(incidents) or "203.0.113.201" in str(incidents)
    assert "mass.example.net" not in str(incidents)


# ---- through PgBouncer


def block(heading, words):
    (found,) = [b.text for b in read_blocks(PAGE) if b.heading == heading and words in b.text]
    return found


class Bouncer:
    """PgBouncer as the page sets it up."""

    USERS = {"berta": 4, "carl": 1}

    def __init__(self, folder, postgres, database):
        self.folder = folder
        self.postgres = postgres
        self.database = database
        self.port = free_port()
        self.process = None
        folder.mkdir()
        shutil.chown(folder, ADMINISTRATOR, ADMINISTRATOR)
        self.add_users()
        self.write_files()

    def add_users(self):
        """They have to show a password, also to PostgreSQL."""
        admin = lambda statement: self.postgres.query(self.database, statement)
        admin("CREATE ROLE pooled")
        for user, tlp in self.USERS.items():
            admin(f"CREATE ROLE {user} LOGIN PASSWORD '{user}''s' IN ROLE intake_analyst, pooled")
            admin(f"INSERT INTO intake.clearance (user_name, max_tlp) VALUES ('{user}', {tlp})")
        access = self.postgres.data / "pg_hba.conf"
        access.write_text("local all +pooled scram-sha-256\n" + access.read_text())
        admin("SELECT pg_reload_conf()")

    def write_files(self):
        command = block("PgBouncer", "pg_authid").removeprefix("$ ")
        subprocess.run(
            ["sh", "-c", command.replace("intaked", self.database)], cwd=self.folder, check=True,
            env={"PGHOST": str(self.postgres.socket_folder), "PGUSER": ADMINISTRATOR, "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        text = block("PgBouncer", "[databases]")
        for shown, here in (
            ("intaked = host=db.example.org", f"{self.database} = host={self.postgres.socket_folder}"),
            ("6432", str(self.port)), ("/run/postgresql", str(self.folder)),
            ("/etc/pgbouncer", str(self.folder)),
        ):  # fmt: skip
            assert shown in text
            text = text.replace(shown, here)
        (self.folder / "pgbouncer.ini").write_text(text + "\n")

    def __enter__(self):
        program = shutil.which("pgbouncer", path=BUILD / "pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
        assert program, f"no pgbouncer in {BUILD}/pgbouncer: tests/run puts it there"
        with (self.folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                self.postgres.as_its_user(program, self.folder / "pgbouncer.ini"), cwd="/",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent,
            )  # fmt: skip
        wait_until(self.is_up, "PgBouncer answers")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)

    def is_up(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            psycopg2.connect(self.connection_string("carl")).close()
        except psycopg2.OperationalError:
            return False
        return True

    def connection_string(self, user):
        return f"host=127.0.0.1 port={self.port} dbname={self.database} user={user} password={user}\\'s"


@pytest.fixture(scope="module")
def bouncer(world, database):
    with Bouncer(world.folder / "bouncer", world.postgres, database) as running:
        yield running


def test_questions_are_answered_through_pgbouncer(postgres, database, bouncer):
    direct = postgres.connection_string(READER, database)
    for statement in SHARED_QUESTIONS:
        assert ask(bouncer.connection_string("berta"), statement, ZONE) == ask(direct, statement, ZONE)


def test_each_login_keeps_its_clearance_in_shared_connections(bouncer):
    """More clients than connections, by turns."""
    expected = {"berta": "TLP:RED", "carl": "TLP:GREEN"}
    clients = [(user, psycopg2.connect(bouncer.connection_string(user))) for user in ["berta", "carl"] * 8]
    try:
        backends = set()
        for _ in range(3):
            for user, client in clients:
                client.autocommit = True
                cursor = client.cursor()
                assert rows(cursor, "SELECT user_name, max_tlp FROM analysis.clearance") == [
                    (user, expected[user])
                ]
                ((strict,),) = rows(cursor, "SELECT count(*) FROM analysis.report WHERE tlp = 'TLP:AMBER'")
                assert (strict > 0) == (user == "berta")
                backends |= set(rows(cursor, "SELECT pg_backend_pid()"))
    finally:
        for _, client in clients:
            client.close()
    assert len(backends) < len(clients)


# ---- on a standby


class Standby(Postgres):
    """A hot standby of another cluster."""

    def __init__(self, folder, primary):
        self.primary = primary
        super().__init__(folder)

    def _initdb(self):
        command = self.as_its_user(
            self.programs / "pg_basebackup", "--pgdata", self.data, "--host", self.primary.socket_folder,
            "--username", ADMINISTRATOR, "--write-recovery-conf", "--checkpoint", "fast", "--no-sync",
        )  # fmt: skip
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.write(f"unix_socket_directories = '{self.socket_folder}'\n")


@pytest.fixture(scope="module")
def standby(world, database):
    made = Standby(world.folder / "standby", world.postgres)
    made.start()
    try:
        yield made
    finally:
        made.crash()


def make_late_report(number, title, tlp):
    document = {
        "schema": "intaked-report/1", "taxonomy": {"id": "digital-solidarity-2024", "version": "1.0.0"},
        "report_id": f"LATE-{number}", "reporter": {"org": ORGANISATIONS["alpen"]}, "tlp": tlp,
        "category": "phishing", "action_areas": ["AA4"], "title": title, "narrative": title,
        "severity": {"level": 1}, "confidence": 50, "techniques": ["T1566"],
        "times": {"detected": datetime.now(timezone.utc).isoformat()},
        "indicators": [{"type": "domain", "value": f"late{number}.example.org", "role": "source"}],
    }  # fmt: skip
    return document


def store(postgres, database, number, document):
    """As one that has just come from alpen; its id."""
    ((partner,),) = postgres.query(database, "SELECT id FROM intake.partner WHERE name = 'alpen'")
    row, indicators = rows_of(9000 + number, datetime.now(timezone.utc), partner, False, document)
    assert postgres.query(database, STORE, [json.dumps([row]), json.dumps(indicators)]) == []
    return row["id"]


def test_questions_are_answered_on_a_standby(postgres, database, standby):
    store(postgres, database, 1, make_late_report(1, "Marmalade", "TLP:AMBER"))
    found = lambda: standby.query(database, "SELECT * FROM analysis.search('marmalade')", user=READER)
    wait_until(found, "the standby has the report")
    primary, its = (each.connection_string(READER, database) for each in (postgres, standby))
    for _, statement, _ in QUESTIONS:
        assert ask(its, statement.text, ZONE) == ask(primary, statement.text, ZONE)
    assert row_count(ask(its, block("A standby", "behind"), ZONE)) == 1


# ---- on a replica without the stricter reports


@pytest.fixture(scope="module")
def replica(world, database):
    """By the recipe of the page; on a cluster of its own."""
    primary = world.postgres
    primary.query(database, "ALTER SYSTEM SET wal_level = logical")
    primary.stop()
    primary.start()
    ask(primary.connection_string(ADMINISTRATOR, database), recipe("CREATE PUBLICATION"))
    made = Postgres(world.folder / "replica")
    made.start()
    try:
        made.query(ADMINISTRATOR, f"CREATE DATABASE {database}")
        Intaked(world.folder / "of-replica", made, database, world.authority, world.server_credential).control("db", "migrate")
        own = made.connection_string(ADMINISTRATOR, database)
        ask(own, f"CREATE ROLE {READER} LOGIN IN ROLE intake_analyst")
        for _ in range(2):
            ask(own, (ROOT / "config" / "replica.sql").read_text())
        address = primary.connection_string("green", database)
        ask(own, recipe("CREATE SUBSCRIPTION").replace("host=db.example.org dbname=intaked user=green", address))
        waits = lambda: made.value(database, recipe("SELECT count(*)")) == 0
        wait_until(waits, "reports are copied", timeout=60)
        ask(own, recipe("ADD PUBLICATION"))
        wait_until(waits, "parts are copied", timeout=60)
        yield made
        ask(own, recipe("DROP SUBSCRIPTION"))
        ask(primary.connection_string(ADMINISTRATOR, database), recipe("pg_drop_replication_slot"))
        assert primary.query(database, "SELECT 1 FROM pg_replication_slots WHERE slot_type = 'logical'") == []
    finally:
        made.crash()


def recipe(words):
    return block("A replica without the stricter reports", words)


VISIBLE = """
SELECT r.report_id, r.revision, r.category, r.title, r.narrative, r.payload,
    (SELECT array_agg(i.value ORDER BY i.value) FROM analysis.indicator AS i WHERE i.report = r.id)
FROM analysis.report AS r WHERE r.payload IS NOT NULL ORDER BY r.id
"""
DAILY = "SELECT * FROM analysis.daily ORDER BY day, primary_area, category, partner, severity, tlp, loss_currency"
EXPECTED_DAILY = """
SELECT (r.received_at AT TIME ZONE 'UTC')::date, r.primary_area, r.category, r.partner, r.severity, r.tlp,
    count(*), sum(coalesce(r.people_affected, 0)), sum(coalesce(r.loss_amount, 0)), r.loss_currency
FROM analysis.report AS r GROUP BY 1, 2, 3, 4, 5, 6, 10 ORDER BY 1, 2, 3, 4, 5, 6, 10
"""


def assert_alike(primary, replica, database):
    """The replica shows what a reader at TLP:GREEN has of the primary with all its parts, and no more
    is in its tables."""
    its = lambda statement, user=READER: replica.query(database, statement, user=user)
    assert its(VISIBLE) == primary.query(database, VISIBLE, user="dora")
    assert its("SELECT count(*) FROM analysis.report WHERE payload IS NULL") == [(0,)]
    assert its(DAILY) == its(EXPECTED_DAILY)
    for table, report in (("report", "id"), ("indicator", "report"), ("superseded_key", "id"),
        ("retraction", "report"), ("words", "report"), ("host", "report"), ("trait", "report")):  # fmt: skip
        ids = {each for (each,) in its(f"SELECT DISTINCT {report} FROM intake.{table}", ADMINISTRATOR)}
        allowed = primary.query(database, "SELECT id FROM intake.report WHERE tlp_strictest <= 1")
        assert ids and ids <= {each for (each,) in allowed}, table


def test_replica_has_what_is_green_and_nothing_else(world, database, replica):
    primary = world.postgres
    primary.query(database, "CREATE ROLE dora LOGIN IN ROLE intake_analyst")
    assert replica.value(database, "SELECT intake.housekeep(100000)") > 0
    assert_alike(primary, replica, database)
    follow_what_happens(primary, replica, database)
    assert_alike(primary, replica, database)
    replica.query(database, "SELECT intake.housekeep(100000)")
    assert_alike(primary, replica, database)


def follow_what_happens(primary, replica, database):
    """A report that goes on under a stricter label, one that comes, is retracted or is erased."""
    names = ("Apricot", "Blackberry", "Cherry", "Damson")
    ids = [
        store(primary, database, 10 + number, make_late_report(10 + number, name, "TLP:GREEN"))
        for number, name in enumerate(names)
    ]
    seen = lambda: [
        row[0] for row in replica.query(database,
            "SELECT report_id FROM analysis.search('apricot or blackberry or cherry or damson') ORDER BY 1",
            user=READER)
    ]  # fmt: skip
    wait_until(lambda: len(seen()) == 4, "new reports are on the replica")
    replica.query(database, "SELECT intake.housekeep(100000)")
    assert len(seen()) == 4
    newer = {**make_late_report(10, "Apricot", "TLP:RED"), "revision": 2}
    store(primary, database, 20, newer)
    ((partner,),) = primary.query(database, "SELECT id FROM intake.partner WHERE name = 'alpen'")
    primary.query(
        database,
        "SELECT intake.retract(gen_random_uuid(), now(), %s, false, 'LATE-11', 1, 'No berry.')", [partner],
    )  # fmt: skip
    primary.query(
        database, "SELECT intake.erase(%s::uuid[], true, 'report', 'somebody', 'asked for')", [[ids[2]]]
    )
    wait_until(lambda: seen() == ["LATE-13"], "the replica has followed")
    assert replica.query(database, "SELECT 1 FROM intake.indicator WHERE value = 'late12.example.org'") == []
