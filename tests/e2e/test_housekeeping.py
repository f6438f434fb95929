# SPDX-License-Identifier: Apache-2.0
"""The daemon brings the database's sums and search up to date; the views do not wait for it."""

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, closing

import pytest

from batches import post_batch
from harness import BUILD, wait_until
from reports import smallest_report

SUM = "SELECT coalesce(sum(reports), 0) FROM analysis.daily"
SEARCH = "SELECT count(*) FROM analysis.search('periwinkle')"


@pytest.fixture(scope="module")
def settings():
    return {"database.housekeeping_interval_ms": 300}


def as_analyst(daemon, statement):
    return daemon.postgres.query(daemon.database, statement, user="analyst")[0][0]


def test_a_report_is_seen_as_soon_as_it_has_its_receipt_and_also_later(daemon, alpha):
    for number in range(1, 21):
        report = smallest_report(narrative=f"A periwinkle, number {number}.")
        assert alpha.post(report).status == 201
        assert as_analyst(
            daemon, f"SELECT count(*) FROM analysis.report WHERE report_id = '{report['report_id']}'"
        ) == 1
        assert as_analyst(daemon, SUM) == number
        assert as_analyst(daemon, SEARCH) == number
    wait_until(
        lambda: daemon.metrics()["intaked_changes_taken_total"] == 20, "housekeeping has taken all"
    )
    assert daemon.value("SELECT count(*) FROM intake.change") == 0
    assert daemon.value("SELECT sum(reports) FROM intake.daily_total") == 20
    assert (as_analyst(daemon, SUM), as_analyst(daemon, SEARCH)) == (20, 20)


def test_housekeeping_that_fails_is_logged_once_and_goes_on(world, credentials):
    with world.running({"database.housekeeping_interval_ms": 100}) as daemon:
        daemon.rows("ALTER FUNCTION intake.fold RENAME TO fold_away")
        with daemon.client(credentials["alpha"]) as client:
            assert client.post(smallest_report()).status == 201
        wait_until(lambda: daemon.log_lines("housekeeping-failing"), "it is logged")
        failures = "SELECT count(*) FROM intake.change"
        assert daemon.value(failures) == 1
        assert as_analyst(daemon, SUM) == 1
        daemon.rows("ALTER FUNCTION intake.fold_away RENAME TO fold")
        wait_until(lambda: daemon.log_lines("housekeeping-recovered"), "it goes on")
        wait_until(lambda: daemon.value(failures) == 0, "it has taken what was left")
        assert len(daemon.log_lines("housekeeping-failing")) == 1


def test_what_takes_too_long_for_one_step_is_taken_in_smaller_ones(world, credentials):
    """The server ends a step when its time is over and undoes it: 200 of the largest reports take
    longer, and all that came after them would wait for ever."""
    settings = {"database.housekeeping_interval_ms": 100, "database.batch_timeout_ms": 2000}
    with world.running(settings) as daemon:
        daemon.rows(
            """
            CREATE FUNCTION intake.slow() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_sleep(0.03); RETURN NEW; END $$;
            CREATE TRIGGER slow BEFORE INSERT ON intake.words
                FOR EACH ROW EXECUTE FUNCTION intake.slow()
            """
        )
        with daemon.client(credentials["alpha"]) as client:
            post_batch(client, [smallest_report() for _ in range(80)])
        changes = "SELECT count(*) FROM intake.change"
        assert daemon.value(changes) > 0
        wait_until(lambda: daemon.value(changes) == 0, "it has taken all", timeout=40)
        assert daemon.value("SELECT count(*) FROM intake.words") == 80


def test_two_daemons_on_one_database_share_the_work(world, credentials):
    with world.running({"database.housekeeping_interval_ms": 100}) as one:
        other = world.daemon({"database.housekeeping_interval_ms": 100}, database=one.database)
        other.start()
        daemons = (one, other)
        for number in range(40):
            with daemons[number % 2].client(credentials["alpha"]) as client:
                assert client.post(smallest_report()).status == 201
        wait_until(
            lambda: sum(each.metrics()["intaked_changes_taken_total"] for each in daemons) == 40,
            "each change was taken once",
        )
        assert one.value("SELECT sum(reports) FROM intake.daily_total") == 40
        other.stop()


def test_what_comes_while_migrations_are_applied_again_counts(world, credentials):
    """There is no moment with the functions of an earlier file, which keep no sums."""
    with world.running({"database.housekeeping_interval_ms": 100}) as daemon:
        daemon.rows("UPDATE intake.migration SET sha256 = NULL")
        command = [BUILD / "intakectl", "-c", daemon.conf, "db", "migrate"]
        with daemon.client(credentials["alpha"]) as client:
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as migration:
                sent = 0
                while migration.poll() is None or sent < 10:
                    sent += client.post(smallest_report()).status == 201
            assert migration.returncode == 0
        assert as_analyst(daemon, SUM) == sent == daemon.value("SELECT count(*) FROM intake.report")


def test_a_migration_that_waits_for_a_reader_holds_up_no_report(world, credentials):
    """Behind a lock that is waited for whoever comes later waits, too."""
    with world.running() as daemon, closing(daemon.postgres.connect(daemon.database, "analyst")) as reader:
        reader.autocommit = False
        reader.cursor().execute("SELECT count(*) FROM analysis.report")
        daemon.rows("UPDATE intake.migration SET sha256 = NULL")
        command = [BUILD / "intakectl", "-c", daemon.conf, "db", "migrate"]
        with daemon.client(credentials["alpha"]) as client, subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as migration:
            try:
                deadline = time.monotonic() + 6
                while time.monotonic() < deadline:
                    assert client.post(smallest_report()).status == 201
                assert migration.poll() is None
            finally:
                reader.rollback()
            said = migration.stderr.readline()
            assert f'pid {reader.info.backend_pid} of user "analyst"' in said
            assert (migration.wait(), migration.stderr.read()) == (0, "")
        daemon.control("db", "status")


def test_a_migration_makes_nobody_the_victim_of_a_deadlock(world):
    """It has locked some tables when it waits for the next, and whoever reads that one may want those."""
    with world.running() as daemon, ExitStack() as open_now:

        def reader_of(table):
            reader = open_now.enter_context(closing(daemon.postgres.connect(daemon.database)))
            reader.autocommit = False
            reader.cursor().execute(f"SELECT count(*) FROM {table}")
            return reader

        first, second = reader_of("intake.area_total"), reader_of("intake.daily_total")
        daemon.rows("UPDATE intake.migration SET sha256 = NULL")
        command = [BUILD / "intakectl", "-c", daemon.conf, "db", "migrate"]
        migration = open_now.enter_context(
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        )
        open_now.callback(migration.kill)
        wait_until(lambda: daemon.rows("SELECT 1 FROM pg_locks WHERE NOT granted"), "it waits for the first")
        with ThreadPoolExecutor() as pool:
            read = pool.submit(second.cursor().execute, "SELECT count(*) FROM intake.report")
            # Were the first still waited for, the second would be next, before deadlock_timeout is over.
            wait([read], timeout=0.8)
            first.rollback()
            read.result()
        second.rollback()
        assert migration.wait() == 0, migration.stderr.read()
