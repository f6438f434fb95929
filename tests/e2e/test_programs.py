# SPDX-License-Identifier: Apache-2.0
"""The programs as an operator meets them: options, exit statuses, faults named, commands."""

import json

import pytest

from certificates import Ca
from harness import ADMINISTRATOR, ROOT, run_program


@pytest.fixture
def stopped(world):
    """A daemon that was not started, with an empty database."""
    return world.daemon()


@pytest.fixture
def unstartable(world):
    """A daemon whose database is never reached, since its configuration is refused."""
    return world.daemon(database=world.TEMPLATE)


# ---- intaked's options


def test_version_is_printed():
    done = run_program("intaked", "-V")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("intaked ")


@pytest.mark.parametrize("program", ["intaked", "intakectl"])
def test_help_is_printed_and_a_wrong_option_is_refused(program):
    done = run_program(program, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "-c" in done.stdout
    wrong = run_program(program, "--no-such-option")
    assert wrong.returncode != 0
    assert (wrong.stdout, bool(wrong.stderr)) == ("", True)


def test_check_of_a_good_configuration_exits_0(stopped):
    done = run_program("intaked", "-t", "-c", stopped.conf)
    assert done.returncode == 0, done.stderr


def other_certificate(daemon):
    return Ca(daemon.folder / "other").issue_server().certificate


# What is wrong; the settings that make it so; words of the sentence that has to name it.
BAD_SETTINGS = {
    "number too small": ({"listen.backlog": 0}, ["backlog"]),
    "number too large": ({"limits.report_depth": 65}, ["report_depth", "64"]),
    "not a number": ({"listen.workers": "many"}, ["workers"]),
    "unknown setting": ({"listen.colour": 1}, ["colour"]),
    "unknown section": ({"colours.red": 1}, ["colours"]),
    "address": ({"listen.address": "127.0.0.1"}, ["address"]),
    "admin listener open to all": ({"admin.address": "0.0.0.0:8444"}, ["admin", "loopback"]),
    "log level": ({"log.level": "loud"}, ["level"]),
    "no certificate": ({"tls.certificate": "/nonexistent.crt"}, ["/nonexistent.crt"]),
    "no key": ({"tls.key": "/nonexistent.key"}, ["/nonexistent.key"]),
    "no authority": ({"tls.partner_ca": "/nonexistent.pem"}, ["/nonexistent.pem"]),
    "no revocation list": ({"tls.partner_crl": "/nonexistent.crl"}, ["/nonexistent.crl"]),
    "no taxonomy": ({"taxonomy.file": "/nonexistent.json"}, ["/nonexistent.json"]),
    "taxonomy that is none": ({"taxonomy.file": str(ROOT / "LICENSE")}, ["LICENSE"]),
    "certificate of another key": ({"tls.certificate": other_certificate}, ["key"]),
}


# These have a place of their own, in the file that the setting names.
FAULTS_OF_CONTENT = ("taxonomy that is none", "certificate of another key")


def line_of(conf, key):
    """The number of the setting's line; of the section's where the section is unknown."""
    section, name = key.split(".")
    lines = conf.read_text().splitlines()
    begins = lines.index(f"{section} {{")
    if section == "colours":
        return begins + 1
    names = [line.split("=")[0].strip() for line in lines[begins:]]
    return begins + names.index(name) + 1


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_bad_setting_is_named_with_file_and_line_by_check_and_start(unstartable, name):
    settings, words = BAD_SETTINGS[name]
    settings = {
        key: value(unstartable) if callable(value) else value for key, value in settings.items()
    }
    unstartable.configure(settings)
    done = run_program("intaked", "-t", "-c", unstartable.conf)
    assert done.returncode == 1
    assert all(word in done.stderr for word in words), done.stderr
    if name not in FAULTS_OF_CONTENT:
        line = line_of(unstartable.conf, next(iter(settings)))
        assert f"{unstartable.conf}:{line}:" in done.stderr, done.stderr
    unstartable.start(is_ready_expected=False)
    assert unstartable.wait_for_exit() == 1


def test_every_fault_is_named_at_once(unstartable):
    unstartable.configure({"listen.backlog": 0, "limits.report_depth": 65, "log.level": "loud"})
    done = run_program("intaked", "-t", "-c", unstartable.conf)
    assert done.returncode == 1
    assert all(word in done.stderr for word in ("backlog", "report_depth", "level")), done.stderr


def test_check_names_a_missing_file(tmp_path):
    done = run_program("intaked", "-t", "-c", tmp_path / "none.conf")
    assert done.returncode == 1
    assert "none.conf" in done.stderr


def test_check_sees_a_database_without_the_schema(world):
    world.postgres.query(ADMINISTRATOR, "CREATE DATABASE unmigrated")
    daemon = world.daemon(database="unmigrated")
    done = run_program("intaked", "-t", "-c", daemon.conf)
    assert done.returncode == 1
    assert "schema" in done.stderr or "migrat" in done.stderr, done.stderr


# ---- intakectl


def control_json(daemon, *arguments):
    return json.loads(daemon.control("--json", *arguments).stdout)


def test_partners_are_added_shown_and_listed(stopped):
    stopped.add_partner("one", "a.example.org", "b.example.org", is_live=False, may_relay=True)
    stopped.add_partner("two")
    listed = stopped.control("partner", "list").stdout
    assert "one" in listed and "two" in listed
    shown = stopped.control("partner", "show", "one").stdout
    assert all(word in shown for word in ("one", "a.example.org", "b.example.org", "test"))
    assert "live" in stopped.control("partner", "show", "two").stdout


def test_json_output_is_json(stopped):
    stopped.add_partner("one")
    assert "one" in json.dumps(control_json(stopped, "partner", "list"))
    assert "cert.example.org" in json.dumps(control_json(stopped, "partner", "show", "one"))
    control_json(stopped, "cert", "list")
    control_json(stopped, "db", "status")


WRONG_COMMANDS = [
    ["partner", "show", "nobody"],
    ["partner", "suspend", "nobody"],
    ["partner", "resume", "nobody"],
    ["partner", "add", "one", "--org", "cert.example.org"],
    ["partner", "add", "Capital", "--org", "cert.example.org"],
    ["partner", "add", "no-organisation"],
    ["partner", "add", "bad-organisation", "--org", "UPPER.example.org"],
    ["partner", "add", "bad-organisation", "--org", "nodot"],
    ["cert", "add", "nobody", "--spki", "00" * 32],
    ["cert", "add", "one", "--spki", "00" * 31],
    ["cert", "add", "one", "--spki", "zz" * 32],
    ["cert", "add", "one", "--cert", "/nonexistent.pem"],
    ["cert", "revoke", "11" * 32],
    ["partner"],
    ["no-such-command"],
    [],
]


@pytest.mark.parametrize("arguments", WRONG_COMMANDS, ids=" ".join)
def test_wrong_command_says_why_and_exits_otherwise_than_0(stopped, arguments):
    stopped.add_partner("one")
    done = stopped.control(*arguments, is_checked=False)
    assert done.returncode != 0
    assert done.stderr.strip()
    partners = stopped.rows("SELECT name FROM intake.partner")
    assert partners == [("one",)]


def test_keys_are_added_listed_and_revoked(stopped, world):
    stopped.add_partner("one")
    credential = world.authority.issue("one")
    stopped.control("cert", "add", "one", "--cert", credential.certificate)
    spki = credential.spki_sha256()
    assert spki in stopped.control("cert", "list").stdout
    assert spki in stopped.control("cert", "list", "one").stdout
    again = stopped.control("cert", "add", "one", "--spki", spki, is_checked=False)
    assert again.returncode != 0
    assert not control_json(stopped, "cert", "list", "one")[0]["revoked_at"]
    stopped.control("cert", "revoke", spki)
    assert control_json(stopped, "cert", "list", "one")[0]["revoked_at"]


def test_database_away_is_said_and_exits_otherwise_than_0(stopped):
    stopped.configure({"database.operator_connection": "host=/nonexistent dbname=x"})
    done = stopped.control("partner", "list", is_checked=False)
    assert done.returncode != 0
    assert done.stderr.strip()


def test_migrations_may_be_run_again_and_their_state_is_shown(world):
    """On a database of its own, from nothing."""
    world.postgres.query(ADMINISTRATOR, "CREATE DATABASE migrated_twice")
    daemon = world.daemon(database="migrated_twice")
    assert daemon.control("db", "status", is_checked=False).returncode != 0
    daemon.control("db", "migrate")
    tables = daemon.value("SELECT count(*) FROM pg_tables WHERE schemaname = 'intake'")
    daemon.control("db", "migrate")
    assert daemon.value("SELECT count(*) FROM pg_tables WHERE schemaname = 'intake'") == tables
    newest = len(list((ROOT / "sql").glob("[0-9]*.sql")))
    assert str(newest) in daemon.control("db", "status").stdout
    assert daemon.value("SELECT max(version) FROM intake.migration") == newest


def test_plain_psql_applies_the_migrations_too(world):
    world.postgres.query(ADMINISTRATOR, "CREATE DATABASE by_psql")
    for path in sorted((ROOT / "sql").glob("[0-9]*.sql")):
        world.postgres.query("by_psql", path.read_text())
    assert run_program("intaked", "-t", "-c", world.daemon(database="by_psql").conf).returncode == 0


def test_status_speaks_of_a_running_daemon_and_fails_without_one(stopped):
    assert stopped.control("status", is_checked=False).returncode != 0
    stopped.start()
    try:
        assert stopped.control("status").stdout.strip()
        assert control_json(stopped, "status")
    finally:
        stopped.stop()
