# SPDX-License-Identifier: Apache-2.0
"""The README's backup, restored into another cluster by the README's commands: it holds and answers
the same, and a daemon goes on with it."""

import os
import re
import shlex
import subprocess
from datetime import datetime, timezone

import psycopg2
import pytest

from answers import answers_of, differences, receipts_of, tables_of
from harness import ADMINISTRATOR, ROOT, Intaked, Postgres
from history import Life
from reports import smallest_report
from test_schema import MIGRATIONS, apply_by_psql, dump

DATABASE = "intaked"  # as the README names it
LABELS = ("TLP:GREEN", "TLP:RED")
RUN_AS_POSTGRES = "runuser -u postgres -- "
CLEARANCE = "INSERT INTO intake.clearance VALUES ('analyst', 2, '{alpen,rivage}', '{AA4}', true)"


def readme_section():
    """Its lines of commands: a list that backs up, and the block that restores."""
    text = (ROOT / "README.md").read_text()
    section = re.search(r"^### Back up and restore\n(.*?)^### ", text, re.DOTALL | re.MULTILINE)[1]
    lines = [line.removeprefix("    ") for line in section.splitlines() if line.startswith("    ")]
    begin = lines.index("(set -e")
    return lines[:begin], lines[begin:]


def of_postgres(lines):
    """What they have PostgreSQL's programs do."""
    found = [line.removeprefix(RUN_AS_POSTGRES) for line in lines if line.startswith(RUN_AS_POSTGRES)]
    return [shlex.split(line) for line in found]


def readme_commands():
    """A list that backs up and one that restores."""
    backup, restore = map(of_postgres, readme_section())
    assert [command[0] for command in backup] == ["pg_dumpall", "pg_dump"]
    assert [command[0] for command in restore] == ["psql", "dropdb", "createdb", "pg_restore"]
    return backup, restore


def run_all(commands, postgres, folder):
    environment = {
        **os.environ,
        "PGHOST": str(postgres.socket_folder),
        "PGUSER": ADMINISTRATOR,
        "PATH": f"{postgres.programs}:{os.environ['PATH']}",
    }
    said = ""
    for command in commands:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (command, done.stderr)
        said += done.stderr
    return said


def daemon_on(world, postgres, name):
    return Intaked(
        world.folder / name, postgres, DATABASE, world.authority, world.server_credential
    )  # fmt: skip


def retract(client, report):
    path = f"/v1/reports/{report['report_id']}/retraction"
    return client.post({"revision": 1, "reason": "Sent in error."}, path)


class Site:
    """A database with a long life, filled by functions and by a daemon."""

    def __init__(self, world, credential):
        self.postgres = world.postgres
        self.postgres.query(ADMINISTRATOR, f"CREATE DATABASE {DATABASE} TEMPLATE {world.TEMPLATE}")
        self.life = Life(self.postgres, DATABASE, datetime.now(timezone.utc))
        self.life.run(Life.EARLY, len(MIGRATIONS))
        self.postgres.query(DATABASE, CLEARANCE.replace("analyst", "reader"))
        self.sent = {name: smallest_report(narrative=f"A {name} one.") for name in ("kept", "erased")}
        self.sent["retracted"] = smallest_report()
        daemon = daemon_on(world, self.postgres, "before-backup")
        daemon.add_partner("alpha")
        daemon.start()
        with daemon.client(credential) as client:
            self.receipts = {name: client.post(report).json for name, report in self.sent.items()}
            self.retraction = retract(client, self.sent["retracted"]).json
            assert client.post(b"{").status == 400
        own_id = f"alpha/{self.sent['erased']['report_id']}"
        daemon.control("erase", "--report", own_id, "--asked-by", "A", "--reason", "R", "--yes")
        daemon.stop()
        # Not all of it has been taken by housekeeping.
        self.life.run(Life.LATE, len(MIGRATIONS))


