# SPDX-License-Identifier: Apache-2.0
"""The clients of intake-protocol(7) when they are not answered, or told to come again."""

import json
import subprocess
import sys

import pytest

from harness import PATIENCE, wait_until
from page import Desk
from reports import smallest_report
from sender import stored, write_document, write_lines


def requests(daemon, status):
    name = f'intaked_requests_total{{path="/v1/reports",status="{status}"}}'
    return daemon.metrics().get(name, 0)


def test_shell_client_outlasts_a_server_and_a_database_that_are_away(world, credentials, tmp_path):
    """Nobody listens; then 503; then it is stored."""
    report = smallest_report()
    with world.running({"database.store_wait_ms": 100}) as daemon:
        daemon.stop()
        world.postgres.stop()
        desk = Desk(tmp_path, daemon, credentials["alpha"])
        client = desk.take("A client in shell", "send-reports")
        write_document(desk.folder / "report.json", report)
        errors = desk.folder / "errors"
        with errors.open("w") as file:
            process = desk.start("sh", client, "report.json", stderr=file)
        try:
            wait_until(lambda: "curl" in errors.read_text(), "nobody was there")
            daemon.start()
            wait_until(lambda: requests(daemon, 503) > 0, "it was told to come again")
        finally:
            world.postgres.start()
        assert process.wait(timeout=60 * PATIENCE) == 0
        receipt = json.loads((desk.folder / "report.json.receipt").read_text())
        assert stored(daemon, report) == [receipt["sha256"]]


@pytest.fixture
def strict(world):
    """Of its 1000 bytes a second a partner has used up several seconds with one report."""
    with world.running({"quota.bytes_per_s": 1000, "quota.bytes_burst": 1000}) as daemon:
        yield daemon


def long_reports():
    return [smallest_report(narrative="Invoices were altered. " * 70) for _ in range(2)]


def test_shell_client_heeds_retry_after(strict, credentials, tmp_path):
    """It is refused once: who comes again after a second is refused twice."""
    desk = Desk(tmp_path, strict, credentials["alpha"])
    client = desk.take("A client in shell", "send-reports")
    reports = long_reports()
    for name, report in zip(("a.json", "b.json"), reports):
        write_document(desk.folder / name, report)
    done = desk.run("sh", client, "a.json", "b.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert None not in stored(strict, *reports)
    assert (requests(strict, 201), requests(strict, 429)) == (2, 1)


def test_python_client_heeds_retry_after_of_a_line(strict, credentials, tmp_path):
    """Two requests: who comes again sooner needs more."""
    desk = Desk(tmp_path, strict, credentials["alpha"])
    client = desk.take("A client in Python", "send-batch")
    reports = long_reports()
    write_lines(desk.folder / "reports.ndjson", *reports)
    done = desk.run(sys.executable, client, "reports.ndjson")
    assert (done.returncode, done.stderr) == (0, "")
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(result["line"], result["status"]) for result in results] == [(1, 201), (2, 201)]
    assert stored(strict, *reports) == [result["receipt"]["sha256"] for result in results]
    assert requests(strict, 200) == 2


SLOW_COMMITS = """
    CREATE FUNCTION intake.dawdle() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(0.05); RETURN NULL; END';
    CREATE TRIGGER dawdle AFTER INSERT ON intake.report
        FOR EACH ROW EXECUTE FUNCTION intake.dawdle();
"""


def test_python_client_sends_again_only_what_had_no_result(world, credentials, tmp_path):
    """The daemon is killed in the middle of its answer, while it commits one report at a time."""
    reports = [smallest_report() for _ in range(60)]
    count = "SELECT count(*) FROM intake.report"
    with world.running({"database.max_batch_reports": 1}) as daemon:
        daemon.rows(SLOW_COMMITS)
        desk = Desk(tmp_path, daemon, credentials["alpha"])
        client = desk.take("A client in Python", "send-batch")
        write_lines(desk.folder / "reports.ndjson", *reports)
        process = desk.start(sys.executable, client, "reports.ndjson", stdout=subprocess.PIPE)
        wait_until(lambda: daemon.value(count) >= 10, "some are stored")
        daemon.kill()
        assert daemon.value(count) < len(reports)
        daemon.rows("DROP FUNCTION intake.dawdle CASCADE")
        daemon.start()
        out, _ = process.communicate(timeout=60 * PATIENCE)
        assert process.returncode == 0
        results = [json.loads(line) for line in out.splitlines()]
        assert sorted(result["line"] for result in results) == list(range(1, len(reports) + 1))
        assert {result["status"] for result in results} <= {200, 201}
        assert None not in stored(daemon, *reports)
        assert daemon.value(count) == len(reports)
        kinds = ("stored", "duplicate")
        sent_again = sum(daemon.metrics()[f"intaked_reports_{kind}_total"] for kind in kinds)
        assert 0 < sent_again < len(reports)
