# SPDX-License-Identifier: Apache-2.0
"""What bench_generate stores: the same each time, as the daemon would, with something of everything."""

import subprocess

import pytest

from harness import ADMINISTRATOR, BUILD, ROOT

REPORTS = 4000
DIGEST = """
SELECT count(*), sum(revision), md5(string_agg(r.id || encode(r.sha256, 'hex'), '' ORDER BY r.id))
FROM intake.report AS r
"""


def generate(world, *options, database=None):
    database = database or world.new_database()
    command = [
        BUILD / "tests" / "bench_generate",
        "--database", world.postgres.connection_string(ADMINISTRATOR, database),
        "--taxonomy", ROOT / "config" / "taxonomy.json",
        "--until", "2026-11-20T00:00:00Z", *options,
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return database


@pytest.fixture(scope="module")
def database(world):
    return generate(world, "--reports", str(REPORTS), "--batch", "50")


@pytest.fixture
def rows(world, database):
    return lambda *query: world.postgres.query(database, *query)


def test_same_options_make_the_same_reports(world, database):
    again = generate(world, "--reports", str(REPORTS), "--batch", "50")
    other = generate(world, "--reports", str(REPORTS), "--batch", "50", "--seed", "2")
    digests = [world.postgres.query(name, DIGEST)[0] for name in (database, again, other)]
    assert digests[0][0] == digests[2][0] == REPORTS
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


@pytest.mark.parametrize("skipped", ["0", "2020"])
def test_a_run_that_is_made_again_adds_nothing(world, database, skipped):
    before = world.postgres.query(database, DIGEST)
    generate(world, "--reports", str(REPORTS), "--batch", "50", "--skip", skipped, database=database)
    assert world.postgres.query(database, DIGEST) == before


def test_steps_make_what_one_run_makes(world, database):
    plan = ("--reports", str(REPORTS), "--batch", "50")
    steps = generate(world, *plan, "--stop-at", "1500")
    assert world.postgres.query(steps, "SELECT count(*) FROM intake.report") == [(1500,)]
    generate(world, *plan, "--skip", "1500", database=steps)
    assert world.postgres.query(steps, DIGEST) == world.postgres.query(database, DIGEST)


def test_rows_are_what_the_payloads_say(rows):
    assert rows(
        "SELECT count(*) FROM intake.report AS r CROSS JOIN LATERAL intake.document(r.payload) AS d"
        " WHERE sha256(r.payload) <> r.sha256 OR d ->> 'title' <> r.title"
        " OR d ->> 'category' <> r.category OR intake.tlp_number(d ->> 'tlp') <> r.tlp"
        " OR (d ->> 'revision')::int <> r.revision OR r.tlp_strictest < r.tlp"
        " OR date_trunc('milliseconds', r.received_at) <> to_timestamp(('x' || translate("
        "left(r.id::text, 13), '-', ''))::bit(48)::bigint / 1000.0)"
    ) == [(0,)]


def test_hosts_of_the_payloads_are_those_of_the_indicators(rows):
    assert rows(
        "SELECT count(*) FROM ("
        " SELECT h.report, h.type, h.value, h.role, h.tlp FROM intake.hosts_of("
        "ARRAY(SELECT r.id FROM intake.report AS r)) AS h"
        " EXCEPT SELECT i.report, i.type, i.value, i.role, i.tlp FROM intake.indicator AS i) AS more"
    ) == [(0,)]
    assert rows(
        "SELECT count(*) FROM ("
        " SELECT i.report, i.type, i.value, i.role, i.tlp FROM intake.indicator AS i"
        " JOIN intake.report AS r ON r.id = i.report AND NOT r.is_test AND NOT r.is_exercise"
        " WHERE i.type IN ('domain', 'email', 'url')"
        " EXCEPT SELECT h.report, h.type, h.value, h.role, h.tlp FROM intake.hosts_of("
        "ARRAY(SELECT r.id FROM intake.report AS r)) AS h) AS fewer"
    ) == [(0,)]


def test_there_is_something_of_everything(rows):
    shares = rows(
        "SELECT avg((tlp <= 1)::int), avg(is_test::int), avg(is_exercise::int),"
        " avg((revision > 1)::int), count(DISTINCT category), count(DISTINCT partner_id),"
        " count(DISTINCT language) FROM intake.report"
    )[0]
    assert 0.25 < shares[0] < 0.45
    assert all(0 < share < 0.05 for share in shares[1:4])
    assert shares[4] == rows("SELECT count(*) FROM intake.category")[0][0]
    assert shares[5:] == (40, 12)
    indicators, retractions, shared = rows(
        "SELECT count(*), (SELECT count(*) FROM intake.retraction),"
        " count(*) - count(DISTINCT value) FROM intake.indicator"
    )[0]
    assert 4.5 < indicators / REPORTS < 5.5
    assert 0 < retractions < 0.02 * REPORTS
    assert 0.1 * indicators < shared < 0.5 * indicators