@pytest.fixture(scope="module")
def site(world, credentials):
    return Site(world, credentials["alpha"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("backup")


@pytest.fixture(scope="module")
def restored(world, site, folder):
    """Another cluster, which had nothing."""
    backup, restore = readme_commands()
    assert run_all(backup, site.postgres, folder) == ""
    cluster = Postgres(world.folder / "pg-restored")
    cluster.start()
    try:
        # As the README says.
        errors = re.findall("ERROR: *(.*)", run_all(restore, cluster, folder))
        assert errors == [f'role "{ADMINISTRATOR}" already exists']
        yield cluster
    finally:
        cluster.stop()


def test_every_row_is_there(site, restored):
    before, after = tables_of(site.postgres, DATABASE), tables_of(restored, DATABASE)
    assert differences(after, before) == {}
    empty = {table for table, rows in after.items() if not rows}
    assert empty == set(), "the test fills every table"


def statements_of(lines):
    """First lines only: PostgreSQL may spell the body of a function otherwise when it was read back."""
    return [line for line in lines if re.match("(CREATE|ALTER|GRANT|REVOKE|COMMENT) ", line)]


def test_it_is_defined_the_same_and_may_be_migrated_again(world, site, restored):
    statements = [statements_of(dump(each, DATABASE)) for each in (restored, site.postgres)]
    assert statements[0] == statements[1]
    apply_by_psql(restored, DATABASE)
    daemon_on(world, restored, "migrated-again").control("db", "migrate")
    assert dump(restored, DATABASE) == dump(site.postgres, DATABASE)


def test_analysts_get_the_same_answers(site, restored):
    """Before housekeeping takes what was left, and after."""
    for postgres in (site.postgres, restored):
        postgres.query(DATABASE, "ANALYZE")
    for _ in range(2):
        answers = [answers_of(each, DATABASE, LABELS) for each in (site.postgres, restored)]
        assert differences(*answers) == {}
        for postgres in (site.postgres, restored):
            while postgres.value(DATABASE, "SELECT intake.housekeep(1000)"):
                pass


def test_every_key_has_its_receipt(site, restored):
    assert receipts_of(restored, DATABASE, site.life.keys) == receipts_of(
        site.postgres, DATABASE, site.life.keys
    )


def test_users_log_in_with_their_roles(restored):
    assert restored.value(DATABASE, "SELECT count(*) > 0 FROM analysis.report", user="analyst")
    assert restored.value(DATABASE, "SELECT count(*) FROM intake.erasures()", user="operator")


def test_pg_upgrade_would_take_it(world, site):
    """To a later version of the server, for whom a dump takes too long."""
    postgres = world.postgres
    upgraded = Postgres(world.folder / "pg-upgraded")
    done = subprocess.run(
        postgres.as_its_user(
            postgres.programs / "pg_upgrade", "--check", "--username", ADMINISTRATOR,
            "--old-bindir", postgres.programs, "--new-bindir", postgres.programs,
            "--old-datadir", postgres.data, "--new-datadir", upgraded.data,
            "--socketdir", upgraded.socket_folder,
        ),
        cwd=upgraded.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Clusters are compatible" in done.stdout


def test_restore_waits_for_no_reader(restored, folder):
    """Somebody is still connected to what is replaced."""
    restored.query(DATABASE, "CREATE TABLE public.replaced ()")
    reader = restored.connect(DATABASE, "analyst")
    run_all(readme_commands()[1], restored, folder)
    with pytest.raises(psycopg2.Error):
        reader.cursor().execute("SELECT 1")
    assert restored.value(DATABASE, "SELECT to_regclass('public.replaced')") is None


@pytest.mark.parametrize("failing", ["systemctl stop", "tar", "dropdb", "createdb", "pg_restore", "intaked -t"])
def test_restore_ends_at_what_fails(tmp_path, failing):
    """As somebody pastes it into a shell; programs only say that they were called."""
    script = "\n".join(readme_section()[1]).replace("/var/backups/intaked", str(tmp_path))
    said = 'case " $*" in *" {}"*) exit 1;; esac; echo "$*"'.format(failing)
    for program in ("systemctl", "tar", "runuser"):
        path = tmp_path / program
        path.write_text(f"#!/bin/sh\nset -- {program} \"$@\"\n{said}\n")
        path.chmod(0o755)
    done = subprocess.run(
        ["bash", "--norc"], input=script, env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    commands = [line for line in script.splitlines() if line.startswith(("systemctl", "tar", "runuser"))]
    before = next(n for n, line in enumerate(commands) if f" {failing}" in f" {line}")
    assert done.returncode == 1 and len(commands) == 8
    assert [line.split()[0] for line in done.stdout.splitlines()] == [line.split()[0] for line in commands[:before]]


def test_daemon_goes_on_with_it(world, site, restored, credentials):
    daemon = daemon_on(world, restored, "after-restore")
    assert "nothing to apply" in daemon.control("db", "migrate").stdout
    daemon.start()
    try:
        with daemon.client(credentials["alpha"]) as client:
            for name, status in (("kept", "duplicate"), ("erased", "erased")):
                again = client.post(site.sent[name])
                assert again.status == 200
                assert again.json == {**site.receipts[name], "status": status}
            assert client.post({**site.sent["kept"], "title": "T"}).problem == "report-conflict"
            assert client.post({**site.sent["erased"], "title": "T"}).problem == "report-erased"
            again = retract(client, site.sent["retracted"])
            assert (again.status, again.json) == (200, site.retraction)
            new = smallest_report()
            assert client.post(new).status == 201
            assert client.post(new).json["status"] == "duplicate"
        # Numbers go on where they were.
        daemon.add_partner("afterwards")
        assert daemon.value("SELECT max(id) = count(*) FROM intake.partner")
    finally:
        daemon.stop()
